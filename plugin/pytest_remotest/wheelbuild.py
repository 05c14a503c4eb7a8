"""Builds a wheel of a source by its own build backend (PEP 517), without a network.

All that a backend needs comes as wheels; what nobody can send is the compiler.
"""

import contextlib
import itertools
import json
import os
import re
import selectors
import signal
import subprocess
import time
from typing import Callable, Dict, Iterable, Iterator, List, NamedTuple, Set, Tuple

from pytest_remotest import envstore, messages, sourceunpack, venvfolder, wheelunpack
from pytest_remotest.entries import to_bytes, to_text
from pytest_remotest.envstore import EnvStore, WheelFile
from pytest_remotest.supervise import KILL_DEADLINE_S, signal_group
from pytest_remotest.wheelnames import WheelError, name_and_version, normalized

LOOK_S = 0.2  # Between looks at whether the run is over, or the time.
READ_BYTES = 64 * 1024  # The size of a pipe's buffer on Linux: more cannot be there at once.
LOG_BYTES = 4096  # Of the end of a build's log: enough for a compiler's error.
LOG_LINES = 20  # Of it that are told.

# Run by the interpreter of a build's environment: calls one hook, and leaves its answer in a file.
# What a backend prints is a log. The working directory is the project's, and not on sys.path.
HOOK_PROGRAM = """\
import importlib, json, sys
call = json.loads(sys.argv[1])
sys.path[:] = call["path"] + [entry for entry in sys.path if entry]
module, _, names = call["backend"].partition(":")
backend = importlib.import_module(module)
for name in names.split(".") if names else ():
    backend = getattr(backend, name)
sys.argv[1:] = []
hook = getattr(backend, call["hook"], None)
answer = hook(*call["arguments"]) if hook else None
with open(call["answer"], "w") as file:
    json.dump(answer, file)
"""


class Build(NamedTuple):
    """A wheel that is to be built.

    Attributes:
        key: names what comes of it; the same for the same source, built by the same with the same.
        name: normalized name that the wheel has to have.
        version: that it has to have; empty where only the build tells.
        source: the archive.
        backend: of PEP 517, ``module:object``.
        backend_path: where in the project it lies, if it does.
        variables: of the build's environment.
        requires: wheels that the backend needs.
    """

    key: str
    name: str
    version: str
    source: WheelFile
    backend: str
    backend_path: List[str]
    variables: Dict[str, str]
    requires: List[WheelFile]


class BuildError(Exception):
    """A wheel could not be built; ``log`` is the end of what the backend printed."""

    def __init__(self, build: Build, reason: str, log: str = "") -> None:
        super(BuildError, self).__init__(reason)
        self.key = build.key
        self.reason = reason
        self.log = log


def hook_arguments(
    hook: str, arguments: List[str], backend: str, path: List[str], answer: str
) -> List[str]:
    """Return what is behind the interpreter in the command that calls a hook of a backend."""
    call = {
        "hook": hook,
        "arguments": arguments,
        "backend": backend,
        "path": path,
        "answer": answer,
    }
    return ["-c", HOOK_PROGRAM, json.dumps(call)]


def build(
    store: EnvStore, order: Build, tags: Iterable[str], is_over: Callable[[], bool]
) -> WheelFile:
    """Build a wheel and keep it in the store, where ``find_built`` finds it.

    Source and wheels are in the store, and leased.

    Args:
        store: what is built in.
        order: what is wanted.
        tags: of wheels that this interpreter can have, ``cp39-cp39-linux_x86_64``.
        is_over: whether nobody waits for it any more.

    Raises:
        BuildError: it does not build, or something else comes of it.
        WheelError: the source, or a wheel that it needs, cannot be used.
        Refused: this interpreter cannot have an environment.
        OSError: as the disk has it.
    """
    name = store.new_name(order.key)
    lease = store.leases.take(name)
    folder = os.path.join(store.envs, envstore.BUILDING + name)
    try:
        os.mkdir(folder, 0o700)
        wheel = _make(store, folder, order, is_over)
        filename = to_text(os.path.basename(wheel))
        _check(order, wheel, filename, tags, os.path.join(folder, b"check"))
        return store.keep_built(order.key, wheel)
    finally:
        store.leases.let_go(lease)
        store.discard(envstore.BUILDING + name)


def _make(store: EnvStore, folder: bytes, order: Build, is_over: Callable[[], bool]) -> bytes:
    """Return the path of the wheel that the backend makes."""
    layout = venvfolder.make(os.path.join(folder, b"env"))
    for wheel in order.requires:
        path = store.wheel_path(wheel.digest, wheel.filename)
        wheelunpack.unpack(path, wheel.filename, layout)
    source = store.wheel_path(order.source.digest, order.source.filename)
    root = sourceunpack.unpack(source, order.source.filename, os.path.join(folder, b"source"))
    wheels, scratch = os.path.join(folder, b"wheel"), os.path.join(folder, b"tmp")
    os.mkdir(wheels)
    os.mkdir(scratch)
    answer = os.path.join(folder, b"answer")
    backend_path = [to_text(os.path.join(root, to_bytes(path))) for path in order.backend_path]
    arguments = hook_arguments(
        "build_wheel", [to_text(wheels)], order.backend, backend_path, to_text(answer)
    )
    command = [os.path.join(layout.scripts, venvfolder.PYTHON), *map(to_bytes, arguments)]
    variables = _environment(layout, scratch, order)
    status, log = _run(command, root, variables, order, is_over)
    if status:
        raise BuildError(order, "its build backend ended with exit code %d" % status, log)
    made = os.listdir(wheels)
    if len(made) != 1:
        raise BuildError(order, "its build backend made %d wheels" % len(made), log)
    return os.path.join(wheels, made[0])


def _environment(layout: wheelunpack.Layout, scratch: bytes, order: Build) -> Dict[bytes, bytes]:
    """Return the variables of a build: the host's own, so that ``setup=`` can choose compilers."""
    variables = dict(os.environb)
    for name in (b"PYTHONHOME", b"PYTHONPATH"):
        variables.pop(name, None)
    path = variables.get(b"PATH", os.fsencode(os.defpath))
    variables[b"PATH"] = layout.scripts + b":" + path
    variables[b"VIRTUAL_ENV"] = layout.root
    variables[b"TMPDIR"] = scratch
    variables[b"PIP_NO_INDEX"] = b"1"  # Old backends fetch what they lack, or wait for it.
    variables.update((to_bytes(name), to_bytes(value)) for name, value in order.variables.items())
    return variables


def _run(
    command: List[bytes],
    directory: bytes,
    variables: Dict[bytes, bytes],
    order: Build,
    is_over: Callable[[], bool],
) -> Tuple[int, str]:
    """Run a build to its end; return its exit code and the end of its log."""
    process = subprocess.Popen(
        command,
        cwd=directory,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    assert process.stdout is not None
    tail = b""
    deadline_s = time.monotonic() + messages.MAX_BUILD_S
    try:
        for piece in _pieces(process):
            tail = (tail + piece)[-LOG_BYTES:]
            if is_over():
                raise BuildError(order, "the run is over")
            if time.monotonic() > deadline_s:
                reason = "it did not end within %d s" % messages.MAX_BUILD_S
                raise BuildError(order, reason, _text(tail))
    finally:
        signal_group(process.pid, signal.SIGKILL)  # Whatever it has left behind.
        with contextlib.suppress(subprocess.TimeoutExpired):  # It hangs in the kernel.
            process.wait(KILL_DEADLINE_S)
        process.stdout.close()
    return process.returncode, _text(tail)


def _pieces(process: "subprocess.Popen[bytes]") -> Iterator[bytes]:
    """Yield what a process prints until it has ended, and b"" while it is silent."""
    assert process.stdout is not None
    descriptor = process.stdout.fileno()
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        has_ended = False
        while True:
            is_readable = bool(selector.select(0 if has_ended else LOOK_S))
            piece = os.read(descriptor, READ_BYTES) if is_readable else b""
            # What it has left behind may hold the pipe open after its end.
            if not piece and (is_readable or has_ended):
                break
            has_ended = process.poll() is not None
            yield piece
    while process.poll() is None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(LOOK_S)
        yield b""


def _text(log: bytes) -> str:
    return "\n".join(log.decode("utf-8", "replace").splitlines()[-LOG_LINES:])


def _check(order: Build, wheel: bytes, filename: str, tags: Iterable[str], folder: bytes) -> None:
    """Refuse what is not the wheel that was wanted, or none at all."""
    try:
        name, version = name_and_version(filename)
        if name != order.name or (order.version and _plain(version) != _plain(order.version)):
            raise BuildError(
                order, "%.200s came of it, and not %s %s" % (filename, order.name, order.version)
            )
        if not tags_of(filename) & set(tags):
            raise BuildError(order, "%.200s came of it, which is not for here" % filename)
        os.mkdir(folder)
        wheelunpack.unpack(wheel, filename, venvfolder.layout_of(folder))
    except WheelError as error:
        raise BuildError(order, "no wheel came of it: %s" % error.reason) from error


def _plain(version: str) -> str:
    """Return a version without the ways in which its parts may be joined."""
    return re.sub(r"[-_.+]+", ".", normalized(version))


def tags_of(filename: str) -> Set[str]:
    """Return what the name of a wheel says it is for, each tag by itself."""
    parts = [part.split(".") for part in filename[: -len(".whl")].rsplit("-", 3)[1:]]
    return {"-".join(tag) for tag in itertools.product(*parts)}
