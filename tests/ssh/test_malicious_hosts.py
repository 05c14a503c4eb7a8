"""Hosts that mean no good: each attack fails, is named where it breaks the rules, and hurts nobody.

One run has them all as environments, beside a host that does what it should.
"""

from __future__ import annotations

import hashlib
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

import hostile_python
import interpreters
import machine
import projects
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from projects import Answer, Project

SECRET_FILE: Final = "TOKEN=not for hosts\n"
SECRET_VARIABLE: Final = "this-never-leaves-the-controller"

FILES: Final = {
    "pytest.ini": "[pytest]\n",
    "conftest.py": "",
    "test_it.py": "def test_one():\n    pass\n\ndef test_two():\n    pass\n",
    ".env": SECRET_FILE,
    "tripwire_module.py": """
        import os

        class Tripped(Warning):
            pass

        open(os.environ["TRIPWIRE"], "w").close()
        """,
}

LINK_BROKEN: Final = "{{host}}: lost: the host broke the protocol: {}"
WORKER_BROKEN: Final = "[gw*] node down: it broke the protocol: {}"
UNFINISHED: Final = "{label} did not run to its end: items without an outcome: 2"


def not_offered(digest: str) -> str:
    return "{host}: sync failed: the host asks for " + f"{digest!r}, which is not offered"


ATTACKS: Final = {
    "ask-for-a-path": not_offered("../.env"),
    "ask-for-passwd": not_offered("/etc/passwd"),
    "ask-by-digest": not_offered(hashlib.sha256(SECRET_FILE.encode()).hexdigest()),
    "ask-for-nothing": "{host}: sync failed: the host asks for nothing, and does not come to an",
    "long-frame": LINK_BROKEN.format("a frame of 2147483647 bytes, the limit is 16777216"),
    "code-to-run": LINK_BROKEN.format("a message of kind 3 on channel 3"),
    "object-to-build": LINK_BROKEN.format("an item that is no frame"),
    "nested-body": LINK_BROKEN.format("not JSON: maximum recursion depth exceeded"),
    "nested-report": LINK_BROKEN.format("TestReport is nested deeper than"),
    "unknown-message": LINK_BROKEN.format("unknown message 'Exec'"),
    "controllers-words": WORKER_BROKEN.format("a worker sent Goodbye"),
    "report-method": WORKER_BROKEN.format("a packed value is broken"),
    "foreign-position": UNFINISHED,
}
"""Attack -> what a line of the run's output begins with."""

UNHEEDED: Final = (
    *("warning-class", "report-class", "other-agents-worker"),
    *("steering", "traversing-names"),
)
"""Attacks by what is only shown: they change nothing, and cost the host nothing."""

OWN_TAG: Final = f"py{sys.version_info.major}{sys.version_info.minor}"
"""Of the interpreter that hostile agents run in."""

NOISE: Final = r"""#!/bin/sh
printf '\033]0;owned\007::error::owned\n  ::error::owned\n##[error]owned\n'
printf '\033]0;owned\007\n  ::error::owned\n##[error]owned\n' >&2
exit 1
"""


@dataclass(frozen=True, kw_only=True)
class Aftermath:
    """What is there after the run, and what the hosts have received by attack."""

    project: Project
    answer: Answer
    folder: Path
    new_files: set[str]

    def received(self, attack: str) -> bytes:
        return (self.folder / f"received-{attack}").read_bytes()


def files_below(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file() and "sshd-" not in str(path)
    }


@pytest.fixture(scope="module")
def aftermath(tmp_path_factory: pytest.TempPathFactory) -> Aftermath:
    root = tmp_path_factory.mktemp("malice")
    folder = root / "hostile"
    shell_folder = root / "machine"
    for path in (folder, shell_folder):
        path.mkdir()
    programs = {name: hostile_python.install(folder, name) for name in (*ATTACKS, *UNHEEDED)}
    programs["noise"] = folder / "noise"
    programs["noise"].write_text(NOISE)
    programs["noise"].chmod(0o755)
    with machine.running(shell_folder, ()) as shell:
        variables = {
            "GITHUB_ACTIONS": "true",
            "OTHER_SECRET": SECRET_VARIABLE,
            "TRIPWIRE": str(folder / "tripwire"),
        }
        project = projects.make(root / "project", {**shell, **variables}, FILES)
        before = files_below(root)
        answer = project.pytest(
            *("--dist=each", "-v", "-rA", "--junitxml=junit.xml", "--max-worker-restart=4"),
            f"--tx=ssh=good//python={interpreters.with_pytest('3.9')}",
            *(f"--tx=ssh={name}//python={program}" for name, program in programs.items()),
        )
        after = files_below(root)
    changed = {name for name, status in after.items() if before.get(name) != status}
    return Aftermath(project=project, answer=answer, folder=folder, new_files=changed)


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_host_is_named_and_the_run_is_red(aftermath: Aftermath, attack: str) -> None:
    host = f"ssh={attack}//python={aftermath.folder}/{attack}"
    expected = ATTACKS[attack].format(host=host, label=f"{attack}-{OWN_TAG}")
    shown = [re.sub(r"^\[gw\d+\]", "[gw*]", line) for line in aftermath.answer.lines]
    assert [line for line in shown if line.startswith(expected)]
    (suite,) = (s for s in aftermath.project.junit() if s.startswith(f"{attack}-py"))
    assert aftermath.project.junit()[suite]["remotest.environment"] == "error"
    assert aftermath.answer.status == 1


@pytest.mark.parametrize("attack", [*ATTACKS, *UNHEEDED])
def test_no_host_receives_what_is_not_for_it(aftermath: Aftermath, attack: str) -> None:
    received = aftermath.received(attack)
    assert b"test_it.py" in received
    assert SECRET_FILE.strip().encode() not in received
    assert SECRET_VARIABLE.encode() not in received
    assert b'".env"' not in received


def test_nothing_is_run_and_nothing_written_but_what_the_run_is_to_write(
    aftermath: Aftermath,
) -> None:
    own = re.compile(r"project/(junit\.xml|\.pytest_cache/.*|(.*/)?__pycache__/conftest.*)")
    theirs = re.compile(r"hostile/received-.*|machine/home/\.cache/remotest/.*")
    odd = {name for name in aftermath.new_files if not (own.fullmatch(name) or theirs.match(name))}
    assert odd == set()
    assert not (aftermath.folder / "tripwire").exists()


def test_other_hosts_go_on(aftermath: Aftermath) -> None:
    suites = aftermath.project.junit()
    assert suites["good-py39"] == {"test_it.test_one": "passed", "test_it.test_two": "passed"}
    rows = {line.split()[0]: line.split() for line in aftermath.answer.section("environments")}
    assert rows["good-py39"][4:8] == ["2", "0", "0", "0"]
    assert "[gw0] node down" not in aftermath.answer.output
    for attack in ("warning-class", "report-class", "other-agents-worker"):
        assert rows[f"{attack}-{OWN_TAG}"][4:8] == ["2", "0", "0", "0"]


def test_what_hosts_say_steers_neither_terminal_nor_ci_nor_junit(aftermath: Aftermath) -> None:
    output = aftermath.answer.output
    assert f"ssh=noise//python={aftermath.folder}/noise: boot failed: " in output
    assert "owned" in output
    assert [c for c in output if not (c.isprintable() or c == "\n")] == []
    commands = [line for line in output.split("\n") if re.match(r"\s*::|.*##\[", line)]
    assert commands == []
    # Parsed at all, and nobody's markup in it.
    root = ET.parse(aftermath.project.directory / "junit.xml").getroot()
    tags = {element.tag for element in root.iter()}
    known = {"testsuites", "testsuite", "testcase", "properties", "property"}
    assert tags <= known | {"failure", "error", "system-out", "system-err"}
    texts = [text for e in root.iter() for text in (e.text or "", *e.attrib.values())]
    assert [text for text in texts if "\x1b" in text or "\x07" in text] == []
