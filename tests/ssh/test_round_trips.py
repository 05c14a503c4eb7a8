"""How often one side of a connection waits for the other until the first test begins."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

import pytest
import sshd
from faultlab.proxy import FROM_HOST, TO_HOST, Proxy

if TYPE_CHECKING:
    from pathlib import Path

    from faultlab.proxy import Direction, _Link
    from projects import Project

DELAY_S: Final = 0.02
"""So long that what one side says at once passes together, on a busy machine too."""

MOST_TURNS: Final = 11
"""The first time: 8, which docs/performance.md tells one by one, and a few where packets meet on
the way."""

TURNS_IN_PLACE: Final = 7
"""With the tree in place, but for a file that has changed."""

RUNS_IN_PLACE: Final = 10
"""At most, until in one of them no packets have met."""


class CountingProxy(Proxy):
    """Counts how often something goes to the host after something has come from there."""

    def __init__(self, server_port: int) -> None:
        self.turns = 0
        self._last: Direction = FROM_HOST
        super().__init__(server_port)
        self.delay_s = DELAY_S

    def _pass_on(self, link: _Link, direction: Direction, data: bytes) -> None:
        self.turns += (self._last, direction) == (FROM_HOST, TO_HOST)
        self._last = direction
        super()._pass_on(link, direction, data)


def test_few_turns_lead_to_the_first_test(project: Project, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    os.mkfifo(begun)
    test = f"def test_one():\n    open({str(begun)!r}, 'w').close()\n"
    project.write({"test_a.py": test})
    with sshd.running(tmp_path) as server:
        proxy = CountingProxy(server.port)
        try:
            for file in (server.known_hosts, server.ssh_config_path):
                file.write_text(file.read_text().replace(str(server.port), str(proxy.port)))
            spec = f"{server.spec}//python={sys.executable}"
            assert _turns_to_the_first_test(project, spec, begun, proxy) <= MOST_TURNS
            runs = (
                _turns_to_the_first_test(project, spec, begun, proxy) for _ in range(RUNS_IN_PLACE)
            )
            assert any(turns <= TURNS_IN_PLACE for turns in runs)
            for number in range(RUNS_IN_PLACE):
                project.write({"test_a.py": f"{test}# {number}\n"})
                turns = _turns_to_the_first_test(project, spec, begun, proxy)
                if turns <= TURNS_IN_PLACE:
                    break
            else:
                pytest.fail(f"{turns} turns where a file has changed")
        finally:
            proxy.close()


def _turns_to_the_first_test(project: Project, spec: str, begun: Path, proxy: CountingProxy) -> int:
    before, connections = proxy.turns, proxy.accepted_count
    with project.start(["pytest", "-d", "--tx", spec]) as process:
        begun.read_text()
        turns = proxy.turns - before
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert proxy.accepted_count == connections + 1
    return turns
