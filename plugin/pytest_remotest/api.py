"""What test code and plugins ask: the role of this process, in pytest-xdist's frozen names."""

from typing import Any


def is_xdist_worker(request_or_session: Any) -> bool:
    """Return whether this process is a worker of a distributed run."""
    return hasattr(request_or_session.config, "workerinput")


def is_xdist_controller(request_or_session: Any) -> bool:
    """Return whether this process is the controller of a distributed run.

    False as well where nothing is distributed.
    """
    if is_xdist_worker(request_or_session):
        return False
    return bool(request_or_session.config.option.dist != "no")


is_xdist_master = is_xdist_controller


def get_xdist_worker_id(request_or_session: Any) -> str:
    """Return the id of this worker, for example ``gw0``, or ``master`` where there is none."""
    if is_xdist_worker(request_or_session):
        return str(request_or_session.config.workerinput["workerid"])
    return "master"
