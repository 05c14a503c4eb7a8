"""A host as ssh_config resolves it: everything that is needed to connect and to log in."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from remotest.errors import ConnectError
from remotest.gateways.sshconfig import (
    expand_tokens,
    expand_variables,
    is_shell_safe,
    read_options,
)
from remotest.spec import SshTarget

if TYPE_CHECKING:
    from collections.abc import Mapping

    from remotest.gateways.sshconfig import OptionValues
    from remotest.gateways.surroundings import Surroundings
    from remotest.spec import GatewaySpec

SSH_PORT: Final = 22
DEFAULT_CONNECT_TIMEOUT_S: Final = 20.0  # A log-in over a slow link takes 2 s, a loaded host 10.
DEFAULT_KEEPALIVE_S: Final = 15.0  # Below the idle limits of common firewalls (60 s and more).
DEFAULT_KEEPALIVE_COUNT: Final = 3  # As ssh's ServerAliveCountMax.
DEFAULT_IDENTITIES: Final = ("id_rsa", "id_ecdsa", "id_ed25519")

_ADDRESS_FAMILIES: Final = {
    "any": socket.AF_UNSPEC,
    "inet": socket.AF_INET,
    "inet6": socket.AF_INET6,
}
_UNIT_S: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


@dataclass(frozen=True, kw_only=True)
class SshHost:
    """One host, resolved.

    Attributes:
        label: the host as the user wrote it, for messages.
        hostname: what to dial, by the last jump if there are any.
        identity_files: private keys (or public ones of keys in the agent), in order.
        has_own_identities: whether ssh_config names them; default ones need not exist.
        agent_socket: path of the agent's socket, or None for no agent.
        jumps: hosts to go through, first the one that is dialled from here.
        proxy_command: a command line that is the connection, tokens expanded; or None.
        revoked_host_keys: the RevokedHostKeys file: keys that are never accepted; or None.
        host_key_alias: name of the host in known_hosts, where it is not the host's own.
        host_key_algorithms: the HostKeyAlgorithms option as written, or None.
        accept_new: whether the key of a host seen for the first time is taken and kept.
        address_family: ``socket.AF_UNSPEC``, ``AF_INET`` or ``AF_INET6``.
    """

    label: str
    hostname: str
    port: int
    user: str
    identity_files: tuple[Path, ...]
    has_own_identities: bool
    identities_only: bool
    agent_socket: str | None
    jumps: tuple[SshTarget, ...]
    proxy_command: str | None
    user_known_hosts: tuple[Path, ...]
    global_known_hosts: tuple[Path, ...]
    revoked_host_keys: Path | None
    host_key_alias: str | None
    host_key_algorithms: str | None
    accept_new: bool
    hash_known_hosts: bool
    connect_timeout_s: float
    keepalive_s: float
    keepalive_count: int
    address_family: int


def label_of(target: SshTarget) -> str:
    """Return ``[user@]host[:port]``."""
    host = f"[{target.host}]" if ":" in target.host else target.host
    user = f"{target.user}@" if target.user else ""
    return user + host + (f":{target.port}" if target.port else "")


def resolve_host(target: SshTarget, spec: GatewaySpec, surroundings: Surroundings) -> SshHost:
    """Return all that ssh_config and the spec say about a host.

    Args:
        target: the host to resolve: the spec's own, or a jump host on the way to it.
        spec: says which ssh_config, host key policy and timeout hold for the whole way.
        surroundings: where files and the agent are.

    Raises:
        ConnectError: ssh_config says what cannot be.
    """
    options = read_options(
        target.host, user=target.user, config=spec.ssh_config, surroundings=surroundings
    )
    return _Resolver(target, spec, surroundings, options).host()


def parse_duration_s(text: str) -> float:
    """Return the seconds of ssh's time format: ``90``, ``1m30s``.

    Raises:
        ValueError: it is none.
    """
    total, digits = 0, ""
    for letter in text.lower():
        if letter.isdigit():
            digits += letter
        else:
            total += int(digits) * _UNIT_S.get(letter, 0)
            if letter not in _UNIT_S:
                raise ValueError(text)
            digits = ""
    return float(total + int(digits or "0"))


def parse_jump(text: str) -> SshTarget:
    """Return the target of one ``[user@]host[:port]`` or ``ssh://`` of a ProxyJump.

    Raises:
        ValueError: it is none, or holds what must not stand in a command line.
    """
    user, at, rest = text.removeprefix("ssh://").rpartition("@")
    if rest.startswith("["):
        host, bracket, port = rest[1:].partition("]")
        if not bracket or (port and not port.startswith(":")):
            raise ValueError(text)
        port = port[1:]
    else:
        host, _, port = rest.partition(":")
    if not is_shell_safe(host) or (at and not is_shell_safe(user)):
        raise ValueError(text)
    return SshTarget(host=host, user=user or None, port=int(port) if port else None)


class _Resolver:
    """Turns the options of one host into an SshHost."""

    def __init__(
        self,
        target: SshTarget,
        spec: GatewaySpec,
        surroundings: Surroundings,
        options: OptionValues,
    ) -> None:
        self._target = target
        self._spec = spec
        self._surroundings = surroundings
        self._options = options
        self._hostname = target.host
        self._hostname = self._expand("hostname", self._text("hostname", "%h"), {"h": target.host})
        self._port = target.port or self._integer("port", SSH_PORT)
        self._user = target.user or self._text("user", surroundings.user)
        local_name = socket.gethostname()
        self._tokens = {
            "h": self._hostname,
            "n": target.host,
            "p": str(self._port),
            "r": self._user,
            "u": surroundings.user,
            "d": str(surroundings.home),
            "i": str(os.getuid()),
            "l": local_name,
            "L": local_name.partition(".")[0],
            "k": self._text("hostkeyalias", target.host),
        }

    def host(self) -> SshHost:
        """Return the host."""
        for name in (self._hostname, self._user):
            if not is_shell_safe(name):
                self._fail(f"{name!r} is not a host or user name")
        keepalive_s = self._duration_s("serveraliveinterval", DEFAULT_KEEPALIVE_S)
        return SshHost(
            label=label_of(self._target),
            hostname=self._hostname,
            port=self._port,
            user=self._user,
            identity_files=self._identity_files(),
            has_own_identities="identityfile" in self._options,
            identities_only=self._is_yes("identitiesonly"),
            agent_socket=self._agent_socket(),
            jumps=self._jumps(),
            proxy_command=self._proxy_command(),
            user_known_hosts=self._paths(
                "userknownhostsfile", ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")
            ),
            global_known_hosts=self._paths(
                "globalknownhostsfile",
                (
                    str(self._surroundings.system_directory / "ssh_known_hosts"),
                    str(self._surroundings.system_directory / "ssh_known_hosts2"),
                ),
            ),
            revoked_host_keys=next(iter(self._paths("revokedhostkeys", ("none",))), None),
            host_key_alias=self._options.get("hostkeyalias", (None,))[0],
            host_key_algorithms=self._options.get("hostkeyalgorithms", (None,))[0],
            accept_new=self._accepts_new(),
            hash_known_hosts=self._is_yes("hashknownhosts"),
            connect_timeout_s=self._spec.connect_timeout_s
            or self._duration_s("connecttimeout", DEFAULT_CONNECT_TIMEOUT_S),
            keepalive_s=keepalive_s or DEFAULT_KEEPALIVE_S,
            keepalive_count=self._integer("serveralivecountmax", DEFAULT_KEEPALIVE_COUNT),
            address_family=self._address_family(),
        )

    def _text(self, name: str, default: str) -> str:
        return self._options.get(name, (default,))[0]

    def _is_yes(self, name: str) -> bool:
        return self._text(name, "no").lower() in {"yes", "true"}

    def _integer(self, name: str, default: int) -> int:
        text = self._text(name, str(default))
        if not text.isdecimal():
            self._fail(f"{name} {text!r} is not a number")
        return int(text)

    def _duration_s(self, name: str, default: float) -> float:
        text = self._text(name, "none")
        try:
            return default if text == "none" else parse_duration_s(text)
        except ValueError:
            self._fail(f"{name} {text!r} is not a time")

    def _expand(self, name: str, text: str, tokens: Mapping[str, str]) -> str:
        try:
            return expand_tokens(text, tokens)
        except KeyError as error:
            self._fail(f"{name} {text!r} has the unknown token %{error.args[0]}")

    def _path(self, name: str, text: str) -> Path:
        expanded = self._expand(name, text, self._tokens)
        try:
            expanded = expand_variables(expanded, self._surroundings.environment)
        except KeyError as error:
            self._fail(f"{name} {text!r}: the variable {error.args[0]} is not set")
        if expanded.startswith("~/"):
            return self._surroundings.home / expanded[2:]
        # As ssh: relative to the directory that the command runs in.
        return Path(expanded)

    def _paths(self, name: str, default: tuple[str, ...]) -> tuple[Path, ...]:
        texts = self._options.get(name, default)
        return tuple(self._path(name, text) for text in texts if text.lower() != "none")

    def _identity_files(self) -> tuple[Path, ...]:
        default = tuple(f"~/.ssh/{name}" for name in DEFAULT_IDENTITIES)
        return self._paths("identityfile", default)

    def _agent_socket(self) -> str | None:
        text = self._text("identityagent", "SSH_AUTH_SOCK")
        if text.lower() == "none":
            return None
        if text == "SSH_AUTH_SOCK":
            return self._surroundings.environment.get("SSH_AUTH_SOCK") or None
        if text.startswith("$") and not text.startswith("${"):
            return self._surroundings.environment.get(text[1:]) or None
        return str(self._path("identityagent", text))

    def _way(self, name: str) -> str | None:
        """Return ProxyJump or ProxyCommand; as in ssh, the first of the two in the files wins."""
        first = next((key for key in self._options if key in {"proxyjump", "proxycommand"}), None)
        text = self._text(name, "none")
        return text if name == first and text.lower() != "none" else None

    def _jumps(self) -> tuple[SshTarget, ...]:
        text = self._way("proxyjump")
        if text is None:
            return ()
        try:
            return tuple(
                parse_jump(self._expand("proxyjump", hop.strip(), self._tokens))
                for hop in text.split(",")
            )
        except ValueError as error:
            self._fail(f"ProxyJump {text!r}: {error.args[0]!r} is not [user@]host[:port]")

    def _proxy_command(self) -> str | None:
        text = self._way("proxycommand")
        return None if text is None else self._expand("proxycommand", text, self._tokens)

    def _accepts_new(self) -> bool:
        """Say whether unknown keys are kept; ``no`` and ``off`` mean no more than that here."""
        if self._spec.hostkey is not None:
            return self._spec.hostkey == "accept-new"
        return self._text("stricthostkeychecking", "ask").lower() in {"accept-new", "no", "off"}

    def _address_family(self) -> int:
        text = self._text("addressfamily", "any").lower()
        if text not in _ADDRESS_FAMILIES:
            self._fail(f"AddressFamily {text!r} is none of {', '.join(_ADDRESS_FAMILIES)}")
        return _ADDRESS_FAMILIES[text]

    def _fail(self, cause: str) -> NoReturn:
        raise ConnectError(
            host=label_of(self._target),
            phase="read ssh_config",
            cause=cause,
            remedy="compare with `ssh -G " + self._target.host + "`",
        )
