"""Asking hosts which interpreters they have, where a spec means all of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from remotest.errors import ConnectError
from remotest.gateways.bootlines import Missing
from remotest.interpreters import ALL, choose_found, is_open, with_pythons

if TYPE_CHECKING:
    from remotest.gateways.opener import GatewayOpener
    from remotest.settings import Settings


def discover(settings: Settings, opener: GatewayOpener) -> Settings:
    """Return the settings with one request for each interpreter that ``python=all`` means.

    Takes no time where no spec asks for it; else hosts are dialled one after the other.

    Raises:
        HostError: a host cannot be reached, or has no such interpreter.
        UsageError: the project's ``requires-python`` is no specifier, or a socket
            server is asked.
    """
    requests = []
    for request in settings.requests:
        if not is_open(request):
            requests.append(request)
            continue
        python = str(request.spec.python)
        # Not at the top: most runs name their interpreters, and need not import this.
        from remotest.env.declare import find_requires_python  # noqa: PLC0415

        requires_python = find_requires_python(settings.base_dir)
        found = opener.find_interpreters(request.spec)
        chosen = choose_found(python, found, requires_python)
        if not chosen:
            is_limited = python == ALL and requires_python
            allowed = f" with requires-python {requires_python}" if is_limited else ""
            raise ConnectError(
                host=request.spec.redacted(),
                phase="find interpreters",
                cause=f"python={python}{allowed} fits none; {Missing(found)}",
                remedy="name interpreters of that host with python=, as in python=3.9,3.12",
            )
        requests += with_pythons(request, chosen)
    return replace(settings, requests=tuple(requests))
