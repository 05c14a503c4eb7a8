"""A suite whose workers die at places that a seed chooses: its files, its plan, and its plugin.

The plugin is loaded by ``PYTEST_PLUGINS`` in the processes of the run. It draws the same plan from
the same seed as the test that judges the run.
"""

from __future__ import annotations

import ctypes
import os
import random
import signal
import threading
import time
from collections import Counter
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SEED: Final = "STORM_SEED"
NOTES: Final = "STORM_NOTES"  # A folder.
IS_WILD: Final = "STORM_IS_WILD"  # Whether threads kill workers at any time, too.

MODULE: Final = """
    import pytest

    @pytest.mark.xdist_group("{group}")
    class TestIt:
        @pytest.mark.parametrize("number", range({half}))
        def test_of_class(self, number):
            pass

    @pytest.mark.parametrize("number", range({half}))
    def test_of_module(number):
        pass
    """
FILE_COUNT: Final = 10

LONGEST_TEST_S: Final = 0.004  # Long enough that workers overlap, in ever other ways.
WILD_SHARE: Final = 0.7  # Of the first workers; a wild one is killed at any time up to ...
WILD_WITHIN_S: Final = 1.0
WILD_WORKERS: Final = frozenset(f"gw{number}" for number in range(16))


class Fate(Enum):
    """What becomes of a test."""

    PASSES = "passes"
    SKIPS = "skips"
    DIES_BEFORE = "dies before it begins, the first time"
    DIES_IN_SETUP = "dies in its setup"
    DIES_IN_CALL = "dies in its call"
    DIES_IN_TEARDOWN = "dies in its teardown"


IN_ITEM: Final = (Fate.DIES_IN_SETUP, Fate.DIES_IN_CALL, Fate.DIES_IN_TEARDOWN)


def suite(test_count: int) -> dict[str, str]:
    """Return the files of a suite with so many tests."""
    half = test_count // FILE_COUNT // 2
    files = {
        f"test_{number}.py": MODULE.format(group=f"group{number // 2}", half=half)
        for number in range(FILE_COUNT)
    }
    return {"pytest.ini": "[pytest]\n", **files}


def node_ids(test_count: int) -> list[str]:
    """Return the node ids of its tests, in pytest's order."""
    half = test_count // FILE_COUNT // 2
    return [
        f"test_{number}.py::{name}[{place}]"
        for number in range(FILE_COUNT)
        for name in ("TestIt::test_of_class", "test_of_module")
        for place in range(half)
    ]


def plan(seed: str, ids: Iterable[str]) -> dict[str, Fate]:
    """Return the fates of tests: those that the seed chooses, as many as it says.

    A seed is ``numbers of deaths:anything``: ``6/4:load-3`` has six in items and four between.
    """
    in_items, between = map(int, seed.partition(":")[0].split("/"))
    chosen = random.Random(seed).sample(sorted(ids), in_items + between + between)
    fates = [IN_ITEM[number % len(IN_ITEM)] for number in range(in_items)]
    fates += [Fate.DIES_BEFORE] * between + [Fate.SKIPS] * between
    return {**dict.fromkeys(ids, Fate.PASSES), **dict(zip(chosen, fates, strict=True))}


# -- in the processes of the run -----------------------------------------------------------------


def note(subject: str, what: str) -> None:
    """Append a line to the notes on a subject."""
    with Path(os.environ[NOTES], subject).open("a") as stream:
        stream.write(what + "\n")


def noted(folder: Path, subject: str) -> Counter[str]:
    """Return how often each line is in the notes on a subject."""
    path = folder / subject
    return Counter(path.read_text().splitlines() if path.exists() else [])


def die(way: int) -> None:
    """End this process at once, in one of three ways."""
    if way == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    elif way == 1:
        os._exit(3)
    else:
        ctypes.string_at(0)


class Killer:
    """The plugin of one worker."""

    def __init__(self, worker: str) -> None:
        self._seed = os.environ[SEED]
        self._random = random.Random(f"{self._seed} {worker}")
        self._worker = worker
        self._plan: dict[str, Fate] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Draw the plan. From now on this worker may be killed: it has told what it collected."""
        self._plan = plan(self._seed, [item.nodeid for item in session.items])
        is_wild = self._worker in WILD_WORKERS and self._random.random() < WILD_SHARE
        if is_wild and IS_WILD in os.environ:
            threading.Thread(target=self._die_some_time, daemon=True).start()

    def _die_some_time(self) -> None:
        time.sleep(self._random.uniform(0, WILD_WITHIN_S))
        note("wild", self._worker)
        die(self._random.randrange(3))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> None:
        """Die between two items, the first time that this one is due."""
        if self._plan[item.nodeid] is Fate.DIES_BEFORE:
            mark = Path(os.environ[NOTES], item.nodeid.replace("::", "-"))
            try:
                mark.touch(exist_ok=False)
            except FileExistsError:
                return
            note("died", item.nodeid)
            die(self._random.randrange(3))

    @pytest.fixture(autouse=True)
    def fate(self, request: pytest.FixtureRequest) -> Iterator[None]:
        """Do to a test what is planned."""
        node_id = request.node.nodeid
        note("began", node_id)
        planned = self._plan[node_id]
        self._die_if(planned is Fate.DIES_IN_SETUP, node_id)
        if planned is Fate.SKIPS:
            pytest.skip("as planned")
        time.sleep(self._random.uniform(0, LONGEST_TEST_S))
        self._die_if(planned is Fate.DIES_IN_CALL, node_id)
        yield
        self._die_if(planned is Fate.DIES_IN_TEARDOWN, node_id)

    def _die_if(self, is_due: bool, node_id: str) -> None:
        if is_due:
            note("died", node_id)
            die(self._random.randrange(3))


def pytest_configure(config: Any) -> None:
    """Let the workers die, not who reports it."""
    if hasattr(config, "workerinput"):
        config.pluginmanager.register(Killer(config.workerinput["workerid"]))
