"""Learning by contrast: an encoder of dilated convolutions, views that are learnt, and what both are to become."""
