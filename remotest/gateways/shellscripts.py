"""What ``sh`` on a host is told until it is our interpreter. Pure.

It is told a script, as a part of its command, or in one line that it reads; see ``bootlines``. In
front of that line stands ``LEAVE_LINE``, so that another shell, which would take it for its own,
leaves. While it waits for that line, and while it runs what may hang, a *watcher* goes along with
it: a shell cannot see by itself that nobody is there any more.
"""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING, Final

from remotest.gateways.bootlines import LEAVE_LINE

if TYPE_CHECKING:
    from remotest.gateways.bootlines import Marker

SHELL_PROGRAM: Final = (
    'IFS= read -r line; [ "$line" = exit ] && IFS= read -r line; eval "$(printf %b "$line")"'
)
"""For ``sh -c``. ``read`` takes no byte beyond the line; ``%b`` undoes ``_escaped``.

``LEAVE_LINE`` in front of it is missing where a shell of a login script has read that."""

LINE_TIMEOUT_S: Final = 25
"""For that line to come: BOOT_TIMEOUT_S after it was sent nobody waits for an answer any more."""

_LINE_WATCHER: Final = f"""\
(n=0; while sleep 1 && kill -s 0 $$; do n=$((n+1)); \
[ $n -lt {LINE_TIMEOUT_S} ] || kill -s KILL $$; done) </dev/null >/dev/null 2>&1 &"""
"""Ends a shell to which no line comes, on a link that swallows all, also one that is stopped.
``_LINE_CAME`` ends it."""

REMOTE_COMMAND: Final = f"exec /bin/sh -c '{_LINE_WATCHER} {SHELL_PROGRAM}'"
"""For any login shell: no ``!``, backslash, quote or newline inside, which they differ on."""

_TOLD_COMMAND: Final = """exec /bin/sh -c 'eval "$(printf %b "$1")"' sh '{script}'"""
"""The same, for a script that is a part of it."""

MAX_COMMAND_CHARS: Final = 8000
"""dropbear takes commands of 9,000 characters; ours have 4,000, and the path of an interpreter."""

_KILL_WATCHER: Final = "kill -s KILL {pid} $(cat /proc/{pid}/task/{pid}/children)"
# Its sleep, too, where that can be found: it ends by itself in a second, unless it is stopped.

_LINE_CAME: Final = f"{{ {_KILL_WATCHER.format(pid='$!')}; wait $!; }} 2>/dev/null\n"
# Where there is no watcher, on this machine, this does nothing.

_WATCH_SCRIPT: Final = """\
remotest_watcher=$( (
    kill -s 0 $PPID || exit
    while kill -s 0 $PPID; do
        sleep 1 && kill -s 0 $$ || exit
    done
    trap '' TERM
    kill -s TERM -- -$$ $$
    kill -s CONT -- -$$ $$
    sleep 2
    kill -s KILL -- -$$ $$
) </dev/null >/dev/null 2>&1 & printf %s $!)
"""
# The shell's parent is sshd's process for this connection, or the controller. Where it is not ours
# to signal, whether it is there cannot be known. The watcher is no child of the shell: a command
# line may wait for all of those. It is in the shell's group itself, whose number so stays taken.

_SETUP_SCRIPT: Final = """\
printf '%s%s pid %s\\n' {left} {right} $$
eval {setup} </dev/null >&2 || {{ printf '%s%s setup %s\\n' {left} {right} $?; exit 1; }}
"""
# It may print and read what it likes: not our input, and not where the answer is looked for. The
# process is told first, so that it can be ended where the command line does not come to an end.

_READ_PROGRAM: Final = 'import io;exec(eval(io.open(0,"rb",0,closefd=False).readline()))'
"""For ``python -c``. It takes no byte beyond the line, as the shell before it."""

_START: Final = f"""exec "$remotest_file" -c '{_READ_PROGRAM}'"""
"""How the shell becomes an interpreter."""

_START_TOLD: Final = """exec "$remotest_file" -c 'import sys;exec(eval(sys.argv.pop()))' {line}"""
"""The same, with the line as an argument: what starts the interpreter in a container, or as another
user, may hand on no variables. There is no secret in it, and a list of processes may show it."""

_START_WATCHED: Final = (
    f"{{ {{ {_KILL_WATCHER.format(pid='$remotest_watcher')}; }} 2>/dev/null; {_START}; }}"
)
"""The same, where an interpreter must not be ended like a shell that hangs."""

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
    test -f "$remotest_file" && test -x "$remotest_file" && {start}
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
    {start}
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

_END_SCRIPT: Final = """\
exec 2>/dev/null
kill -s TERM -- -{pid} {pid}
kill -s CONT -- -{pid} {pid}
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
    kill -s 0 {pid} || break
    sleep 0.2 || sleep 1
done
kill -s KILL -- -{pid} {pid}
"""
# The guard of an agent ends what the agent cannot; what is killed at once leaves its children. A
# shell goes before its children do, which may be deaf.


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
    may_hang = setup is not None or uv_request is not None
    scripts = (
        _WATCH_SCRIPT if may_hang else "",
        "" if setup is None else _SETUP_SCRIPT,
        _FIND_SCRIPT,
        "" if uv_request is None else _UV_SCRIPT,
        _LIST_SCRIPT,
    )
    return _line(
        "".join(scripts),
        marker,
        start=_START_WATCHED if may_hang else _START,
        python=shlex.quote(python or ""),
        setup=shlex.quote(setup or ""),
        request=shlex.quote(uv_request or ""),
    )


def told_command(python: str | None, marker: Marker, line: bytes) -> str | None:
    """Return a command for any login shell that becomes ``python``; None where it is too long.

    Args:
        python: see ``shell_line``.
        marker: see there.
        line: what the interpreter would read then.
    """
    script = _fill_in(
        _FIND_SCRIPT + _LIST_SCRIPT,
        marker,
        start=_START_TOLD.format(line=shlex.quote(line.decode("ascii").strip())),
        python=shlex.quote(python or ""),
    )
    command = _TOLD_COMMAND.format(script=_escaped(script).decode("ascii"))
    return command if len(command) <= MAX_COMMAND_CHARS else None


def list_line(marker: Marker, setup: str | None = None) -> bytes:
    """Return the line for ``SHELL_PROGRAM`` that makes it tell which interpreters there are.

    Its answer is ``Missing``; ``setup`` as in ``shell_line``.
    """
    setup_script = "" if setup is None else _WATCH_SCRIPT + _SETUP_SCRIPT
    return _line(setup_script + _LIST_SCRIPT, marker, setup=shlex.quote(setup or ""))


def end_line(pid: int) -> bytes:
    """Return the line for ``SHELL_PROGRAM`` that ends a process and its group on that host."""
    return _as_line(_END_SCRIPT.format(pid=pid))


def _line(scripts: str, marker: Marker, **words: str) -> bytes:
    """Return scripts with these words in them, as ``SHELL_PROGRAM`` reads them."""
    return _as_line(_fill_in(scripts, marker, **words))


def _fill_in(scripts: str, marker: Marker, **words: str) -> str:
    return scripts.format(left=marker.left, right=marker.right, folders=_FOLDERS, **words)


def _as_line(script: str) -> bytes:
    return LEAVE_LINE + _escaped(_LINE_CAME + script) + b"\n"


def _escaped(script: str) -> bytes:
    r"""Return printable ASCII from which ``printf %b`` makes a script again.

    Of ``'``, ``!`` and backslash, which login shells read in different ways between single quotes,
    there is nothing in it but a backslash in front of a 0.

    >>> _escaped("a\\b\n")
    b'a\\0134b\\0012'
    """
    return b"".join(
        b"%c" % byte if byte in _PLAIN else b"\\0%03o" % byte for byte in os.fsencode(script)
    )


_PLAIN: Final = frozenset(range(0x20, 0x7F)) - frozenset(b"'!\\")
