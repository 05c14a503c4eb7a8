"""What it takes to bring a tree to a host, beside rsync: rows 5, 6, 7."""

from __future__ import annotations

import contextlib
import filecmp
import functools
import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

from bench import hosts
from bench.contenders import FOLDER_PREFIX, OURS, PLAIN, environment, python_of, shown
from bench.experiment import Experiment, Outcome
from bench.measure import AT_MOST, Aim, NotMeasuredError, Row, take_turns
from remotest.preflight import read_interpreter
from remotest.pytestconfig import read_as_pytest
from remotest.visit import Visit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.hosts import Hosts
    from bench.measure import Contender, Sample, Samples
    from remotest.sync.push import Progress

RSYNC: Final = "rsync -az"
SSH: Final = "ssh HOST true"
"""What no tool can do without that makes a connection of its own."""

OPEN: Final = "remotest, open connection"

SLOW_S: Final = 0.05
CHANGED_COUNT: Final = 10

MEMORY: Final = Path("/dev/shm")
"""Where files are in memory and on no disk, on Linux."""

TREE_BYTES: Final = 100_000_000
"""What a tree of 5,000 files takes at most, with what else there is."""
SYNC_TIMEOUT_S: Final = 120


@dataclass(frozen=True)
class Tree:
    """Files of about 10 kB each, which compress about as well as source code does."""

    file_count: int

    def write(self, top: Path) -> None:
        chance = Random(0)
        words = [
            "".join(chance.choices("etaoinshrdlu_", k=chance.randint(2, 9))) for _ in range(4000)
        ]
        for number in range(self.file_count):
            folder = top / f"package_{number // 100:02}" / f"part_{number // 10 % 10}"
            folder.mkdir(parents=True, exist_ok=True)
            text = " ".join(chance.choices(words, k=1500))
            (folder / f"module_{number}.py").write_text(text.replace(" e", "\ne"))
        (top / "pytest.ini").write_text("[pytest]\n")

    def change(self, top: Path, some: int) -> None:
        """Change a few files: other bytes, another size."""
        files = sorted(top.rglob("*.py"))
        for path in files[some :: len(files) // CHANGED_COUNT][:CHANGED_COUNT]:
            path.write_text(f"{path.read_text()}\nchanged {some}")


SMALL: Final = Tree(500)
BIG: Final = Tree(5_000)


class Connection:
    """A connection to the host that stays open, over which the tree is brought again and again."""

    def __init__(self, tree: Path, spec: str) -> None:
        settings = read_as_pytest(["-d", spec, f"--rootdir={tree}", str(tree)])
        if isinstance(settings, int):
            raise NotMeasuredError(f"pytest does not take {spec}")
        self._visit = Visit(settings)
        self._places = self._visit.places
        greetings = dict(self._visit.dial())
        for agent, info in greetings.items():
            self._places.set_interpreter(agent, read_interpreter(info), info)

    def go(self) -> Sample:
        """Bring the tree; tell how long it took, and how long to read it here."""
        start = time.perf_counter()
        self._places.begin_scan()
        self._places.finish_scan()
        scan_s = time.perf_counter() - start
        agents = [agent for agent in self._visit.agents if self._places.awaits_tree(agent)]
        self._visit.ask(
            {
                agent: functools.partial(
                    self._places.pusher(
                        agent, functools.partial(self._visit.round_trip_s, agent), is_held=False
                    ),
                    tell=_hear,
                )
                for agent in agents
            }
        )
        if not agents or self._visit.errors:
            raise NotMeasuredError(f"the tree was not brought: {self._visit.errors}")
        wall_s = time.perf_counter() - start
        return {"wall_s": wall_s, "least_s": scan_s + SLOW_S}

    def close(self) -> None:
        self._visit.close()


def _hear(_: Progress) -> None:
    """Show nothing of how far it is."""


class Scene:
    """One tree for each contender, alike, and where each brings it to."""

    def __init__(self, folder: Path, tree: Tree, there: Hosts) -> None:
        self._folder = folder
        self._tree = tree
        self._there = there
        self._home = there.homes[0]
        self._turns = 0
        self._environment = {**environment(), "XDG_CACHE_HOME": str(folder / "cache")}
        tree.write(folder / OURS)
        shutil.copytree(folder / OURS, folder / "rsync")
        ssh = " ".join(there.ssh("")[:-1])
        self.commands = {
            RSYNC: [
                "rsync",
                "-az",
                "--delete",
                "-e",
                ssh,
                f"{folder / 'rsync'}/",
                f"{there.names[0]}:tree",
            ],
            OURS: [
                str(Path(python_of(OURS)).with_name("remotest")),
                "sync",
                *there.specs(python_of(PLAIN))[:1],
            ],
        }

    def contenders(self, prepare: Callable[[], None]) -> dict[str, Contender]:
        """Return who goes when: both bring their tree after ``prepare``, which is not counted."""
        return {
            SSH: self._ssh,
            RSYNC: functools.partial(self._sync, RSYNC, "rsync", prepare),
            OURS: functools.partial(self._sync, OURS, OURS, prepare),
        }

    def change_nothing(self) -> None:
        """Leave all as it is."""

    def change_some(self) -> None:
        """Change a few files of both trees."""
        self._turns += 1
        for name in (OURS, "rsync"):
            self._tree.change(self._folder / name, self._turns % 40)

    def forget(self) -> None:
        """Take away what was brought, and what is remembered of it.

        Byte code stays: that of a program is there from whatever it has done before. What goes is
        not deleted, for where there is no ``MEMORY`` later rounds would take longer by that.
        """
        gone = self._folder / "gone"
        gone.mkdir(exist_ok=True)
        caches = (self._folder / "cache", self._home / ".cache")
        known = [path for cache in caches for path in cache.glob("remotest/v1/*")]
        for path in [self._home / "tree", *(path for path in known if not is_byte_code(path))]:
            if path.exists():
                path.rename(gone / f"{len(list(gone.iterdir()))}")

    def _ssh(self) -> Sample:
        return {
            "wall_s": _seconds_of([*self._there.ssh(self._there.names[0]), "true"], self._folder)
        }

    def _sync(self, name: str, tree: str, prepare: Callable[[], None]) -> Sample:
        prepare()
        top = self._folder / tree
        seconds = _seconds_of(self.commands[name], top, self._environment)
        self._check(name, top)
        return {"wall_s": seconds}

    def _check(self, name: str, top: Path) -> None:
        """Raise an error where the tree on the host is not the one here."""
        found = [path.parent for path in self._home.rglob("pytest.ini")]
        brought = (
            self._home / "tree"
            if name == RSYNC
            else next((path for path in found if path != self._home / "tree"), None)
        )
        files = [str(path.relative_to(top)) for path in top.rglob("*") if path.is_file()]
        same = [] if brought is None else filecmp.cmpfiles(top, brought, files, shallow=False)[0]
        if len(same) != len(files):
            raise NotMeasuredError(
                f"{name}: {len(files) - len(same)} of {len(files)} files are not on the host"
            )


def is_byte_code(path: Path) -> bool:
    """Return whether this, in a cache of ours, is about the program and not about a tree."""
    return path.name == "code" or path.name.startswith("engine-")


def _seconds_of(
    command: list[str], folder: Path, environment: dict[str, str] | None = None
) -> float:
    start = time.perf_counter()
    answer = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SYNC_TIMEOUT_S,
        check=False,
    )
    if answer.returncode:
        raise NotMeasuredError(f"not a sync to be measured: {command}\n{answer.stdout}")
    return time.perf_counter() - start


def row(samples: Samples, number: str, what: str, aim: float) -> Row:
    return samples.row(
        number,
        what,
        figure="wall_s",
        unit="s",
        ours=OURS,
        peer=RSYNC,
        aim=Aim(AT_MOST, aim),
        limit=SSH,
    )


def little_changed(folder: Path, rounds: int) -> Outcome:
    with hosts.running(folder / "hosts", 1, SLOW_S) as there:
        scene = Scene(folder, BIG, there)
        open_connection = Connection(folder / OURS, there.specs(python_of(PLAIN))[0])
        unchanged = take_turns(
            {**scene.contenders(scene.change_nothing), OPEN: open_connection.go}, rounds
        )
        open_connection.close()
        changed = take_turns(scene.contenders(scene.change_some), rounds)
        commands = {name: shown(command) for name, command in scene.commands.items()}
    on_open_connection = Row(
        number="5c",
        what="nothing changed, on an open connection",
        unit="s",
        ours=unchanged.figures(OPEN, "wall_s"),
        peer=unchanged.figures(RSYNC, "wall_s"),
        peer_name=RSYNC,
        limit=unchanged.figures(OPEN, "least_s"),
        limit_name="a round trip, and reading the tree here",
    )
    rows = [
        row(unchanged, "5a", "nothing changed, the whole command", 0.45),
        row(changed, "5b", f"{CHANGED_COUNT} files changed, the whole command", 0.45),
        on_open_connection,
    ]
    return Outcome(rows, commands)


def small_tree(folder: Path, rounds: int) -> Outcome:
    with hosts.running(folder / "hosts", 1, 0.0) as there:
        scene = Scene(folder, SMALL, there)
        samples = take_turns(scene.contenders(scene.change_nothing), rounds)
        commands = {name: shown(command) for name, command in scene.commands.items()}
    return Outcome([row(samples, "6", "nothing changed, the whole command", 0.8)], commands)


@contextlib.contextmanager
def in_memory(folder: Path, tree_count: int) -> Iterator[Path]:
    """Yield a folder for so many trees in memory; where there is no room, the folder itself.

    For five minutes after files were deleted, ext4 looks at each of them before it makes another
    in their part of the disk: 5,000 new files take between 0.1 and 3 s of CPU time, whoever makes
    them, by which part that is.
    """
    has_room = (
        os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= tree_count * TREE_BYTES
    )
    if not has_room:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix=FOLDER_PREFIX, dir=MEMORY) as place:
        yield Path(place)


def first_sync(folder: Path, rounds: int) -> Outcome:
    rows = []
    for number, round_trip_s in (("7a", 0.0), ("7b", SLOW_S)):
        with (
            in_memory(folder / number, tree_count=2 * (rounds + 2)) as place,
            hosts.running(place / "hosts", 1, round_trip_s) as there,
        ):
            scene = Scene(place, BIG, there)
            samples = take_turns(scene.contenders(scene.forget), rounds)
            commands = {name: shown(command) for name, command in scene.commands.items()}
        what = f"first sync, round trip {round_trip_s * 1000:.0f} ms"
        rows.append(row(samples, number, what, 0.8))
    return Outcome(rows, commands)


EXPERIMENTS: Final = (
    Experiment(
        number=5,
        what=f"{BIG.file_count:,} files, 50 MB, that are on the host, round trip 50 ms",
        blind="a disk whose cache is cold; rsync with a connection that ssh keeps open",
        minutes=1,
        measure=little_changed,
    ),
    Experiment(
        number=6,
        what=f"{SMALL.file_count} files that are on the host, round trip 0",
        blind="as row 5",
        minutes=0.2,
        measure=small_tree,
    ),
    Experiment(
        number=7,
        what=f"{BIG.file_count:,} files, 50 MB, that are not on the host yet",
        blind=(
            "a narrow line; a disk: all trees are in memory; a tree of which the host has an "
            "older state; the first use of remotest, which is without byte code"
        ),
        minutes=3,
        measure=first_sync,
    ),
)
