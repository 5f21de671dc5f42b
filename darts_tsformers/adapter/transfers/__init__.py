"""Which weights one model takes over from another, and which train on."""
