"""The documentation can be run, and its links lead somewhere."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path
from typing import Final

import docpages
import pytest
from docpages import Command, PageError

ROOT: Final = Path(__file__).resolve().parents[2]
RUN_FOLDERS: Final = ("docs/how-to",)
RUN_PAGES: Final = ("README.md", "docs/tutorial.md")
SPECS: Final = {"spec", "refused"}
"""Blocks of gateway specs, one a line, that the parser takes or refuses."""

LANGUAGES: Final = SPECS | {
    "c",
    "console",
    "dockerfile",
    "ini",
    "json",
    "python",
    "text",
    "toml",
    "yaml",
}


def pages() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return [ROOT / name for name in listing.stdout.splitlines() if (ROOT / name).is_file()]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def is_run(page: Path) -> bool:
    name = name_of(page)
    return name in RUN_PAGES or name.startswith(RUN_FOLDERS)


def anchors_of(page: Path) -> set[str]:
    """Return what a link to a heading of a page may name, as forges make it."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"[a-z]+:", target):
            continue  # a link out of the tree: nothing that a test should dial
        path, _, anchor = target.partition("#")
        place = (page.parent / path).resolve() if path else page
        if not place.exists() or (anchor and anchor not in anchors_of(place)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_blocks_can_be_checked(page: Path) -> None:
    """Shell commands are in ``console`` blocks only: what is run elsewhere would go unseen."""
    for block in docpages.blocks_of(page.read_text()):
        where = f"{name_of(page)}:{block.line}"
        assert block.language in LANGUAGES, where
        if block.language == "python":
            ast.parse("\n".join(block.lines), where)
        if block.language == "console" and block.not_run is None:
            assert docpages.commands_of(block), where
            assert is_run(page), f"{where}: say why: <!-- not run: REASON -->"


def block(*lines: str) -> docpages.Block:
    (only,) = docpages.blocks_of("\n".join(["```console", *lines, "```"]))
    return only


def test_a_block_tells_its_place_its_file_and_why_it_is_not_run() -> None:
    file, console = docpages.blocks_of(
        "# Title\n```python\n# file: a/b.py\nx = 1\n```\n"
        "<!-- not run: needs a cloud -->\n```console\n$ ls\n```\n"
    )
    assert (file.line, file.language, file.file_name, file.not_run) == (2, "python", "a/b.py", None)
    assert (console.line, console.file_name, console.not_run) == (7, None, "needs a cloud")


def test_a_console_block_is_commands_with_output_and_status() -> None:
    assert docpages.commands_of(
        block("$ one \\", "    --more", "out", "...", "$ echo $?", "6", "$ two")
    ) == [
        Command(line=2, text="one --more", expected=("out", "..."), status=6),
        Command(line=8, text="two"),
    ]


@pytest.mark.parametrize(
    "lines", [("output",), ("$ echo $?", "1"), ("$ ls", "$ echo $?"), ("$ ls", "$ echo $?", "no")]
)
def test_a_console_block_without_sense_is_an_error(lines: tuple[str, ...]) -> None:
    with pytest.raises(PageError):
        docpages.commands_of(block(*lines))


@pytest.mark.parametrize(
    ("expected", "missing"),
    [
        ((), None),
        (("first", "third"), None),
        (("third", "first"), "first"),
        (("...", "th...d  "), None),
        (("a  table", "of two"), None),
        (("f.rst",), "f.rst"),
        (("fir",), "fir"),
        (("first", "first"), "first"),
    ],
)
def test_lines_are_expected_in_order(expected: tuple[str, ...], missing: str | None) -> None:
    assert (
        docpages.first_missing(expected, "first\nsecond\nthird  \na table\nof    two\n") == missing
    )


def test_a_page_is_done_in_its_order(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```text\n# file: new/name.txt\n\nhello\n```\n"
        "```console\n$ cat new/name.txt\nhello\n$ exit 3\n$ echo $?\n3\n```\n"
    )
    docpages.run_page(page, tmp_path, {})
    assert (tmp_path / "new" / "name.txt").read_text() == "hello\n"


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (["$ echo hello", "bye"], "the output does not have (at this place): bye"),
        (["$ exit 3"], "the exit status is 3, not 0"),
    ],
)
def test_a_page_that_promises_too_much_is_an_error(
    lines: list[str], problem: str, tmp_path: Path
) -> None:
    page = tmp_path / "page.md"
    page.write_text("\n".join(["```console", *lines, "```"]))
    with pytest.raises(PageError) as caught:
        docpages.run_page(page, tmp_path, {})
    assert problem in str(caught.value)
