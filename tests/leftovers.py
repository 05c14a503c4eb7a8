"""A run whose tests leave children of every kind, and a look at what is left of it."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import projects

from pytest_remotest import supervise

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Mapping, Sequence

    from projects import Project

EVENT_TIMEOUT_S: Final = 60.0
GONE_WITHIN_S: Final = 30.0
"""The promise to users is 10 s after the controller's end; machines that run tests are busy."""

COOKIE: Final = "LEFTOVERS_COOKIE"
KINDS: Final = ("plain", "session", "daemon", "stranger")

SUITE: Final = """
    import os
    import signal
    import subprocess
    import time

    # Deaf to what ends a log-in's processes. Its name tells the run and the kind.
    STUBBORN = "trap '' HUP INT TERM; while :; do sleep 1000; done"

    def tell(what):
        with open(os.environ["FIFO"], "w") as stream:
            stream.write(what)

    def start(kind, command=("/bin/sh", "-c", STUBBORN), **how):
        return subprocess.Popen(command + (os.environ["FIFO"] + ":" + kind,), **how)

    def detach(kind, **how):
        # A daemon as of old: its parent is gone, and so is its session.
        command = ("/bin/sh", "-c", "setsid /bin/sh -c \\"%s\\" $0 &" % STUBBORN)
        start(kind, command, **how).wait()

    def test_that_leaves_children():
        seen = os.environ["FIFO"] + ".seen"
        is_again = os.path.exists(seen)  # On a host that was lost, and connected to again.
        open(seen, "w").close()
        start("plain")
        start("session", start_new_session=True)
        detach("daemon")
        detach("stranger", env={})
        if is_again:
            return
        if os.environ["WAITS"] == "twice":
            signal.signal(signal.SIGINT, lambda *_: tell("interrupted"))
        tell("here")
        if os.environ["WAITS"]:
            time.sleep(1000)
    """


@dataclass(frozen=True, kw_only=True)
class Leftovers:
    """A project whose tests leave children, and the temporary folder that all of it uses."""

    project: Project
    temporary: Path
    cookie: str
    fifo: int

    @contextlib.contextmanager
    def started(
        self, options: Sequence[str], project: Project | None = None
    ) -> Iterator[subprocess.Popen[str]]:
        """Start a run, of this project or what was made of it; where the test fails it is ended."""
        with (project or self.project).start(["pytest", *options]) as process:
            try:
                yield process
            except BaseException:
                process.kill()
                print(process.communicate()[0])  # noqa: T201  pytest shows it
                raise

    def await_start(self) -> None:
        """Wait until the test has started its children."""
        assert comes(self.fifo), "the test has not begun"
        deadline = time.monotonic() + EVENT_TIMEOUT_S
        # One that is just becoming another program has no name for a moment.
        while missing := set(KINDS).difference(*map(str.split, self._kinds())):
            assert time.monotonic() < deadline, missing

    def _kinds(self) -> list[str]:
        return [name.rpartition(":")[2] for name in self.processes()]

    def processes(self) -> dict[str, int]:
        """Return the living processes of the run: what they are -> process id."""
        found = {}
        marks = [f"{COOKIE}={self.cookie}".encode(), self.project.environment["FIFO"].encode()]
        for directory in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # It has ended, or is another user's.
                told = (directory / "environ").read_bytes(), (directory / "cmdline").read_bytes()
                if any(mark in text for mark in marks for text in told):
                    name = told[1].replace(b"\0", b" ").decode("utf-8", "replace")[-80:]
                    found[f"{directory.name} {name}"] = int(directory.name)
        return found

    def tree(self) -> list[int]:
        """Return the living processes of the run and those below: these may have no mark at all."""
        known = supervise.stats()
        marked = list(self.processes().values())
        below = [pid for parent in marked for pid in supervise.descendants(parent, known)]
        return list(dict.fromkeys(marked + below))

    def survivors(self, *, besides: int = 0) -> list[str]:
        """Return the processes that are still there when the time that they have is over.

        ``besides`` is one that may be.
        """
        deadline = time.monotonic() + GONE_WITHIN_S
        while alive := {name: pid for name, pid in self.processes().items() if pid != besides}:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                break
            with contextlib.suppress(ProcessLookupError):
                handle = os.pidfd_open(next(iter(alive.values())))
                select.select([handle], [], [], left_s)
                os.close(handle)
        return list(alive)

    def agents(self) -> list[int]:
        """Return the agents: each is the child of its guard, and looks like it."""
        ends = ("exec(eval(", "<remotest engine>")  # With what is read, and with what was told.
        found = self.processes().items()
        alike = [pid for name, pid in found if any(end in name for end in ends)]
        return [pid for pid in alike if parent_of(pid) in alike]

    def end_all(self) -> None:
        """End what is left, so that no test leaves anything, nor one that fails."""
        for pid in self.tree():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def files(self) -> list[str]:
        """Return what is left in the temporary folder, but pytest's own."""
        return sorted(
            str(path.relative_to(self.temporary))
            for path in self.temporary.rglob("*")
            if not path.is_dir() and "pytest-of-root" not in path.parts
        )


def parent_of(pid: int) -> int:
    """Return the parent of a process."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def has_ended(pid: int) -> bool:
    """Wait for the end of a process, as long as it has for that, and return whether it came."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], GONE_WITHIN_S)[0])
    finally:
        os.close(handle)


def comes(fifo: int) -> bool:
    """Wait until a test tells something by a FIFO."""
    readable, _, _ = select.select([fifo], [], [], EVENT_TIMEOUT_S)
    return bool(readable and os.read(fifo, 4096))


@contextlib.contextmanager
def leaving(
    directory: Path, shell: Mapping[str, str], files: Mapping[str, str], *, waits: str = ""
) -> Iterator[Leftovers]:
    """Give a project whose tests leave children; what is left in the end is ended."""
    temporary = directory / "tmp"
    temporary.mkdir()
    fifo = directory / "fifo"
    os.mkfifo(fifo)
    cookie = uuid.uuid4().hex
    project = projects.make(directory / "project", shell, {"pytest.ini": "[pytest]\n", **files})
    project = project.with_variables(
        {"FIFO": str(fifo), "WAITS": waits, COOKIE: cookie, "TMPDIR": str(temporary)}
    )
    handle = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
    made = Leftovers(project=project, temporary=temporary, cookie=cookie, fifo=handle)
    try:
        yield made
    finally:
        os.close(handle)
        made.end_all()
