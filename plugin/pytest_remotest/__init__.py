"""What travels to a host: standard library and pytest >= 7.0 only, syntax of Python 3.6.

PYTEST_DONT_REWRITE: as in ``remotest``.
"""

__version__ = "0.1.0"
