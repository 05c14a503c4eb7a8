"""Specs become environments and agents."""

from __future__ import annotations

from pathlib import Path

import pytest
from settingsworld import settings

from remotest.environments import agent_name, plan_agents, plan_environments, tree_key
from remotest.spec import parse_spec


@pytest.mark.parametrize(
    ("mode", "specs", "expected"),
    [
        ("load", ("3*popen",), [("environment0", "popen", 3)]),
        (
            "load",
            ("auto*popen", "popen"),
            [("environment0", "popen", "auto"), ("environment1", "popen", 1)],
        ),
        ("each", ("2*popen",), [("environment0", "popen", 1), ("environment1", "popen", 1)]),
        ("each", ("auto*ssh=a",), [("environment0", "ssh=a", "auto")]),
        (
            "each",
            ("ssh=b//python=p", "ssh=a//id=x"),
            [("environment0", "ssh=b//python=p", 1), ("environment1", "ssh=a", 1)],
        ),
    ],
)
def test_environments_in_the_order_of_asking(
    mode: str, specs: tuple[str, ...], expected: list[tuple[str, str, object]]
) -> None:
    plans = plan_environments(settings(*specs, mode=mode))
    assert [(plan.name, plan.agent, plan.count) for plan in plans] == expected


def test_specs_that_reach_the_same_interpreter_share_an_agent() -> None:
    run = settings(
        "ssh=a//python=p//id=one",
        "2*ssh=a//python=p//env:X=1//nice=3",
        "ssh=a//python=q",
        "ssh=b//python=p",
    )
    assert [(plan.name, plan.tree_key) for plan in plan_agents(run)] == [
        ("ssh=a//python=p", "ssh=a"),
        ("ssh=a//python=q", "ssh=a"),
        ("ssh=b//python=p", "ssh=b"),
    ]


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("popen", "popen"),
        ("popen//id=x//nice=1//env:TOKEN=secret", "popen"),
        ("ssh=me@h:22//connect_timeout=3//hostkey=accept-new", "ssh=me@h:22"),
        ("ssh=h//via=jump//chdir=d//cache=c", "ssh=h//via=jump//chdir=d//cache=c"),
        ("ssh=h//id=x//env=fresh//group=test", "ssh=h//env=fresh//group=test"),
        (
            "ssh=h//extra=a//req=b//lock=c//tox=d//project=none//setup=e//interpreters=uv",
            "ssh=h//extra=a//req=b//lock=c//tox=d//project=none//setup=e//interpreters=uv",
        ),
        ("ssh=h//wheels=remote//nice=1", "ssh=h//wheels=remote"),
    ],
)
def test_an_agent_is_called_like_the_place_it_is_in(spec: str, name: str) -> None:
    assert agent_name(parse_spec(spec)) == name


@pytest.mark.parametrize(
    ("spec", "has_roots", "key"),
    [
        ("popen", False, None),
        ("popen", True, None),
        ("popen//chdir=d", False, None),
        ("popen//chdir=d", True, "popen//chdir=d"),
        ("popen//sync=tree", False, "popen//sync=tree"),
        ("ssh=h//python=p//id=x", False, "ssh=h"),
        (
            (
                "ssh=h//env=venv:v//group=a//extra=a//req=b//lock=c//tox=d//project=none"
                "//wheels=remote//setup=e//interpreters=uv//env:A=1//nice=3"
            ),
            False,
            "ssh=h",
        ),
        ("ssh=h//sync=none", True, None),
        ("socket=h:1", False, "socket=h:1"),
    ],
)
def test_where_a_tree_is_brought(spec: str, has_roots: bool, key: str | None) -> None:
    assert tree_key(parse_spec(spec), has_roots=has_roots) == key


def test_roots_bring_trees_to_directories_here() -> None:
    run = settings("popen//chdir=d", roots=(Path("/home/me/project/src"),))
    assert [plan.tree_key for plan in plan_agents(run)] == ["popen//chdir=d"]
