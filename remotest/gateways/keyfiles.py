"""Private key files: what can be read without a passphrase; opens them, asking once for each."""

from __future__ import annotations

import base64
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import paramiko

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MAX_KEY_FILE_BYTES: Final = 64 * 1024  # The largest usual key, RSA 16384, takes 13 kB.

_OPENSSH_MAGIC: Final = b"openssh-key-v1\x00"
_CERTIFICATE_SUFFIX: Final = "-cert.pub"
_CLASS_OF_TYPE: Final[dict[str, type[paramiko.PKey]]] = {
    "ssh-ed25519": paramiko.Ed25519Key,
    "ssh-rsa": paramiko.RSAKey,
    "ecdsa-sha2-nistp256": paramiko.ECDSAKey,
    "ecdsa-sha2-nistp384": paramiko.ECDSAKey,
    "ecdsa-sha2-nistp521": paramiko.ECDSAKey,
}
_TYPE_OF_PEM: Final = {"RSA PRIVATE KEY": "ssh-rsa", "EC PRIVATE KEY": "ecdsa-sha2-nistp256"}


class KeyFileError(Exception):
    """A key file cannot be used; the text says why, without its name."""


@dataclass(frozen=True, kw_only=True)
class KeyFile:
    """What a key file shows to everybody.

    Attributes:
        path: the file.
        key_type: for example ``ssh-ed25519``.
        public_blob: the public key, or None where the file hides it and no ``.pub`` is beside it.
        is_public: whether the file is only the public half of a key that the agent holds.
    """

    path: Path
    key_type: str
    public_blob: bytes | None
    is_public: bool


def read_key_file(path: Path) -> KeyFile:
    """Return what a key file shows.

    Raises:
        KeyFileError: it is not there, cannot be read or is no key.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_KEY_FILE_BYTES)
    except OSError as error:
        raise KeyFileError((error.strerror or str(error)).lower()) from error
    public = parse_public_key(content)
    if public is not None:
        return KeyFile(path=path, key_type=public[0], public_blob=public[1], is_public=True)
    title, body = _parse_pem(content)
    if title == "OPENSSH PRIVATE KEY":
        key_type, blob = _parse_openssh(body)
        return KeyFile(path=path, key_type=key_type, public_blob=blob, is_public=False)
    if title not in _TYPE_OF_PEM:
        raise KeyFileError("not a private key that ssh-keygen makes")
    beside = _public_beside(path)
    return KeyFile(
        path=path,
        key_type=_TYPE_OF_PEM[title],
        public_blob=beside[1] if beside else None,
        is_public=False,
    )


class KeyRing:
    """Opens key files; each passphrase is asked for once, however many hosts want the key."""

    def __init__(self, ask_passphrase: Callable[[Path], str | None]) -> None:
        self._ask_passphrase = ask_passphrase
        self._lock = threading.Lock()
        self._opened: dict[Path, paramiko.PKey | KeyFileError] = {}

    def open_plain(self, file: KeyFile) -> paramiko.PKey | None:
        """Return the key of a file, or None if it takes a passphrase.

        Raises:
            KeyFileError: it is no key that can be used.
        """
        try:
            return _open(file, passphrase=None)
        except paramiko.PasswordRequiredException:
            return None

    def open_encrypted(self, file: KeyFile) -> paramiko.PKey:
        """Return the key of a file, asking for its passphrase unless that was done before.

        Raises:
            KeyFileError: nobody can be asked, or what was answered does not open it.
        """
        with self._lock:  # One question at a time; the others wait for its answer.
            if file.path not in self._opened:
                self._opened[file.path] = self._ask_and_open(file)
            opened = self._opened[file.path]
        if isinstance(opened, KeyFileError):
            raise opened
        return opened

    def _ask_and_open(self, file: KeyFile) -> paramiko.PKey | KeyFileError:
        passphrase = self._ask_passphrase(file.path)
        if passphrase is None:
            return KeyFileError("needs a passphrase, and there is no terminal to ask on")
        try:
            return _open(file, passphrase=passphrase)
        except KeyFileError:
            return KeyFileError("the passphrase does not open it")


def load_certificate(key: paramiko.PKey, path: Path) -> bool:
    """Give ``key`` the certificate beside its file, if there is one; say whether there is.

    Raises:
        KeyFileError: the certificate is none.
    """
    certificate = path.with_name(path.name + _CERTIFICATE_SUFFIX)
    if not certificate.exists():
        return False
    try:
        key.load_certificate(str(certificate))
    except (OSError, ValueError, paramiko.SSHException) as error:
        raise KeyFileError(f"its certificate cannot be used: {error}") from error
    return True


def _open(file: KeyFile, *, passphrase: str | None) -> paramiko.PKey:
    key_class = _CLASS_OF_TYPE.get(file.key_type)
    if key_class is None:
        raise KeyFileError(f"keys of type {file.key_type} are not supported")
    try:
        return key_class.from_private_key_file(str(file.path), passphrase)
    except paramiko.PasswordRequiredException:
        raise
    except (OSError, ValueError, IndexError, paramiko.SSHException) as error:
        raise KeyFileError(f"cannot be opened: {error}") from error


def _public_beside(path: Path) -> tuple[str, bytes] | None:
    try:
        return parse_public_key(path.with_name(path.name + ".pub").read_bytes())
    except OSError:
        return None  # No public half: the key itself may still do.


def parse_public_key(content: bytes) -> tuple[str, bytes] | None:
    """Return type and blob of a one-line public key, or None if it is none."""
    fields = content.split(maxsplit=2)
    if len(fields) < 2 or content.startswith(b"-"):  # noqa: PLR2004  type and blob
        return None
    try:
        return fields[0].decode("ascii"), base64.b64decode(fields[1], validate=True)
    except ValueError:
        return None


def _parse_pem(content: bytes) -> tuple[str, bytes]:
    """Return title and decoded body of a PEM text; the body is empty where it has headers."""
    lines = content.decode("ascii", "replace").split("\n")
    title = lines[0].strip().removeprefix("-----BEGIN ").removesuffix("-----")
    body = "".join(line.strip() for line in lines[1:] if line.strip() and "-----" not in line)
    try:
        return title, base64.b64decode(body, validate=True)
    except ValueError:
        return title, b""


def _parse_openssh(body: bytes) -> tuple[str, bytes]:
    """Return type and public blob of an ``openssh-key-v1``: these are never encrypted."""
    if not body.startswith(_OPENSSH_MAGIC):
        raise KeyFileError("not a private key that ssh-keygen makes")
    message = paramiko.Message(body[len(_OPENSSH_MAGIC) :])
    for _ in ("cipher", "key derivation", "its options"):
        message.get_string()
    message.get_int()  # Number of keys: always one.
    blob = message.get_string()
    return paramiko.Message(blob).get_string().decode("ascii", "replace"), blob
