"""How soon an agent listens to a worker again: at once, or after a pause while tests are short.

Whoever listens at once is woken for each word, on a machine whose CPUs are all busy with tests.
What a worker says meanwhile waits in its pipe, and is not lost when it dies.
"""

from typing import Iterable

from pytest_remotest import messages

PAUSE_S = 0.02  # A person sees no difference, nor does a scheduler that thinks in tens of tests.
# A worker that waited for its next test so short a time ago is not to wait for us as well.
EAGER_S = 0.1
MUCH_BYTES = 32 * 1024  # Half of what fits a pipe: it could be full before the pause is over.

_IDLE = b'[["%s"' % messages.Idle.__name__.encode("ascii")


class Pace:
    """What is known of one worker's pace. It has no clock of its own."""

    def __init__(self) -> None:
        self._rested_s = float("-inf")

    def pause_s(self, bodies: Iterable[bytes], now_s: float) -> float:
        """Return for how long not to listen after a worker said something, 0.0 for not at all.

        Args:
            bodies: all that was there.
            now_s: a time that never goes back.
        """
        size = 0
        for body in bodies:
            size += len(body)
            if body.startswith(_IDLE):
                self._rested_s = now_s
        is_eager = now_s - self._rested_s < EAGER_S
        return 0.0 if size == 0 or size > MUCH_BYTES or is_eager else PAUSE_S
