"""Workers die all the time, under each mode: nothing is lost, nothing runs twice, nothing hangs."""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

import killstorm
import projects
import pytest
from killstorm import IN_ITEM, Fate

if TYPE_CHECKING:
    from projects import Answer

MODES: Final = ("load", "loadscope", "loadfile", "loadgroup", "worksteal", "each")

TEST_COUNT: Final = 2_000
RUN_COUNT: Final = 20
DEATHS: Final = "9/4"
DEATHS_BETWEEN: Final = "0/12"
"""Every so many runs have no death in an item."""
BETWEEN_EVERY: Final = 5

FEWER_TESTS: Final = 100

EXIT_HOST_FAILED: Final = 6
HELPERS: Final = Path(killstorm.__file__).parent


def outcomes(path: Path) -> Counter[tuple[str, str, str]]:
    """Return how often each (environment, test, outcome) is in a JUnit file."""
    found: Counter[tuple[str, str, str]] = Counter()
    for suite in ET.parse(path).getroot().findall("testsuite"):
        for case in suite.iter("testcase"):
            kinds = [child.tag for child in case if child.tag in ("failure", "error", "skipped")]
            name = f"{case.get('classname')}.{case.get('name')}"
            found[suite.get("name", ""), name, "+".join(kinds) or "passed"] += 1
    return found


def name_in_junit(node_id: str) -> str:
    return node_id.replace(".py::", ".").replace("::", ".")


def counts(answer: Answer) -> dict[str, int]:
    """Return the numbers of the last line."""
    found = re.findall(r"(\d+) ([a-z]+)", answer.lines[-1].partition(" in ")[0])
    return {word: int(number) for number, word in found}


def storm(folder: Path, mode: str, seed: str, *, test_count: int, is_wild: bool) -> None:
    """Run a suite whose workers die, and judge how it ended."""
    notes = folder / "notes"
    project = projects.make(folder / "project", os.environ, killstorm.suite(test_count))
    notes.mkdir()
    variables = {
        "PYTHONPATH": str(HELPERS),
        "PYTEST_PLUGINS": killstorm.__name__,
        killstorm.NOTES: str(notes),
        killstorm.SEED: seed,
        **({killstorm.IS_WILD: "yes"} if is_wild else {}),
    }
    number = 2 if mode == "each" else 4
    arguments = (f"-n{number}", f"--dist={mode}", "--max-worker-restart=1000", "-q")
    answer = project.with_variables(variables).type_command(
        [sys.executable, "-m", "pytest", *arguments, "--junitxml=junit.xml"]
    )
    copies = number if mode == "each" else 1
    planned = killstorm.plan(seed, killstorm.node_ids(test_count))
    found = outcomes(project.directory / "junit.xml")
    deaths, kills = killstorm.noted(notes, "died"), killstorm.noted(notes, "wild")
    # pytest shows it where the storm was not survived, or with -rP.
    print(f"{seed}: {deaths.total()} deaths, {kills.total()} kills; {answer.lines[-1]}")  # noqa: T201

    # Each test has one outcome in each environment, and both tell the same.
    tests = Counter((environment, name) for environment, name, _ in found.elements())
    environments = {environment for environment, _ in tests}
    assert len(environments) == copies, answer.output
    names = [name_in_junit(node_id) for node_id in planned]
    assert tests == Counter((each, name) for each in environments for name in names), answer.output
    by_outcome = Counter(outcome for _, _, outcome in found.elements())
    assert counts(answer) == {
        word: by_outcome[tag]
        for word, tag in (("passed", "passed"), ("failed", "error"), ("skipped", "skipped"))
        if by_outcome[tag]
    }, answer.output

    # It is the planned one, but for what was running when a worker was killed at any time.
    expected = Counter(
        (environment, name_in_junit(node_id), expected_outcome(fate))
        for environment in environments
        for node_id, fate in planned.items()
    )
    others = list((found - expected).elements())
    assert len(others) <= kills.total(), others
    assert {outcome for *_, outcome in others} <= {"error"}, others

    # No test ran twice, and none that is said to have passed did not run.
    began = killstorm.noted(notes, "began")
    assert [node_id for node_id in planned if began[node_id] > copies] == []
    ran = Counter(name for _, name, outcome in found.elements() if outcome != "error")
    assert [i for i in planned if began[i] < ran[name_in_junit(i)]] == [], answer.output

    has_errors = by_outcome["error"] > 0
    assert answer.status == (1 if has_errors else EXIT_HOST_FAILED), answer.output


def expected_outcome(fate: Fate) -> str:
    if fate in IN_ITEM:
        return "error"
    return "skipped" if fate is Fate.SKIPS else "passed"


@pytest.mark.parametrize("deaths", ["2/0", "0/2"])
def test_a_storm_loses_nothing(tmp_path: Path, deaths: str) -> None:
    storm(tmp_path, "load", f"{deaths}:small", test_count=FEWER_TESTS, is_wild=False)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(RUN_COUNT))
@pytest.mark.parametrize("mode", MODES)
def test_a_great_storm_loses_nothing(tmp_path: Path, mode: str, number: int) -> None:
    is_between = number % BETWEEN_EVERY == 0
    deaths = DEATHS_BETWEEN if is_between else DEATHS
    storm(
        tmp_path, mode, f"{deaths}:{mode}-{number}", test_count=TEST_COUNT, is_wild=not is_between
    )
