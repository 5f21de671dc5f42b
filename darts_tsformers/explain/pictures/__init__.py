"""The pictures of an explanation, one kind a file."""
