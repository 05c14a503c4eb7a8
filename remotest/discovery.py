"""Asking hosts which interpreters they have, where a spec means all of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from remotest.errors import AbsentError, HostError
from remotest.gateways.bootlines import Missing
from remotest.interpreters import ALL, choose_found, is_open, with_pythons

if TYPE_CHECKING:
    from remotest.gateways.opener import GatewayOpener
    from remotest.settings import Settings


def discover(settings: Settings, opener: GatewayOpener) -> Settings:
    """Return the settings with one request for each interpreter that ``python=all`` means.

    Takes no time where no spec asks for it; else hosts are dialled one after the other. A request
    whose host cannot be reached, or has no such interpreter, stays: the opener is told to refuse
    it, so that it fails as every other that cannot be opened, and the rest runs.

    Raises:
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
        try:
            found = opener.find_interpreters(request.spec)
        except HostError as error:
            opener.refuse(request.spec, error)
            requests.append(request)
            continue
        chosen = choose_found(python, found, requires_python)
        if chosen:
            requests += with_pythons(request, chosen)
            continue
        is_limited = python == ALL and requires_python
        allowed = f" with requires-python {requires_python}" if is_limited else ""
        absent = AbsentError(
            host=request.spec.redacted(),
            phase="find interpreters",
            cause=f"python={python}{allowed} is absent",
            remedy=f"name interpreters of that host, as in python=3.9,3.12; {Missing(found)}",
        )
        opener.refuse(request.spec, absent)
        requests.append(request)
    return replace(settings, requests=tuple(requests))
