"""A YAML file as nodes that know their line, read with errors that name it.

Plain data from PyYAML has lost its lines, its duplicate keys, and whether ``3.10`` was a number;
so the node tree is walked, and no value is ever constructed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import yaml

from remotest.errors import SpecError, UsageError
from remotest.spec_rules import quote, unknown_key

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MAX_FILE_BYTES: Final = 256 * 1024
"""Room for a thousand hosts; a larger file is not the one that was meant."""

MAX_NESTING: Final = 16
"""Mappings and lists in each other. An inventory has four; PyYAML's recursion ends at hundreds."""

_TAG: Final = "tag:yaml.org,2002:"
_KINDS: Final = {
    f"{_TAG}int": "a number",
    f"{_TAG}float": "a number",
    f"{_TAG}bool": "a yes or no",
    f"{_TAG}timestamp": "a date",
}
_TRUE: Final = frozenset({"yes", "true", "on"})
_QUOTED_BY_YAML: Final = re.compile(r"'[^']*'")


@dataclass(frozen=True, kw_only=True)
class MappingEntry:
    """One ``key: value`` with the nodes of both."""

    key: yaml.Node
    value: yaml.Node


@dataclass(frozen=True)
class YamlFile:
    """What is common to all nodes of one file: its path, for errors.

    ``where`` is the way to a node as an error names it, for example ``hosts.big.python``.
    """

    path: Path

    def place(self, node: yaml.Node) -> str:
        """Return ``file:line`` of a node."""
        return _place(self.path, node)

    def error(self, node: yaml.Node, message: str) -> SpecError:
        """Return the error that names the place of a node."""
        return SpecError(f"{self.place(node)}: {message}")

    def mapping(
        self, node: yaml.Node, where: str, known: Iterable[str] | None = None
    ) -> dict[str, MappingEntry]:
        """Return the entries of a mapping whose keys are strings, all different, all known."""
        if not isinstance(node, yaml.MappingNode) or node.tag != f"{_TAG}map":
            raise self.error(node, f"{where}: has to be a mapping, key: value")
        entries: dict[str, MappingEntry] = {}
        for key_node, value in node.value:
            key = self.string(key_node, f"{where}: the key")
            if key in entries:
                first = entries[key].key.start_mark.line + 1
                raise self.error(
                    key_node, f"{where}: {quote(key)} is there twice, see line {first}"
                )
            if known is not None and key not in known:
                raise self.error(key_node, f"{where}: {unknown_key(key, known)}")
            entries[key] = MappingEntry(key=key_node, value=value)
        return entries

    def strings(self, node: yaml.Node, where: str) -> dict[str, yaml.Node]:
        """Return the texts of a list of different strings, in order, each with its node."""
        if not isinstance(node, yaml.SequenceNode) or node.tag != f"{_TAG}seq":
            raise self.error(node, f"{where}: has to be a list, [a, b]")
        texts: dict[str, yaml.Node] = {}
        for item in node.value:
            text = self.string(item, where)
            if text in texts:
                raise self.error(item, f"{where}: {quote(text)} is there twice")
            texts[text] = item
        return texts

    def string(self, node: yaml.Node, where: str, *, is_secret: bool = False) -> str:
        """Return the text of a string; the error for another type says to put it in quotes."""
        if isinstance(node, yaml.ScalarNode) and node.tag == f"{_TAG}str":
            return str(node.value)
        if not isinstance(node, yaml.ScalarNode):
            raise self.error(node, f"{where}: has to be a text, not a mapping or a list")
        if self.is_null(node):
            raise self.error(node, f"{where}: has no value")
        kind = _KINDS.get(node.tag, "no plain text")
        value = "" if is_secret else f"{node.value[:80]} "
        raise self.error(node, f"{where}: {value}is {kind} here: put it in quotes")

    def number(self, node: yaml.Node, where: str) -> str:
        """Return a number as it is written."""
        if not isinstance(node, yaml.ScalarNode) or _KINDS.get(node.tag) != "a number":
            raise self.error(node, f"{where}: has to be a number, without quotes")
        return str(node.value)

    def boolean(self, node: yaml.Node, where: str) -> bool:
        """Return whether true is written."""
        if not isinstance(node, yaml.ScalarNode) or node.tag != f"{_TAG}bool":
            raise self.error(node, f"{where}: has to be true or false")
        return node.value.lower() in _TRUE

    def is_string(self, node: yaml.Node) -> bool:
        """Tell whether a node is a text."""
        return node.tag == f"{_TAG}str"

    def is_null(self, node: yaml.Node) -> bool:
        """Tell whether a node is ``null``, ``~`` or nothing."""
        return node.tag == f"{_TAG}null"


def read_root(path: Path) -> tuple[YamlFile, yaml.Node]:
    """Return the one document of a file.

    Raises:
        UsageError: the file cannot be read.
        SpecError: it is too large, not UTF-8, not YAML, or has aliases.
    """
    text = _read_text(path)
    try:
        _check_events(path, text)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise SpecError(f"{path}:{line}: holds a character that YAML does not allow") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = _QUOTED_BY_YAML.sub(_harmless, error.problem or "something is wrong")
        line = 1 if mark is None else mark.line + 1
        raise SpecError(f"{path}:{line}: is not YAML: {problem}") from None
    if root is None:
        raise SpecError(f"{path}:1: the file is empty")
    return YamlFile(path), root


def _harmless(quoted: re.Match[str]) -> str:
    """Keep PyYAML's ``','`` and ``'<scalar>'``; what else it quotes may be a piece of a secret."""
    is_harmless = len(quoted[0]) <= len("'x'") or quoted[0].startswith("'<")
    return quoted[0] if is_harmless else "'...'"


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    if len(data) > MAX_FILE_BYTES:
        raise SpecError(f"{path}: is larger than {MAX_FILE_BYTES} bytes (MAX_FILE_BYTES)")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SpecError(f"{path}:{line}: is not UTF-8") from None


def _check_events(path: Path, text: str) -> None:
    """Refuse what would make the tree large, deep or circular, before it is built."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if getattr(event, "anchor", None) is not None:
            raise SpecError(
                f"{_place(path, event)}: anchors (&) and aliases (*) are not used here: put what"
                " hosts have in common under defaults, and a text that starts with & or * in quotes"
            )
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_NESTING:
            raise SpecError(
                f"{_place(path, event)}: is nested deeper than {MAX_NESTING} (MAX_NESTING)"
            )


def _place(path: Path, found: yaml.Node | yaml.Event) -> str:
    mark = found.start_mark
    assert mark is not None  # PyYAML marks all that it reads.
    return f"{path}:{mark.line + 1}"
