"""Commands that are measured, as a page shows them."""

from __future__ import annotations

import pytest

from bench.contenders import KEPT, ROOT, shown


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ([f"{KEPT}/pytest-xdist/bin/python", "-m", "pytest", "-n2"], "python -m pytest -n2"),
        (
            [
                f"{KEPT}/remotest/bin/remotest",
                "sync",
                f"--tx=2*ssh=h//ssh_config=/tmp/remotest-bench-x_1/hosts/c//python={KEPT}/a/bin/python",
            ],
            "remotest sync '--tx=2*ssh=h//ssh_config=hosts/c//python=python'",
        ),
        (
            [
                "rsync",
                "-e",
                "ssh -F /tmp/remotest-bench-y/7/c",
                "/tmp/remotest-bench-y/tree/",
                "h:t",
            ],
            "rsync -e 'ssh -F 7/c' tree/ h:t",
        ),
        ([f"{KEPT}/a/bin/python", f"{ROOT}/bench/skeleton.py", "7"], "python bench/skeleton.py 7"),
    ],
)
def test_a_command_is_shown_without_places_of_this_machine(command: list[str], text: str) -> None:
    assert shown(command) == text
