"""What networks are built of. Pure PyTorch; knows the mechanisms, not the networks."""
