"""A process that collects once for all workers of its kind, which are then forked from it.

It is a worker up to the moment where tests would begin. What its session had to say by then each
worker says for itself. What a suite can notice of it is on the page about ways to start workers.
"""

import gc
import os
import sys
from pathlib import Path
from typing import Any, List, Tuple

from pytest_remotest import (
    forking,
    forks,
    frames,
    hindrances,
    messages,
    third_party,
    values,
    worker,
    workerstart,
)
from pytest_remotest.pipes import read_body
from pytest_remotest.quickend import leave
from pytest_remotest.runqueue import RunQueue
from pytest_remotest.workerlink import WorkerLink

BASETEMP = "--basetemp="


def main(control_fd: int) -> int:
    """Collect, then fork workers for the agent at the other end; in each, return its exit code."""
    os.set_inheritable(control_fd, False)
    (start,) = frames.decode_body(read_body(control_fd))
    workerstart.prepare_process(start)
    session = CollectorSession(start, control_fd)
    status = worker.run(start, session)
    if session.is_worker:
        leave(status)
    else:
        reason = (
            session.hindrance or "pytest ended before it had collected, with status %d" % status
        )
        forking.answer(control_fd, forking.REFUSED, reason)
    return status


class Notes:
    """Stands for a worker's link before there is a worker: keeps what is said.

    Encoded: to encode the ids of all items once more in each worker would touch each item, and what
    is touched is shared no longer.
    """

    def __init__(self) -> None:
        self.node_id = ""
        self.forks = forks.ForkNotes()
        self._said: List[Tuple[List[bytes], bool]] = []

    def send(self, *batch: Any, flush: bool) -> None:
        """Keep messages."""
        self._said.append(([frames.encode_message(message) for message in batch], flush))

    def say_all(self, link: WorkerLink) -> None:
        """Say by a link all that was to be said, in the same steps, and forget it."""
        for rows, flush in self._said:
            link.send_encoded(rows, flush=flush)
        self._said.clear()


class NotedInput(dict):  # type: ignore[type-arg]  # Python 3.6 has no such thing at run time
    """A ``workerinput`` that notes whether somebody asks it for the worker's name."""

    was_asked = False

    def __getitem__(self, key: Any) -> Any:
        self.was_asked |= key == "workerid"
        return super().__getitem__(key)

    def get(self, key: Any, default: Any = None) -> Any:
        """Return a value as a dict does."""
        self.was_asked |= key == "workerid"
        return super().get(key, default)


class CollectorSession(worker.WorkerSession):
    """The plugin of such a process; of a worker from the fork on.

    Attributes:
        is_worker: whether this process is a worker by now.
        hindrance: why no worker can be forked from it.
    """

    def __init__(self, start: messages.SpawnWorker, control_fd: int) -> None:
        self._notes = Notes()
        self._control_fd = control_fd
        self._output = os.fstat(1)
        self._noted_input = NotedInput(values.unpack(start.worker_input))
        self.is_worker = False
        self.hindrance = ""
        link: Any = self._notes
        super().__init__(self._noted_input, link, RunQueue(lambda _: None))

    def pytest_runtestloop(self, session: Any) -> bool:
        """Fork workers, and return in each when it has run its tests.

        Where that cannot be the session ends here, in order.
        """
        for stream in (sys.__stdout__, sys.__stderr__):
            if stream is not None:
                stream.flush()
        descriptors = hindrances.look_at_descriptors(self._output, {self._control_fd})
        found = hindrances.of_process(descriptors)
        if self._noted_input.was_asked:
            found.append("the name of the worker (workerinput['workerid']) was asked for")
        self.hindrance = hindrances.in_words(found)
        if self.hindrance:
            return True
        with open(os.devnull, "wb") as nowhere:
            hindrances.redirect(descriptors.outputs, nowhere.fileno())
        gc.collect()  # Of what is garbage by now nothing would be told any more.
        forking.keep_out_of_collections()
        forked = forking.serve(self._control_fd)
        self.is_worker = True
        hindrances.redirect(descriptors.outputs, forked.output_fd)
        os.close(forked.output_fd)
        hindrances.own_copies(descriptors.scratch)
        self._become_worker(forked)
        return super().pytest_runtestloop(session)

    def _become_worker(self, forked: forking.Forked) -> None:
        start = workerstart.read_start(forked.read_fd, forked.write_fd)
        workerstart.take_name(start)
        self.worker_input.clear()
        self.worker_input.update(values.unpack(start.worker_input))
        third_party.count_reruns_here(self.worker_input)
        (folder,) = [text for text in start.arguments if text.startswith(BASETEMP)]
        self._move_temporary_folder(folder[len(BASETEMP) :])
        self.connect(*worker.connect(forked.read_fd, forked.write_fd))
        self._notes.say_all(self.link)

    def _move_temporary_folder(self, folder: str) -> None:
        """Let pytest make temporary folders elsewhere. It has no public way to it."""
        self.config.option.basetemp = folder
        factory = getattr(self.config, "_tmp_path_factory", None)
        if factory is not None:  # else "-p no:tmpdir"
            factory._given_basetemp = Path(folder)  # noqa: SLF001  see above
            factory._basetemp = None  # noqa: SLF001  see above
