"""Hosts as they are in the wild: noisy, with other shells, read-only, behind others, in groups."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

import interpreters
import needs
import projects
import pytest
import sshd

if TYPE_CHECKING:
    from pathlib import Path

    from projects import Answer, Project

FILES: Final = {
    "pytest.ini": "[pytest]\n",
    "test_it.py": """
        import os
        import sys

        import pytest

        @pytest.mark.parametrize("number", range(4))
        def test_number(number):
            print("out")
            sys.stderr.write("err")
            os.write(1, b"to descriptor 1")
            os.system("echo from a child; echo more >&2")
        """,
}


def python() -> Path:
    return interpreters.with_pytest("3.9")


@pytest.fixture
def client(tmp_path: Path) -> Project:
    """A project of a user who has no ssh_config."""
    home = tmp_path / "client"
    home.mkdir()
    return projects.make(tmp_path / "project", {**os.environ, "HOME": str(home)}, FILES)


def assert_all_pass(answer: Answer) -> None:
    assert answer.status == 0, answer.output
    assert re.fullmatch(r"=+ 4 passed in [\d.]+s =+", answer.lines[-1]), answer.output


def test_noise_of_the_login_scripts(client: Project, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    noise = "echo Welcome to this host; echo Call 555 for help >&2; printf '\\033[1mno newline'\n"
    for name in (".bashrc", ".profile", ".bash_profile"):
        (home / name).write_text(noise)
    with sshd.running(tmp_path, home=home) as server:
        answer = client.pytest("-d", f"--tx=2*{server.spec}//python={python()}")

    assert_all_pass(answer)
    assert "Welcome" not in answer.output


@pytest.mark.parametrize("shell", ["fish", "tcsh", pytest.param("dash", marks=pytest.mark.slow)])
def test_other_login_shells(client: Project, tmp_path: Path, shell: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with sshd.running(tmp_path, home=home, shell=needs.program(shell)) as server:
        answer = client.pytest("-d", f"--tx=2*{server.spec}//python={python()}")

    assert_all_pass(answer)


def test_a_home_that_cannot_be_written_to(client: Project, tmp_path: Path) -> None:
    """Nobody, root neither, can make a directory below a file."""
    home = tmp_path / "home"
    home.mkdir()
    (home / ".cache").write_text("in the way")
    home.chmod(0o500)
    with sshd.running(tmp_path, home=home) as server:
        answer = client.pytest("-d", f"--tx=2*{server.spec}//python={python()}")

    assert_all_pass(answer)
    assert [path.name for path in home.iterdir()] == [".cache"]


def test_as_many_workers_as_the_host_has_cpus(project: Project) -> None:
    project.write(FILES)
    count = len(os.sched_getaffinity(0))

    answer = project.pytest("-d", f"--tx=auto*ssh=myhost//python={python()}")

    noun = "worker" if count == 1 else "workers"
    assert f"{count} {noun} [4 items]" in answer.lines
    assert_all_pass(answer)


def test_each_cpu_of_a_host_is_an_environment(project: Project) -> None:
    project.write(FILES)
    count = len(os.sched_getaffinity(0))

    answer = project.pytest("--dist=each", f"--tx=auto*ssh=myhost//python={python()}")

    labels = ["myhost-py39", *(f"myhost-py39#{number}" for number in range(2, count + 1))]
    rows = [line.split() for line in answer.section("environments")[1:]]
    assert [(row[0], row[4]) for row in rows] == [(label, "4") for label in labels]
    assert f" {4 * count} passed in " in answer.lines[-1]


def test_through_another_host(client: Project, tmp_path: Path) -> None:
    with sshd.running(tmp_path, name="gate") as gate, sshd.running(tmp_path, name="inner") as inner:
        answer = client.pytest(
            "-d",
            f"--px=id=jump//{gate.spec}",
            f"--tx=2*{inner.spec}//python={python()}//via=jump",
        )

        assert_all_pass(answer)
        for server in (gate, inner):
            assert server.log().count("Accepted publickey") == 1


def test_a_group_of_the_inventory(project: Project) -> None:
    project.write(
        {
            **FILES,
            "remotest.yaml": f"""
                defaults:
                  python: {python()}
                hosts:
                  one:
                    ssh: first
                  two:
                    ssh: second
                    python: {interpreters.with_pytest("3.6")}
                groups:
                  both: [one, two]
                """,
        }
    )
    answer = project.pytest("--dist=each", "--tx=@both")

    rows = [line.split() for line in answer.section("environments")[1:]]
    assert [(row[0], row[4]) for row in rows] == [("first-py39", "4"), ("second-py36", "4")]
    assert answer.status == 0

    answer = project.pytest("-d", "--tx", "2*@both")

    assert "4 workers [4 items]" in answer.lines
    assert_all_pass(answer)


def test_a_login_without_a_locale(client: Project, tmp_path: Path) -> None:
    """Python 3.6 alone knows ASCII only then; from 3.7 on it takes UTF-8 by itself."""
    client.write(
        {
            "ordner ä/test_über.py": """
                import os

                def test_all_is_utf8(tmp_path):
                    assert "LANG" not in os.environ
                    assert os.environ["FARBE"] == "grün"
                    (tmp_path / "käse").write_text("ß")
                """,
        }
    )
    pythons = [interpreters.with_pytest(name) for name in ("3.6", "3.13")]
    with sshd.running(tmp_path) as server:
        words = [f"--tx={server.spec}//env:FARBE=grün//python={path}" for path in pythons]
        answer = client.pytest("--dist=each", *words, within="ordner ä")

    assert re.search(r"^=+ 2 passed in ", answer.lines[-1]), answer.output
    assert answer.status == 0
