"""Reads known_hosts: which keys are accepted for a host; and adds the key of a new host.

paramiko's own reader accepts the key of a certificate authority or a revoked key as a host's, and
supports no patterns, so this module reads the file itself. paramiko cannot check certificates of
hosts: a host with a ``@cert-authority`` line is refused, and its key is not added as a new one.
"""

from __future__ import annotations

import base64
import contextlib
import enum
import errno
import fcntl
import hashlib
import hmac
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

from remotest.gateways.sshconfig import matches_pattern, matches_patterns

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

REVOKED: Final = "@revoked"
CERT_AUTHORITY: Final = "@cert-authority"
SIGNATURES: Final = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}
"""Key type -> the algorithms that it can sign with, best first, where they are named otherwise."""

LOCK_TIMEOUT_S: Final = 10.0
"""For another run to write its line: a file system that takes longer has lost the lock."""

LOCK_LOOK_S: Final = 0.05
"""Between looks at whether the lock is free."""

_REVOCATION_LIST: Final = b"SSHKRL\n\0"
_HASH_PREFIX: Final = "|1|"
_SALT_BYTES: Final = 20  # The length of a SHA-1, as ssh-keygen -H makes it.


@dataclass(frozen=True, kw_only=True)
class KnownKey:
    """One line of a known_hosts file.

    Attributes:
        path: the file.
        line_number: from 1.
        marker: ``@revoked``, ``@cert-authority`` or nothing.
        patterns: host patterns; a single hashed name starts with ``|1|``.
        key_type: for example ``ssh-ed25519``.
        blob: the public key as it goes over the wire.
    """

    path: Path
    line_number: int
    marker: str
    patterns: tuple[str, ...]
    key_type: str
    blob: bytes

    def is_for(self, name: str) -> bool:
        """Say whether the line is about a host, named ``host`` or ``[host]:port``."""
        if self.patterns[0].startswith(_HASH_PREFIX):
            return _is_hash_of(self.patterns[0], name)
        return matches_patterns(name, self.patterns)


class Verdict(enum.Enum):
    """What known_hosts says of a key that a host has shown.

    CERTIFIED: nothing, but an authority answers for the host, by certificates.
    """

    KNOWN = "known"
    UNKNOWN = "unknown"
    CERTIFIED = "certified"
    CHANGED = "changed"
    REVOKED = "revoked"


def host_key_names(hostname: str, port: int, alias: str | None) -> tuple[str, ...]:
    """Return the names to look for, the first being the one to keep a new key under.

    On a port of its own a host is ``[host]:port``; like ssh, a key kept for the plain name is
    good as well.
    """
    if alias is not None:
        return (alias.lower(),)
    name = hostname.lower()
    return (name,) if port == 22 else (f"[{name}]:{port}", name)  # noqa: PLR2004  as ssh


def read_known_hosts(paths: Iterable[Path]) -> list[KnownKey]:
    """Return the lines of files; a file that is not there has none, a mangled line is no line.

    Raises:
        OSError: a file is there but cannot be read.
    """
    keys: list[KnownKey] = []
    for path in paths:
        try:
            text = path.read_text(errors="replace")
        except FileNotFoundError:
            continue
        keys += parse_known_hosts(text, path)
    return keys


def parse_known_hosts(text: str, path: Path) -> Iterator[KnownKey]:
    """Yield the lines of one file."""
    for line_number, line in enumerate(text.splitlines(), 1):
        fields = line.split()
        if not fields or fields[0].startswith("#"):
            continue
        marker = fields.pop(0) if fields[0].startswith("@") else ""
        if len(fields) < 3:  # noqa: PLR2004  names, type, key
            continue
        try:
            blob = base64.b64decode(fields[2], validate=True)
        except ValueError:
            continue
        yield KnownKey(
            path=path,
            line_number=line_number,
            marker=marker,
            patterns=tuple(pattern.lower() for pattern in fields[0].split(","))
            if not fields[0].startswith(_HASH_PREFIX)
            else (fields[0],),
            key_type=fields[1],
            blob=blob,
        )


def parse_revoked(data: bytes) -> frozenset[bytes]:
    """Return the keys of a RevokedHostKeys file, one a line.

    Raises:
        ValueError: it is a key revocation list, which ssh-keygen makes in a form of its own.
    """
    if data.startswith(_REVOCATION_LIST):
        raise ValueError("a key revocation list")
    revoked = set()
    for line in data.splitlines():
        fields = line.split()
        # Of a line with options in front, or mangled, whatever in it is a key.
        for field in fields:
            with contextlib.suppress(ValueError):
                revoked.add(base64.b64decode(field, validate=True))
    return frozenset(revoked)


def judge(
    keys: Sequence[KnownKey], names: Sequence[str], blob: bytes
) -> tuple[Verdict, list[KnownKey]]:
    """Return what is known of a key, and the lines that say so.

    A host that is known by keys of other types only has CHANGED: whoever sits between could
    otherwise be let in by offering a type that was never seen.

    Args:
        keys: all of known_hosts.
        names: of the host, as ``host_key_names`` returns them.
        blob: the key that the host has shown.
    """
    for name in names:
        revoked = [k for k in keys if k.marker == REVOKED and k.blob == blob and k.is_for(name)]
        if revoked:
            return Verdict.REVOKED, revoked
    for name in names:
        known = [key for key in keys if not key.marker and key.is_for(name)]
        same = [key for key in known if key.blob == blob]
        if same:
            return Verdict.KNOWN, same
        if known and name == names[0]:
            return Verdict.CHANGED, known
    authorities = [
        key for key in keys if key.marker == CERT_AUTHORITY and any(map(key.is_for, names))
    ]
    return (Verdict.CERTIFIED, authorities) if authorities else (Verdict.UNKNOWN, [])


def algorithms_to_offer(
    keys: Sequence[KnownKey],
    names: Sequence[str],
    *,
    configured: str | None,
    supported: Sequence[str],
) -> tuple[str, ...]:
    """Return the host key algorithms to offer, those that known_hosts can answer for first.

    Without that a host known by its Ed25519 key might show its RSA key and look like a stranger.

    Args:
        keys: all of known_hosts.
        names: of the host.
        configured: the HostKeyAlgorithms option: a list, or one that ``+`` adds to, ``-`` takes
            from or ``^`` puts in front of the supported ones.
        supported: what the SSH library can check, best first.
    """
    if configured is not None:
        listed = configured.lstrip("+-^").split(",")
        chosen = [a for p in listed for a in supported if matches_pattern(a, p)]
        rest = [a for a in supported if a not in chosen]
        orders = {"-": rest, "+": [*supported], "^": chosen + rest}
        return tuple(dict.fromkeys(orders.get(configured[:1], chosen)))
    known_types = [k.key_type for k in keys if not k.marker and any(k.is_for(n) for n in names)]
    known = {a for key_type in known_types for a in SIGNATURES.get(key_type, (key_type,))}
    return tuple(sorted(supported, key=lambda algorithm: algorithm not in known))


def fingerprint(blob: bytes) -> str:
    """Return a key's fingerprint as ssh-keygen prints it."""
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode("ascii")
    return "SHA256:" + digest.rstrip("=")


def keep_key(
    path: Path, names: Sequence[str], key_type: str, blob: bytes, *, hash_name: bool
) -> Verdict:
    """Add a key to known_hosts unless another run has just done so; say what holds now.

    The line is appended by one write under a lock: runs that meet a host at the same time agree
    on the key that came first, and a run that is killed leaves no torn line.

    Returns:
        KNOWN: the key is kept. Otherwise what another run has found out meanwhile.

    Raises:
        OSError: the file cannot be written, or another program does not let it go.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600), "r+b") as file:
        _lock(file)
        content = file.read()
        kept = list(parse_known_hosts(content.decode(errors="replace"), path))
        verdict, _ = judge(kept, names, blob)
        if verdict is not Verdict.UNKNOWN:
            return verdict
        name = _hash_of(names[0], os.urandom(_SALT_BYTES)) if hash_name else names[0]
        line = f"{name} {key_type} {base64.b64encode(blob).decode('ascii')}\n"
        torn = content and not content.endswith(b"\n")
        file.write((b"\n" if torn else b"") + line.encode("ascii"))
        file.flush()
        return Verdict.KNOWN


def _lock(file: BinaryIO) -> None:
    deadline = time.monotonic() + LOCK_TIMEOUT_S
    while not _is_locked(file):
        if time.monotonic() >= deadline:
            raise OSError(errno.EAGAIN, "another program holds the lock of the file")
        time.sleep(LOCK_LOOK_S)


def _is_locked(file: BinaryIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _hash_of(name: str, salt: bytes) -> str:
    digest = hmac.new(salt, name.encode(), hashlib.sha1).digest()
    return "|".join(
        ("", "1", base64.b64encode(salt).decode("ascii"), base64.b64encode(digest).decode("ascii"))
    )


def _is_hash_of(hashed: str, name: str) -> bool:
    try:
        salt = base64.b64decode(hashed.split("|")[2], validate=True)
    except (IndexError, ValueError):
        return False
    return hmac.compare_digest(_hash_of(name, salt).encode(), hashed.encode())
