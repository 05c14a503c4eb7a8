"""Logging in with a key in one round trip: nobody waits to hear that the server logs people in."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

import paramiko
from paramiko.auth_handler import AuthHandler
from paramiko.common import MSG_SERVICE_ACCEPT, MSG_UNIMPLEMENTED

if TYPE_CHECKING:
    from collections.abc import Callable

    from remotest.gateways.earlysession import EarlySession

SERVICE: Final = "ssh-userauth"

PRIVATE: Final = (
    (AuthHandler, "_request_auth"),
    (AuthHandler, "_parse_service_accept"),
    (AuthHandler, "_client_handler_table"),
)
"""What is used of paramiko that it does not promise. All have it from 3.5.0 to 5.1.0; with one that
has not, a login takes a round trip more."""


def auth_publickey(
    transport: paramiko.Transport, user: str, key: paramiko.PKey, early: EarlySession | None
) -> list[str]:
    """Do what ``transport.auth_publickey`` does, which see.

    Args:
        transport: of the connection.
        user: who wants to be let in.
        key: with which.
        early: asked for right behind that, and given up where nobody is let in.
    """
    if not all(hasattr(owner, name) for owner, name in PRIVATE):
        return transport.auth_publickey(user, key)
    if not transport.is_active():
        raise paramiko.SSHException("the connection is lost")
    answered = threading.Event()
    # In what form an RSA key signs depends on what the server says shortly before it accepts the
    # service: there that is waited for.
    is_prompt = "rsa" not in key.get_name()
    handler: Any = _Prompt(transport, early) if is_prompt else AuthHandler(transport)
    transport.auth_handler = handler
    is_in = False
    try:
        handler.auth_publickey(user, key, answered)
        if is_prompt and early is not None:
            early.ask()
        further_methods: list[str] = handler.wait_for_response(answered)
        is_in = not further_methods
    finally:
        if early is not None and not is_in:
            early.give_up()
    return further_methods


class _Prompt(AuthHandler):
    """Asks for the service and to be let in at once, as the protocol allows."""

    def __init__(self, transport: paramiko.Transport, early: EarlySession | None) -> None:
        super().__init__(transport)
        self._early = early

    def _request_auth(self) -> None:
        super()._request_auth()  # type: ignore[misc]  # Not in the stubs.
        accepted = paramiko.Message()
        accepted.add_string(SERVICE)
        accepted.rewind()
        super()._parse_service_accept(accepted)  # type: ignore[misc]  # As above.

    @property
    def _client_handler_table(self) -> dict[int, Callable[[paramiko.Message], None]]:
        table = super()._client_handler_table  # type: ignore[misc]  # As above.
        table = {**table, MSG_SERVICE_ACCEPT: lambda _: None}  # It was taken for granted.
        if self._early is not None:
            early = self._early
            table[MSG_UNIMPLEMENTED] = lambda _: early.give_up()
        return table
