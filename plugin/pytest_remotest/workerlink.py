"""A worker's way to its agent: messages collect and go out in bodies on a pipe."""

import os
import threading
from typing import Any, List

from pytest_remotest import messages
from pytest_remotest.pipes import write_body

FORKED_CHILD_STATUS = 70  # EX_SOFTWARE: a test's fork came back into pytest; it must not go on.
LINK_LOST_STATUS = 74  # EX_IOERR: a test has closed our pipe; nothing can be told any more.


class WorkerLink:
    """The way to the agent. Messages collect until ``flush``; any thread may send."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._pipe = os.fstat(descriptor)
        self._waiting: List[bytes] = []
        self._waiting_bytes = 0
        self._lock = threading.Lock()
        self._owner_pid = os.getpid()

    def send(self, *batch: Any, flush: bool) -> None:
        """Queue messages; with ``flush``, or where they become many, the queue goes out at once.

        Where they cannot go out this process ends: nobody would hear of what it does.
        """
        if os.getpid() != self._owner_pid:
            # A test forked and its child came back into pytest: it must not speak for us.
            os._exit(FORKED_CHILD_STATUS)
        encoded = [messages.encode_message(message) for message in batch]
        with self._lock:
            for row in encoded:
                if self._waiting_bytes + len(row) > messages.MAX_BATCH_BYTES:
                    self._write()
                self._waiting.append(row)
                self._waiting_bytes += len(row)
            if flush:
                self._write()

    def _write(self) -> None:
        if not self._waiting:
            return
        body = messages.join_messages(self._waiting)
        self._waiting.clear()
        self._waiting_bytes = 0
        try:
            now = os.fstat(self._descriptor)
            if not os.path.samestat(now, self._pipe):
                raise BrokenPipeError("the descriptor is another file's by now")
            write_body(self._descriptor, body)
        except OSError:
            os._exit(LINK_LOST_STATUS)
