"""What is on the screen when workers run here: whole, for each way that people look at it.

The screens are below ``screens/``. After a change of words: ``REMOTEST_WRITE_SCREENS=1 make test
ARGS="-n0 tests/functional/test_local_screens.py"``, then read what has changed. One worker runs
where the order of two would be chance.
"""

from __future__ import annotations

import os
import re
import select
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Final

import projects
import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

SCREENS: Final = Path(__file__).with_name("screens")
WRITES_SCREENS: Final = "REMOTEST_WRITE_SCREENS" in os.environ
START_TIMEOUT_S: Final = 60.0

MIXED: Final = {
    "test_a.py": """
        import pytest

        @pytest.mark.parametrize("number", range(3))
        def test_number(number):
            pass

        def test_bad():
            print("said before")
            assert 1 == 2

        @pytest.mark.skip(reason="not today")
        def test_skipped():
            pass

        @pytest.mark.xfail(reason="known")
        def test_known():
            assert 0

        @pytest.fixture
        def broken():
            raise ValueError("not set up")

        def test_error(broken):
            pass
        """,
}
PASSING: Final = {"test_a.py": "def test_one():\n    pass\n\ndef test_two():\n    pass\n"}
DYING: Final = {
    "test_a.py": "import os\n\ndef test_dies():\n    os._exit(9)\n\ndef test_lives():\n    pass\n"
}
DYING_TWICE: Final = {
    "test_a.py": """
        import os

        def test_dies():
            os._exit(9)

        def test_dies_too():
            os._exit(9)

        def test_left():
            pass
        """
}
WAITING: Final = {
    "test_a.py": """
        def test_one():
            pass

        def test_waits():
            open("begun", "w").close()
            open("never")
        """
}
UNCOLLECTABLE: Final = {**PASSING, "test_b.py": "import nothing_of_that_name\n"}
REPLACEMENTS: Final = (
    (r"(?m)^(platform|rootdir:|configfile:|plugins:|cachedir:|hypothesis profile) .*\n", ""),
    (r"(?m)^/\S+/lib/python3\.\d+/importlib/__init__\.py:\d+:", "importlib/__init__.py:126:"),
    (r"test module '/[^']+\.\.\.", "test module '/home/me/project/..."),
    (r"-- Python 3\.\d+\.\S+ .*", "-- Python 3.11.7 /usr/bin/python"),
    (r"\blinux\b|\bdarwin\b", "linux"),
    (r"-py3\d+", "-py311"),
    (r"CPython 3\.\d+\.\S+ +\S+", "CPython 3.11.7 9.2.0"),
    (r"\b\d+\.\d\ds (setup|call|teardown) +test_a\.py::\w+", "0.12s call     test_a.py::test_one"),
    (r"\b\d+\.\d\ds\b", "0.12s"),
    (r"\b\d+\.\ds\b", "0.1s"),
    (
        r"(?m)^/\S+\.py:\d+: KeyboardInterrupt",
        "/usr/lib/remotest/controller.py:156: KeyboardInterrupt",
    ),
    (r'File "/\S*/(remotest|_pytest|pluggy)/', r'File "/usr/lib/\1/'),
    (r"\(\d+ frames of pytest\)", "(31 frames of pytest)"),
    (r"=+ ((?:\d|no tests).*) in 0.12s(?: \(.*\))? =+", r"=== \1 in 0.12s ==="),
)


@pytest.mark.parametrize(
    ("name", "files", "arguments", "status"),
    [
        ("plain", MIXED, "-n1", 1),
        ("verbose", MIXED, "-n1 -v", 1),
        ("quiet", MIXED, "-n1 -q", 1),
        ("two-workers", PASSING, "-n2", 0),
        ("no-workers", PASSING, "-n0", 0),
        ("collect-only", MIXED, "-n1 --collect-only", 0),
        ("collect-only-quiet", MIXED, "-n1 --co -q", 0),
        ("report-all", MIXED, "-n1 -rA --tb=no", 1),
        ("durations", PASSING, "-n1 --durations=1 -vv", 0),
        ("each", PASSING, "-n2 --dist=each", 0),
        ("first-failure", MIXED, "-n1 -x --tb=line", 2),
        ("maxfail", MIXED, "-n1 --maxfail=2 --tb=line", 2),
        ("crash", DYING, "-n1", 1),
        ("crash-not-replaced", DYING, "-n1 --max-worker-restart=0", 1),
        ("crash-too-often", DYING_TWICE, "-n1 --max-worker-restart=1", 1),
        ("collection-error", UNCOLLECTABLE, "-n1", 1),
    ],
)
def test_screen(
    tmp_path: Path, name: str, files: Mapping[str, str], arguments: str, status: int
) -> None:
    project = projects.make(tmp_path / "project", os.environ, {**files, "pytest.ini": "[pytest]\n"})
    answer = project.pytest(*arguments.split())
    check(name, arguments, answer, tmp_path)
    assert answer.status == status


def test_screen_after_ctrl_c(tmp_path: Path) -> None:
    arguments = "-n1 -v"
    project = projects.make(
        tmp_path / "project", os.environ, {**WAITING, "pytest.ini": "[pytest]\n"}
    )
    for name in ("begun", "never"):
        os.mkfifo(project.directory / name)
    handle = os.open(project.directory / "begun", os.O_RDONLY | os.O_NONBLOCK)
    with project.start(["pytest", *arguments.split()]) as process:
        readable, _, _ = select.select([handle], [], [], START_TIMEOUT_S)
        assert readable, "the test that waits has not begun"
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=START_TIMEOUT_S)
    os.close(handle)
    answer = projects.Answer(status=process.returncode, output=output)
    check("ctrl-c", arguments, answer, tmp_path)
    assert answer.status == pytest.ExitCode.INTERRUPTED


def check(name: str, arguments: str, answer: projects.Answer, directory: Path) -> None:
    """Compare all that is on a screen with the file of this name."""
    screen = f"$ pytest {arguments}\n{normal(answer.lines, directory)}exit status {answer.status}\n"
    path = SCREENS / f"{name}.txt"
    if WRITES_SCREENS:
        path.parent.mkdir(exist_ok=True)
        path.write_text(screen)
    assert screen == path.read_text()


def normal(lines: list[str], directory: Path) -> str:
    """Return a screen without what differs between machines and runs."""
    screen = "\n".join([*lines, ""]).replace(str(directory), "/home/me")
    for pattern, replacement in REPLACEMENTS:
        screen = re.sub(pattern, replacement, screen)
    return screen
