"""A session that is asked for along with the log-in, so that nobody waits twice.

The protocol lets a client send what only makes sense when it is let in; a server may turn it down.
That of OpenSSH keeps it until the log-in is accepted, and says otherwise that it does not know the
message. Of others that is not known: they are not asked so early.
"""

from __future__ import annotations

import re
import threading
import time
from typing import Any, Final

import paramiko
from paramiko.common import cMSG_CHANNEL_OPEN

from remotest.gateways.afterclose import silence_after_close

PATIENCE_S: Final = 10.0
"""How long what was asked for early may take, from when it is needed; then it is asked for again.
OpenSSH's server always answers. What only bears its name might say nothing at all."""

LOOK_S: Final = 0.1
"""How often is looked whether the connection is still there: paramiko does not tell who waits."""

SERVER: Final = re.compile(r"SSH-2\.0-OpenSSH_\d")
"""Not that for Windows (OpenSSH_for_Windows_9.5), which hands log-ins over in a way of its own."""

PRIVATE: Final = (
    (paramiko.Transport, "_next_channel"),
    (paramiko.Transport, "_send_user_message"),
    (paramiko.Channel, "_set_transport"),
    (paramiko.Channel, "_set_window"),
)
"""What is used of paramiko that it does not promise. All have it from 3.5.0 to 5.1.0; with one that
has not, a session takes a round trip more."""

PRIVATE_OF_TRANSPORT: Final = (
    "_channels",
    "channel_events",
    "channels_seen",
    "default_max_packet_size",
    "default_window_size",
)
"""As ``PRIVATE``: what each transport has."""


class EarlySession:
    """The first session of a connection. Asked for by one thread, taken by any, once.

    Attributes:
        is_asked: whether it has been asked for.
    """

    def __init__(self, transport: paramiko.Transport) -> None:
        self.is_asked = False
        self._transport: Any = transport
        self._answered = threading.Event()
        self._channel: paramiko.Channel | None = None
        self._is_taken = False
        self._taking = threading.Lock()

    def ask(self) -> None:
        """Ask for it, as ``Transport.open_channel`` does, which then waits for the answer."""
        self.is_asked = True
        transport = self._transport
        with transport.lock:
            number = transport._next_channel()  # noqa: SLF001  the waiting is all that is left out
            self._channel = paramiko.Channel(number)
            untyped: Any = self._channel
            transport._channels.put(number, untyped)  # noqa: SLF001  as above
            transport.channel_events[number] = self._answered
            transport.channels_seen[number] = True
            window_bytes, packet_bytes = (
                transport.default_window_size,
                transport.default_max_packet_size,
            )
            untyped._set_transport(transport)  # noqa: SLF001  as above
            untyped._set_window(window_bytes, packet_bytes)  # noqa: SLF001  as above
        request = paramiko.Message()
        request.add_byte(cMSG_CHANNEL_OPEN)
        request.add_string("session")
        request.add_int(number)
        request.add_int(window_bytes)
        request.add_int(packet_bytes)
        transport._send_user_message(request)  # noqa: SLF001  as above

    def give_up(self) -> None:
        """Forget it: nobody is let in, or the server does not open it."""
        self._channel = None
        self._answered.set()

    def take(self) -> paramiko.Channel | None:
        """Return it, once; None where the server has not opened it: then ask as usual."""
        with self._taking:
            was_taken, self._is_taken = self._is_taken, True
        if was_taken or self._channel is None:
            return None
        deadline_s = time.monotonic() + PATIENCE_S
        while not self._answered.wait(LOOK_S):
            if not self._transport.is_active() or time.monotonic() > deadline_s:
                break
        channel, self._channel = self._channel, None
        if channel is None or not channel.active or channel.closed:
            return None
        return silence_after_close(channel)


def early_session(transport: paramiko.Transport) -> EarlySession | None:
    """Return what may be asked of a server that has named itself, or None if nothing may."""
    is_possible = (
        SERVER.match(transport.remote_version) is not None
        and all(hasattr(owner, name) for owner, name in PRIVATE)
        and all(hasattr(transport, name) for name in PRIVATE_OF_TRANSPORT)
    )
    return EarlySession(transport) if is_possible else None
