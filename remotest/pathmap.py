"""What a path or argument of this machine is called on a host. Pure.

A worker runs in the place of pytest's invocation directory, so relative arguments mean there what
they mean here; only what steps out of a root, or is absolute, is rewritten.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

Arity: TypeAlias = Literal["none", "one", "optional", "many"]
"""How many values an option takes: 0, 1, 0 or 1, any number."""

DONE_HERE: Final = frozenset(
    (
        *("--junitxml", "--junit-xml", "--log-file", "--log-file-mode", "--debug", "--pastebin"),
        "--basetemp",  # A worker is given its own on its host.
    )
)
"""Options of pytest for files that are written on this machine and not on a host."""

SHOWN_HERE: Final = frozenset(
    (
        *("--no-fold-skipped", "--force-short-summary", "--xfail-tb", "--max-warnings"),
        *("--cov-report", "--cov-fail-under", "--cov-precision"),
    )
)
"""Options of pytest and pytest-cov for the end of a run: older ones, on hosts, do not know all."""

PLAIN_TEXT: Final = frozenset(("-k", "-m", "-p", "-r", "-W", "--pythonwarnings"))
"""Options whose value is never a path, whatever it looks like."""


@dataclass(frozen=True, kw_only=True)
class PathMap:
    """Where what lies here lies on a host.

    Attributes:
        locate: gives the place in the tree of an absolute path, None for one that does not
            travel (``sync.plan.Layout.locate``). None: a worker sees this machine's own files.
        origin: the way back (``sync.plan.Layout.origin``).
        tree: absolute path of the tree on the host.
    """

    locate: Callable[[str], str | None] | None = None
    origin: Callable[[str], str | None] | None = None
    tree: str = "/"

    def to_host(self, path: str) -> str | None:
        """Return the host's name of an absolute path, None for one that does not travel."""
        normal = posixpath.normpath(path)
        if self.locate is None:
            return normal
        place = self.locate(normal)
        return None if place is None else posixpath.normpath(posixpath.join(self.tree, place))

    def to_here(self, path: str) -> str | None:
        """Return this machine's name of an absolute path on the host, None outside of the tree."""
        normal = posixpath.normpath(path)
        if self.origin is None:
            return normal
        place = posixpath.relpath(normal, self.tree)
        return None if place.startswith("..") else self.origin(place)

    def python_path(self, entries: Iterable[str]) -> list[str]:
        """Return the host's names of those ``sys.path`` entries that travel, in their order."""
        absolute = [entry for entry in entries if entry.startswith("/")]
        found = [self.to_host(entry) for entry in absolute]
        return list(dict.fromkeys(entry for entry in found if entry is not None))

    def argument(self, text: str, invocation_dir: str) -> str:
        """Return the host's form of a path, or of a node id ``path::name[parameters]``.

        A text that means the same there, or is no path that travels, stays as it is.
        """
        path, colons, names = text.partition("::")
        if not path or self.locate is None:
            return text
        there = self.to_host(posixpath.join(invocation_dir, path))
        if there is None:
            return text
        directory = self.to_host(invocation_dir)
        if path.startswith("/") or directory is None:
            return there + colons + names
        means_the_same = posixpath.normpath(posixpath.join(directory, path)) == there
        return text if means_the_same else there + colons + names


def describe_options(actions: Iterable[Any]) -> dict[str, Arity]:
    """Return the arity of each option of a parser, by every name that it has.

    Args:
        actions: of an ``argparse.ArgumentParser``; the real parser knows all plugins' options.
    """
    arities: dict[Any, Arity] = {None: "one", 0: "none", 1: "one", "?": "optional"}
    return {
        name: arities.get(action.nargs, "many")
        for action in actions
        for name in action.option_strings
    }


def map_arguments(
    arguments: Sequence[str],
    *,
    paths: PathMap,
    invocation_dir: str,
    options: Mapping[str, Arity],
    left_out: Collection[str],
) -> list[str]:
    """Return the arguments that a worker is to get.

    pytest has parsed them already, so they are well-formed, and it accepts no shortened options.

    Args:
        arguments: of the command line.
        paths: where things lie on the host.
        invocation_dir: absolute directory that relative paths are relative to.
        options: of ``describe_options``, or a table like its result.
        left_out: options that stay here with their values, by all their names.
    """
    return _ArgumentMapper(paths, invocation_dir, options, left_out).map(list(arguments))


class _ArgumentMapper:
    """Walks over a command line as argparse does."""

    def __init__(
        self,
        paths: PathMap,
        invocation_dir: str,
        options: Mapping[str, Arity],
        left_out: Collection[str],
    ) -> None:
        self._paths = paths
        self._invocation_dir = invocation_dir
        self._options = options
        self._left_out = left_out

    def map(self, waiting: list[str]) -> list[str]:
        mapped: list[str] = []
        while waiting:
            argument = waiting.pop(0)
            if argument == "--":
                return [*mapped, argument, *map(self._path, waiting)]
            if not self._looks_like_option(argument):
                mapped.append(self._path(argument))
            elif argument.startswith("--"):
                mapped += self._long(argument, waiting)
            else:
                mapped += self._short(argument, waiting)
        return mapped

    def _long(self, argument: str, waiting: list[str]) -> list[str]:
        name, equals, value = argument.partition("=")
        if equals:
            if name in self._left_out:
                return []
            return [f"{name}={self._value(name, value)}"]
        values = self._take_values(name, waiting)
        if name in self._left_out:
            return []
        return [name, *(self._value(name, value) for value in values)]

    def _short(self, argument: str, waiting: list[str]) -> list[str]:
        """Map a group such as ``-vxn3``: flags, and at its end an option with its value."""
        kept = "-"
        letters = argument[1:]
        for index, letter in enumerate(letters):
            name = f"-{letter}"
            attached = letters[index + 1 :]
            if self._options.get(name, "none") == "none":
                kept += letter if name not in self._left_out else ""
                continue
            values = [attached] if attached else self._take_values(name, waiting)
            if name in self._left_out:
                break
            values = [self._value(name, value) for value in values]
            if attached:
                return [kept + letter + values[0]]
            return [kept + letter, *values]
        return [kept] if kept != "-" else []

    def _take_values(self, name: str, waiting: list[str]) -> list[str]:
        arity = self._options.get(name, "none")
        if arity == "none":
            return []
        if arity == "one":
            return [waiting.pop(0)] if waiting else []
        taken: list[str] = []
        while waiting and not self._looks_like_option(waiting[0]):
            taken.append(waiting.pop(0))
            if arity == "optional":
                break
        return taken

    def _looks_like_option(self, argument: str) -> bool:
        """Return what argparse thinks of an argument that no option has claimed."""
        if not argument.startswith("-") or argument == "-":
            return False
        if argument in self._options or argument.partition("=")[0] in self._options:
            return True
        if argument[:2] in self._options and not argument.startswith("--"):
            return True
        return " " not in argument and re.fullmatch(r"-\d+|-\d*\.\d+", argument) is None

    def _path(self, text: str) -> str:
        return self._paths.argument(text, self._invocation_dir)

    def _value(self, name: str, value: str) -> str:
        """Map the value of an option where it can only be a path: absolute, or stepping out."""
        if name in PLAIN_TEXT:
            return value
        # `-o cache_dir=/path`, `--cov-report=html:/path`: what stands in front is not the path's.
        head, path = "", value
        found = re.match(r"([\w.-]+[=:])(?=/|\.\./)", value)
        if found:
            head, path = found[1], value[found.end() :]
        return head + self._path(path)
