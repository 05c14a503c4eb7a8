"""When a worker is to be ended that cannot end itself: it does not move, or it says nothing.

What holds Python's global lock, computes, waits or sleeps is not among that: tests do it.
"""

from typing import Dict, NamedTuple, Optional

from pytest_remotest import frames, messages
from pytest_remotest.processstate import FROZEN, HUNG, STOPPED, TRACED, ProcessState

LOOK_INTERVAL_S = 1.0  # Between two looks at a process. It costs as much as reading two files.
# Time in which nobody looked counts for no more than this: whoever should have looked was stopped
# itself, as its whole machine may have been, or was held up, and has not read what workers said.
LONGEST_STEP_S = 2 * LOOK_INTERVAL_S
NEVER_S = float("inf")
HUNG_LIMIT_S = 120.0  # When Linux itself calls a task hung. A busy disk of the network needs less.
IDLE = tuple(frames.encode_body([messages.Idle(state)]) for state in messages.IDLE_STATES)
CANNOT_SPEAK = (STOPPED, FROZEN, TRACED)  # No debugger is hurried either.


class Verdict(NamedTuple):
    """Why a worker is to be ended, in words that follow its name.

    ``can_speak``: it may be asked before where it is.
    """

    words: str
    can_speak: bool


class Watch:
    """What is known of one worker that is watched. It has no clock of its own."""

    def __init__(self, stopped_limit_s: float, silence_limit_s: Optional[float]) -> None:
        """Begin to watch a worker that has nothing to run.

        Args:
            stopped_limit_s: for how long it may be stopped or frozen.
            silence_limit_s: for how long it may say nothing while it has something to run; None
                for ever.
        """
        self._still_limits_s: Dict[str, float] = {
            STOPPED: stopped_limit_s,
            FROZEN: stopped_limit_s,
            HUNG: HUNG_LIMIT_S,
        }
        self._silence_limit_s = silence_limit_s
        self._is_idle = True
        self._silent_s = 0.0
        self._still_s = 0.0
        self._state: Optional[ProcessState] = None
        self._looked_s: Optional[float] = None

    def told(self) -> None:
        """Note that something was said to the worker: it may have something to run now."""
        if self._is_idle:
            self._is_idle = False
            self._silent_s = 0.0

    def said(self, body: bytes) -> None:
        """Note that the worker said something, maybe that it has nothing to run."""
        self._is_idle = body in IDLE
        self._silent_s = 0.0

    def printed(self) -> None:
        """Note that the worker printed something."""
        self._silent_s = 0.0

    def look(self, now_s: float, state: Optional[ProcessState]) -> Optional[Verdict]:
        """Return the verdict on a worker, None as long as there is none.

        Args:
            now_s: a time that never goes back.
            state: what its process is doing, None where that cannot be known.
        """
        step_s = 0.0 if self._looked_s is None else min(now_s - self._looked_s, LONGEST_STEP_S)
        self._looked_s = now_s
        # Only what has not run since the last look has been still all the time.
        self._still_s = self._still_s + step_s if state == self._state else 0.0
        self._state = state
        if state is None or state.what not in CANNOT_SPEAK:
            self._silent_s += step_s
        if state is not None and self._still_s >= self._still_limits_s.get(state.what, NEVER_S):
            return Verdict(_of_stillness(state, self._still_s), can_speak=False)
        if self._is_idle or self._silence_limit_s is None or self._silent_s < self._silence_limit_s:
            return None
        words = "said nothing for %g s (--worker-timeout) and was killed" % self._silence_limit_s
        return Verdict(words, can_speak=True)


def _of_stillness(state: ProcessState, still_s: float) -> str:
    how = {
        STOPPED: "was stopped (%s)" % state.signal if state.signal else "was stopped",
        FROZEN: "was frozen by a control group",
        HUNG: "hung in the kernel (state D)",
    }[state.what]
    return "%s for %.0f s and was killed" % (how, still_s)
