"""What interpreters are given, on a screen."""

from __future__ import annotations

from dataclasses import replace

from remotest.env.decision import Decision
from remotest.env.origins import Package
from remotest.errors import EnvError
from remotest.reporting.envtable import Managed, Row, screen

MANAGED = Managed(
    source="group 'test' of pyproject.toml",
    packages=(
        Package(name="pytest", version="8.4.2", reasons=("pytest<=9: no newer than here",)),
        Package(name="toolz", version="1.0", reasons=("toolz: group 'test'", "toolz>0: by x")),
    ),
    byte_count=2_900_000,
    key="3fa9c1",
    state="not there",
    changes=("requirement toolz is new", "wheel toolz 1.0 is new"),
    builds=("by the next run: fast 1.0 has no wheel",),
    notes=("resolved 2.0 days ago",),
)

ROWS = [
    Row(
        spec="ssh=h//python=python3.9",
        interpreter="CPython 3.9.18 on linux x86_64",
        decision=Decision(use="managed", reason="it lacks pytest"),
        managed=MANAGED,
    ),
    Row(
        spec="popen",
        interpreter="CPython 3.11.2 on linux x86_64",
        decision=Decision(use="as it is", reason="env=system"),
    ),
    Row(
        spec="ssh=gone",
        error=EnvError(host="ssh=gone", phase="resolve", cause="no such\x1b thing", remedy="rest"),
    ),
]


def lines(rows: list[Row], *, is_explained: bool = False) -> list[str]:
    return [str(line) for line in screen(rows, is_explained=is_explained)]


def test_each_interpreter_is_a_paragraph() -> None:
    assert lines(ROWS) == [
        "ssh=h//python=python3.9",
        "  interpreter  CPython 3.9.18 on linux x86_64",
        "  used         managed: it lacks pytest",
        "  wanted       group 'test' of pyproject.toml",
        "  holds        2 wheels, 2.9 MB",
        "  name         3fa9c1, not there",
        "  changed      requirement toolz is new",
        "               wheel toolz 1.0 is new",
        "  built there  by the next run: fast 1.0 has no wheel",
        "  note         resolved 2.0 days ago",
        "",
        "popen",
        "  interpreter  CPython 3.11.2 on linux x86_64",
        "  used         as it is: env=system",
        "",
        "ssh=gone",
        "",
        "ssh=gone: resolve failed: no such? thing",
        "  try: rest",
        "",
        "2 of 3 usable",
    ]


def test_an_explanation_names_each_package() -> None:
    few = MANAGED.packages[1:]
    same = replace(MANAGED, changes=(), builds=(), notes=(), packages=few, state="")
    assert lines([replace(ROWS[0], managed=same)], is_explained=True) == [
        "ssh=h//python=python3.9",
        "  interpreter  CPython 3.9.18 on linux x86_64",
        "  used         managed: it lacks pytest",
        "  wanted       group 'test' of pyproject.toml",
        "  holds        1 wheel, 2.9 MB",
        "  name         3fa9c1",
        "",
        "  package  version  because of",
        "  toolz    1.0      toolz: group 'test'; toolz>0: by x",
        "",
        "1 of 1 usable",
    ]
