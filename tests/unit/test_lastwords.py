"""What a worker that died is said to have died of."""

from __future__ import annotations

import pytest

from remotest.lastwords import describe_end, describe_killed

DUMP = """\
from a test
Fatal Python error: Segmentation fault

Current thread 0x1 (most recent call first):
  File "/tree/test_it.py", line 4 in test_it
  File "/opt/lib/python3.9/site-packages/_pytest/python.py", line 157 in call
  File "/opt/lib/python3.9/site-packages/pluggy/_hooks.py", line 512 in __call__
  File "<remotest>/pytest_remotest/worker.py", line 216 in run_item
  File "/tree/conftest.py", line 1 in wrapper
  File "<string>", line 18 in <module>
"""


@pytest.mark.parametrize(
    ("status", "output", "expected"),
    [
        (0, "", "ended with exit status 0"),
        (3, " \n\n", "ended with exit status 3"),
        (-9, "", "ended by signal SIGKILL"),
        (-250, "", "ended by signal 250"),
        (1, "MemoryError\n", "ended with exit status 1: MemoryError"),
        (
            4,
            "ImportError while loading conftest\nE   No module named 'x'\n",
            (
                "ended with exit status 4: No module named 'x'\n"
                "ImportError while loading conftest\n"
                "E   No module named 'x'"
            ),
        ),
        (
            4,
            (
                "ERROR: usage: -c [options]\n"
                "  -c: error: unrecognized arguments: --new\n"
                "  rootdir: /tree\n"
            ),
            (
                "ended with exit status 4: unrecognized arguments: --new\n"
                "ERROR: usage: -c [options]\n"
                "  -c: error: unrecognized arguments: --new\n"
                "  rootdir: /tree"
            ),
        ),
        (
            -11,
            DUMP,
            (
                "ended by signal SIGSEGV: Fatal Python error: Segmentation fault\n"
                "from a test\n"
                "\n"
                "Current thread 0x1 (most recent call first):\n"
                '  File "/tree/test_it.py", line 4 in test_it\n'
                "  (3 frames of pytest)\n"
                '  File "/tree/conftest.py", line 1 in wrapper\n'
                "  (1 frame of pytest)"
            ),
        ),
        (
            -6,
            "Fatal Python error: Aborted\n",
            "ended by signal SIGABRT: Fatal Python error: Aborted",
        ),
    ],
)
def test_how_a_process_ended(status: int, output: str, expected: str) -> None:
    assert describe_end(status, output) == expected


def test_why_a_process_was_killed_and_where_it_was() -> None:
    output = (
        "from a test\n"
        "Fatal Python error: Aborted\n"
        "\n"
        "Thread 0x2 (most recent call first):\n"
        '  File "<remotest>/pytest_remotest/pipes.py", line 40 in _read_exactly\n'
        '  File "/opt/lib/python3.9/threading.py", line 982 in run\n'
        "\n"
        "Thread 0x3 (most recent call first):\n"
        '  File "/tree/test_it.py", line 9 in wait_for_ever\n'
        "\n"
        "Current thread 0x1 (most recent call first):\n"
        '  File "/tree/test_it.py", line 4 in test_it\n'
        '  File "<remotest>/pytest_remotest/worker.py", line 216 in run_item\n'
    )
    assert describe_killed("said nothing for 60 s and was killed", output) == (
        "said nothing for 60 s and was killed\n"
        "from a test\n"
        "\n"
        "Thread 0x3 (most recent call first):\n"
        '  File "/tree/test_it.py", line 9 in wait_for_ever\n'
        "\n"
        "Current thread 0x1 (most recent call first):\n"
        '  File "/tree/test_it.py", line 4 in test_it\n'
        "  (1 frame of pytest)"
    )
    assert describe_killed("was stopped for 30 s and was killed", "") == (
        "was stopped for 30 s and was killed"
    )
