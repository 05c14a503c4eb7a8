"""What environments are called and what reports say of them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

import pytest
from settingsworld import settings

from pytest_remotest import frames, messages
from remotest.places import Places
from remotest.preflight import read_interpreter
from remotest.run.plan import Environment

if TYPE_CHECKING:
    from pathlib import Path

GREETING: Final[dict[str, Any]] = {
    "implementation": "CPython",
    "version_info": [3, 9, 18],
    "executable": "/opt/python3.9",
    "prefix": "/opt",
    "hostname": "box",
    "pytest_version": "8.4.2",
    "cpu_count": 3,
}


@pytest.fixture
def here(tmp_path: Path) -> dict[str, Any]:
    """Settings of a project that is there."""
    return {"invocation_dir": tmp_path, "root_dir": tmp_path, "config_file": tmp_path / "tox.ini"}


def labels(places: Places) -> list[str]:
    return [places.label(environment.name) for environment in places.environments]


def greet(places: Places, agent: str, **changes: Any) -> None:
    greeting = {**GREETING, **changes}
    places.set_interpreter(agent, read_interpreter(greeting), greeting)


def test_labels_before_and_after_a_host_has_told_what_it_is(here: dict[str, Any]) -> None:
    places = Places(
        settings(
            *("2*ssh=me@h:22//python=/opt/py/bin/python3.9", "ssh=h", "popen", "socket=s:1"),
            mode="each",
            **here,
        )
    )
    assert labels(places) == ["h-python3.9", "h-python3.9#2", "h", "local", "s:1"]

    greet(places, "ssh=me@h:22//python=/opt/py/bin/python3.9")
    greet(places, "ssh=h", implementation="PyPy")
    greet(places, "socket=s:1", version_info=[3, 13, 0])

    assert labels(places) == ["h-py39", "h-py39#2", "h-pypy39", "local", "s:1-py313"]


def test_facts(here: dict[str, Any]) -> None:
    places = Places(settings("ssh=h", "popen//python=p", mode="each", **here))
    greet(places, "ssh=h", pytest_version=None)

    assert [places.facts(environment.name) for environment in places.environments] == [
        {
            "name": "h-py39",
            "host": "h",
            "spec": "ssh=h",
            "interpreter": "CPython 3.9.18",
            "executable": "/opt/python3.9",
            "pytest": "none",
        },
        {"name": "local-p", "host": "local", "spec": "popen//python=p"},
    ]


def test_the_plan_of_a_run(here: dict[str, Any]) -> None:
    places = Places(
        settings("popen//id=mine", "3*ssh=h", "auto*ssh=i", max_worker_restart=2, **here)
    )
    plan = places.run_plan()
    assert plan.environments == (
        Environment(
            name="environment0", agent="popen", count=1, worker_ids=("mine",), host="popen"
        ),
        Environment(name="environment1", agent="ssh=h", count=3, host="ssh=h"),
        Environment(name="environment2", agent="ssh=i", count="auto", host="ssh=i"),
    )
    assert (plan.dist, plan.max_worker_restart) == ("load", 2)


def test_the_number_of_workers_grows_with_what_is_known(here: dict[str, Any]) -> None:
    places = Places(settings("2*popen", "auto*ssh=h", **here))
    assert (places.declared_worker_count, places.worker_count) == (3, 2)

    greet(places, "ssh=h")

    assert places.worker_count == 5


def test_an_auto_environment_is_split_in_its_place(here: dict[str, Any]) -> None:
    places = Places(settings("popen", "auto*ssh=h", "popen//python=p", mode="each", **here))
    greet(places, "ssh=h")

    places.split("environment1", ("environment1#1", "environment1#2"))

    assert [environment.name for environment in places.environments] == [
        *("environment0", "environment1#1", "environment1#2", "environment2"),
    ]
    assert labels(places) == ["local", "h-py39", "h-py39#2", "local-p"]
    assert places.environment("environment1#2") == dataclasses.replace(
        places.environment("environment1#1"), name="environment1#2"
    )


def test_one_tree_for_each_place(here: dict[str, Any]) -> None:
    places = Places(
        settings("ssh=h//python=p", "ssh=h//python=q", "ssh=h//sync=none", "popen", **here)
    )
    agents = [agent.name for agent in places.agents]
    assert [places.awaits_tree(agent) for agent in agents] == [True, True, False, False]

    assert places.assign_trees(agents) == ["ssh=h//python=p"]
    assert places.sharing_tree("ssh=h//python=q") == ["ssh=h//python=p", "ssh=h//python=q"]


def test_each_place_has_its_own_time(here: dict[str, Any]) -> None:
    places = Places(settings("ssh=h//python=p", "ssh=i", "ssh=h//python=q", "popen", **here))
    alike = ["ssh=h//python=p", "ssh=h//python=q"]
    assert [places.agents_of_tree(name) for name in ("ssh=i", *alike, "popen")] == [
        *(["ssh=i"], alike, alike, []),
    ]
    assert places.assign_trees(["ssh=i"]) == ["ssh=i"]
    assert places.assign_trees(alike) == ["ssh=h//python=p"]
    assert places.sharing_tree("ssh=h//python=p") == alike


def test_a_tree_goes_to_the_first_that_can_take_it(here: dict[str, Any]) -> None:
    places = Places(settings("ssh=h//python=p", "ssh=h//python=q", **here))
    assert places.assign_trees(["ssh=h//python=q"]) == ["ssh=h//python=q"]
    assert places.sharing_tree("ssh=h//python=q") == ["ssh=h//python=q"]


def test_what_hosts_are_told_before_they_greet(
    here: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    specs = ("ssh=h//python=p", "ssh=h//python=q", "ssh=i", "ssh=j//sync=none", "popen")
    places = Places(settings(*specs, **here))
    assert places.offers() == {}

    places.begin_scan()
    ((agent, frame),) = places.offers().items()
    assert agent == "ssh=i"
    _, (opening, question) = frames.decode(frame)
    assert isinstance(opening, messages.SyncOpen)
    assert question == messages.AskAhead()
    places.finish_scan()

    places.begin_scan()
    for is_held in (True, False):
        ((agent, frame),) = places.offers(is_held=is_held).items()
        assert agent == "ssh=i"
        _, (opening, announcement, commit) = frames.decode(frame)
        assert isinstance(opening, messages.SyncOpen)
        assert places.manifest is not None
        assert announcement == places.manifest.offer
        assert commit == messages.SyncCommit(is_held)

    (tmp_path / "x.cpython-39-x86_64-linux-gnu.so").touch()
    places.begin_scan()
    assert places.offers() == {}
