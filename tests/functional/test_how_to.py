"""What the pages for readers promise is what happens, on a real ssh host."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import docpages
import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
PAGES: Final = (
    ROOT / "README.md",
    ROOT / "docs" / "tutorial.md",
    *sorted((ROOT / "docs" / "how-to").glob("*.md")),
)

LONG: Final = frozenset(
    (
        *("bare-host", "check", "collect-once", "compiled-modules", "config-file"),
        *("database-per-worker", "hosts-that-go-away", "inventory", "jump-hosts"),
        *("know-the-worker", "log-per-worker", "more-cpus", "once-per-host", "read-the-result"),
        *("several-interpreters", "variables-and-secrets"),
    )
)
"""Pages with many runs, of what other tests show piece by piece. They take minutes (-m slow)."""


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=pytest.mark.slow if page.stem in LONG else (), id=page.stem)
        for page in PAGES
    ],
)
def test_page_does_what_it_says(page: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    with docpages.shell_for(page, tmp_path) as environment:
        docpages.run_page(page, project, environment)
