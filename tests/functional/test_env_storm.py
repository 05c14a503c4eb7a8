"""Several processes build, use and remove the same environments at once, and are killed."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Final

import envstorm
import pytest
from wheels import Draft

if TYPE_CHECKING:
    from pathlib import Path

SEED: Final = 20_240_611


@pytest.mark.parametrize("rounds", [4, pytest.param(100, marks=pytest.mark.slow)])
@pytest.mark.timeout(600)
def test_environments_are_whole_whoever_is_killed(tmp_path: Path, rounds: int) -> None:
    drafts = [
        Draft(name=name, files={f"{name}/m{number}.py": f"x = {number}\n" for number in range(40)})
        for name in ("one", "two")
    ]
    wheels = [draft.write(tmp_path).path for draft in drafts]
    (tmp_path / "home").mkdir()
    command = [sys.executable, "-B", envstorm.__file__, tmp_path / "home", str(rounds), str(SEED)]
    answer = subprocess.run([*command, *wheels], check=False, capture_output=True, text=True)
    assert (answer.stdout, answer.stderr) == (f"{rounds} rounds, 0 failed\n", "")
