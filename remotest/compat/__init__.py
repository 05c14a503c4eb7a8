"""The objects and names that plugins written for pytest-xdist expect."""
