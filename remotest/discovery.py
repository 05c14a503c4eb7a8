"""Asking hosts which interpreters they have, where a spec means all of them."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeAlias

from remotest.errors import AbsentError, HostError
from remotest.gateways.bootlines import Missing
from remotest.interpreters import ALL, choose_found, is_open, with_pythons

if TYPE_CHECKING:
    from collections.abc import Sequence

    from remotest.gateways.opener import GatewayOpener
    from remotest.settings import Settings
    from remotest.spec import GatewaySpec, TxRequest

ASKED_AT_ONCE: Final = 32
"""Hosts that are dialled at the same time, a thread each. How many log in to the same one at once
is the pool's business."""

LOOK_S: Final = 1.0
"""Between two looks at whether a host has answered: its own limits are those of connecting."""

Found: TypeAlias = tuple[str, ...] | Exception


def discover(settings: Settings, opener: GatewayOpener) -> Settings:
    """Return the settings with one request for each interpreter that ``python=all`` means.

    Takes no time where no spec asks for it; else hosts are asked all at once. A request whose host
    cannot be reached, or has no such interpreter, stays: the opener is told to refuse it, so that
    it fails as every other that cannot be opened, and the rest runs.

    Raises:
        UsageError: the project's ``requires-python`` is no specifier, or a socket
            server is asked.
    """
    asked = [request for request in settings.requests if is_open(request)]
    if not asked:
        return settings
    # Not at the top: most runs name their interpreters, and need not import this.
    from remotest.env.declare import find_requires_python  # noqa: PLC0415

    requires_python = find_requires_python(settings.base_dir)
    specs = list(dict.fromkeys(request.spec for request in asked))
    found = dict(zip(specs, ask_all(specs, opener), strict=True))
    requests: list[TxRequest] = []
    for request in settings.requests:
        if is_open(request):
            requests += _choose(request, found[request.spec], requires_python, opener)
        else:
            requests.append(request)
    return replace(settings, requests=tuple(requests))


def _choose(
    request: TxRequest, found: Found, requires_python: str, opener: GatewayOpener
) -> list[TxRequest]:
    """Return what a request means, itself where that is nothing."""
    if isinstance(found, HostError):
        opener.refuse(request.spec, found)
        return [request]
    if isinstance(found, Exception):
        raise found
    python = str(request.spec.python)
    chosen = choose_found(python, found, requires_python)
    if chosen:
        return list(with_pythons(request, chosen))
    is_limited = python == ALL and requires_python
    allowed = f" with requires-python {requires_python}" if is_limited else ""
    absent = AbsentError(
        host=request.spec.redacted(),
        phase="find interpreters",
        cause=f"python={python}{allowed} is absent",
        remedy=f"name interpreters of that host, as in python=3.9,3.12; {Missing(found)}",
    )
    opener.refuse(request.spec, absent)
    return [request]


def ask_all(specs: Sequence[GatewaySpec], opener: GatewayOpener) -> list[Found]:
    """Return the interpreters of the host of each spec, or why they cannot be told."""
    answers: dict[int, Found] = {}
    waiting = deque(enumerate(specs))

    def ask() -> None:
        while waiting:
            try:
                index, spec = waiting.popleft()
            except IndexError:  # Another thread was faster.
                return
            try:
                answers[index] = opener.find_interpreters(spec)
            except Exception as error:  # noqa: BLE001  the main thread raises it, or tells of it
                answers[index] = error

    # Daemons: Ctrl-C does not wait for hosts that do not answer.
    threads = [
        threading.Thread(target=ask, name=f"remotest-ask-{number}", daemon=True)
        for number in range(min(len(specs), ASKED_AT_ONCE))
    ]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(LOOK_S)
    except BaseException:  # Above all Ctrl-C: nobody else is asked, and nothing left running.
        waiting.clear()
        opener.abort()
        raise
    return [answers[index] for index in range(len(specs))]
