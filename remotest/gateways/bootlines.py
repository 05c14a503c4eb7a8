"""What is said to a fresh login until our interpreter answers. Pure.

Three texts, each carrying the next as data, so that no shell on a host ever parses anything that
a user wrote:

1. ``REMOTE_COMMAND``: constant, the same string for bash, dash, fish and tcsh. It reads
2. one line for ``sh``: a script that finds the interpreter and becomes it, or says what else
   there is. The interpreter reads
3. one line of Python: it tells what it is, keeps the stream to itself, and waits for more.

A socket server of execnet is at step 3 at once. docs/protocol.md tells the whole story.
"""

from __future__ import annotations

import ast
import os
import re
import secrets
import shlex
from dataclasses import dataclass
from typing import Final, TypeAlias

SHELL_PROGRAM: Final = 'IFS= read -r line; eval "$(printf %b "$line")"'
"""For ``sh -c``. ``read`` takes no byte beyond the line; ``%b`` undoes ``_escaped``."""

REMOTE_COMMAND: Final = f"exec /bin/sh -c '{SHELL_PROGRAM}'"
"""For any login shell: no ``!``, backslash, quote or newline inside, which they differ on."""

OLDEST_VERSION: Final = (3, 6)
"""The grammar of what travels."""

FOUND_SHOWN: Final = 12
"""Other interpreters that an error names, one of each name: short enough to read."""

_SETUP_SCRIPT: Final = """\
printf '%s%s pid %s\\n' {left} {right} $$
eval {setup} </dev/null >&2 || {{ printf '%s%s setup %s\\n' {left} {right} $?; exit 1; }}
"""
# It may print and read what it likes: not our input, and not where the answer is looked for. The
# process is told first, so that it can be ended where the command line does not come to an end.

_START: Final = "-c 'import sys;exec(eval(sys.stdin.readline()))'"
"""What an interpreter is started with."""

_FOLDERS: Final = """\
$PATH /usr/local/bin "$HOME"/.local/bin "${PYENV_ROOT:-$HOME/.pyenv}"/versions/*/bin \
"$HOME"/.asdf/installs/python/*/bin "$HOME"/.local/share/mise/installs/python/*/bin /opt/*/bin \
"$HOME"/.local/share/uv/python/*/bin"""
"""Where interpreters are; what is on PATH comes first."""

_FIND_SCRIPT: Final = """\
printf '%s%s pid %s\\n' {left} {right} $$
remotest_look_up() (
    set +f
    IFS=:
    file=$(command -v "$1") || file=
    case $file in
    */shims/*) "$file" -c '' </dev/null >/dev/null 2>&1 && printf %s "$file" && exit ;;
    */*) printf %s "$file" && exit ;;
    esac
    case $1 in python | python3) exit 1 ;; esac
    for folder in {folders}; do
        case $folder in */shims) continue ;; esac
        file=$folder/$1
        test -f "$file" && test -x "$file" && printf %s "$file" && exit
    done
    exit 1
)
remotest_python={python}
case $remotest_python in
'') set -- python3 python ;;
'~/'*) set -- "$HOME/${{remotest_python#??}}" ;;
*) set -- "$remotest_python" ;;
esac
for remotest_name do
    case $remotest_name in
    -*) remotest_file= ;;
    */*) remotest_file=$remotest_name ;;
    *) remotest_file=$(remotest_look_up "$remotest_name") || remotest_file= ;;
    esac
    test -f "$remotest_file" && test -x "$remotest_file" && exec "$remotest_file" {start}
done
"""
# Names that no environment has: what is exported already would reach the interpreter changed.
# A shim (of pyenv, asdf, mise) is on PATH for every version that is installed, and fails for those
# that are not active: what it stands for lies in one of the folders. Which of several python3 in
# there would be meant, nobody knows.

_UV_SCRIPT: Final = """\
for remotest_uv in "$(command -v uv)" "$HOME"/.local/bin/uv "$HOME"/.cargo/bin/uv; do
    "$remotest_uv" --version </dev/null >/dev/null 2>&1 || continue
    printf '%s%s uv\\n' {left} {right}
    remotest_find() {{
        "$remotest_uv" python find --no-project --system {request} </dev/null
    }}
    remotest_install() {{
        UV_PYTHON_INSTALL_BIN=0 "$remotest_uv" python install {request} </dev/null >&2
    }}
    remotest_file=$(remotest_find 2>/dev/null) ||
        remotest_file=$(remotest_install && remotest_find) || break
    exec "$remotest_file" {start}
done
"""
# It is not put on PATH there: what its owner calls python3.13 stays what it was.

_LIST_SCRIPT: Final = """\
printf '%s%s missing' {left} {right}
set +f
IFS=:
for folder in {folders}; do
    case $folder in */shims) continue ;; esac
    for name in python3 python3.[0-9] python3.[0-9][0-9] pypy3 pypy3.[0-9] pypy3.[0-9][0-9]; do
        for file in "$folder"/$name; do
            test -f "$file" && test -x "$file" && printf ':%s' "$file"
        done
    done
done
printf '\\n'
"""

# For every Python since 2.7, whose version shall be told too. os is loaded by site already: the
# working directory, still first in sys.path, cannot provide another one.
_PYTHON_PROGRAM: Final = """\
import os, signal, sys
try:
    clientsock
except NameError:
    signal.alarm({start_timeout_s})
    sys.path[:] = [entry for entry in sys.path if entry]
    receiver, sender, null = os.dup(0), os.dup(1), os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.close(null)
else:
    receiver, sender = os.dup(clientsock.fileno()), os.dup(clientsock.fileno())
    clientsock.close()
implementation = getattr(getattr(sys, "implementation", None), "name", "cpython")
answer = "%s%s python %r" % ({left!r}, {right!r},
    (tuple(sys.version_info[:3]), implementation, sys.executable or ""))
os.write(sender, (answer + "\\n").encode("ascii", "backslashreplace"))
def receive(size):
    data = b""
    while len(data) < size:
        piece = os.read(receiver, size - len(data))
        if not piece:
            break
        data += piece
    return data
engine = receive(int(receive({length_digits}) or 0))
if engine:
    exec(compile(engine, "<remotest engine>", "exec"))
"""

_END_SCRIPT: Final = """\
exec 2>/dev/null
kill -s TERM -- -{pid} {pid}
kill -s CONT -- -{pid} {pid}
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
    kill -s 0 {pid} || exit 0
    sleep 0.2 || sleep 1
done
kill -s KILL -- -{pid} {pid}
"""
# The guard of an agent ends what the agent cannot; what is killed at once leaves its children.

LENGTH_DIGITS: Final = 8
"""Of the decimal length in front of the engine: up to 100 MB, of which 50 kB are used."""

START_TIMEOUT_S: Final = 60
"""For the engine to come, and then for the bundle, as long as a greeting is waited for. On a line
that has fallen silent nobody tells an interpreter that nothing will come: it ends by itself."""

LEAVE_TIMEOUT_S: Final = 8
"""For an agent to end its workers when the controller is gone: nothing lives on after 10 s."""

_ENGINE_END: Final = f"""
if "clientsock" not in globals():  # A socket server lives on, and is nobody's to watch.
    signal.alarm(0)  # The guard lives as long as the agent.
    _supervise = {{}}
    exec(compile(_supervise_source, "<remotest>/supervise.py", "exec"), _supervise)
    _supervise["guard"](receiver)
    signal.alarm({START_TIMEOUT_S})
_plain_geterrortext = geterrortext
def geterrortext(exc):
    # execnet cannot send a lone surrogate, and would then never tell of the error.
    return _plain_geterrortext(exc).encode("utf-8", "backslashreplace").decode("utf-8")
class _Gateway(WorkerGateway):
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


def shell_line(
    python: str | None, marker: Marker, setup: str | None = None, *, uv_request: str | None = None
) -> bytes:
    """Return the line for ``SHELL_PROGRAM`` that makes it ``python``.

    Args:
        python: a path there (``~/`` is the home there), a name to look up on its PATH, or None
            for the first of ``python3`` and ``python``.
        marker: what the answer begins with if it is missing.
        setup: a command line for sh that is run first, for what it does to the environment.
        uv_request: what the uv there may be asked for where there is no such interpreter.
    """
    uv_script = "" if uv_request is None else _UV_SCRIPT
    return _line(
        _setup_script(setup) + _FIND_SCRIPT + uv_script + _LIST_SCRIPT,
        marker,
        python=shlex.quote(python or ""),
        setup=shlex.quote(setup or ""),
        request=shlex.quote(uv_request or ""),
    )


def list_line(marker: Marker, setup: str | None = None) -> bytes:
    """Return the line for ``SHELL_PROGRAM`` that makes it tell which interpreters there are.

    Its answer is ``Missing``; ``setup`` as in ``shell_line``.
    """
    return _line(_setup_script(setup) + _LIST_SCRIPT, marker, setup=shlex.quote(setup or ""))


def _line(script: str, marker: Marker, **words: str) -> bytes:
    """Return a script with these words in it, as ``SHELL_PROGRAM`` reads it."""
    text = script.format(
        left=marker.left, right=marker.right, folders=_FOLDERS, start=_START, **words
    )
    return _escaped(os.fsencode(text)) + b"\n"


def _setup_script(setup: str | None) -> str:
    return _SETUP_SCRIPT if setup is not None else ""


def end_line(pid: int) -> bytes:
    """Return the line for ``SHELL_PROGRAM`` that ends a process and its group on that host."""
    return _escaped(_END_SCRIPT.format(pid=pid).encode("ascii")) + b"\n"


def _escaped(data: bytes) -> bytes:
    r"""Return printable ASCII from which ``printf %b`` makes ``data`` again.

    >>> _escaped(b"a\\b\n")
    b'a\\0134b\\0012'
    """
    return b"".join(
        b"%c" % byte if 0x20 <= byte < 0x7F and byte != ord("\\") else b"\\0%03o" % byte  # noqa: PLR2004  printable ASCII
        for byte in data
    )


def python_line(marker: Marker) -> bytes:
    """Return the line for ``eval(readline())`` that makes an interpreter tell what it is."""
    program = _PYTHON_PROGRAM.format(
        left=marker.left,
        right=marker.right,
        length_digits=LENGTH_DIGITS,
        start_timeout_s=START_TIMEOUT_S,
    )
    return ascii(program).encode("ascii") + b"\n"


def engine_message(engine_source: str, supervise_source: str) -> bytes:
    """Return what an interpreter that has answered waits for: execnet, guarded, ready to serve.

    ``supervise_source`` is that of ``pytest_remotest.supervise``.
    """
    supervise = f"_supervise_source = {supervise_source!a}\n"
    program = (engine_source + supervise + _ENGINE_END).encode("utf-8")
    return b"%0*d" % (LENGTH_DIGITS, len(program)) + program


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
