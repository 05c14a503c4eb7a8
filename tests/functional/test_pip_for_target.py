"""pip resolves for another interpreter only as long as the functions replaced in it decide."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from typing import Final

import needs
import pytest
from packageindex import target

from remotest.env.pip_for_target import EXIT_NOT_DECIDING
from remotest.env.piptool import SCRIPT

if importlib.util.find_spec("pip") is None:
    needs.lacking("no pip here")

PYPY: Final = target("3.9", "PyPy")
DESCRIPTION: Final = json.dumps(
    {"markers": dict(PYPY.markers), "tags": [str(tag) for tag in PYPY.tags]}
)

WITHOUT: Final = """
import sys
from remotest.env import pip_for_target
replace = pip_for_target.replace_target
def replace_but_one(markers, tags):
    from pip._internal.models.target_python import TargetPython as target
    from pip._vendor.packaging import markers as module
    kept = {"tags": (target, "get_sorted_tags"), "markers": (module, "default_environment")}
    where, name = kept[sys.argv[1]]
    value = getattr(where, name)
    replace(markers, tags)
    setattr(where, name, value)
pip_for_target.replace_target = replace_but_one
sys.exit(pip_for_target.main())
"""
"""As a pip would be in which one of them has another name."""


def test_the_pip_of_here_is_one_that_is_known() -> None:
    answer = subprocess.run(
        [sys.executable, SCRIPT, "--version"],
        input=DESCRIPTION,
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.startswith("pip ")


@pytest.mark.parametrize("what", ["tags", "markers"])
def test_a_pip_that_decides_in_another_way_is_not_run(what: str) -> None:
    answer = subprocess.run(
        [sys.executable, "-c", WITHOUT, what],
        input=DESCRIPTION,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (answer.returncode, answer.stdout) == (EXIT_NOT_DECIDING, "")
    assert answer.stderr == "this pip decides in another way than known; use uv, or another pip\n"
