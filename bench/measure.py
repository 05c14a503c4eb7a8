"""Contenders that take turns, and what is made of their figures: medians, ratios, aims met or not.

Nothing here knows what is measured. A contender is a function that does the work once and returns
its figures; a ``Row`` is one line of the table that `make bench` prints and writes.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Sample: TypeAlias = "Mapping[str, float]"
"""What one go of a contender has shown: figure -> value, such as ``{"wall_s": 1.2}``."""

Contender: TypeAlias = "Callable[[], Sample]"


class NotMeasuredError(Exception):
    """A contender did not do its work: what it took is no figure."""


AT_MOST: Final = "at most"
AT_LEAST: Final = "at least"


@dataclass(frozen=True)
class Samples:
    """What all contenders have shown: contender -> one sample a round."""

    by_contender: Mapping[str, Sequence[Sample]]

    def figures(self, contender: str, figure: str) -> tuple[float, ...]:
        """Return one figure of one contender, round by round."""
        return tuple(sample[figure] for sample in self.by_contender[contender])

    def row(
        self,
        number: str,
        what: str,
        *,
        figure: str,
        unit: str,
        ours: str,
        peer: str,
        aim: Aim | None = None,
        limit: str = "",
    ) -> Row:
        """Return one figure of one contender beside a peer's, as a line of the table.

        Args:
            limit: the contender whose figure bounds ours, if there is one.
            The others: as of ``Row``, which tells contenders by their names.
        """
        return Row(
            number=number,
            what=what,
            unit=unit,
            ours=self.figures(ours, figure),
            peer=self.figures(peer, figure),
            peer_name=peer,
            aim=aim,
            limit=self.figures(limit, figure) if limit else (),
            limit_name=limit,
        )


def take_turns(contenders: Mapping[str, Contender], rounds: int, *, warm_ups: int = 1) -> Samples:
    """Let each contender go once a round, so that what else the machine does hits all alike.

    Args:
        contenders: by name. Each round begins with the next one, so that none always profits from
            what the one before it leaves in caches.
        rounds: how many times each is measured.
        warm_ups: how often each goes before that, unmeasured: byte code is written, trees and
            environments are brought.
    """
    names = list(contenders)
    for name in names * warm_ups:
        contenders[name]()
    samples: dict[str, list[Sample]] = {name: [] for name in names}
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            samples[name].append(contenders[name]())
    return Samples(samples)


@dataclass(frozen=True)
class Spread:
    """The median of some values, and how far they lie apart."""

    median: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values))


@dataclass(frozen=True)
class Aim:
    """What a row has to reach.

    Attributes:
        sense: ``AT_MOST`` or ``AT_LEAST``.
        value: of the ratio ours / peer; of our own figure where ``is_absolute``.
    """

    sense: str
    value: float
    is_absolute: bool = False

    def is_met(self, value: float) -> bool:
        return value <= self.value if self.sense == AT_MOST else value >= self.value


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table: one figure of ours, beside a peer's, and what it should be.

    Attributes:
        number: ``3a``: the experiment, and a letter where it has more than one row.
        what: the figure in words.
        unit: of the figures, such as ``s``, ``MB``, ``tests/s``.
        ours: our figure in each round.
        peer: the peer's in the same rounds.
        peer_name: who that is.
        aim: what is aimed at; None for a row that only informs.
        limit: what bounds the figure, measured in the same rounds or known; empty if not known.
        limit_name: what the limit is.
    """

    number: str
    what: str
    unit: str
    ours: tuple[float, ...]
    peer: tuple[float, ...]
    peer_name: str
    aim: Aim | None = None
    limit: tuple[float, ...] = ()
    limit_name: str = ""

    @property
    def ratio(self) -> Spread:
        """Our median over the peer's, and the least and the most that it was in a round."""
        by_round = [_divided(own, other) for own, other in zip(self.ours, self.peer, strict=True)]
        whole = _divided(statistics.median(self.ours), statistics.median(self.peer))
        return Spread(whole, min(by_round), max(by_round))

    @property
    def is_met(self) -> bool | None:
        """Whether the medians reach the aim; None where there is none."""
        if self.aim is None:
            return None
        own = statistics.median(self.ours)
        return self.aim.is_met(own if self.aim.is_absolute else self.ratio.median)


def _divided(value: float, by: float) -> float:
    """As a division; what is not there (0 bytes, 0 threads) is infinitely less than what is."""
    if by:
        return value / by
    return math.inf if value else 1.0


@dataclass(frozen=True, kw_only=True)
class Result:
    """The rows of one experiment as they were measured, and what else a reader has to know.

    Attributes:
        row: number of the experiment.
        made: date and time, ISO 8601.
        rounds: how many.
        seconds: how long the experiment took, warm-ups and all.
        others: which part of the machine's CPU time was used by others meanwhile, 0 to 1.
        versions: of what was measured: name -> version.
        commands: contender -> what was run.
    """

    row: int
    made: str
    rounds: int
    seconds: float
    others: float
    versions: Mapping[str, str]
    commands: Mapping[str, str]
    rows: tuple[Row, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Result:
        return cls(**{**data, "rows": tuple(_row(one) for one in data["rows"])})


def _row(data: Mapping[str, Any]) -> Row:
    """Return a row from what ``asdict`` and JSON have made of it."""
    values = {key: tuple(data[key]) for key in ("ours", "peer", "limit")}
    return Row(**{**data, **values, "aim": Aim(**data["aim"]) if data["aim"] else None})
