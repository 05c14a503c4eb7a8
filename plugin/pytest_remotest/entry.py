"""The pytest11 entry point: options, hooks, marker, fixtures, and the hand-over when distributing.

Nothing of ``remotest`` is imported unless a run distributes.
"""

import os
import sys
from typing import Any, Optional

import pytest

from pytest_remotest import (
    fixtures,
    hookspecs,
    options,
    searchpath,  # noqa: F401  imported now, it keeps sys.path as it is now
    xdist_module,
)

xdist_module.install()

GROUP_MARKER = (
    "xdist_group(name): run tests of one group on the same worker under --dist=loadgroup."
)


def pytest_addoption(parser: Any) -> None:
    """Add the options of a distributed run."""
    options.add_options(parser)


def pytest_addhooks(pluginmanager: Any) -> None:
    """Add the hooks of a distributed run."""
    pluginmanager.add_hookspecs(hookspecs)


@pytest.hookimpl(trylast=True)
def pytest_xdist_auto_num_workers(config: Any) -> int:
    """Return the CPUs that this process may use, or PYTEST_XDIST_AUTO_NUM_WORKERS."""
    del config
    told = os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS")
    if told:
        try:
            return int(told)
        except ValueError:
            raise pytest.UsageError(
                "PYTEST_XDIST_AUTO_NUM_WORKERS is %r: it must be a whole number" % told
            ) from None
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: Any) -> None:
    """Turn the short forms (-n, -d) into --dist and --tx before anything is configured."""
    option = config.option
    if option.distload:
        option.dist = "load"
    use_debugger = bool(getattr(option, "usepdb", False))
    if option.numprocesses in ("auto", "logical"):
        if use_debugger:
            option.numprocesses = 0
        else:
            option.numprocesses = config.hook.pytest_xdist_auto_num_workers(config=config)
    if option.numprocesses:
        use_local_workers(option, min(option.numprocesses, option.maxprocesses or sys.maxsize))
    elif option.numprocesses == 0:
        option.dist = "no"
        option.tx = []
    if is_distributing(config) and use_debugger:
        raise pytest.UsageError(
            "--pdb needs the test in this process: it cannot be used with distribution. "
            "Try -n0, which runs the tests here."
        )


def use_local_workers(option: Any, count: int) -> None:
    """Write ``-n COUNT`` as ``--tx COUNT*popen``.

    Raises:
        pytest.UsageError: other environments are asked for as well, or the count is negative.
    """
    if option.tx:
        given = " ".join("--tx " + spec for spec in option.tx)
        raise pytest.UsageError(
            "-n starts workers on this machine and %s names others: use one of them. "
            "For both write --tx %d*popen %s" % (given, count, given)
        )
    if count < 0:
        raise pytest.UsageError("-n %d: a run cannot have fewer than 0 workers" % count)
    if option.dist == "no":
        option.dist = "load"
    option.tx = ["%d*popen" % count]


def is_distributing(config: Any) -> bool:
    """Return whether this process is to be the controller of a distributed run."""
    option = config.option
    return option.dist != "no" and bool(option.tx) and not option.collectonly


@pytest.hookimpl(trylast=True)
def pytest_configure(config: Any) -> None:
    """Register fixtures and marker; hand over to the controller where the run distributes."""
    config.addinivalue_line("markers", GROUP_MARKER)
    config.pluginmanager.register(fixtures)
    controller = _make_controller(config) if is_distributing(config) else None
    if controller is not None:
        config.pluginmanager.register(controller, "dsession")


def _make_controller(config: Any) -> Optional[Any]:
    # The one arrow from what travels to what stays: a worker never comes here.
    from remotest.controller import make_controller  # noqa: PLC0415  see above

    return make_controller(config)
