"""Bringing the tree to every host of a run, and running nothing there."""

from __future__ import annotations

import shutil
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, TextIO

from remotest.cliparser import arguments_for_pytest
from remotest.errors import EXIT_HOST_FAILED
from remotest.hosttext import printable
from remotest.preflight import read_interpreter
from remotest.pytestconfig import read_as_pytest
from remotest.reporting.synclines import progress_line, pushed_lines, tree_line
from remotest.visit import Visit

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from remotest.dialling import Dialling
    from remotest.errors import HostError
    from remotest.settings import Settings
    from remotest.sync.plan import Manifest
    from remotest.sync.push import Progress, Pushed

PROGRESS_INTERVAL_S: Final = 0.1
"""Between two lines of progress: a terminal far away should not be what is waited for."""


def sync_hosts(
    arguments: argparse.Namespace, for_pytest: Sequence[str], dialling: Dialling | None
) -> int:
    """Do what ``remotest sync`` was told and return the exit code.

    Args:
        arguments: of the command line.
        for_pytest: what pytest is told beside them.
        dialling: hosts that are being dialled already.
    """
    settings = read_as_pytest(arguments_for_pytest(arguments, for_pytest))
    if isinstance(settings, int):
        return settings
    progress = ProgressLine(sys.stderr)
    try:
        synced = sync(settings, progress.tell, dialling)
    finally:
        progress.clear()
    for line in synced_lines(synced, is_verbose=arguments.verbose):
        sys.stdout.write(f"{line}\n")
    for error in synced.errors.values():
        sys.stderr.write(f"{printable(error.paragraph())}\n")
    return EXIT_HOST_FAILED if synced.errors else 0


def synced_lines(synced: Synced, *, is_verbose: bool) -> Iterator[str]:
    """Yield what is told of a sync that did not fail."""
    if synced.manifest is not None:
        yield tree_line(synced.manifest.file_count, synced.manifest.total_bytes)
    elif not synced.errors:
        yield "nothing to bring: all that is named runs on this machine, in the tree itself"
    yield from map(printable, synced.notes)
    for agent, pushed in synced.pushed.items():
        yield from pushed_lines(agent, pushed, is_verbose=is_verbose)


class ProgressLine:
    """One line that says how far all hosts are, if somebody sees it. Any thread may tell."""

    def __init__(self, screen: TextIO) -> None:
        self._screen = screen
        self._is_seen = screen.isatty()
        self._hosts: dict[str, Progress] = {}
        self._shown_s = time.monotonic()
        self._is_shown = False

    def tell(self, agent: str, progress: Progress) -> None:
        """Take in how far the host of an agent is."""
        now_s = time.monotonic()
        self._hosts[agent] = progress
        if self._is_seen and now_s - self._shown_s >= PROGRESS_INTERVAL_S:
            self._shown_s, self._is_shown = now_s, True
            line = progress_line(self._hosts.values())
            width = shutil.get_terminal_size().columns
            self._screen.write(f"\r\x1b[K{line[: width - 1]}")
            self._screen.flush()

    def clear(self) -> None:
        """Take the line away."""
        if self._is_shown:
            self._screen.write("\r\x1b[K")
            self._screen.flush()


@dataclass(frozen=True, kw_only=True)
class Synced:
    """How it went.

    Attributes:
        manifest: what travels; None where no host needs a tree.
        notes: what the user should hear about it, one line each.
        pushed: agent -> its tree; other agents of its host share it.
        errors: agent -> why it has none.
    """

    manifest: Manifest | None
    notes: tuple[str, ...]
    pushed: Mapping[str, Pushed]
    errors: Mapping[str, HostError]


def sync(
    settings: Settings, tell: Callable[[str, Progress], None], dialling: Dialling | None = None
) -> Synced:
    """Make the trees on all hosts of a run equal to the one here. The tree is read once.

    Args:
        settings: of the run.
        tell: is told how far an agent's host is, in the thread that serves it.
        dialling: hosts that are being dialled already.

    Raises:
        UsageError: the specs do not fit together.
        SyncError: the tree cannot be read.
    """
    with closing(Visit(settings, dialling)) as visit:
        places = visit.places
        greetings = visit.dial()
        places.begin_scan()  # While hosts are dialled.
        visit.say_ahead(places.offers(is_held=False))
        sharing = []
        for agent, info in greetings:
            places.set_interpreter(agent, read_interpreter(info), info)
            if places.agents_of_tree(agent) == [agent]:
                _begin_push(visit, [agent], tell)
            elif places.awaits_tree(agent):
                sharing.append(agent)  # Which of them have started says what travels.
        notes = places.finish_scan()
        _begin_push(visit, sharing, tell)
        pushed = visit.answers()
        if not visit.errors:
            visit.close(within_s=0.0)  # No slot is held: what is left to do is for the hosts.
        return Synced(
            manifest=places.manifest, notes=tuple(notes), pushed=pushed, errors=dict(visit.errors)
        )


def _begin_push(visit: Visit, agents: Sequence[str], tell: Callable[[str, Progress], None]) -> None:
    """Begin to bring the tree to where these agents are."""
    for agent in visit.places.assign_trees(agents):
        round_trip_s = partial(visit.round_trip_s, agent)
        pusher = visit.places.pusher(agent, round_trip_s, is_held=False)
        visit.begin(agent, partial(pusher, tell=partial(tell, agent)))
