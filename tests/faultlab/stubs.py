"""Interpreters that misbehave, as scripts to be named with ``python=``, and login shells."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import machine

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NOISE = '+++ welcome to the cluster +++ \\377\\000 {"a": [1\\n'
"""For printf: a line with what is no text, and what looks like a beginning of data."""


def plain(path: Path, python: Path) -> Path:
    """Be a real interpreter at another place."""
    return _write(path, _become(python))


def noisy(path: Path, python: Path) -> Path:
    """Print noise to both streams, then be a real interpreter."""
    return _write(path, f"printf '{NOISE}'; printf '{NOISE}' >&2; {_become(python)}")


def hanging(path: Path) -> Path:
    """Start and say nothing."""
    return _write(path, "exec sleep 1000")


def ending(path: Path, status: int = 3) -> Path:
    """End at once, with some last words."""
    return _write(path, f"echo 'libpython3.so: cannot open shared object file' >&2; exit {status}")


def dying(path: Path, python: Path, after_bytes: int = 200) -> Path:
    """Be a real interpreter that gets only so many bytes of what it is told, then its end."""
    # dd and not head: that one would hold back what it has until its end.
    cut = f"dd bs=1 count={after_bytes} 2>/dev/null"
    return _write(path, f'{cut} | {shlex.quote(str(python))} "$@"')


def shell_within(path: Path, command: Sequence[str]) -> Path:
    """Be a login shell that is started by a command, such as ``unshare --net``."""
    return _write(path, f'exec {shlex.join(command)} {machine.SHELL} "$@"')


def _become(python: Path) -> str:
    return f'exec {shlex.quote(str(python))} "$@"'


def _write(path: Path, body: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!{machine.SHELL}\n{body}\n")
    path.chmod(0o755)
    return path
