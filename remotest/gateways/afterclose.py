"""A channel that says nothing after its close, as the protocol asks (RFC 4254, 5.3).

paramiko decides under a channel's lock that something may still be sent, and sends it after it has
let go of the lock. When the host ends the channel in between, paramiko's other thread answers with
our close first, and what follows it is about a channel that is no more. OpenSSH's server then ends
the whole connection, and with it the sessions of all other interpreters. See paramiko's #1115,
which has been open since 2017.
"""

from __future__ import annotations

from typing import Any, Final

import paramiko
from paramiko.common import MSG_CHANNEL_CLOSE, MSG_CHANNEL_DATA, MSG_CHANNEL_EXTENDED_DATA

PRIVATE: Final = ((paramiko.Transport, "_send_user_message"),)
"""What is used of paramiko that it does not promise. All have it from 3.5.0 to 5.1.0; with one that
has not, channels are left as they are."""


def silence_after_close(channel: paramiko.Channel) -> paramiko.Channel:
    """Return a channel that was just made, after having seen to it that its close is its last."""
    if all(hasattr(owner, name) for owner, name in PRIVATE):
        untyped: Any = channel
        with untyped.lock:
            untyped.transport = _ChannelTransport(untyped.transport, is_closed=channel.closed)
    return channel


class _ChannelTransport:
    """A transport as one channel sees it."""

    def __init__(self, transport: paramiko.Transport, *, is_closed: bool) -> None:
        self.is_closed = is_closed
        self._transport: Any = transport

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _send_user_message(self, message: paramiko.Message) -> None:
        """Send a message of the channel, unless its close was sent before.

        Raises:
            OSError: it is data, which would be lost.
        """
        in_turn = _InTurn(message, self)
        try:
            self._transport._send_user_message(in_turn)  # noqa: SLF001  see PRIVATE
        except _TooLateError:
            if in_turn.kind in (MSG_CHANNEL_DATA, MSG_CHANNEL_EXTENDED_DATA):
                raise OSError("the channel is closed") from None


class _InTurn:
    """A message that is looked at when it is its turn: then no other thread sends anything."""

    def __init__(self, message: paramiko.Message, sender: _ChannelTransport) -> None:
        self._data = message.asbytes()
        self._sender = sender
        self.kind = self._data[0]

    def asbytes(self) -> bytes:
        """Return what is sent. Called by the transport, which then sends messages one by one.

        Raises:
            _TooLateError: nothing may be sent any more.
        """
        if self.kind == MSG_CHANNEL_CLOSE:
            self._sender.is_closed = True
        elif self._sender.is_closed:
            raise _TooLateError
        return self._data


class _TooLateError(Exception):
    """A message came to its turn after its channel's close."""
