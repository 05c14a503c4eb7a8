"""Logging in: which keys to try in which order, and the error if none is accepted."""

from __future__ import annotations

import contextlib
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import paramiko

from remotest.errors import NotLetInError
from remotest.gateways.keyfiles import KeyFileError, load_certificate, read_key_file
from remotest.gateways.promptauth import auth_publickey
from remotest.gateways.sshagent import USABLE_KEY_TYPES, AgentError, AgentKey, SshAgent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from remotest.gateways.earlysession import EarlySession
    from remotest.gateways.keyfiles import KeyFile, KeyRing
    from remotest.gateways.sshagent import AgentIdentity
    from remotest.gateways.sshhost import SshHost

PHASE: Final = "log in"
MAX_LISTED: Final = 12  # Keys named in an error; nobody reads on, and an agent may hold a hundred.


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A key to try.

    Attributes:
        name: what to call it in a message.
        open: returns the key; raises KeyFileError where that cannot be.
    """

    name: str
    open: Callable[[], paramiko.PKey]


class EarlyHangUp(NotLetInError):  # noqa: N818  what the server did, not a fault
    """A server hung up at a key along with which a session was asked for."""


def log_in(
    transport: paramiko.Transport, host: SshHost, ring: KeyRing, early: EarlySession | None = None
) -> None:
    """Log in with the first key that the host lets in.

    Keys that ssh_config names come first, those that would take a passphrase last: servers hang
    up after a few wrong keys (MaxAuthTries), and nobody should be asked in vain.

    Args:
        transport: of the connection.
        host: which one.
        ring: what opens key files.
        early: asked for along with the first key, which mostly is the right one.

    Raises:
        EarlyHangUp: the host hung up at the key with which ``early`` was asked for. It might not
            have done so without that.
        NotLetInError: the host takes none of the keys.
    """
    kind: type[NotLetInError] = NotLetInError
    with contextlib.ExitStack() as stack:
        keys = _Keys(host, ring, stack)
        for candidate in keys.candidates():
            try:
                key = candidate.open()
                asked, early = early, None
                note = _try_key(transport, host, key, asked)
            except KeyFileError as error:
                asked, note = None, str(error)
            if note is None:
                return
            keys.notes.append(f"{candidate.name}: {note}")
            if not transport.is_active():
                kind = EarlyHangUp if asked is not None and asked.is_asked else kind
                break
    raise _refusal(transport, host, keys.notes, kind)


class _Keys:
    """The keys for a host; ``notes`` says for each unusable key why it cannot be used."""

    def __init__(self, host: SshHost, ring: KeyRing, stack: contextlib.ExitStack) -> None:
        self.notes: list[str] = []
        self._host = host
        self._ring = ring
        self._agent: SshAgent | None = None
        self._in_agent: dict[bytes, AgentIdentity] = {}
        self._encrypted: list[KeyFile] = []
        if host.agent_socket is not None:
            try:
                self._ask_agent(
                    stack.enter_context(contextlib.closing(SshAgent(host.agent_socket)))
                )
            except AgentError as error:
                self.notes.append(f"agent: {error}")
        self._files = list(self._readable_files())

    def candidates(self) -> Iterator[Candidate]:
        """Yield the keys to try, best first, each once."""
        sources = [self._of_files, self._of_agent]
        if not self._host.has_own_identities:
            sources.reverse()  # As ssh: files that nobody named come after the agent's keys.
        for source in sources:
            yield from source()
        for file in self._encrypted:
            yield Candidate(
                name=str(file.path), open=functools.partial(self._ring.open_encrypted, file)
            )

    def _ask_agent(self, agent: SshAgent) -> None:
        """Take the agent's keys, but for those that nothing here can handle."""
        self._agent = agent
        for identity in agent.identities():
            if identity.key_type in USABLE_KEY_TYPES:
                self._in_agent[identity.blob] = identity
            else:
                self.notes.append(
                    f"agent key {identity.comment}: "
                    f"keys of type {identity.key_type} are not supported"
                )

    def _readable_files(self) -> Iterator[KeyFile]:
        for path in self._host.identity_files:
            if not path.exists() and not self._host.has_own_identities:
                continue  # One of the default files: hardly anybody has all of them.
            yield from self._file_at(path)

    def _file_at(self, path: Path) -> Iterator[KeyFile]:
        try:
            yield read_key_file(path)
        except KeyFileError as error:
            self.notes.append(f"{path}: {error}")

    def _of_agent(self) -> Iterator[Candidate]:
        in_files = {file.public_blob for file in self._files}
        if not self._host.identities_only:
            for blob, identity in self._in_agent.items():
                if blob not in in_files:
                    yield self._agent_candidate(identity, f"agent key {identity.comment}")

    def _of_files(self) -> Iterator[Candidate]:
        for file in self._files:
            if file.public_blob in self._in_agent:
                identity = self._in_agent[file.public_blob]
                yield self._agent_candidate(identity, f"{file.path} (in the agent)")
            elif file.is_public:
                self.notes.append(f"{file.path}: its private half is not in the agent")
            else:
                yield from self._of_file(file)

    def _agent_candidate(self, identity: AgentIdentity, name: str) -> Candidate:
        assert self._agent is not None, "no agent, no identity"
        return Candidate(name=name, open=functools.partial(AgentKey, self._agent, identity))

    def _of_file(self, file: KeyFile) -> Iterator[Candidate]:
        """Yield a file's key with its certificate and without, or put it aside if encrypted."""
        try:
            key = self._ring.open_plain(file)
            certified = self._ring.open_plain(file)
            if key is None or certified is None:
                self._encrypted.append(file)
                return
            if load_certificate(certified, file.path):
                yield Candidate(name=f"{file.path} (certificate)", open=lambda: certified)
        except KeyFileError as error:
            self.notes.append(f"{file.path}: {error}")
            return
        yield Candidate(name=str(file.path), open=lambda: key)


def _try_key(
    transport: paramiko.Transport, host: SshHost, key: paramiko.PKey, early: EarlySession | None
) -> str | None:
    """Try one key; return None if it is let in, else why not."""
    try:
        further_methods = auth_publickey(transport, host.user, key, early)
    except paramiko.BadAuthenticationType as error:
        return f"the server takes only {', '.join(error.allowed_types)}"
    except Exception as error:  # noqa: BLE001  paramiko hands on whatever ended its thread
        if isinstance(key, AgentKey) and key.refusal:
            return key.refusal
        if not transport.is_active():
            return "the server hung up"
        timed_out = "timeout" in str(error).lower()
        return "the server does not answer" if timed_out else "not accepted"
    if further_methods:
        return f"accepted, but the server also wants {', '.join(further_methods)}"
    return None


def _refusal(
    transport: paramiko.Transport, host: SshHost, notes: list[str], kind: type[NotLetInError]
) -> NotLetInError:
    """Return the error that says what was tried and what the server takes."""
    hung_up = not transport.is_active()
    allowed = [] if hung_up else _allowed_methods(transport, host)
    cause = f"permission denied for user {host.user}"
    if allowed:
        cause += f"; the server takes {', '.join(allowed)}"
    if hung_up:
        cause += "; the server hung up before all keys were tried"
    if notes:
        left_out = len(notes) - MAX_LISTED
        listed = [*notes[:MAX_LISTED], *([f"and {left_out} more"] if left_out > 0 else [])]
        cause += "; tried " + "; ".join(listed)
    else:
        cause += "; there is no key to try"
    return kind(host=host.label, phase=PHASE, cause=cause, remedy=_remedy(host, notes))


def _remedy(host: SshHost, notes: list[str]) -> str:
    if any("needs a passphrase" in note for note in notes):
        return "ssh-add the key that needs a passphrase, or run on a terminal"
    if any("hung up" in note for note in notes):
        return (
            f"for {host.label} name the right key in ssh_config: IdentityFile, IdentitiesOnly yes"
        )
    return (
        f"ssh-copy-id {host.user}@{host.hostname}, or name the user and the key in ssh_config "
        "(User, IdentityFile)"
    )


def _allowed_methods(transport: paramiko.Transport, host: SshHost) -> list[str]:
    """Ask the server what it takes: it says so when it refuses a log-in without anything."""
    try:
        transport.auth_none(host.user)
    except paramiko.BadAuthenticationType as error:
        return list(error.allowed_types)
    except Exception:  # noqa: BLE001  as in _try_key
        return []  # It hung up instead; what was tried is said anyway.
    return []
