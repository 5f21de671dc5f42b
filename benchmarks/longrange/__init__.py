"""Which attention when? Every mechanism in one small encoder, on series whose forecast hangs on what was long ago."""
