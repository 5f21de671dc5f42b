"""A mixture of distributions for each value of a patch: its parameters, its density, and draws from it."""
