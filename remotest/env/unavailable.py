"""The error of this package while it is not yet known which environments it concerns."""

from __future__ import annotations

from remotest.errors import RemotestError


class Unavailable(RemotestError):  # noqa: N818  said of a thing, like HostLost
    """Something an environment needs cannot be had. ``resolve`` makes an EnvError of it.

    Attributes:
        cause: what, and why, one lower-case fragment without secrets.
        remedy: what the user can try; may be empty.
        is_network: the network may be to blame, so that what was known before is still worth
            something.
    """

    def __init__(self, cause: str, *, remedy: str = "", is_network: bool = False) -> None:
        self.cause = cause
        self.remedy = remedy
        self.is_network = is_network
        super().__init__(cause)


def unreadable(what: str, error: Exception) -> Unavailable:
    """Return the error of a file that cannot be read; ``what`` names it, and once is enough."""
    reason = error.strerror if isinstance(error, OSError) else None
    return Unavailable(f"{what} cannot be read: {reason or error}")


class Unfit(Unavailable):
    """A package of this version has nothing for an interpreter; an older one may have.

    Attributes:
        package: its normalized name.
    """

    def __init__(self, package: str, cause: str, *, remedy: str = "") -> None:
        self.package = package
        super().__init__(cause, remedy=remedy)
