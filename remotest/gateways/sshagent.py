"""A client of ssh-agent: lists its keys and lets it sign.

paramiko's own client reads the environment by itself, and gives up on the whole agent when one of
its keys is of a kind it cannot name.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from typing import Final

import paramiko

ANSWER_TIMEOUT_S: Final = 60.0  # A person may have to confirm a signature (ssh-add -c).
MAX_ANSWER_BYTES: Final = 256 * 1024  # As OpenSSH's own limit of an agent message.

_REQUEST_IDENTITIES: Final = 11
_IDENTITIES_ANSWER: Final = 12
_SIGN_REQUEST: Final = 13
_SIGN_RESPONSE: Final = 14
_SIGN_FLAGS: Final = {"rsa-sha2-256": 2, "rsa-sha2-512": 4}

USABLE_KEY_TYPES: Final = frozenset(
    {
        "ssh-ed25519",
        "ssh-rsa",
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521",
    }
)
"""What paramiko can log in with. A key on a security token (``sk-...``) is none of these."""


class AgentError(Exception):
    """The agent cannot be asked or does not answer as it should."""


@dataclass(frozen=True, kw_only=True)
class AgentIdentity:
    """A key that the agent holds.

    Attributes:
        key_type: for example ``ssh-ed25519``.
        blob: the public key.
        comment: what the user called it.
    """

    key_type: str
    blob: bytes
    comment: str


class SshAgent:
    """A connection to an agent; used by one thread."""

    def __init__(self, path: str) -> None:
        """Connect.

        Raises:
            AgentError: nobody listens there.
        """
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(ANSWER_TIMEOUT_S)
        try:
            self._socket.connect(path)
        except OSError as error:
            self._socket.close()
            raise AgentError(f"no agent at {path}: {error.strerror or error}") from error

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def identities(self) -> list[AgentIdentity]:
        """Return the keys of the agent, of all kinds.

        Raises:
            AgentError: it does not say.
        """
        answer = _Fields(self._ask(bytes([_REQUEST_IDENTITIES]), _IDENTITIES_ANSWER))
        identities: list[AgentIdentity] = []
        for _ in range(answer.number()):
            blob, comment = answer.text(), answer.text()
            identities.append(
                AgentIdentity(
                    key_type=_type_of(blob), blob=blob, comment=comment.decode("utf-8", "replace")
                )
            )
        return identities

    def sign(self, blob: bytes, data: bytes, algorithm: str | None) -> bytes:
        """Return the agent's signature of ``data`` by one of its keys.

        Raises:
            AgentError: it refuses, for example because the user did.
        """
        request = bytes([_SIGN_REQUEST]) + _text(blob) + _text(data)
        request += struct.pack(">I", _SIGN_FLAGS.get(algorithm or "", 0))
        return _Fields(self._ask(request, _SIGN_RESPONSE)).text()

    def _ask(self, request: bytes, expected: int) -> bytes:
        try:
            self._socket.sendall(_text(request))
            size = struct.unpack(">I", self._receive(4))[0]
            if not 0 < size <= MAX_ANSWER_BYTES:
                raise AgentError(f"the agent answers with {size} bytes")
            answer = self._receive(size)
        except OSError as error:
            raise AgentError(f"the agent does not answer: {error}") from error
        if answer[0] != expected:
            raise AgentError("the agent refuses")
        return answer[1:]

    def _receive(self, size: int) -> bytes:
        received = b""
        while len(received) < size:
            chunk = self._socket.recv(size - len(received))
            if not chunk:
                raise AgentError("the agent hung up")
            received += chunk
        return received


class AgentKey(paramiko.PKey):
    """A key of the agent, as paramiko wants keys."""

    def __init__(self, agent: SshAgent, identity: AgentIdentity) -> None:
        super().__init__()
        self.public_blob = None
        self.refusal = ""
        self._agent = agent
        self._identity = identity

    def get_name(self) -> str:
        """Return the key's type."""
        return self._identity.key_type

    def asbytes(self) -> bytes:
        """Return the public key."""
        return self._identity.blob

    @property
    def _fields(self) -> tuple[object, ...]:
        return (self._identity.key_type, self._identity.blob)

    def can_sign(self) -> bool:
        """Return True: that is what the agent is for."""
        return True

    def sign_ssh_data(  # type: ignore[override]  # the stubs say Message; bytes is what is sent
        self, data: bytes, algorithm: str | None = None
    ) -> bytes:
        """Return a signature; an empty one where the agent refuses.

        paramiko calls this in the thread of the connection, where an exception would take the
        connection down. The server turns an empty signature down like any wrong one, and the next
        key has its turn; ``refusal`` keeps the reason.
        """
        try:
            return self._agent.sign(self._identity.blob, bytes(data), algorithm)
        except AgentError as error:
            self.refusal = str(error)
            return b""


class _Fields:
    """Reads the fields of an answer.

    Every method raises AgentError where the answer is too short.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data

    def number(self) -> int:
        if len(self._data) < 4:  # noqa: PLR2004  a 32-bit number
            raise AgentError("the agent's answer is cut short")
        number: int = struct.unpack(">I", self._data[:4])[0]
        self._data = self._data[4:]
        return number

    def text(self) -> bytes:
        size = self.number()
        if size > len(self._data):
            raise AgentError("the agent's answer is cut short")
        text, self._data = self._data[:size], self._data[size:]
        return text


def _type_of(blob: bytes) -> str:
    """Return the type that a public key names, or nothing where it is no such key."""
    try:
        return _Fields(blob).text().decode("ascii", "replace")
    except AgentError:
        return ""


def _text(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data
