"""What each mechanism means, in the fewest operations that say it. Slow, obviously right; used by tests only."""
