"""Which worker runs which item. Pure: no clock, no I/O, no pytest."""
