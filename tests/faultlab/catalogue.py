"""The faults, one entry each: how each is made, and how remotest must come out of it.

To add a row, write a function in a module of ``faultlab.rows``::

    @fault("1", "connection refused", exits=HOST_FAILED, says=["refused the connection"],
           outcomes={"passed": 6})
    def refused(scene: Scene) -> Seen:
        '''One of two hosts has no sshd.'''
        first, second = scene.host("first"), scene.host("second")
        second.server.stop()
        return scene.run(first, second)

Its docstring is the column "what was done". It makes the fault for real, on a stage of its own, and
returns what was seen of the run. The same function is called for remotest and for pytest-xdist, so
it asserts nothing; what remotest must do stands in the decorator, and besides, unless a row says
otherwise: no item lost, none doubled, no process left. Where the machine cannot make a fault, it
calls ``pytest.skip`` with why: that is the row of the table then.

A row marked ``cheap`` is among the tests that always run; all others are slow tests. ``8b`` is
another way to make fault 8.
"""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from faultlab.scene import Scene, Seen

Stage: TypeAlias = "Callable[[Scene], Seen]"

GREEN: Final = 0
TESTS_FAILED: Final = 1
STOPPED: Final = 2
WRONG_USAGE: Final = 4
HOST_FAILED: Final = 6
KILLED: Final = -9

GROUPS: Final = ("connecting", "interpreters", "disks", "trees", "losses", "deaths", "behaviour")
"""The modules of ``faultlab.rows``, in the order of the table."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One row.

    Attributes:
        row: its number, maybe with a letter.
        name: what the fault is.
        stage: makes it.
        exits: remotest's exit status.
        says: patterns that are found in what remotest prints, each in one line; the first one
            is the essential line.
        outcomes: how many tests have which outcome in JUnit; None where that may differ.
        is_cheap: whether it is made whenever the tests are run.
        is_settled: whether the run ends by itself, so that each item must have an outcome.
    """

    row: str
    name: str
    stage: Stage
    exits: int
    says: tuple[str, ...]
    outcomes: Mapping[str, int] | None
    is_cheap: bool
    is_settled: bool

    @property
    def number(self) -> int:
        """The number of the row, without a letter."""
        return int(re.match(r"\d+", self.row)[0])  # type: ignore[index]  # checked by fault()

    @property
    def made(self) -> str:
        """What was done, in a sentence."""
        return " ".join((self.stage.__doc__ or "").split())


_FAULTS: dict[str, Fault] = {}


def fault(
    row: str,
    name: str,
    *,
    exits: int,
    says: Sequence[str] = (),
    outcomes: Mapping[str, int] | None = None,
    cheap: bool = False,
    settled: bool = True,
) -> Callable[[Stage], Stage]:
    """Add a row to the catalogue; the arguments are the attributes of ``Fault``."""

    def add(stage: Stage) -> Stage:
        assert re.fullmatch(r"\d+[a-z]?", row), row
        assert row not in _FAULTS, f"two rows {row}"
        assert stage.__doc__, f"row {row} does not say what is done"
        _FAULTS[row] = Fault(
            row=row,
            name=name,
            stage=stage,
            exits=exits,
            says=tuple(says),
            outcomes=outcomes,
            is_cheap=cheap,
            is_settled=settled,
        )
        return stage

    return add


def faults() -> list[Fault]:
    """Return all rows in the order of their numbers."""
    for group in GROUPS:
        importlib.import_module(f"faultlab.rows.{group}")
    return sorted(_FAULTS.values(), key=lambda one: (one.number, one.row))


def judge(one: Fault, seen: Seen) -> list[str]:
    """Return in what remotest did not come out of a fault as it must."""
    wrong = []
    if seen.status != one.exits:
        status = "it hung" if seen.status is None else f"exit status {seen.status}"
        wrong.append(f"{status}, not {one.exits}")
    wrong += [
        f"not said: {phrase}"
        for phrase in one.says
        if not any(re.search(phrase, line) for line in seen.output.splitlines())
    ]
    if one.is_settled and seen.account.lost:
        wrong.append(f"{seen.account.lost} items lost")
    if seen.account.doubled:
        wrong.append(f"{seen.account.doubled} items doubled")
    if one.outcomes is not None and seen.account.outcomes != one.outcomes:
        wrong.append(f"outcomes {seen.account.outcomes}, not {dict(one.outcomes)}")
    if "INTERNALERROR" in seen.output:
        wrong.append("an internal error")
    return wrong + [f"left behind: {command}" for command in seen.left]
