"""The rules of a gateway spec: which keys there are, and what one value may be. Pure.

``--tx`` strings and inventory entries are both read with these rules. Functions here raise a
SpecError that holds only the fragment (``nice='x' is not a whole number ...``); whoever knows the
place puts ``--tx ...`` or ``file:line`` in front.
"""

from __future__ import annotations

import difflib
import ipaddress
import math
import re
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from remotest.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

MAX_CONNECT_TIMEOUT_S: Final = 3600.0
"""Longest wait for a host. A machine that is still being created is up within an hour."""

MIN_HEARTBEAT_S: Final = 1.0
"""Shortest silence that means something: a busy machine may not run a process for so long."""

MAX_HEARTBEAT_S: Final = 3600.0
"""Longest silence to wait for; after an hour nobody waits for a test run any more."""

MAX_PORT: Final = 65535
MIN_NICE: Final = -20
MAX_NICE: Final = 19

SHOWN_CHARS: Final = 200
"""How much of a spec or a value an error quotes: a screenful tells no more than two lines do."""

NEAR_ENOUGH: Final = 0.65
"""How alike, 0 to 1, a slip is to its word: ``shs`` is to ``ssh``, ``token`` not to ``popen``."""

MASK: Final = "***"
"""What stands in texts for people where a value may be a secret."""

ENV_PREFIX: Final = "env:"
"""What the name of a variable follows, and the key under which checked variables are kept."""

ENV_MODES: Final = ("auto", "system", "managed", "fresh")
VENV_PREFIX: Final = "venv:"
"""Of the ``env=`` that names a virtual environment; its path follows."""

PROJECT_MODES: Final = ("editable", "none", "wheel")
WHEEL_PREFIX: Final = "wheel:"
"""Of the ``project=`` that names its wheels by a pattern."""

ENV_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, kw_only=True)
class SshTarget:
    """``[user@]host[:port]``; host may be an alias that ssh_config resolves.

    ``host`` of an IPv6 address is without its brackets; ``str()`` is the target as written.
    """

    host: str
    user: str | None = None
    port: int | None = None

    def __str__(self) -> str:
        user = "" if self.user is None else f"{self.user}@"
        port = "" if self.port is None else f":{self.port}"
        return f"{user}{_bracketed(self.host)}{port}"


@dataclass(frozen=True, kw_only=True)
class SocketTarget:
    """``host:port`` of an execnet socket server."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{_bracketed(self.host)}:{self.port}"


@dataclass(frozen=True, kw_only=True)
class Key:
    """The rule of one key: its field in GatewaySpec, its allowed form, and how it is read.

    ``read`` is None for a flag, which takes no value. No message repeats a wrong value where
    ``is_private``: it may have been meant for a variable.
    """

    attribute: str
    form: str
    read: Callable[[str], Any] | None
    is_private: bool = False


@contextmanager
def located(place: str, separator: str = ": ") -> Iterator[None]:
    """Put ``place`` in front of a SpecError that is raised inside."""
    try:
        yield
    except SpecError as error:
        raise SpecError(f"{place}{separator}{error}") from None


def read_value(key: str, text: str) -> Any:
    """Return the value of one of the KEYS that is no flag.

    Raises:
        SpecError: a fragment naming the key, the value and what is allowed.
    """
    rule = KEYS[key]
    assert rule.read is not None
    if not text:
        raise SpecError(f"{key}= has an empty value: allowed is {key}={rule.form}")
    shown = MASK if rule.is_private else quote(without_password(text))
    with located(f"{key}={shown}", " "):
        _check_text(text)
        return rule.read(text)


def check_env_name(name: str) -> None:
    """Raise where ``name`` can name no variable; the message does not hold it."""
    if not ENV_NAME.fullmatch(name):
        raise SpecError(
            "the name after 'env:' has to be letters, digits and '_', not starting with a digit"
        )


def read_env(name: str, value: str | None) -> str | None:
    """Return ``value`` if it can be in the environment under ``name``; no message holds it."""
    check_env_name(name)
    with located(f"the value of env:{name}", " "):
        _check_text(value or "")
    return value


def venv_of(env_mode: str | None) -> str | None:
    """Return the path that ``env=venv:PATH`` names, as written; None for every other ``env=``."""
    if env_mode is None or not env_mode.startswith(VENV_PREFIX):
        return None
    return env_mode.removeprefix(VENV_PREFIX)


def check_one_interpreter(options: Mapping[str, Any]) -> None:
    """Raise where two values by key say which interpreter it is."""
    if options.get("python") is not None and venv_of(options.get("env")) is not None:
        raise SpecError(
            f"env={VENV_PREFIX} names the interpreter, the one in there, and so does python=:"
            " leave one of them out"
        )


def unknown_key(key: str, known: Iterable[str]) -> str:
    """Return the fragment for a key that is not there: the nearest one, or all of them."""
    if key in REFUSED:
        return f"{key}= is not supported: {REFUSED[key]}"
    near = nearest(key, known)
    hint = f"did you mean {near!r}?" if near else f"the keys are {', '.join(known)}"
    return f"unknown key {quote(key)}: {hint}"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that ``word`` is probably a slip of, or None."""
    # A cut: the comparison takes time in the square of the length.
    near = difflib.get_close_matches(
        word.lower()[:SHOWN_CHARS], list(known), n=1, cutoff=NEAR_ENOUGH
    )
    return near[0] if near else None


def quote(text: str) -> str:
    """Return ``text`` for an error: in quotes, printable, on one line, and cut."""
    return repr(text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}...")


def without_password(text: str) -> str:
    """Mask what stands for a password in ``user:password@host``."""
    return _PASSWORD.sub(rf"\1:{MASK}@", text)


_USER: Final = r"[A-Za-z0-9_.][A-Za-z0-9._-]{0,63}"
_HOST: Final = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,252}"  # 253 characters: the longest name of DNS.
_ADDRESS: Final = re.compile(
    rf"(?:(?P<user>{_USER})@)?"
    rf"(?:(?P<host>{_HOST})|\[(?P<ipv6>[0-9A-Fa-f:.]+(?:%[A-Za-z0-9][A-Za-z0-9._-]*)?)\])"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?"
)
_PASSWORD: Final = re.compile(r"^([^:@]*):.*@", re.DOTALL)
_BLANK: Final = re.compile(r"\s")
_ID: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_WHOLE_NUMBER: Final = re.compile(r"[+-]?(?:0|[1-9][0-9]?)")
_DECIMAL: Final = re.compile(r"[0-9]{1,9}(?:\.[0-9]*)?(?:e[+-]?[0-9]{1,3})?")


def _check_text(text: str) -> None:
    if "\0" in text:
        raise SpecError("holds a NUL character, which no path and no variable can")
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise SpecError(
            "holds half a character (a lone surrogate), which no system call can take"
        ) from None


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _read_address(text: str) -> tuple[str | None, str, int | None]:
    match = _ADDRESS.fullmatch(text)
    if match is None:
        raise SpecError(
            "is not [user@]host[:port]: host and user are letters, digits, '.', '_', '-' and do not"
            " start with '-', a port is 1 to 65535; for anything else give the host an alias in"
            " ssh_config"
        )
    port = None if match["port"] is None else int(match["port"])
    if port is not None and port > MAX_PORT:
        raise SpecError(f"has port {port}: a port is 1 to {MAX_PORT}")
    if match["ipv6"] is None:
        return match["user"], match["host"], port
    try:
        ipaddress.IPv6Address(match["ipv6"])
    except ValueError:
        raise SpecError("holds no valid IPv6 address between its brackets") from None
    return match["user"], match["ipv6"], port


def _read_ssh(text: str) -> SshTarget:
    if _BLANK.search(text) or text.startswith("-"):
        raise SpecError(
            "holds options or blanks: write ssh=host:2222 for a port, and put every other option"
            " into ssh_config (ssh_config=FILE names another file)"
        )
    if _PASSWORD.match(text):
        raise SpecError("holds a password: log in with a key, and write ssh=user@host")
    if text.count(":") > 1 and "[" not in text:
        raise SpecError("looks like IPv6: put the address in brackets, ssh=user@[::1]:2222")
    user, host, port = _read_address(text)
    return SshTarget(host=host, user=user, port=port)


def _read_socket(text: str) -> SocketTarget:
    user, host, port = _read_address(text)
    if user is not None or port is None:
        raise SpecError("is not host:port, and both are needed")
    return SocketTarget(host=host, port=port)


def _read_path(text: str) -> str:
    if text.startswith("-"):
        raise SpecError("starts with '-' and would be taken for an option: write ./ in front")
    return text


def _read_id(text: str) -> str:
    if not _ID.fullmatch(text):
        raise SpecError(
            "has to be 1 to 64 letters, digits, '_', '.', '-', not starting with '.' or '-'"
        )
    return text


def _read_nice(text: str) -> int:
    if not _WHOLE_NUMBER.fullmatch(text) or not MIN_NICE <= int(text) <= MAX_NICE:
        raise SpecError(f"is not a whole number from {MIN_NICE} to {MAX_NICE}")
    return int(text)


def _read_seconds(text: str) -> float:
    seconds = float(text) if _DECIMAL.fullmatch(text) else math.nan
    if not 0 < seconds <= MAX_CONNECT_TIMEOUT_S:
        raise SpecError(f"is not a number of seconds above 0 and up to {MAX_CONNECT_TIMEOUT_S:g}")
    return seconds


def _read_names(text: str) -> str:
    if not all(_ID.fullmatch(name) for name in text.split(",")):
        raise SpecError(
            "has to be names with a comma between them, each of letters, digits, '_', '.', '-',"
            " not starting with '.' or '-'"
        )
    return text


def _read_env_mode(text: str) -> str:
    if text.startswith(VENV_PREFIX):
        _read_after(VENV_PREFIX, text)
    elif text not in ENV_MODES:
        near = nearest(text, ENV_MODES)
        hint = f"did you mean {near!r}?" if near else "a variable is env:NAME=value"
        raise SpecError(f"is none of {', '.join(ENV_MODES)}, {VENV_PREFIX}PATH: {hint}")
    return text


def _read_project(text: str) -> str:
    if text.startswith(WHEEL_PREFIX):
        _read_after(WHEEL_PREFIX, text)
    elif text not in PROJECT_MODES:
        raise SpecError(f"is none of {', '.join(PROJECT_MODES)}, {WHEEL_PREFIX}GLOB")
    return text


def _read_after(prefix: str, text: str) -> None:
    path = text.removeprefix(prefix)
    if not path:
        raise SpecError(f"has nothing after {prefix!r}")
    _read_path(path)


def _read_command_line(text: str) -> str:
    if "\n" in text or "\r" in text:
        raise SpecError("is more than one line: put ';' or '&&' between commands")
    return text


def _read_heartbeat(text: str) -> float:
    seconds = float(text) if _DECIMAL.fullmatch(text) else math.nan
    if not MIN_HEARTBEAT_S <= seconds <= MAX_HEARTBEAT_S:
        raise SpecError(
            f"is not a number of seconds from {MIN_HEARTBEAT_S:g} to {MAX_HEARTBEAT_S:g}"
        )
    return seconds


def _one_of(*words: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in words:
            raise SpecError(f"is none of {', '.join(words)}")
        return text

    return read


WAYS: Final = ("popen", "ssh", "socket")
"""The keys that say how a host is reached: a spec has exactly one of them."""

SSH_ONLY: Final = ("ssh_config", "hostkey")
"""Keys that mean nothing without ``ssh=``."""

KEYS: Final[Mapping[str, Key]] = MappingProxyType(
    {
        "popen": Key(attribute="target", form="", read=None),
        "ssh": Key(attribute="target", form="[user@]host[:port]", read=_read_ssh),
        "socket": Key(attribute="target", form="host:port", read=_read_socket),
        "via": Key(attribute="via", form="ID", read=_read_id),
        "python": Key(attribute="python", form="PATH-OR-NAME", read=_read_path),
        "chdir": Key(attribute="chdir", form="PATH", read=_read_path),
        "id": Key(attribute="id", form="NAME", read=_read_id),
        "nice": Key(attribute="nice", form="NUMBER", read=_read_nice),
        "ssh_config": Key(attribute="ssh_config", form="FILE", read=_read_path),
        "hostkey": Key(
            attribute="hostkey", form="strict|accept-new", read=_one_of("strict", "accept-new")
        ),
        "connect_timeout": Key(attribute="connect_timeout_s", form="SECONDS", read=_read_seconds),
        "heartbeat": Key(attribute="heartbeat_s", form="SECONDS", read=_read_heartbeat),
        "cache": Key(attribute="cache", form="PATH", read=_read_path),
        "sync": Key(attribute="sync", form="tree|none", read=_one_of("tree", "none")),
        "env": Key(
            attribute="env_mode",
            form=f"{'|'.join(ENV_MODES)}|{VENV_PREFIX}PATH",
            read=_read_env_mode,
            is_private=True,
        ),
        "group": Key(attribute="group", form="NAME[,NAME...]", read=_read_names),
        "extra": Key(attribute="extra", form="NAME[,NAME...]", read=_read_names),
        "req": Key(attribute="req", form="FILE", read=_read_path),
        "lock": Key(attribute="lock", form="FILE", read=_read_path),
        "tox": Key(attribute="tox", form="NAME", read=_read_id),
        "project": Key(
            attribute="project",
            form=f"{'|'.join(PROJECT_MODES)}|{WHEEL_PREFIX}GLOB",
            read=_read_project,
        ),
        "wheels": Key(attribute="wheels", form="auto|remote", read=_one_of("auto", "remote")),
        "setup": Key(attribute="setup", form="COMMANDLINE", read=_read_command_line),
        "interpreters": Key(attribute="interpreters", form="host|uv", read=_one_of("host", "uv")),
        # execnet's eventlet and gevent cannot run pytest on the main thread, as workers must.
        "execmodel": Key(
            attribute="execmodel",
            form="thread|main_thread_only",
            read=_one_of("thread", "main_thread_only"),
        ),
        "dont_write_bytecode": Key(attribute="dont_write_bytecode", form="", read=None),
    }
)
"""Every key but ``env:NAME``, in the order in which ``str()`` writes them."""

REFUSED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "vagrant_ssh": "run `vagrant ssh-config > FILE` and use ssh=NAME//ssh_config=FILE",
        "installvia": "start the socket server yourself and use socket=host:port, or reach the"
        " host through another one with via=ID",
    }
)
"""Keys of execnet that are known and refused, with what to use instead."""
