"""What is said to a fresh login until our interpreter answers. Pure.

Three texts, each carrying the next as data, so that no shell on a host ever parses anything that
a user wrote:

1. a command, which means the same to bash, dash, fish and tcsh. It carries
2. a script for ``sh``: it finds the interpreter and becomes it, or says what else there is. It
   carries
3. a program for Python: it tells what it is, keeps the stream to itself, and waits for more.

So an interpreter is there before the host has said how much it takes. What may take long before it
is (``setup=``, uv) has a command that is always the same, which reads 2 as one line, as the
interpreter then reads 3. A socket server of execnet is at step 3 at once. docs/protocol.md tells
the whole story.
"""

from __future__ import annotations

import ast
import hashlib
import re
import secrets
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from remotest.bundle import BYTECODE, PLACES, SUPERVISE

if TYPE_CHECKING:
    from collections.abc import Mapping

OLDEST_VERSION: Final = (3, 6)
"""The grammar of what travels."""

FOUND_SHOWN: Final = 12
"""Other interpreters that an error names, one of each name: short enough to read."""

# For every Python since 2.7, whose version shall be told too. os is loaded by site already: the
# working directory, still first in sys.path, cannot provide another one. signal it could.
_PYTHON_PROGRAM: Final = """\
import os, sys
try:
    clientsock
except NameError:
    sys.path[:] = [entry for entry in sys.path if entry]
    import signal
    signal.alarm({start_timeout_s})
    receiver, sender, null = os.dup(0), os.dup(1), os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.close(null)
    leave = {leave!r}
else:
    receiver, sender = os.dup(clientsock.fileno()), os.dup(clientsock.fileno())
    clientsock.close()
    leave = b""
implementation = getattr(getattr(sys, "implementation", None), "name", "cpython")
answer = "%s%s python %r" % ({left!r}, {right!r},
    (tuple(sys.version_info[:3]), implementation, sys.executable or ""))
os.write(sender, (answer + "\\n").encode("ascii", "backslashreplace"))
if sys.version_info >= {oldest}:
    for name in {early}:
        try:
            __import__(name)
        except ImportError:  # Whoever needs it tells.
            pass
def receive(size):
    data = b""
    while len(data) < size:
        piece = os.read(receiver, size - len(data))
        if not piece:
            break
        data += piece
    return data
said = receive(len(leave))
length = b"" if said == leave else said  # A shell of a login script has read that, and left.
engine = receive(int(length + receive({length_digits} - len(length)) or 0))
if engine and sys.version_info >= {oldest}:
    import zlib
    exec(compile(zlib.decompress(engine), "<remotest engine>", "exec"))
"""

IMPORTED_EARLY: Final = (
    *("typing", "threading", "hashlib", "selectors", "subprocess", "socket"),
    *("json", "tempfile", "importlib.util", "platform", "sysconfig", "ctypes"),
)
"""What an agent imports of the standard library: until the engine has come there is time for it."""

LEAVE_LINE: Final = b"exit\n"
"""In front of what is said before anybody has answered: of the script for ``sh``, and the engine.
What else reads it is a shell (forced on the account, or started by a login script), and leaves."""

LENGTH_DIGITS: Final = 8
"""Of the decimal length in front of the engine: up to 100 MB, of which 20 kB are used."""

START_TIMEOUT_S: Final = 60
"""For the engine to come, and then for the bundle, as long as a greeting is waited for. On a line
that has fallen silent nobody tells an interpreter that nothing will come: it ends by itself."""

LEAVE_TIMEOUT_S: Final = 8
"""For an agent to end its workers when the controller is gone: nothing lives on after 10 s."""

_ENGINE_BEGIN: Final = """\
_places, _bytecode = {{}}, {{}}
exec(compile({places!a}, "<remotest>/cacheplaces.py", "exec"), _places)
exec(compile({bytecode!a}, "<remotest>/bytecode.py", "exec"), _bytecode)
_code = _bytecode["ByteCode"](_places["candidates"]({cache!a}, os.environ), {key!r})
_supervise_source = {supervise!a}
exec(_code.get("execnet", {engine!a}, "<remotest engine>"))
"""
"""Looks for the byte code of the rest, which is most of it; each of these is the text of a file."""

_ENGINE_END: Final = f"""
if "clientsock" not in globals():  # A socket server lives on, and is nobody's to watch.
    signal.alarm(0)  # The guard lives as long as the agent.
    _supervise = {{}}
    _name = "<remotest>/pytest_remotest/supervise.py"  # As that of all modules.
    exec(_code.get("{SUPERVISE}", _supervise_source, _name), _supervise)
    _supervise["guard"](receiver)
    signal.alarm({START_TIMEOUT_S})
_plain_geterrortext = geterrortext
def geterrortext(exc):
    # execnet cannot send a lone surrogate, and would then never tell of the error.
    return _plain_geterrortext(exc).encode("utf-8", "backslashreplace").decode("utf-8")
class _Gateway(WorkerGateway):
    remotest_code = _code
    def _terminate_execution(self):
        # execnet would forget an agent that has not begun yet, and then wait for it.
        if not self._execpool.waitall({LEAVE_TIMEOUT_S}):
            os._exit(1)
        self._execpool.trigger_shutdown()
_io = Popen2IO(
    os.fdopen(sender, "wb"), os.fdopen(receiver, "rb"), get_execmodel("main_thread_only")
)
_Gateway(io=_io, id="remotest", _startcount=2).serve()
"""


@dataclass(frozen=True)
class Marker:
    """What an answer begins with, so that other output in front of it does no harm.

    What is sent holds the two halves apart: an echo of it is no answer.
    """

    left: str
    right: str

    @classmethod
    def new(cls) -> Marker:
        """Return a marker that no login script has ever printed."""
        return cls(secrets.token_hex(8), secrets.token_hex(8))

    def __bytes__(self) -> bytes:
        return (self.left + self.right).encode("ascii")


@dataclass(frozen=True, kw_only=True)
class Interpreter:
    """What an interpreter says that it is."""

    version: tuple[int, int, int]
    implementation: str
    executable: str

    def __str__(self) -> str:
        name = {"cpython": "Python", "pypy": "PyPy"}.get(self.implementation, self.implementation)
        return f"{name} {'.'.join(map(str, self.version))}"

    @property
    def is_too_old(self) -> bool:
        """Whether what travels cannot run there."""
        return self.version < OLDEST_VERSION


@dataclass(frozen=True)
class Missing:
    """No such interpreter; ``found`` are the paths of those that are there."""

    found: tuple[str, ...]

    def __str__(self) -> str:
        if not self.found:
            return "no Python 3 found there at all"
        first_of_name = {path.rpartition("/")[2]: path for path in reversed(self.found)}
        shown = [path for path in self.found if path in first_of_name.values()][:FOUND_SHOWN]
        return f"found there: {', '.join(shown)}"


@dataclass(frozen=True)
class SetupFailed:
    """The command line that was to be run first has failed with this exit status."""

    status: int


@dataclass(frozen=True)
class UvAsked:
    """The host's uv is being asked for the interpreter, and may install it: that takes time."""


@dataclass(frozen=True)
class Started:
    """The interpreter is being started as this process; its own answer follows.

    Where a command line is to be run first, so is that, and this is told before each of the two.
    """

    pid: int


Answer: TypeAlias = Interpreter | Missing | Started | UvAsked


def python_line(marker: Marker) -> bytes:
    """Return the line for ``exec(eval(readline()))`` that makes an interpreter tell what it is."""
    program = _PYTHON_PROGRAM.format(
        left=marker.left,
        right=marker.right,
        leave=LEAVE_LINE,
        length_digits=LENGTH_DIGITS,
        oldest=OLDEST_VERSION,
        early=IMPORTED_EARLY,
        start_timeout_s=START_TIMEOUT_S,
    )
    return ascii(program).encode("ascii") + b"\n"


def engine_message(
    engine: str, bundle: Mapping[str, str], *, cache: str | None, packed: bytes
) -> bytes:
    """Return what an interpreter waits for behind ``LEAVE_LINE``: execnet, guarded, ready to serve.

    Args:
        engine: the source of execnet.
        bundle: see ``read_bundle``; what is needed before it comes goes along.
        cache: the host's, as the user wrote it; None where that is the host's to say.
        packed: the bundle, as it will come.
    """
    engine += _ENGINE_END
    program = _ENGINE_BEGIN.format(
        places=bundle[PLACES],
        bytecode=bundle[BYTECODE],
        supervise=bundle[SUPERVISE],
        engine=engine,
        cache=cache,
        key=hashlib.sha256(engine.encode("utf-8") + packed).hexdigest(),
    )
    data = zlib.compress(program.encode("ascii"))
    return b"%0*d" % (LENGTH_DIGITS, len(data)) + data


_ESCAPE: Final = r"""\\(?:[\\'"nrt]|x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})"""
_INTERPRETER: Final = re.compile(
    r"\(\((\d{1,3}), (\d{1,3}), (\d{1,3})\), ('\w{1,40}'), "
    rf"""('(?:[^'\\]|{_ESCAPE})*'|"(?:[^"\\]|{_ESCAPE})*")\)"""
)
"""What ``python_line`` makes it say, with ``repr`` of a text: no other literal is evaluated."""


def parse_answer(line: bytes) -> Answer | SetupFailed:
    """Return what stands behind the marker in an answer.

    Raises:
        ValueError: it is none of the answers.
    """
    kind, separator, content = line.partition(b" ")
    if kind == b"python" and separator:
        return _parse_interpreter(content.decode("ascii"))
    if kind == b"setup" and content.isdigit():
        return SetupFailed(int(content))
    if kind == b"pid" and content.isdigit():
        return Started(int(content))
    if line == b"uv":
        return UvAsked()
    if line.startswith(b"missing"):
        names = line.decode("utf-8", "backslashreplace").split(":")[1:]
        return Missing(tuple(dict.fromkeys(names)))
    raise ValueError("unknown answer")


def _parse_interpreter(text: str) -> Interpreter:
    match = _INTERPRETER.fullmatch(text)
    if match is None:
        raise ValueError("not what an interpreter tells of itself")
    major, minor, micro, implementation, executable = match.groups()
    try:
        path = ast.literal_eval(executable)
    except SyntaxError as error:  # A character that there is not.
        raise ValueError("not the path of an executable") from error
    return Interpreter(
        version=(int(major), int(minor), int(micro)),
        implementation=implementation.strip("'"),
        executable=path,
    )
