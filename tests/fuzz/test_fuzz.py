"""What reads bytes from outside takes them or refuses them as documented, whatever they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from fuzz.catalogue import TARGETS
from fuzz.target import CORPUS
from hypothesis import HealthCheck, Phase, given, settings

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLES: Final = 40
"""Of each target: `make fuzz` takes longer."""

FILES: Final = [
    pytest.param(name, path, id=f"{name}-{path.name}")
    for name, target in TARGETS.items()
    for path in target.corpus()
]


@pytest.mark.parametrize(("name", "path"), FILES)
def test_the_corpus_is_read(name: str, path: Path) -> None:
    TARGETS[name].check(path.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_what_comes_to_mind_is_read(name: str) -> None:
    target = TARGETS[name]

    @settings(
        max_examples=EXAMPLES,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(target.inputs)
    def check(data: bytes) -> None:
        target.check(data)

    check()


def test_each_folder_of_the_corpus_is_of_a_target() -> None:
    assert {path.name for path in CORPUS.iterdir()} <= set(TARGETS)
