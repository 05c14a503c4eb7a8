"""``remotest sync`` as a user types it, over a real sshd."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import machine
import projects
import pytest

from remotest.reporting.synclines import progress_line, pushed_lines
from remotest.sync.push import Progress, Pushed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from projects import Project

HOST_FAILED: Final = 6
USAGE: Final = 4

FILES: Final = {
    "pytest.ini": "[pytest]\n",
    "test_one.py": "def test_one():\n    pass\n",
    "data/long.txt": "a line of text\n" * 1000,
    "data/twin.txt": "a line of text\n" * 1000,
    ".env": "PASSWORD=secret\n",
}
NO_HOST: Final = "ssh=127.0.0.1:1//hostkey=accept-new"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    (tmp_path / "machine").mkdir()
    with machine.running(tmp_path / "machine", ("3.9",)) as shell:
        yield projects.make(tmp_path / "project", shell, FILES)


def test_where_no_host_needs_a_tree_that_is_said(project: Project) -> None:
    answer = project.type_command(["remotest", "sync", "--tx=popen"])
    assert answer.status == 0
    assert answer.lines == [
        "nothing to bring: all that is named runs on this machine, in the tree itself"
    ]


@pytest.mark.parametrize(
    ("packed_bytes", "line"),
    [
        (2_000, "sent 2 files, 5.0 kB, 2.0 kB packed"),
        (5_100, "sent 2 files, 5.0 kB"),  # As they are, and their digests.
    ],
)
def test_what_was_packed_is_told_where_it_was(packed_bytes: int, line: str) -> None:
    pushed = Pushed(
        tree="/tree", notes=(), sent_bytes=5_000, packed_bytes=packed_bytes, sent=("a", "b")
    )
    assert list(pushed_lines("myhost", pushed, is_verbose=False)) == [f"myhost: {line}"]


def test_a_tree_is_brought_to_hosts_and_nothing_is_run(project: Project) -> None:
    def sync(*options: str) -> list[str]:
        answer = project.type_command(
            ["remotest", "sync", "--tx=ssh=myhost//python=python3.9", *options]
        )
        assert answer.status == 0
        return answer.lines

    secret = (
        "stayed here, as they look like secrets (a '!rule' in rsyncignore takes one along): .env"
    )
    head = ["the tree: 4 files, 30.0 kB", secret]
    host = "ssh=myhost//python=python3.9"
    first = sync()
    assert first[:2] == head
    assert first[2].startswith(f"{host}: sent 4 files, 15.0 kB")
    assert sync() == [*head, f"{host}: nothing to send"]
    project.write({"test_two.py": "def test_two():\n    pass\n"})
    second = sync("-v")
    [tree] = Path(project.environment["HOME"]).glob(".cache/remotest/v1/trees/*/0")
    assert second[0] == "the tree: 5 files, 30.1 kB"
    assert second[2] == f"{host}: sent 1 file, 25 B"
    assert second[3:] == [f"{host}: in {tree}", "    base/test_two.py"]
    assert (tree / "base" / "test_two.py").read_text() == "def test_two():\n    pass\n"
    run = project.pytest("--tx=ssh=myhost//python=python3.9", "--dist=load")
    assert run.status == 0


def test_hosts_that_cannot_be_reached_or_are_not_named(project: Project) -> None:
    reachable = "ssh=myhost//python=python3.9"
    answer = project.type_command(["remotest", "sync", f"--tx={reachable}", f"--tx={NO_HOST}"])
    assert answer.status == HOST_FAILED
    assert f"{reachable}: sent 4 files" in answer.output
    assert "127.0.0.1:1 refused the connection; tried" in answer.output
    answer = project.type_command(["remotest", "sync"])
    assert answer.status == USAGE
    assert answer.lines == [
        "remotest: no host is named: name one with --tx, here or in the config file's addopts"
    ]


def test_how_far_hosts_are_is_one_line() -> None:
    parts = [
        Progress(
            count=100, total_count=1000, byte_count=1_000_000, total_bytes=10_000_000, elapsed_s=0.5
        ),
        Progress(
            count=20, total_count=4000, byte_count=500_000, total_bytes=40_000_000, elapsed_s=0.4
        ),
    ]
    assert progress_line(parts) == "120 of 5,000 files, 1.5 MB of 50.0 MB, 3.0 MB/s"
