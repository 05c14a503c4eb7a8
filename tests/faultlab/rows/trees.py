"""Rows 21-28 and 31-33: what is in a tree, and what happens to it on its way.

The tests of these rows look, on the host, at what has arrived.
"""

from __future__ import annotations

import hashlib
import os
import socket
from typing import TYPE_CHECKING

import needs
from faultlab import watching
from faultlab.catalogue import GREEN, HOST_FAILED, fault
from faultlab.proxy import TO_HOST

if TYPE_CHECKING:
    from faultlab.scene import Scene, Seen

PASSED = {"passed": 1}

LOOK = """
import os

def test_it():
    os.chdir(os.path.dirname(os.path.abspath(__file__)))
    assert {condition}
"""
MEGABYTE = 1 << 20


@fault(
    "21",
    "file vanishes during the scan",
    exits=GREEN,
    says=["z-late.txt was deleted while it was read"],
    outcomes=PASSED,
)
def vanishing(scene: Scene) -> Seen:
    """A file is deleted when a large one before it in the tree is opened to be read."""
    _write_look(scene, "not os.path.exists('z-late.txt')")
    project = scene.project.directory
    scene.write({"z-late.txt": "late"})
    with (project / "early.bin").open("wb") as stream:
        stream.truncate(64 * MEGABYTE)
    with watching.when_opened(project / "early.bin", (project / "z-late.txt").unlink):
        return scene.run(scene.host("first"))


@fault(
    "22",
    "file that cannot be read",
    exits=HOST_FAILED,
    says=["secret.txt: Permission denied"],
    outcomes={},
)
def unreadable(scene: Scene) -> Seen:
    """A file of the project, which no test needs, may not be read by the user who runs pytest."""
    program = needs.program("setpriv")
    scene.write({"secret.txt": "secret"})
    (scene.project.directory / "secret.txt").chmod(0)
    bound = "--bounding-set=-dac_override,-dac_read_search"
    prefix = [program, bound] if os.getuid() == 0 else []
    return scene.run(scene.host("first"), prefix=prefix)


@fault("23", "symlink loop", exits=GREEN, outcomes=PASSED)
def loop(scene: Scene) -> Seen:
    """A link leads to the directory that it is in; a test looks for it on the host."""
    _write_look(scene, "os.readlink('data/loop') == '.'")
    (scene.project.directory / "data").mkdir()
    (scene.project.directory / "data" / "loop").symlink_to(".")
    return scene.run(scene.host("first"))


@fault("24", "relative symlink", exits=GREEN, outcomes=PASSED)
def relative_link(scene: Scene) -> Seen:
    """A link leads to a file beside it; a test follows it on the host."""
    _write_look(scene, "open('link').read() == 'it' and os.readlink('link') == 'data/file'")
    scene.write({"data/file": "it"})
    (scene.project.directory / "link").symlink_to("data/file")
    return scene.run(scene.host("first"))


@fault(
    "25",
    "symlink out of the tree",
    exits=GREEN,
    says=["out is a link to .*elsewhere.*, which does not travel"],
    outcomes=PASSED,
)
def link_out(scene: Scene) -> Seen:
    """A link leads to a file outside of the project."""
    _write_look(scene, "os.path.islink('out')")
    elsewhere = scene.directory / "elsewhere"
    elsewhere.write_text("it")
    (scene.project.directory / "out").symlink_to(elsewhere)
    return scene.run(scene.host("first"))


@fault(
    "26",
    "FIFO and socket",
    exits=GREEN,
    says=["stays home: it is a (FIFO|socket)"],
    outcomes=PASSED,
    cheap=True,
)
def special_files(scene: Scene) -> Seen:
    """A FIFO and a socket lie in the project."""
    _write_look(scene, "not os.path.exists('fifo') and not os.path.exists('socket')")
    os.mkfifo(scene.project.directory / "fifo")
    here = os.open(scene.project.directory, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as listener:
        # The path of the project may be longer than the address of a socket.
        listener.bind(f"/proc/self/fd/{here}/socket")
        os.close(here)
        return scene.run(scene.host("first"))


@fault("27", "name that is not UTF-8", exits=GREEN, outcomes=PASSED, cheap=True)
def strange_name(scene: Scene) -> Seen:
    """A file's name is the bytes name-FF-80; a test opens it on the host."""
    _write_look(scene, r"open(b'data/name-\xff\x80').read() == 'it'")
    (scene.project.directory / "data").mkdir()
    with open(os.fsencode(scene.project.directory) + b"/data/name-\xff\x80", "w") as stream:  # noqa: PTH123  bytes
        stream.write("it")
    return scene.run(scene.host("first"))


@fault("28", "newline in a name, name of 255 bytes", exits=GREEN, outcomes=PASSED)
def long_names(scene: Scene) -> Seen:
    """Two files have such names; a test opens them on the host."""
    _write_look(scene, r"open('data/a\nb').read() == open('data/' + 'x' * 255).read() == 'it'")
    scene.write({"data/a\nb": "it", f"data/{'x' * 255}": "it"})
    return scene.run(scene.host("first"))


@fault("31", "edit of the same size and time", exits=GREEN, outcomes=PASSED)
def same_size_and_time(scene: Scene) -> Seen:
    """After a run a byte of a module changes, and its time is set back; this is the next run."""
    _write_look(scene, "__import__('value').VALUE == 2")
    scene.write({"value.py": "VALUE = 1\n"})
    path = scene.project.directory / "value.py"
    before = path.stat()
    host = scene.host("first")
    scene.run(host)
    path.write_text("VALUE = 2\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    scene.forget()
    return scene.run(host)


@fault("32", "permission bits, empty directories", exits=GREEN, outcomes=PASSED)
def modes(scene: Scene) -> Seen:
    """A script is executable and setuid, a directory is empty; a test looks on the host."""
    _write_look(scene, "os.stat('run').st_mode & 0o7777 == 0o755 and os.listdir('empty') == []")
    scene.write({"run": "#!/bin/sh\n"})
    (scene.project.directory / "run").chmod(0o4755)
    (scene.project.directory / "empty").mkdir()
    return scene.run(scene.host("first"))


def _interrupt(scene: Scene, *ours: str) -> tuple[Seen, str]:
    """Cut the line when half of a file has gone to the host; a test looks at its digest there."""
    data = os.urandom(8 * MEGABYTE)
    digest = hashlib.sha256(data).hexdigest()
    _write_look(
        scene,
        f"__import__('hashlib').sha256(open('large.bin', 'rb').read()).hexdigest() == '{digest}'",
    )
    (scene.project.directory / "large.bin").write_bytes(data)
    host = scene.host("first", proxied=True)
    host.wire.after(TO_HOST, 4 * MEGABYTE, host.wire.cut)
    first = scene.run(host, ours=ours)
    return first, scene.spec(host)


@fault("33", "sync interrupted", exits=GREEN, says=["connected again"], outcomes=PASSED)
def interrupted(scene: Scene) -> Seen:
    """The line is cut when 4 of 8 MB have gone to the host; it can be reached again at once."""
    return _interrupt(scene)[0]


@fault("33b", "the run after an interrupted sync", exits=GREEN, outcomes=PASSED)
def after_interruption(scene: Scene) -> Seen:
    """The same with --reconnect=0, and then a run on a good line; a test compares digests."""
    _, spec = _interrupt(scene, "--reconnect=0")
    scene.forget()
    return scene.run(spec)


def _write_look(scene: Scene, condition: str) -> None:
    """Write the one test of a project: it looks whether something holds in its tree on the host."""
    scene.write_tests(LOOK.format(condition=condition))
