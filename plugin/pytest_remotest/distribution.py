"""The plugin of the controller's side: options, hooks, marker, fixtures, and the hand-over.

``entry`` registers it, once, in the place of whatever else answers to the name ``xdist``.
"""

from typing import Any, Callable, Dict, List

import pytest

from pytest_remotest import cpus, fixtures, hookspecs, markers, options, xdist_module

NAME = "remotest-distribution"

# By their names in ``config.option``: what is not registered here (-p no:setuponly) is not set.
SHOWING_OPTIONS = (
    *("collectonly", "showfixtures", "show_fixtures_per_test", "markers"),
    *("cacheshow", "setuponly", "setupplan", "help", "version"),
)

LOOP_ADVICE = (
    "-f/--looponfail is gone: a run is not started again by itself. Try pytest-watcher "
    "('ptw . -- PYTEST-ARGUMENTS'), which runs any pytest command again when a file changes."
)


class Distribution:
    """Adds what a distributed run needs; ``make_controller`` is called if the run is one."""

    def __init__(self, make_controller: Callable[[Any], Any]) -> None:
        self._make_controller = make_controller

    def pytest_addoption(self, parser: Any) -> None:
        """Add the options of a distributed run."""
        options.add_options(parser)

    def pytest_addhooks(self, pluginmanager: Any) -> None:
        """Add the hooks of a distributed run that pytest-xdist has not added before."""
        known = vars(pluginmanager.hook)
        missing = {
            name: specification
            for name, specification in vars(hookspecs).items()
            if name.startswith("pytest_") and not _has_specification(known.get(name))
        }
        if missing:
            pluginmanager.add_hookspecs(_Namespace(missing))

    @pytest.hookimpl(trylast=True)
    def pytest_xdist_auto_num_workers(self, config: Any) -> int:
        """Return the CPUs of this machine, or what the user says that they are."""
        return cpus.auto_count(logical=config.option.numprocesses == "logical")

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: Any) -> None:
        """Turn the short forms (-n, -d) into --dist and --tx before anything is configured."""
        option = config.option
        if option.looponfail:
            raise pytest.UsageError(LOOP_ADVICE)
        if option.distload:
            option.dist = "load"
        use_debugger = bool(getattr(option, "usepdb", False))
        if option.numprocesses in ("auto", "logical"):
            if use_debugger:
                option.numprocesses = 0
            else:
                option.numprocesses = config.hook.pytest_xdist_auto_num_workers(config=config)
        count = option.numprocesses
        if count and option.maxprocesses:  # Below 0 it leaves no worker, as with pytest-xdist.
            count = min(count, max(0, option.maxprocesses))
        if count:
            use_local_workers(option, count)
        elif count == 0:
            option.dist = "no"
            option.tx = []
        if is_distributing(config) and use_debugger:
            raise pytest.UsageError(
                "--pdb needs the test in this process: it cannot be used with distribution. "
                "Try -n0, which runs the tests here."
            )
        if is_distributing(config):
            from pytest_remotest import onelook  # noqa: PLC0415  nobody else needs it

            config.pluginmanager.register(onelook.OneLook())

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: Any) -> None:
        """Register fixtures and marker; hand over to the controller where the run distributes."""
        config.addinivalue_line("markers", markers.XDIST_GROUP)
        config.pluginmanager.register(fixtures)
        if is_distributing(config):
            controller = self._make_controller(config)
            config.pluginmanager.register(controller, "remotest-controller")
            config.pluginmanager.register(controller.dsession, "dsession")

    def pytest_report_header(self, config: Any) -> List[str]:
        """Say whose run it is where both are installed."""
        version = xdist_module.installed_version() if is_distributing(config) else None
        if version is None:
            return []
        return [
            "remotest: runs this in the place of pytest-xdist %s ('-p no:remotest' gives it back)"
            % version
        ]


class _Namespace:
    """A namespace of hook specifications, as pluggy takes them: all in one, it takes its time."""

    def __init__(self, specifications: Dict[str, Any]) -> None:
        vars(self).update(specifications)


def _has_specification(hook: Any) -> bool:
    # A hook that a plugin has implemented before anybody has specified it is there without one.
    return hook is not None and bool(hook.has_spec())


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
    """Return whether this process is to be the controller of a distributed run.

    What only shows something runs no test, also where ``addopts`` distribute.
    """
    option = config.option
    shows_only = any(getattr(option, name, None) for name in SHOWING_OPTIONS)
    return option.dist != "no" and bool(option.tx) and not shows_only
