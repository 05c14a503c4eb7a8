"""Ends a worker that cannot end itself, with all that it has started."""

import contextlib
import os
import signal

from pytest_remotest.supervise import KILL_DEADLINE_S, descendants, signal_group
from pytest_remotest.watch import Verdict

# For the dump that pytest's faulthandler makes on SIGABRT, to a pipe that we read: far less.
DUMP_GRACE_S = 2.0


class Ending:
    """How one worker is ended, from the verdict on. Called at least as often as it is watched."""

    def __init__(self, pid: int, verdict: Verdict, now_s: float) -> None:
        """Begin: let it tell where it is, if it can.

        Args:
            pid: the worker, which leads its process group.
            verdict: why it is ended.
            now_s: a time that never goes back.
        """
        self._words = verdict.words
        self._pid = pid
        # Now, as its children are nobody's once it is gone.
        self._started_by_it = set(descendants(pid))
        self._kill_at_s = now_s
        self._is_stuck = False
        if verdict.can_speak:
            self._kill_at_s += DUMP_GRACE_S
            # Not to its group: what it is waiting for shall not end first.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGABRT)

    def go_on(self, now_s: float) -> bool:
        """Do what is due; return whether nothing helps: not even killed does it go away."""
        if now_s >= self._kill_at_s:
            self.kill()
        self._is_stuck = now_s >= self._kill_at_s + KILL_DEADLINE_S
        return self._is_stuck

    def kill(self) -> None:
        """Kill the worker and what it has started."""
        signal_group(self._pid, signal.SIGKILL)
        # Whoever is not below us is somebody else by now, with a number that was used again.
        for pid in self._started_by_it.intersection(descendants(os.getpid())):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)

    @property
    def words(self) -> str:
        """Why and how it was ended, in words that follow its name."""
        return self._words + (", but does not go away" if self._is_stuck else "")
