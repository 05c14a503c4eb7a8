"""Looking for inputs that a reader cannot take: by what comes to hypothesis' mind, for a while."""

from __future__ import annotations

import contextlib
import signal
import time
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from fuzz.inputs import edited
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fuzz.target import Target

BATCH: Final = 200
"""Inputs of one seed: afterwards there is a look at the clock."""

LONGEST_READ_S: Final = 10
"""From here on a small input counts as one that hangs its reader: the slowest take 0.1 s."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """An input that a reader neither takes nor refuses as documented, as small as it was made."""

    data: bytes
    story: str


class HangError(BaseException):
    """A reader took too long. No ``except Exception`` of it hides this."""


def search(target: Target, seconds: float, first_seed: int) -> tuple[int, Finding | None]:
    """Try inputs for a while; return how many, and the first that is a finding."""
    end = time.monotonic() + seconds
    tries = 0
    number = first_seed
    files = [path.read_bytes() for path in target.corpus()]
    inputs = target.inputs | edited(files) if files else target.inputs
    while time.monotonic() < end:
        last = b""

        @seed(number)
        @settings(
            max_examples=BATCH,
            database=None,
            deadline=None,
            phases=(Phase.generate, Phase.shrink),
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
            verbosity=Verbosity.quiet,
        )
        @given(inputs)
        def check(data: bytes) -> None:
            nonlocal tries, last
            tries += 1
            last = data
            with _no_longer_than(LONGEST_READ_S):
                target.check(data)

        try:
            check()
        except KeyboardInterrupt:
            raise
        except BaseException:  # noqa: BLE001  the reader's, whatever it is
            # Hypothesis repeats the smallest input last.
            return tries, Finding(data=last, story=story_of(target, last))
        number += 1
    return tries, None


def story_of(target: Target, data: bytes) -> str:
    """Return what happens when an input is read."""
    try:
        with _no_longer_than(LONGEST_READ_S):
            target.check(data)
    except BaseException:  # noqa: BLE001  as above
        return traceback.format_exc()
    return "it is read now: it depends on what was read before, or on time or memory"


@contextlib.contextmanager
def _no_longer_than(seconds: float) -> Iterator[None]:
    def give_up(*_: Any) -> None:
        raise HangError(f"no end after {seconds} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
