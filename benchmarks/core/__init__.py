"""What runs benchmarks: descriptions of them, fresh processes under ceilings, turns, results that can be resumed."""
