"""How a module learns, and what is looked after while it does."""
