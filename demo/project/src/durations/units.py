"""The units, from the largest."""

from collections import OrderedDict

SECONDS_OF_UNIT = OrderedDict([("d", 86400), ("h", 3600), ("m", 60), ("s", 1)])
