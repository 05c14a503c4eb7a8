"""A ``--tx`` string <-> a frozen GatewaySpec. Pure.

A spec is ``key=value`` parts with ``//`` between them, as in execnet. What is added: every key and
value is checked (``spec_rules``), and a value in double quotes may hold ``//``.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from remotest.errors import SpecError
from remotest.spec_rules import (
    ENV_NAME,
    ENV_PREFIX,
    KEYS,
    MASK,
    REFUSED,
    SHOWN_CHARS,
    SSH_ONLY,
    VENV_PREFIX,
    WAYS,
    SocketTarget,
    SshTarget,
    check_env_name,
    check_one_interpreter,
    located,
    nearest,
    quote,
    read_env,
    read_value,
    unknown_key,
    venv_of,
    without_password,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "AUTO",
    "MAX_WORKERS_PER_TX",
    "GatewaySpec",
    "SocketTarget",
    "SshTarget",
    "TxRequest",
    "WorkerCount",
    "build_request",
    "build_spec",
    "check_count",
    "parse_spec",
    "parse_tx",
    "read_parts",
    "shown",
    "split_count",
    "with_options",
]

AUTO: Final = "auto"
WorkerCount: TypeAlias = int | Literal["auto"]

MAX_WORKERS_PER_TX: Final = 1024
"""Workers of one ``--tx``. The largest machines have fewer CPUs; more is a slip of the finger."""


@dataclass(frozen=True, kw_only=True)
class GatewaySpec:
    """Where and how one worker runs. ``target`` None is this machine (``popen``).

    ``env`` holds (name, value); a value None means: forward the controller's own. ``env_mode`` to
    ``project`` are the texts of ``env=`` and of the keys that go with it, as written; ``group`` and
    ``extra`` hold names with commas between them. ``str()`` is the spec that parses to an equal
    one, secrets included; ``redacted()`` and ``repr()`` are for people and logs.
    """

    target: SshTarget | SocketTarget | None = None
    via: str | None = None
    python: str | None = None
    chdir: str | None = None
    id: str | None = None
    nice: int | None = None
    env: tuple[tuple[str, str | None], ...] = field(default=(), repr=False)
    ssh_config: str | None = None
    hostkey: Literal["strict", "accept-new"] | None = None
    connect_timeout_s: float | None = None
    heartbeat_s: float | None = None
    cache: str | None = None
    sync: Literal["tree", "none"] | None = None
    env_mode: str | None = None
    group: str | None = None
    extra: str | None = None
    req: str | None = None
    lock: str | None = None
    tox: str | None = None
    project: str | None = None
    wheels: Literal["auto", "remote"] | None = None
    setup: str | None = None
    interpreters: Literal["host", "uv"] | None = None
    execmodel: str | None = None
    dont_write_bytecode: bool = False

    def __str__(self) -> str:
        return "//".join([*self._plain_parts(), *(_env_part(name, v) for name, v in self.env)])

    def redacted(self) -> str:
        """Return the spec with every value of ``env:NAME=value`` masked."""
        env = (_env_part(name, None if v is None else MASK) for name, v in self.env)
        return "//".join([*self._plain_parts(), *env])

    @property
    def host_label(self) -> str:
        """``popen``, ``user@host:port`` as written, or ``socket host:port``."""
        if self.target is None:
            return "popen"
        prefix = "socket " if isinstance(self.target, SocketTarget) else ""
        return f"{prefix}{self.target}"

    @property
    def venv(self) -> str | None:
        """The virtual environment that ``env=venv:PATH`` names, as written."""
        return venv_of(self.env_mode)

    @property
    def interpreter(self) -> str | None:
        """What to start: ``python=``, or the one of ``env=venv:``; None is the default there."""
        return self.python if self.venv is None else f"{self.venv.rstrip('/')}/bin/python"

    def _plain_parts(self) -> list[str]:
        """Return all parts but env: the way to the host first, then by the order of KEYS."""
        if self.target is None:
            parts = ["popen"]
        else:
            way = "ssh" if isinstance(self.target, SshTarget) else "socket"
            parts = [f"{way}={self.target}"]
        for key, rule in KEYS.items():
            value = None if key in WAYS else getattr(self, rule.attribute)
            if value is True:
                parts.append(key)
            elif value is not None and value is not False:
                parts.append(f"{key}={_quoted(str(value))}")
        return parts


@dataclass(frozen=True, kw_only=True)
class TxRequest:
    """One ``--tx``: so many workers of a spec. ``labels`` are those of the inventory's host."""

    spec: GatewaySpec
    count: WorkerCount = 1
    labels: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self._prefix()}{self.spec}"

    def redacted(self) -> str:
        """Return the request with every value of ``env:NAME=value`` masked."""
        return f"{self._prefix()}{self.spec.redacted()}"

    def _prefix(self) -> str:
        return "" if self.count == 1 else f"{self.count}*"


def parse_spec(text: str) -> GatewaySpec:
    """Return the gateway spec that ``text`` means.

    Raises:
        SpecError: it means none; the message names the spec, the part and what is allowed.
    """
    with located(f"--tx {shown(text)}"):
        return build_spec(read_parts(text))


def parse_tx(text: str) -> TxRequest:
    """Return the request that ``SPEC``, ``N*SPEC`` or ``auto*SPEC`` means.

    Raises:
        SpecError: it means none; the message names the spec, the part and what is allowed.
    """
    with located(f"--tx {shown(text)}"):
        count, spec_text = split_count(text)
        spec = build_spec(read_parts(spec_text))
        return build_request(spec, 1 if count is None else count)


def build_request(spec: GatewaySpec, count: WorkerCount, labels: tuple[str, ...] = ()) -> TxRequest:
    """Return ``count`` workers of ``spec``; SpecError where an id would name several."""
    if spec.id is not None and count != 1:
        raise SpecError(f"id={spec.id} names one worker, but {count}* asks for more")
    return TxRequest(spec=spec, count=count, labels=labels)


def split_count(text: str) -> tuple[WorkerCount | None, str]:
    """Split ``N*rest`` or ``auto*rest``; the count is None where there is no ``*`` in front."""
    match = _COUNT.match(text)
    if match is None:
        return None, text
    word, rest = match["count"], text[match.end() :]
    if word == AUTO:
        return AUTO, rest
    if not _DIGITS.fullmatch(word):
        raise SpecError(f"{quote(word)} is no count: allowed are N*SPEC and auto*SPEC")
    return check_count(int(word) if len(word) <= _MAX_COUNT_DIGITS else math.inf), rest


def check_count(count: float) -> int:
    """Return the number of workers, or raise where it is out of bounds."""
    if not 1 <= count <= MAX_WORKERS_PER_TX:
        raise SpecError(
            f"the number of workers has to be from 1 to {MAX_WORKERS_PER_TX} (MAX_WORKERS_PER_TX:"
            " more than the CPUs of the largest machines); auto* asks the host for its CPUs"
        )
    return int(count)


def read_parts(text: str) -> dict[str, Any]:
    """Return the values of ``key=value//...`` by key, each checked alone.

    All variables are one tuple under ENV_PREFIX.
    """
    fields: dict[str, Any] = {}
    env: dict[str, str | None] = {}
    for key, raw in _split(text):
        name = key.removeprefix(ENV_PREFIX)
        if key in fields or (name != key and name in env):
            raise SpecError(f"the key {key!r} is there twice")
        if name != key:
            check_env_name(name)
            env[name] = read_env(name, None if raw is None else _unquoted(key, raw))
        elif key in KEYS:
            fields[key] = _read_part(key, raw)
        else:
            raise SpecError(_unknown_part(key, after_env=bool(env)))
    return {**fields, ENV_PREFIX: tuple(env.items())} if env else fields


def build_spec(fields: Mapping[str, Any]) -> GatewaySpec:
    """Return the spec of checked values by key, or raise where they do not go together."""
    ways = [key for key in WAYS if key in fields]
    if len(ways) != 1:
        found = " and ".join(ways) or "none"
        raise SpecError(f"exactly one of popen, ssh=, socket= is needed, found {found}")
    target = None if ways == ["popen"] else fields[ways[0]]
    options = {key: value for key, value in fields.items() if key not in WAYS}
    return with_options(GatewaySpec(target=target), options)


def with_options(spec: GatewaySpec, options: Mapping[str, Any]) -> GatewaySpec:
    """Return ``spec`` with checked values by key, none of them one of the WAYS.

    Variables (under ENV_PREFIX) add up.
    """
    for key in SSH_ONLY:
        if key in options and not isinstance(spec.target, SshTarget):
            raise SpecError(f"{key}= goes with ssh= only, and this is {spec.host_label}")
    env = {**dict(spec.env), **dict(options.get(ENV_PREFIX, ()))}
    values = {KEYS[key].attribute: value for key, value in options.items() if key != ENV_PREFIX}
    changed = replace(spec, env=tuple(env.items()), **values)
    _check_interpreter(changed)
    return changed


def _check_interpreter(spec: GatewaySpec) -> None:
    """Raise where a spec says in two ways which interpreter it is."""
    if isinstance(spec.target, SocketTarget):
        late = {
            "setup=": spec.setup,
            f"env={VENV_PREFIX}": spec.venv,
            "interpreters=": spec.interpreters,
        }
        for key, value in late.items():
            if value is not None:
                raise SpecError(f"{key} is not for socket=: the server is the interpreter already")
    check_one_interpreter({"python": spec.python, "env": spec.env_mode})


def shown(text: str) -> str:
    """Return a spec, valid or not, quoted for an error: cut, printable, without env values."""
    match = _COUNT.match(text)
    start = match.end() if match else 0
    parts: list[str] = []
    after_env = False
    # No more parts than are shown: to look at thousands of unknown keys would take seconds.
    for key, raw in _split(text[start:])[:SHOWN_CHARS]:
        parts.append(_shown_part(key, raw, after_env=after_env))
        after_env = after_env or _may_hold_variable(key, raw)
    return quote(text[:start] + "//".join(parts))


# --- parts and quotes ---------------------------------------------------------------------------

_COUNT: Final = re.compile(r'(?P<count>[^=/*"]*)\*')
_DIGITS: Final = re.compile(r"[0-9]+")
_MAX_COUNT_DIGITS: Final = 9  # int() refuses thousands of digits with an error of its own.
_QUOTED_PART: Final = re.compile(r'(?:(?!//)[^=])*="(?:\\.|[^"\\])*["\\]?', re.DOTALL)
_QUOTED: Final = re.compile(r'"((?:\\["\\]|[^"\\])*)"', re.DOTALL)
_ESCAPE: Final = re.compile(r'\\(["\\])')


def _split(text: str) -> list[tuple[str, str | None]]:
    """Return (key, raw value) of each part. Never fails: what is wrong stays in the raw value."""
    parts: list[tuple[str, str | None]] = []
    start = 0
    while True:
        quoted = _QUOTED_PART.match(text, start)
        end = text.find("//", quoted.end() if quoted else start)
        part = text[start:] if end < 0 else text[start:end]
        key, equals, raw = part.partition("=")
        parts.append((key, raw if equals else None))
        if end < 0:
            return parts
        start = end + len("//")


def _quoted(value: str) -> str:
    if "//" not in value and not value.startswith('"') and not value.endswith("/"):
        return value
    escaped = value.replace("\\", r"\\").replace('"', r"\"")
    return f'"{escaped}"'


def _unquoted(key: str, raw: str) -> str:
    if not raw.startswith('"'):
        return raw
    match = _QUOTED.fullmatch(raw)
    if match is None:
        raise SpecError(
            f"the value of {key} starts with a double quote: it has to end with one, and inside"
            r" a quote is written \" and a backslash \\"
        )
    return _ESCAPE.sub(r"\1", match[1])


def _read_part(key: str, raw: str | None) -> Any:
    rule = KEYS[key]
    if rule.read is None:
        if raw is not None:
            raise SpecError(f"{key} takes no value")
        return True
    if raw is None:
        raise SpecError(f"{key} needs a value: allowed is {key}={rule.form}")
    return read_value(key, _unquoted(key, raw))


def _unknown_part(key: str, *, after_env: bool) -> str:
    if not key:
        return "a part is empty: '//' stands between two parts and nowhere else"
    if not after_env and _looks_like_env(key):
        return f"unknown key {quote(key.partition(':')[0])}: did you mean 'env:NAME=value'?"
    if not after_env:
        is_explained = key in REFUSED or nearest(key, KEYS) is not None
        host_or_value = "; a host is ssh=NAME, and a value that holds '//' goes in double quotes"
        hint = "" if is_explained else host_or_value
        return unknown_key(key, [*KEYS, "env:NAME"]) + hint
    # What follows an unquoted '//' in a value is a piece of that value: it is not repeated here.
    near = nearest(key, KEYS)
    hint = f"did you mean {near!r}? Else" if near else "if it belongs to the value,"
    return (
        f"what follows '//' after an env:NAME= part is no known key: {hint} put the value in double"
        " quotes, and the whole spec in single quotes for the shell:"
        """ --tx 'popen//env:URL="pg://host//name"'"""
    )


def _env_part(name: str, value: str | None) -> str:
    return f"{ENV_PREFIX}{name}" if value is None else f"{ENV_PREFIX}{name}={_quoted(value)}"


# --- what people see ----------------------------------------------------------------------------


def _shown_part(key: str, raw: str | None, *, after_env: bool) -> str:
    if key.startswith(ENV_PREFIX):
        # Where the '=' was forgotten, the value sticks to the name.
        name = ENV_NAME.match(key, len(ENV_PREFIX))
        end = len(ENV_PREFIX) if name is None else name.end()
        hidden = "" if end == len(key) else MASK
        return f"{key[:end]}{hidden}" if raw is None else f"{key[:end]}{hidden}={MASK}"
    if key not in KEYS and after_env:
        return MASK
    if _may_hold_variable(key, raw):
        return f"{key.partition(':')[0]}{'=' if key in KEYS else ':'}{MASK}"
    if raw is None:
        return key
    # A slip of a known key is shown as written; TOKEN=... may be a forgotten 'env:'.
    is_slip = key.islower() and nearest(key, KEYS) is not None
    return f"{key}={without_password(raw) if key in KEYS or is_slip else MASK}"


def _may_hold_variable(key: str, raw: str | None) -> bool:
    """Tell whether a part, misspelt or not, may be meant to set a variable."""
    rule = KEYS.get(key)
    if rule is None:
        return _looks_like_env(key)
    if not rule.is_private:
        return False
    try:
        _read_part(key, raw)
    except SpecError:
        return True
    return False


def _looks_like_env(key: str) -> bool:
    """Tell whether an unknown key may be meant for the environment."""
    return key.lower().startswith("env") or (":" in key and not key.startswith("@"))
