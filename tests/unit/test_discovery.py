"""Hosts are asked for their interpreters all at once, and answer in the order of the specs."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING, Final

import pytest
from settingsworld import settings

from remotest.discovery import ASKED_AT_ONCE, ask_all, discover
from remotest.errors import ConnectError, HostError, SpecError
from remotest.spec import parse_tx

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from remotest.spec import GatewaySpec

WAIT_S: Final = 60.0
"""For all hosts to be asked; nobody waits for so long."""

FOUND: Final = ("/usr/bin/python3.9", "/usr/bin/python3.12")


class Hosts:
    """Answers when ``together`` hosts are being asked, as an opener does."""

    def __init__(self, together: int, errors: Mapping[str, Exception]) -> None:
        self._together = threading.Barrier(together)
        self._errors = errors
        self.refused: dict[str, HostError] = {}
        self.was_aborted = False

    def find_interpreters(self, spec: GatewaySpec) -> tuple[str, ...]:
        self._together.wait(WAIT_S)
        if error := self._errors.get(spec.host_label):
            raise error
        return FOUND

    def refuse(self, spec: GatewaySpec, error: HostError) -> None:
        self.refused[spec.host_label] = error

    def abort(self) -> None:
        self.was_aborted = True
        self._together.abort()


def test_hosts_are_asked_all_at_once(tmp_path: Path) -> None:
    gone = ConnectError(host="two", phase="connect", cause="no answer")
    hosts = Hosts(3, {"two": gone})
    specs = ("ssh=one//python=all", "popen", "ssh=two//python=all", "3*ssh=three//python=3.12+")
    found = discover(settings(*specs, root_dir=tmp_path, config_file=None), hosts)  # type: ignore[arg-type]  # it is one as far as it is used
    assert [str(request) for request in found.requests] == [
        *(f"ssh=one//python={python}" for python in FOUND),
        "popen",
        "ssh=two//python=all",
        f"3*ssh=three//python={FOUND[1]}",
    ]
    assert hosts.refused == {"two": gone}


def test_more_hosts_than_can_be_asked_at_once_are_asked() -> None:
    count = 2 * ASKED_AT_ONCE
    specs = [parse_tx(f"ssh=host{number}//python=all").spec for number in range(count)]
    hosts = Hosts(ASKED_AT_ONCE, {})
    assert ask_all(specs, hosts) == [FOUND] * count  # type: ignore[arg-type]  # as above


def test_ctrl_c_waits_for_no_host() -> None:
    class Silent(Hosts):
        def find_interpreters(self, spec: GatewaySpec) -> tuple[str, ...]:
            os.kill(os.getpid(), signal.SIGINT)
            return super().find_interpreters(spec)

    hosts = Silent(2, {})
    with pytest.raises(KeyboardInterrupt):
        ask_all([parse_tx("ssh=one//python=all").spec], hosts)  # type: ignore[arg-type]  # as above
    assert hosts.was_aborted


def test_what_is_no_fault_of_a_host_is_raised(tmp_path: Path) -> None:
    hosts = Hosts(2, {"two": SpecError("no interpreters")})
    specs = ("ssh=one//python=all", "ssh=two//python=all")
    with pytest.raises(SpecError):
        discover(settings(*specs, root_dir=tmp_path, config_file=None), hosts)  # type: ignore[arg-type]  # as above
