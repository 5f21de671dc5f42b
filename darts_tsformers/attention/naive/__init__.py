"""What each mechanism means, in the fewest operations that say it. Slow, dense, obviously right; used by tests only."""
