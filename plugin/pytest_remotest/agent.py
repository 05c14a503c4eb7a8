"""One process for each (host, interpreter) of a run: receives the tree, owns the workers.

It relays frames between the controller and its workers, and decodes only those that contain a
collection (see ``alike``). When the controller has gone, for whatever reason, the agent ends every
process that it has started.

execnet's receiving thread calls ``Agent.accept``; everything else happens in ``run``.
"""

import collections
import contextlib
import os
import selectors
import signal
import threading
import time
from typing import Any, Callable, Deque, Dict, Iterator, List, Optional

from pytest_remotest import (
    codekeeper,
    describe,
    frames,
    leftovers,
    messages,
    processstate,
    supervise,
)
from pytest_remotest.alike import HEAD, Alike
from pytest_remotest.faults import Refused
from pytest_remotest.headstart import Headstart, hindrance_of_host
from pytest_remotest.nursery import Nursery, Shared
from pytest_remotest.receive import Receiver
from pytest_remotest.watch import LOOK_INTERVAL_S, Watch
from pytest_remotest.workerprocess import WorkerProcess

REAP_INTERVAL_S = 0.2  # Between looks at what has ended, for whom no signal tells of it.
DRAIN_READS = 64  # Pipe reads after a worker's exit: what it wrote before fits 4 MB of them.
MAX_WAITING_FRAMES = 64  # Frames of the controller not yet handled: blobs come in 1 MB pieces.
WAKE_READ_BYTES = 4096  # Of the pipe that wakes the main thread: a byte a frame or signal.
ROOM_LOOK_S = 1.0  # Between looks, while there is no room for a frame, at whether this is over.
FIRST_WORD_S = 60.0  # From our greeting to its answer: the line may have fallen silent.
PING = frames.encode([messages.Ping()])
PONG = frames.encode([messages.Pong()])
GOODBYE = frames.encode([messages.Goodbye()])


def main(channel: Any, headstart: Optional[Headstart]) -> None:
    """Serve the controller at the other end of an execnet channel until it leaves."""
    infile = channel.gateway._io.infile  # noqa: SLF001  told to nobody
    supervise.resize_input(infile.fileno(), supervise.WIDE_PIPE_BYTES)
    agent = Agent(channel, headstart, infile.fileno())
    agent.run()
    if agent.is_deserted:
        supervise.end_input(infile.fileno())
    codekeeper.keep()  # Behind that: the disk may hang, and now there is somebody to end us.


class Agent:
    """The agent's state; ``run`` is its life.

    Attributes:
        is_deserted: whether it has left because the controller was silent for too long: the link
            may stay open for ever.
    """

    def __init__(
        self, channel: Any, headstart: Optional[Headstart] = None, input_fd: Optional[int] = None
    ) -> None:
        self._channel = channel
        self._input_fd = input_fd
        self._frames: Deque[Optional[bytes]] = collections.deque()
        self._room = threading.BoundedSemaphore(MAX_WAITING_FRAMES)
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._waking = threading.Lock()
        self._selector = selectors.DefaultSelector()
        self._workers: Dict[str, WorkerProcess] = {}
        self._limits = messages.WatchWorkers(float("inf"), None)
        self._nursery = Nursery(
            self._selector,
            self._begun,
            self._say_as,
            lambda: Watch(*self._limits),
            headstart,
        )
        self._pauses: Dict[str, float] = {}  # Worker that is not listened to -> until when.
        self.is_deserted = False
        self._leaving = False
        self._told_to_leave = False
        self._heard_s = time.monotonic()
        self._silence_s: Optional[float] = FIRST_WORD_S
        self._next_look_s = 0.0
        self._next_reap_s = 0.0
        self._run_folder: Any = None  # Until a worker is to be started.
        self._receiver = Receiver(self._send_message)
        self._builder: Any = None  # Until an environment is to be made.
        self._overlays: Any = None  # Until a worker needs one.
        self._alike = Alike()
        self._leftovers = leftovers.Leftovers()
        self._was_dismissed = False
        self._blob_taker: Callable[[messages.Blob], None] = self._receiver.blob
        self._handlers: Dict[Any, Callable[[Any], None]] = {
            messages.ExpectPings: self._expect_pings,
            messages.WatchWorkers: self._watch_workers,
            messages.Ping: lambda _: None,  # It was answered when it came.
            messages.SyncOpen: self._open_tree,
            messages.AskAhead: self._receiver.ask_ahead,
            messages.SyncAhead: self._receiver.ahead,
            messages.SyncManifest: self._receiver.manifest,
            messages.EnvOpen: self._open_environment,
            messages.Blob: self._blob,
            messages.SyncCommit: self._receiver.commit,
            messages.AskRoom: self._receiver.tell_room,
            messages.HoldTree: self._receiver.hold,
            messages.AskCache: self._ask_cache,
            messages.SpawnWorker: self._spawn,
            messages.StopWorker: self._stop_worker,
            messages.KeepOrphans: self._keep_orphans,
            messages.Goodbye: self._leave,
        }

    def accept(self, frame: Optional[bytes]) -> None:
        """Take one frame, or None at the end of the link. Called by execnet's thread."""
        self._heard_s = time.monotonic()
        if frame == PING:  # Answered here: the main thread may be unpacking or writing.
            self._send(PONG)
            return
        self._told_to_leave = frame is None or frame == GOODBYE
        # Waiting here holds the link back while the disk is slower than the network.
        while not self._room.acquire(timeout=ROOM_LOOK_S):
            if self._leaving:
                return
            self._heard_s = time.monotonic()  # What is held back may be pings.
            self._send(PONG)
        self._frames.append(frame)
        self._wake()

    def _wake(self) -> None:
        with self._waking, contextlib.suppress(BlockingIOError):  # What is full wakes as well.
            if self._wake_write >= 0:
                os.write(self._wake_write, b".")

    def run(self) -> None:
        """Greet, then serve until ``Goodbye`` or the end of the link; leave nothing behind."""
        is_subreaper = supervise.become_subreaper()
        self._nursery.hindrance = hindrance_of_host(is_subreaper)
        with contextlib.ExitStack() as stack:
            stack.callback(self._close)
            stack.enter_context(self._woken_by_signals())
            stack.callback(self._clean_up)
            self._selector.register(self._wake_read, selectors.EVENT_READ)
            self._channel.setcallback(self.accept, endmarker=None)
            self._send_message(messages.Greeting(messages.PROTOCOL, describe.describe()))
            self._tell_left(leftovers.end_those_of_dead_agents(), of_dead_run=True)
            while not self._leaving:
                self._wait_and_serve()

    @contextlib.contextmanager
    def _woken_by_signals(self) -> Iterator[None]:
        """Leave in order when the host ends this process; look at once when a child has ended.

        The pipes of a child tell of its end a moment before anybody can collect it.
        """

        def leave(*_: Any) -> None:
            self._leaving = True

        wake_before = signal.set_wakeup_fd(self._wake_write)
        before = [(number, signal.signal(number, leave)) for number in supervise.END_SIGNALS]
        before.append((signal.SIGCHLD, signal.signal(signal.SIGCHLD, lambda *_: None)))
        try:
            yield
        finally:
            for number, handler in before:
                signal.signal(number, handler)
            signal.set_wakeup_fd(wake_before)

    def _wait_and_serve(self) -> None:
        timeout_s = self._listen_again() if self._workers else self._silence_s
        idle_s = self._nursery.idle_s()
        if idle_s is not None:
            timeout_s = idle_s if timeout_s is None else min(idle_s, timeout_s)
        for key, _ in self._selector.select(timeout_s):
            if key.fd == self._wake_read:
                os.read(self._wake_read, WAKE_READ_BYTES)
            elif isinstance(key.data, Shared):
                self._nursery.serve(key.data)
            else:
                self._serve_worker(key.data, key.fd)
        # Not also what comes meanwhile: workers wait, and the pipe that wakes us fills.
        for _ in range(len(self._frames)):
            if self._leaving:
                break
            frame = self._frames.popleft()
            self._room.release()
            self._handle(frame)
        now_s = time.monotonic()
        self._nursery.start_next(now_s)
        if supervise.has_ended_child() or now_s >= self._next_reap_s:
            self._next_reap_s = now_s + REAP_INTERVAL_S
            self._reap()
        self._look_after(now_s)
        if self._is_silent():
            self._leaving = self.is_deserted = True

    def _reap(self) -> None:
        """Bury the workers that have ended, and collect what else has."""
        for worker in list(self._workers.values()):
            if worker.status() is not None:
                self._bury(worker)
        supervise.reap_orphans(self._nursery.pids().union(self._pids()))

    def _serve_worker(self, worker: WorkerProcess, descriptor: int) -> None:
        if descriptor == worker.in_fd:
            self._want_write(worker)
        elif descriptor == worker.out_fd:
            self._relay(worker)
        else:
            self._relay_output(worker)

    def _pids(self) -> List[int]:
        """Return the processes of the workers that have begun."""
        pids = (worker.pid for worker in self._workers.values())
        return [pid for pid in pids if pid is not None]

    def _is_silent(self) -> bool:
        return self._silence_s is not None and time.monotonic() - self._heard_s > self._silence_s

    def _is_over(self) -> bool:
        """Return whether to end what the main thread is busy with."""
        return self._leaving or self._told_to_leave or self._is_silent()

    def _look_after(self, now_s: float) -> None:
        """End workers that are stopped or say nothing, now and then."""
        if now_s < self._next_look_s or not self._workers:
            return
        self._next_look_s = now_s + LOOK_INTERVAL_S
        self._nursery.look_after(now_s)
        states = processstate.look_at(self._pids())
        for worker in list(self._workers.values()):
            pid = worker.pid
            if pid is not None and worker.is_beyond_help(now_s, states.get(pid)):
                self._bury(worker)

    # -- from the controller ---------------------------------------------------------------

    def _handle(self, frame: Optional[bytes]) -> None:
        if frame is None:
            self._leaving = True
        elif frame[:1] == frames.WORKER_KIND:
            name, body = frames.split_worker_frame(frame)
            worker = self._workers.get(name)
            if worker is not None:  # else it died while this was under way
                worker.watch.told()
                worker.write(body)
                self._want_write(worker)
        else:
            for message in frames.decode(frame)[1]:
                self._handlers[type(message)](message)

    def _open_tree(self, message: messages.SyncOpen) -> None:
        self._blob_taker = self._receiver.blob
        self._receiver.open(message)

    def _open_environment(self, message: messages.EnvOpen) -> None:
        if self._builder is None:
            # Not at the top: every run would wait for all that reads wheels.
            from pytest_remotest.envreceive import Builder  # noqa: PLC0415

            self._builder = Builder(self._send_message, is_over=self._is_over)
        self._blob_taker = self._builder.blob
        self._builder.open(message)

    def _overlay_for(self, start: messages.SpawnWorker, run_folder: str) -> Any:
        """Return what a worker runs in; None for the interpreter that runs this, as it is."""
        if start.env_folder is None and not start.overlay:
            return None
        if self._overlays is None:
            from pytest_remotest.overlay import Overlays  # noqa: PLC0415  as above

            self._overlays = Overlays()
        return self._overlays.made_for(start, run_folder)

    def _ask_cache(self, message: messages.AskCache) -> None:
        from pytest_remotest.cachekeeper import CacheKeeper  # noqa: PLC0415  as above

        CacheKeeper(self._send_message).ask(message)

    def _blob(self, message: messages.Blob) -> None:
        self._blob_taker(message)

    def _spawn(self, start: messages.SpawnWorker) -> None:
        try:
            if self._run_folder is None:
                from pytest_remotest.basetemp import RunFolder  # noqa: PLC0415  as above

                self._run_folder = RunFolder(start.environment["PYTEST_XDIST_TESTRUNUID"])
                if self._input_fd is not None:  # The tree is there, and tests may need pipes.
                    supervise.resize_input(self._input_fd, supervise.USUAL_PIPE_BYTES)
            overlay = self._overlay_for(start, self._run_folder.path)
            start.environment[leftovers.VARIABLE] = self._leftovers.cookie()
            worker = WorkerProcess(start, self._run_folder.path, overlay, Watch(*self._limits))
        except (OSError, Refused) as error:
            text = "cannot start a process in %r: %s" % (start.directory, error)
            self._send_message(messages.WorkerExited(start.worker, 1, text))
            return
        self._workers[worker.name] = worker
        self._selector.register(worker.out_fd, selectors.EVENT_READ, worker)
        self._selector.register(worker.output_fd, selectors.EVENT_READ, worker)
        self._nursery.start(worker)

    def _begun(self, worker: WorkerProcess) -> None:
        """Take note of a worker that has a process now."""
        assert worker.pid is not None
        self._leftovers.note(worker.name, worker.pid)
        self._want_write(worker)

    def _want_write(self, worker: WorkerProcess) -> None:
        """Watch the worker's input while something waits for room there, and only then."""
        waiting = worker.send_waiting()
        watched = worker.in_fd in self._selector.get_map()
        if waiting and not watched:
            self._selector.register(worker.in_fd, selectors.EVENT_WRITE, worker)
        elif watched and not waiting:
            self._selector.unregister(worker.in_fd)

    def _expect_pings(self, message: messages.ExpectPings) -> None:
        self._silence_s = message.silence_s

    def _watch_workers(self, message: messages.WatchWorkers) -> None:
        self._limits = message
        self._silence_s = None  # It has heard our greeting. A tree may be announced before that.

    def _stop_worker(self, message: messages.StopWorker) -> None:
        worker = self._workers.get(message.worker)
        if worker is not None:
            worker.signal(message.signal)

    def _keep_orphans(self, _: messages.KeepOrphans) -> None:
        self._leftovers.are_kept = True

    def _leave(self, _: messages.Goodbye) -> None:
        self._leaving = self._was_dismissed = True

    # -- from the workers ------------------------------------------------------------------

    def _say_as(self, worker: WorkerProcess, message: Any) -> None:
        """Say something in the name of a worker."""
        self._send(frames.encode([message], worker.name))

    def _relay(self, worker: WorkerProcess) -> None:
        name = worker.name.encode("ascii")
        prefix = frames.WORKER_KIND + bytes([len(name)]) + name
        now_s = time.monotonic()
        bodies = worker.read_bodies(now_s)
        if any(body.startswith(HEAD) for body in bodies):
            self._nursery.has_collected(worker)
        told = (self._alike.shorten(worker.name, body) for body in bodies)
        for body in frames.merge_bodies(told):
            self._send(prefix + body)
        pause_s = worker.pace.pause_s(bodies, now_s)
        if pause_s or not worker.protocol_open:
            self._forget(worker.out_fd)
        if pause_s and worker.protocol_open:
            self._pauses[worker.name] = now_s + pause_s

    def _listen_again(self) -> float:
        """Listen to workers whose pause is over; return for how long to wait for something."""
        now_s = time.monotonic()
        for name in [name for name, until_s in self._pauses.items() if until_s <= now_s]:
            del self._pauses[name]
            worker = self._workers[name]
            self._selector.register(worker.out_fd, selectors.EVENT_READ, worker)
        return min([REAP_INTERVAL_S, *(until_s - now_s for until_s in self._pauses.values())])

    def _relay_output(self, worker: WorkerProcess) -> None:
        text = worker.read_output()
        if text:
            self._send_message(messages.WorkerOutput(worker.name, text))
        if not worker.output_open:
            self._forget(worker.output_fd)

    def _forget(self, descriptor: int) -> None:
        if descriptor in self._selector.get_map():
            self._selector.unregister(descriptor)

    def _bury(self, worker: WorkerProcess) -> None:
        """Tell of a worker's end, after all that it said before."""
        for _ in range(DRAIN_READS):
            if worker.protocol_open:
                self._relay(worker)
            if worker.output_open:
                self._relay_output(worker)
        for descriptor in (worker.in_fd, worker.out_fd, worker.output_fd):
            self._forget(descriptor)
        self._pauses.pop(worker.name, None)
        del self._workers[worker.name]
        worker.close()
        if worker.pid is not None and (worker.status() or 0) < 0:
            self._leftovers.end_session(worker.pid)
        self._send_message(worker.epitaph())

    # -- to the controller -----------------------------------------------------------------

    def _tell_left(self, found: List[leftovers.Left], of_dead_run: bool) -> None:
        if found:
            self._send_message(leftovers.to_message(found, of_dead_run))

    def _send_message(self, message: Any) -> None:
        self._send(frames.encode([message]))

    def _send(self, frame: bytes) -> None:
        began_s = time.monotonic()
        try:
            self._channel.send(frame)
        except OSError:  # The controller is gone: nobody is left to work for.
            self._leaving = True
        # It has held us back and now goes on: its pings may wait behind an answer of ours.
        if time.monotonic() - began_s > ROOM_LOOK_S:
            self._heard_s = time.monotonic()

    def _clean_up(self) -> None:
        self._leaving = True  # Also where an error ends this: ``accept`` must not wait any more.
        self._leftovers.end_workers(self._pids())
        self._nursery.end()
        if self._was_dismissed:
            self._tell_left(self._leftovers.find(), of_dead_run=False)
        self._leftovers.end()
        for worker in self._workers.values():
            worker.close()
        self._receiver.release()
        if self._builder is not None:
            self._builder.release()
        if self._run_folder is not None:
            self._run_folder.leave()

    def _close(self) -> None:
        self._selector.close()
        with self._waking:  # The server of a socket gateway lives on.
            os.close(self._wake_read)
            os.close(self._wake_write)
            self._wake_write = -1
