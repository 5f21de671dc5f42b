"""What arguments, calls and series have to be, checked before anything is done with them."""
