"""Logging in with a key in one round trip: nobody waits to hear that the server logs people in."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

import paramiko
from paramiko.auth_handler import AuthHandler
from paramiko.common import MSG_SERVICE_ACCEPT

if TYPE_CHECKING:
    from collections.abc import Callable

SERVICE: Final = "ssh-userauth"

PRIVATE: Final = (
    (AuthHandler, "_request_auth"),
    (AuthHandler, "_parse_service_accept"),
    (AuthHandler, "_client_handler_table"),
)
"""What is used of paramiko that it does not promise. All have it from 3.5.0 to 5.1.0; with one that
has not, a login takes a round trip more."""


def auth_publickey(transport: paramiko.Transport, user: str, key: paramiko.PKey) -> list[str]:
    """Do what ``transport.auth_publickey`` does, which see."""
    if not all(hasattr(owner, name) for owner, name in PRIVATE):
        return transport.auth_publickey(user, key)
    if not transport.is_active():
        raise paramiko.SSHException("the connection is lost")
    answered = threading.Event()
    handler = _handler_for(key)(transport)
    transport.auth_handler = handler
    handler.auth_publickey(user, key, answered)
    further_methods: list[str] = handler.wait_for_response(answered)
    return further_methods


def _handler_for(key: paramiko.PKey) -> Any:
    """Return how to log in with a key.

    In what form an RSA key signs depends on what the server says shortly before it accepts the
    service: there that is waited for.
    """
    return AuthHandler if "rsa" in key.get_name() else _Prompt


class _Prompt(AuthHandler):
    """Asks for the service and to be let in at once, as the protocol allows."""

    def _request_auth(self) -> None:
        super()._request_auth()  # type: ignore[misc]  # Not in the stubs.
        accepted = paramiko.Message()
        accepted.add_string(SERVICE)
        accepted.rewind()
        super()._parse_service_accept(accepted)  # type: ignore[misc]  # As above.

    @property
    def _client_handler_table(self) -> dict[int, Callable[[paramiko.Message], None]]:
        table = super()._client_handler_table  # type: ignore[misc]  # As above.
        return {**table, MSG_SERVICE_ACCEPT: lambda _: None}  # It was taken for granted.
