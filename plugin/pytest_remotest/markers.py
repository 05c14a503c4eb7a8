"""The markers of a distributed run, as both sides register them.

Apart from what reads them: a run that does not distribute knows them too, and imports no more.
"""

XDIST_GROUP = "xdist_group(name): run tests of one group on the same worker under --dist=loadgroup."
