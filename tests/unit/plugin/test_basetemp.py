"""The folder of a run on a host: private, shared by the run's agents, removed by the last."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_remotest.basetemp import RunFolder, folder_name

PLUGIN: Final = Path(__file__).parents[3] / "plugin"


@pytest.fixture(autouse=True)
def parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where run folders are in these tests."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path / f"remotest-of-{os.getuid()}"


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_run_folder_is_private(parent: Path) -> None:
    folder = RunFolder("run")
    assert folder.path == str(parent / "run")
    assert [path.stat().st_mode & 0o777 for path in (parent, parent / "run")] == [0o700] * 2


def test_the_last_to_leave_removes_it(parent: Path) -> None:
    first, second = RunFolder("run"), RunFolder("run")
    other = RunFolder("other")
    (parent / "run" / "popen-gw0").mkdir()
    first.leave()
    assert names_in(parent) == ["other", "run"]
    second.leave()
    assert names_in(parent) == ["other"]
    other.leave()
    assert names_in(parent) == []


def test_what_a_killed_agent_left_goes_with_the_next_run(parent: Path) -> None:
    program = (
        "import os; from pytest_remotest.basetemp import RunFolder; RunFolder('old'); os._exit(9)"
    )
    environment = {**os.environ, "PYTHONPATH": str(PLUGIN), "TMPDIR": str(parent.parent)}
    subprocess.run([sys.executable, "-c", program], env=environment, check=False)
    alive, folder = RunFolder("alive"), RunFolder("run")
    assert names_in(parent) == ["alive", "old", "run"]
    folder.leave()
    assert names_in(parent) == ["alive"]
    alive.leave()
    assert names_in(parent) == []


def test_a_folder_that_was_cleaned_away_is_no_error(parent: Path) -> None:
    folder = RunFolder("run")
    parent.rename(parent.with_name("elsewhere"))
    folder.leave()
    assert not parent.exists()


def link(path: Path) -> None:
    path.symlink_to("/")


def open_folder(path: Path) -> None:
    path.mkdir()
    path.chmod(0o777)


def of_another_user(path: Path) -> None:
    if os.getuid():
        pytest.skip("only root can give files away")
    path.mkdir()
    os.chown(path, 12345, -1)


@pytest.mark.parametrize("make", [link, Path.touch, open_folder, of_another_user])
@pytest.mark.parametrize("below", ["", "run"])
def test_what_somebody_else_put_there_is_refused(parent: Path, make: object, below: str) -> None:
    if below:
        parent.mkdir(mode=0o700)
    assert callable(make)
    make(parent / below if below else parent)
    with pytest.raises(PermissionError, match=re.escape(str(parent))):
        RunFolder("run")


def test_one_who_comes_as_the_last_leaves_makes_a_new_folder(
    parent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaving = [RunFolder("run")]
    lock = fcntl.flock

    def lock_late(descriptor: int, how: int) -> None:
        """Let the other leave between the opening of the lock and the locking."""
        if how == fcntl.LOCK_SH and leaving:
            leaving.pop().leave()
        lock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", lock_late)
    folder = RunFolder("run")
    assert leaving == []
    assert names_in(parent) == ["run"]
    assert names_in(Path(folder.path)) == [".agents"]


CROWD: Final = """
import os
from pytest_remotest.basetemp import RunFolder
for number in range(200):
    folder = RunFolder("run")
    own = os.path.join(folder.path, str(os.getpid()))
    for _ in range(3):
        open(own, "w").close()
        os.unlink(own)
    folder.leave()
"""


def test_agents_that_come_and_go_at_once_never_lose_their_folder(parent: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(PLUGIN), "TMPDIR": str(parent.parent)}
    command = [sys.executable, "-c", CROWD]
    crowd = [subprocess.Popen(command, env=environment) for _ in range(4)]
    assert [process.wait() for process in crowd] == [0] * len(crowd)
    assert names_in(parent) == []


@given(st.text())
def test_any_identifier_of_a_run_has_one_file_name(run_uid: str) -> None:
    name = folder_name(run_uid)
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name)
    assert name == folder_name(run_uid)


def test_folder_names() -> None:
    names = [
        folder_name(run_uid) for run_uid in ("ab12", "a.b-c_d", "..", ".a", "a/b", "", "\ud800")
    ]
    assert names[:2] == ["ab12", "a.b-c_d"]
    assert [len(name) for name in names[2:]] == [64] * 5
