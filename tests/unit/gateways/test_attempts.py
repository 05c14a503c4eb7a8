"""What is tried again, how often and how long, and what is said of it at the end."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass, field

import pytest

from remotest.gateways.attempts import (
    REFUSED_ATTEMPTS,
    DialError,
    attempts_after,
    is_passing_name_error,
    persist,
)


@dataclass
class Dialled:
    """A host that fails, in virtual time: each attempt takes a second, each delay as it says.

    ``attempts`` says how often the fault of each attempt is to be tried; after the last it is up.
    """

    attempts: list[int]
    now_s: float = 100.0
    delays_s: list[float] = field(default_factory=list)

    def once(self) -> str:
        self.now_s += 1.0
        if not self.attempts:
            return "up"
        error = DialError(host="box", phase="connect", cause="refused", remedy="wait")
        error.attempts = self.attempts.pop(0)
        raise error

    def sleep(self, delay_s: float) -> None:
        self.delays_s.append(delay_s)
        self.now_s += delay_s

    def persist(self, *, limit_s: float = 1000.0, chance: float = 0.5) -> str:
        return persist(
            self.once,
            limit_s=limit_s,
            chance=lambda: chance,
            sleep=self.sleep,
            clock=lambda: self.now_s,
        )


@pytest.mark.parametrize(
    ("chance", "delays_s"), [(0.0, [0.125, 0.25, 0.5]), (0.5, [0.25, 0.5, 1.0])]
)
def test_delays_double_and_are_spread_by_chance(chance: float, delays_s: list[float]) -> None:
    host = Dialled([9, 9, 9])

    assert host.persist(chance=chance) == "up"
    assert host.delays_s == delays_s


@pytest.mark.parametrize(
    ("attempts", "limit_s", "told"),
    [
        pytest.param([1], 1000.0, "refused", id="what cannot pass is tried once"),
        pytest.param([3, 3, 3], 1000.0, "refused; tried 3 times in 3.8 s", id="so often"),
        pytest.param([9, 9, 1], 1000.0, "refused; tried 3 times in 3.8 s", id="another fault"),
        pytest.param([9, 9, 9], 2.5, "refused; tried 2 times in 2.2 s", id="so long"),
    ],
)
def test_the_last_error_says_how_often_and_how_long(
    attempts: list[int], limit_s: float, told: str
) -> None:
    with pytest.raises(DialError) as caught:
        Dialled(attempts).persist(limit_s=limit_s)

    assert caught.value.paragraph() == f"box: connect failed: {told}\n  try: wait"
    assert caught.value.fault == "away"


@pytest.mark.parametrize(
    ("numbers", "attempts"),
    [
        ([errno.ECONNREFUSED], REFUSED_ATTEMPTS),
        ([errno.ECONNRESET, errno.EHOSTUNREACH], REFUSED_ATTEMPTS),
        ([errno.ENETUNREACH], REFUSED_ATTEMPTS),
        ([errno.ECONNREFUSED, errno.EACCES], 1),
        ([errno.ETIMEDOUT], 1),
    ],
)
def test_only_what_may_pass_is_tried_again(numbers: list[int], attempts: int) -> None:
    assert attempts_after([OSError(number, "no") for number in numbers]) == attempts


def test_only_a_name_server_that_does_not_answer_may_pass() -> None:
    assert is_passing_name_error(socket.gaierror(socket.EAI_AGAIN, "try again"))
    assert not is_passing_name_error(socket.gaierror(socket.EAI_NONAME, "no such name"))
    assert not is_passing_name_error(UnicodeError("no name"))
