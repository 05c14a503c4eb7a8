"""Deciding whether a host is who it should be, and saying what to do where it is not."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from remotest.errors import NotLetInError
from remotest.gateways.hostkeys import (
    KnownKey,
    Verdict,
    fingerprint,
    host_key_names,
    judge,
    keep_key,
    parse_revoked,
    read_known_hosts,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from remotest.gateways.sshhost import SshHost

PHASE: Final = "check the host key"

_RENEW: Final = "do not use this host before its owner has given it a new key"


def names_of(host: SshHost) -> tuple[str, ...]:
    """Return the names under which known_hosts may hold a host."""
    return host_key_names(host.hostname, host.port, host.host_key_alias)


def known_keys_for(host: SshHost) -> list[KnownKey]:
    """Return all lines of the known_hosts files that hold for a host.

    Raises:
        NotLetInError: a file cannot be read.
    """
    try:
        return read_known_hosts((*host.user_known_hosts, *host.global_known_hosts))
    except OSError as error:
        raise NotLetInError(
            host=host.label,
            phase=PHASE,
            cause=f"{error.filename} cannot be read: {(error.strerror or str(error)).lower()}",
            remedy="make it readable, or name another UserKnownHostsFile in ssh_config",
        ) from error


def require_trust(host: SshHost, known: Sequence[KnownKey], key_type: str, blob: bytes) -> None:
    """Accept the key that a host shows, or raise.

    Raises:
        NotLetInError: the key is unknown, not the one that is known, or revoked.
    """
    shown = f"the {key_type} key {fingerprint(blob)}"
    names = names_of(host)
    if blob in _revoked_keys(host):
        cause, remedy = f"{names[0]} shows {shown}, which {host.revoked_host_keys} revokes", _RENEW
        raise NotLetInError(host=host.label, phase=PHASE, cause=cause, remedy=remedy)
    verdict, lines = judge(known, names, blob)
    if verdict is Verdict.UNKNOWN and host.accept_new:
        verdict = _keep(host, names, key_type, blob)
        if verdict is not Verdict.KNOWN:  # Another run has kept another key meanwhile.
            verdict, lines = judge(known_keys_for(host), names, blob)
    if verdict is Verdict.KNOWN:
        return
    failures = {
        Verdict.UNKNOWN: _unknown,
        Verdict.CERTIFIED: _certified,
        Verdict.CHANGED: _changed,
        Verdict.REVOKED: _revoked,
    }
    cause, remedy = failures[verdict](host, shown, lines)
    raise NotLetInError(host=host.label, phase=PHASE, cause=cause, remedy=remedy)


def _revoked_keys(host: SshHost) -> frozenset[bytes]:
    """Return the keys of the RevokedHostKeys file; as with ssh, without it nobody is let in."""
    path = host.revoked_host_keys
    if path is None:
        return frozenset()
    try:
        return parse_revoked(path.read_bytes())
    except OSError as error:
        cause = f"RevokedHostKeys {path} cannot be read: {(error.strerror or str(error)).lower()}"
        remedy = "make it readable, or name another one in ssh_config"
    except ValueError as error:
        cause = f"RevokedHostKeys {path} is {error}, which remotest cannot read"
        remedy = "name a file of public keys, one a line, or mark them @revoked in known_hosts"
    raise NotLetInError(host=host.label, phase=PHASE, cause=cause, remedy=remedy)


def _keep(host: SshHost, names: Sequence[str], key_type: str, blob: bytes) -> Verdict:
    if not host.user_known_hosts:
        raise NotLetInError(
            host=host.label,
            phase=PHASE,
            cause="hostkey=accept-new has no file to keep the key in",
            remedy="name a UserKnownHostsFile in ssh_config",
        )
    path = host.user_known_hosts[0]
    try:
        return keep_key(path, names, key_type, blob, hash_name=host.hash_known_hosts)
    except OSError as error:
        raise NotLetInError(
            host=host.label,
            phase=PHASE,
            cause=f"the key cannot be kept in {path}: {(error.strerror or str(error)).lower()}",
            remedy="make the file writable, or name another UserKnownHostsFile in ssh_config",
        ) from error


def _unknown(host: SshHost, shown: str, lines: Sequence[KnownKey]) -> tuple[str, str]:  # noqa: ARG001  as the others
    name = names_of(host)[0]
    file = host.user_known_hosts[0] if host.user_known_hosts else "~/.ssh/known_hosts"
    scan = f"ssh-keyscan -p {host.port} {host.hostname} >> {shlex.quote(str(file))}"
    cause = f"{name} is not in known_hosts; it shows {shown}"
    remedy = (
        "compare the fingerprint with what the machine's owner says; then log in once with ssh, "
        f"or `{scan}`, or add //hostkey=accept-new to the --tx"
    )
    return cause, remedy


def _certified(host: SshHost, shown: str, lines: Sequence[KnownKey]) -> tuple[str, str]:
    place = f"{lines[0].path}:{lines[0].line_number}"
    cause = (
        f"an authority answers for {names_of(host)[0]} ({place}), which shows {shown}: remotest "
        "cannot check certificates of hosts"
    )
    _, remedy = _unknown(host, shown, lines)
    return cause, remedy.partition(", or add //hostkey")[0]


def _changed(host: SshHost, shown: str, lines: Sequence[KnownKey]) -> tuple[str, str]:
    name = names_of(host)[0]
    held = " and ".join(
        f"the {line.key_type} key {fingerprint(line.blob)} ({line.path}:{line.line_number})"
        for line in lines
    )
    file = shlex.quote(str(lines[0].path))
    cause = (
        f"{name} shows {shown}, but is known by {held}: the machine was reinstalled, or somebody "
        "is in between"
    )
    remedy = (
        "ask the machine's owner for its fingerprint; only if it is the new one: "
        f"ssh-keygen -R {shlex.quote(name)} -f {file}"
    )
    return cause, remedy


def _revoked(host: SshHost, shown: str, lines: Sequence[KnownKey]) -> tuple[str, str]:
    return (
        f"{names_of(host)[0]} shows {shown}, which {lines[0].path}:{lines[0].line_number} revokes",
        _RENEW,
    )
