"""A model in files: saved, loaded, exported, each as a whole or not at all."""
