"""Between networks and Darts: the only room that knows Darts' internals."""
