"""Suites of somebody else end the same over ssh as with plain pytest on the host's interpreter."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

import distributions
import interpreters
import projects
import pytest
from distributions import CACHE
from xdistworld import uv

PACKAGES: Final = {
    "attrs==25.3.0": 1000,
    "cachetools==5.5.2": 200,
    "click==8.1.8": 500,
    "toolz==1.0.0": 150,
}
"""Packages whose source distributions carry their tests, and how many tests that is at least."""

QUICK: Final = "click==8.1.8"
"""The one by default: the others take a minute together, or longer."""

REQUIREMENTS: Final = ("pytest==8.4.2", "hypothesis==6.112.0", "cloudpickle==3.1.1")
"""What these suites, of that time, need on a host."""

HOST: Final = "3.12"


def environment_for(requirement: str) -> Path:
    """Return the python of an environment with a package, so that its metadata is there."""
    directory = CACHE / f"{requirement.replace('==', '-')}-py{HOST}"
    if not directory.exists():
        interpreter = interpreters.find_or_skip(HOST)
        staging = Path(tempfile.mkdtemp(dir=CACHE))
        uv("venv", "--no-project", "--relocatable", "--python", interpreter, staging)
        python = staging / "bin" / "python"
        uv("pip", "install", "--python", python, *REQUIREMENTS, requirement)
        staging.rename(directory)
    return directory / "bin" / "python"


def outcomes(path: Path) -> Counter[tuple[str, str, str]]:
    """Return how often each (class name, name, outcome) is in a JUnit file."""
    found: Counter[tuple[str, str, str]] = Counter()
    for case in ET.parse(path).iter("testcase"):
        kinds = [child.get("type") or child.tag for child in case if child.tag != "properties"]
        outcome = kinds[0] if kinds else "passed"
        found[case.get("classname", ""), case.get("name", ""), outcome] += 1
    return found


@pytest.mark.parametrize(
    "requirement",
    [name if name == QUICK else pytest.param(name, marks=pytest.mark.slow) for name in PACKAGES],
)
def test_outcomes_are_those_of_plain_pytest(
    tmp_path: Path, shell: dict[str, str], requirement: str
) -> None:
    source, python = distributions.source_of(requirement), environment_for(requirement)
    project = projects.make(tmp_path / "work", shell, {})
    shutil.copytree(source, project.directory, dirs_exist_ok=True)
    top = project.directory / "src"
    project = project.with_variables(
        {"PYTHONPATH": str(top if top.is_dir() else project.directory)}
    )

    files = {name: tmp_path / f"{name}.xml" for name in ("plain", "ssh")}
    plain = project.type_command([str(python), "-m", "pytest", f"--junitxml={files['plain']}"])
    answer = project.pytest(
        "-d", f"--tx=2*ssh=myhost//python={python}", f"--junitxml={files['ssh']}"
    )

    expected = outcomes(files["plain"])
    assert expected.total() >= PACKAGES[requirement], plain.output
    assert outcomes(files["ssh"]) == expected
    assert answer.status == plain.status
