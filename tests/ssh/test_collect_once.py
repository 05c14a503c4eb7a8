"""A host that is reached by ssh collects once, where that is asked for, also for a replacement."""

from __future__ import annotations

from typing import TYPE_CHECKING

import interpreters
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from projects import Project

CONFTEST = """
    import os
    with open({place!r}, "a") as file:
        file.write(os.environ.get("PYTEST_XDIST_WORKER", "here") + "\\n")
    """
TEST = """
    import os, pytest

    @pytest.mark.parametrize("number", range(20))
    def test_number(number, worker_id):
        assert os.environ["PYTEST_XDIST_WORKER"] == worker_id
        if number == 3:
            os._exit(7)
    """


@pytest.mark.parametrize(
    ("way", "loaded"), [("fork", ["gw0", "here"]), ("spawn", ["gw0", "gw1", "gw2", "here"])]
)
def test_a_host_collects_once(
    project: Project, tmp_path: Path, way: str, loaded: list[str]
) -> None:
    place = tmp_path / "loaded"
    project.write({"conftest.py": CONFTEST.format(place=str(place)), "test_it.py": TEST})
    tx = f"--tx=2*ssh=myhost//python={interpreters.with_pytest('3.8')}"
    answer = project.type_command(["pytest", "-d", tx, f"--workers={way}"])
    assert answer.status == 1
    assert "1 failed, 19 passed" in answer.lines[-1], answer.output
    assert "worker 'gw" in answer.output
    assert sorted(place.read_text().split()) == loaded
