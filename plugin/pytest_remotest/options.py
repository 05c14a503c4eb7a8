"""The command line and ini options, registered here and on every worker.

A worker takes them too, because ``addopts`` in a config file that travels may hold them, and
ignores every one.
"""

import argparse
from typing import Any, Union

DISTRIBUTION_MODES = ("each", "load", "loadscope", "loadfile", "loadgroup", "worksteal", "no")

# How workers begin: as new processes, as forks of one that has imported pytest, or of one that has
# collected. What cannot be forked is a new process.
WAYS = ("auto", "spawn", "fork")

RECONNECT_S = 120.0  # A machine that is restarted, or a network, is back within two minutes.

# Options that mean something to the controller alone, and whether each takes a value: these are
# taken out of the arguments that a worker gets.
CONTROLLER_OPTIONS = {
    "-n": True,
    "--numprocesses": True,
    "--maxprocesses": True,
    "--max-worker-restart": True,
    "--dist": True,
    "-d": False,
    "--tx": True,
    "--px": True,
    "--inventory": True,
    "--rsyncdir": True,
    "--rsyncignore": True,
    "--testrunuid": True,
    "--maxschedchunk": True,
    "-f": False,
    "--looponfail": False,
    "--ramp": True,
    "--worker-timeout": True,
    "--loadscope-reorder": False,
    "--no-loadscope-reorder": False,
    "--schedule": True,
    "--strict-collection": False,
    "--no-requeue": False,
    "--reconnect": True,
    "--min-hosts": True,
    "--keep-orphans": False,
    "--workers": True,
}


def worker_count(text: str) -> Union[int, str]:
    """Return the value of ``-n``: a number, ``auto`` or ``logical``. Raises ValueError."""
    if text in ("auto", "logical"):
        return text
    return int(text)


def duration_s(text: str) -> float:
    """Return a duration that a user wrote in seconds: ``10``, ``10s``, ``5m``, ``1h``.

    Raises ValueError.
    """
    seconds = {"s": 1.0, "m": 60.0, "h": 3600.0}.get(text[-1:])
    value = float(text) if seconds is None else float(text[:-1]) * seconds
    if not 0 <= value < float("inf"):
        raise ValueError("a duration is not negative and has an end: %s" % text)
    return value


def worker_count_argument(text: str) -> Union[int, str]:
    """Return the same for argparse, which writes the text of this error alone."""
    try:
        return worker_count(text)
    except ValueError:
        message = "%r is no number of workers: write 4, auto or logical" % text
        raise argparse.ArgumentTypeError(message) from None


def duration_argument(text: str) -> float:
    """Return a duration for argparse, which writes the text of this error alone."""
    try:
        return duration_s(text)
    except ValueError:
        message = "%r is no duration: write 90, 90s, 10m or 1h" % text
        raise argparse.ArgumentTypeError(message) from None


class _Group:
    """A group of pytest's parser to which pytest-xdist may have added the same options before."""

    def __init__(self, parser: Any) -> None:
        title = "distributed and multi-interpreter testing (remotest)"
        self._group = parser.getgroup("xdist", title)
        self._taken = {name for option in self._group.options for name in option.names()}

    def addoption(self, *names: str, **attributes: Any) -> None:
        """Add an option unless it is there."""
        if self._taken.isdisjoint(names):
            # Only _addoption accepts lower-case short options, which the frozen names -n, -d and
            # -f are.
            self._group._addoption(*names, **attributes)  # noqa: SLF001  see above


def add_options(parser: Any) -> None:
    """Add all options to pytest's parser, in the order in which ``--help`` lists them."""
    group = _Group(parser)
    _add_worker_counts(group)
    _add_distribution(group)
    _add_lost_hosts(group)
    _add_places(group)
    _add_what_travels(group)
    _add_runs_of_workers(group)
    _add_ini(parser)


def _add_worker_counts(group: _Group) -> None:
    group.addoption(
        "-n",
        "--numprocesses",
        dest="numprocesses",
        metavar="N",
        action="store",
        type=worker_count_argument,
        help="Run on N worker processes of this machine: short for '--dist=load --tx N*popen'. "
        "'auto' is one for each core, 'logical' one for each hardware thread; without psutil both "
        "are one for each CPU that pytest may use. 0 turns distribution off.",
    )
    group.addoption(
        "--maxprocesses",
        dest="maxprocesses",
        metavar="N",
        action="store",
        type=int,
        help="Upper limit for the number of workers that '-n' starts.",
    )
    group.addoption(
        "--max-worker-restart",
        dest="maxworkerrestart",
        metavar="N",
        action="store",
        default=None,
        help="How many crashed workers may be replaced in one run. 0 replaces none.",
    )


def _add_distribution(group: _Group) -> None:
    group.addoption(
        "--dist",
        metavar="MODE",
        action="store",
        choices=list(DISTRIBUTION_MODES),
        dest="dist",
        default="no",
        help="each: run every test in every environment. load: give each test to one worker "
        "that is free. loadscope, loadfile, loadgroup: the same, but tests of one class or module, "
        "of one file, or of one 'xdist_group' run on one worker. worksteal: give every "
        "worker an equal part; one that is done takes over from others. no: run here (default).",
    )
    group.addoption(
        "-d",
        action="store_true",
        dest="distload",
        default=False,
        help="Short for '--dist=load'.",
    )
    group.addoption(
        "--loadscope-reorder",
        dest="loadscopereorder",
        action="store_true",
        default=True,
        help="Start with the largest scopes under --dist=loadscope, loadfile and loadgroup "
        "(default).",
    )
    group.addoption(
        "--no-loadscope-reorder",
        dest="loadscopereorder",
        action="store_false",
        help="Keep scopes in the order of collection.",
    )
    group.addoption(
        "--schedule",
        metavar="ORDER",
        action="store",
        choices=["order", "duration"],
        default="order",
        help="order: the order of --dist (default). duration: start with the tests that took "
        "longest in earlier runs, so that the run ends sooner.",
    )
    group.addoption(
        "--strict-collection",
        action="store_true",
        default=False,
        help="Run nothing if workers collect different tests. Default: each test runs on a worker "
        "that has it, and the summary reports the differences. No effect under --dist=each.",
    )


def _add_lost_hosts(group: _Group) -> None:
    group.addoption(
        "--no-requeue",
        dest="requeue",
        action="store_false",
        default=True,
        help="Report a test as failed if its host was lost while it was running. Default: it runs "
        "once more, on another host.",
    )
    group.addoption(
        "--reconnect",
        action="store",
        type=duration_argument,
        metavar="DURATION",
        default=RECONNECT_S,
        help="How long to try to reconnect a host that was lost: 90, 90s, 5m. 0 is never. Default: "
        "2m. No effect under --dist=each.",
    )
    group.addoption(
        "--min-hosts",
        dest="min_hosts",
        action="store",
        type=int,
        metavar="N",
        default=None,
        help="Tolerate hosts that cannot be reached or are lost, as long as N are left; with fewer "
        "the run stops. Default: the ini option, or the run goes on and fails.",
    )


def _add_places(group: _Group) -> None:
    group.addoption(
        "--tx",
        dest="tx",
        action="append",
        default=[],
        metavar="SPEC",
        help="Add an environment to run tests in, for example 'popen//python=python3.9', "
        "'ssh=me@host:2222//python=python3.12', '3*ssh=host', 'auto*ssh=host', "
        "or '@name' from the inventory.",
    )
    group.addoption(
        "--px",
        dest="px",
        action="append",
        default=[],
        metavar="SPEC",
        help="Add a host that other specs connect through: "
        "'--px id=jump//ssh=gate --tx ssh=inner//via=jump'.",
    )
    group.addoption(
        "--inventory",
        action="store",
        metavar="FILE",
        default=None,
        help="YAML file of named hosts and groups. Default: remotest.yaml beside the config file.",
    )


def _add_what_travels(group: _Group) -> None:
    group.addoption(
        "--rsyncdir",
        action="append",
        default=[],
        metavar="DIR",
        help="Add a directory to copy to remote hosts.",
    )
    group.addoption(
        "--rsyncignore",
        action="append",
        default=[],
        metavar="GLOB",
        help="Add a pattern of files not to copy to remote hosts; '!pattern' copies them after "
        "all.",
    )


def _add_runs_of_workers(group: _Group) -> None:
    group.addoption(
        "--testrunuid",
        action="store",
        metavar="TEXT",
        help="Identifier that all workers see as 'testrun_uid'. Default: a new one for each run.",
    )
    group.addoption(
        "--maxschedchunk",
        action="store",
        type=int,
        metavar="N",
        help="Largest number of tests that '--dist=load' gives a worker in one step. "
        "Default: no limit.",
    )
    group.addoption(
        "--ramp",
        action="store",
        type=duration_argument,
        metavar="DURATION",
        default=0.0,
        help="Let workers start their first tests one after the other, spread over this time: "
        "30, 30s, 5m, 1h.",
    )
    group.addoption(
        "--keep-orphans",
        dest="keeporphans",
        action="store_true",
        default=False,
        help="Do not kill processes that tests have started and not ended. Default: they are "
        "killed at the end of the run. The summary names them in both cases. Also as ini option "
        "'keep_orphans'.",
    )
    group.addoption(
        "--worker-timeout",
        dest="worker_timeout",
        action="store",
        type=duration_argument,
        metavar="DURATION",
        default=None,
        help="Kill a worker that has tests to run and shows no progress for this long, and fail "
        "its running test: 90, 90s, 10m, 1h. 0 is never. Default: the ini option, or never.",
    )
    group.addoption(
        "--workers",
        action="store",
        choices=list(WAYS),
        default=None,
        help="How workers are started. auto: forked from a process that has imported pytest, where "
        "this makes no difference to tests, else as new processes. spawn: each as a new process. "
        "fork: forked from a process that has collected, so that each host collects once. "
        "Default: the ini option, or auto.",
    )
    group.addoption(
        "-f",
        "--looponfail",
        action="store_true",
        dest="looponfail",
        default=False,
        help="Refused: use pytest-watcher, which runs a command again when a file changes.",
    )


def _add_ini(parser: Any) -> None:
    parser.addini(
        "worker_timeout",
        "Default of --worker-timeout.",
        default="",
    )
    parser.addini(
        "min_hosts",
        "Default of --min-hosts for runs that have at least this many hosts.",
        default="",
    )
    parser.addini(
        "workers",
        "Default of --workers.",
        default="auto",
    )
    parser.addini(
        "looponfailroots",
        "Accepted and ignored: see --looponfail.",
        type="paths",
    )
    parser.addini(
        "keep_orphans",
        "Do not kill processes that tests have started and not ended: see --keep-orphans.",
        type="bool",
        default=False,
    )
    parser.addini(
        "rsyncdirs",
        "Directories to copy to remote hosts, relative to the config file.",
        type="paths",
    )
    # Not of pytest's type "paths": a pattern is no path, and a rule may begin with "!".
    parser.addini(
        "rsyncignore",
        "Patterns of files not to copy to remote hosts, relative to the config file.",
        type="args",
    )
