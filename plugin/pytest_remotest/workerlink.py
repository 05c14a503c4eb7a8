"""A worker's way to its agent: messages collect and go out in bodies on a pipe.

Reports go out while a test's patches are still in place: of ``os``, of ``json``, of the whole file
system. So what is called here is looked up once, before any test.
"""

import os
import threading
from typing import Any, List, Optional

from pytest_remotest import forks, frames, messages
from pytest_remotest.pipes import LINK_LOST_STATUS, write_body
from pytest_remotest.supervise import end_own_group
from pytest_remotest.unbroken import Unbroken
from pytest_remotest.watch import IDLE

FORKED_CHILD_STATUS = 70  # EX_SOFTWARE: a test's fork came back into pytest; it must not go on.
PAUSED, AWAITING, ENDING = IDLE
BUSY = frames.encode_body([messages.Busy()])


class WorkerLink:
    """The way to the agent. Messages collect until ``flush``; any thread may send.

    Attributes:
        node_id: the item that runs.
        forks: what of its children came back into pytest.
        unbroken: a section in which Ctrl-C waits, for what has to be said once and as a whole.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._get_pid = os.getpid
        self._status_of = os.fstat
        self._is_same_file = os.path.samestat
        self._exit = os._exit
        self._pipe = os.fstat(descriptor)
        self._waiting: List[bytes] = []
        self._waiting_bytes = 0
        self._idle: Optional[bytes] = None
        self._lock = threading.Lock()
        self.unbroken = Unbroken()
        self._owner_pid = os.getpid()
        self.node_id = ""
        self.forks = forks.ForkNotes()

    def send(self, *batch: Any, flush: bool) -> None:
        """Queue messages; with ``flush``, or where they become many, the queue goes out at once.

        Where they cannot go out this process ends: nobody would hear of what it does.
        """
        self.refuse_forks()
        self.send_encoded([frames.encode_message(message) for message in batch], flush=flush)

    def send_encoded(self, rows: List[bytes], *, flush: bool) -> None:
        """As ``send``, for messages that ``frames.encode_message`` has encoded."""
        with self.unbroken, self._lock:
            for row in rows:
                if self._waiting_bytes + len(row) > messages.MAX_BATCH_BYTES:
                    self._write()
                self._waiting.append(row)
                self._waiting_bytes += len(row)
            if flush:
                self._write()

    def refuse_forks(self) -> None:
        """End this process if a test has forked it: it must neither speak for us nor go on."""
        if self._get_pid() != self._owner_pid:
            self.forks.note(self.node_id)
            self._exit(FORKED_CHILD_STATUS)

    def set_idle(self, idle: Optional[bytes]) -> None:
        """Tell, after all that was queued, that nothing is run.

        While that is so, it is repeated behind whatever is sent by other threads.

        Args:
            idle: why that is so, ``PAUSED``, ``AWAITING`` or ``ENDING``; None where it no more is.
        """
        with self.unbroken, self._lock:
            if idle is not None:
                self._write()
                self._write_body(idle)
            elif self._idle == AWAITING:
                self._write_body(BUSY)
            self._idle = idle

    def set_awaiting(self, awaits: bool) -> None:
        """Tell that something to run is waited for, or that this is over."""
        self.set_idle(AWAITING if awaits else None)

    def _write(self) -> None:
        if not self._waiting:
            return
        body = frames.join_messages(self._waiting)
        self._waiting.clear()
        self._waiting_bytes = 0
        self._write_body(body)
        if self._idle is not None:
            self._write_body(self._idle)

    def _write_body(self, body: bytes) -> None:
        try:
            if self._is_same_file(self._status_of(self._descriptor), self._pipe):
                write_body(self._descriptor, body)
                return
        except BrokenPipeError:  # The agent is gone.
            end_own_group()
        except OSError:  # The descriptor is closed.
            pass
        self._exit(LINK_LOST_STATUS)
