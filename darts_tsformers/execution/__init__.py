"""How operations are run: traced or not, in which precision, in which parts."""
