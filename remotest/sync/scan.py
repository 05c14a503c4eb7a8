"""Which roots a run needs, and which files git and the rules see in them."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_remotest.entries import to_bytes, to_text
from remotest.sync.extensions import is_for_some
from remotest.sync.gitlisting import GitFailedError, Listing, ask_git, has_git
from remotest.sync.manifest import ManifestBuilder
from remotest.sync.plan import Layout, Manifest, is_within, lay_out
from remotest.sync.rules import ENVIRONMENT_MARKERS, Decision, Rule, Rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from remotest.sync.ahead import Ahead
    from remotest.sync.memory import ScanMemory

CONFIG_NAMES: Final = (
    *("pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini", "pyproject.toml"),
    *("tox.ini", "setup.cfg", ".coveragerc", ".coveragerc.toml"),
)
"""Files beside the config file that say how tests run: they travel with whatever root."""

IGNORED_SOURCES_NAMED: Final = 5
"""Python files ignored by git that a note names; more of them are only counted."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a run asks to be brought to hosts. All paths are absolute.

    Attributes:
        base: the config file's directory, or the rootdir without one.
        root_dir: pytest's rootdir.
        invocation_dir: where pytest was started.
        named: what ``rsyncdirs`` and ``--rsyncdir`` name.
        arguments: files and directories given as arguments or by ``testpaths``, without
            ``::test``; not the directory that pytest takes where nothing is given.
        rules: of the config file, then of the command line.
        python_path: ``sys.path`` of this machine.
    """

    base: str
    root_dir: str
    invocation_dir: str
    named: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    python_path: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What is to be scanned, and where it goes.

    Attributes:
        layout: of all of it.
        named: roots that somebody named.
        whole: roots that nobody named: git is asked what belongs to them.
        support: files above roots that pytest loads, or that make them part of a package.
        directories: what else must be there, as tests may run there.
    """

    layout: Layout
    named: tuple[str, ...]
    whole: tuple[str, ...]
    support: tuple[str, ...]
    directories: tuple[str, ...]


def survey(request: Request) -> Survey:
    """Return what is to be scanned, and where it goes."""
    base, root_dir = _real(request.base), _real(request.root_dir)
    named = [_real(path) for path in request.named]
    arguments = [_real(path) for path in request.arguments if os.path.lexists(to_bytes(path))]
    whole = [] if named else [root_dir]
    for argument in arguments:
        if any(is_within(argument, root) for root in named + whole):
            continue
        if argument == base:
            whole.append(base)
        else:
            named.append(_top_below(base, argument))
    starting_points = (request.base, request.root_dir, request.invocation_dir)
    python_path = [_real(path) for path in request.python_path if path.startswith("/")]
    python_path += [top for root in named if (top := _package_top(root)) is not None]
    aliases = [(os.path.normpath(path), _real(path)) for path in starting_points]
    place = functools.partial(
        lay_out,
        base,
        python_path=python_path,
        aliases=aliases,
        holder_of=_package_holder,
    )
    layout = place(named + whole)
    support = tuple(_support_files(layout, [*named, *whole]))
    layout = place([*named, *whole, *support])
    directories = [path for path in map(_real, starting_points) if layout.locate(path) is not None]
    return Survey(
        layout=layout,
        named=tuple(dict.fromkeys(named)),
        whole=tuple(dict.fromkeys(whole)),
        support=support,
        directories=tuple(dict.fromkeys(directories)),
    )


def _package_top(root: str) -> str | None:
    """Return the directory that the package around a root is imported from, None without one."""
    parents = list(_parents(root))
    if not parents or not _is_package(parents[0]):
        return None
    return next((parent for parent in parents if not _is_package(parent)), None)


def _package_holder(directory: str) -> str:
    """Return the first directory from this one upwards that is no package itself."""
    upwards = [directory, *_parents(directory)]
    return next((path for path in upwards if not _is_package(path)), directory)


def _is_package(directory: str) -> bool:
    return os.path.lexists(to_bytes(f"{directory.rstrip('/')}/__init__.py"))


def _support_files(layout: Layout, roots: Iterable[str]) -> Iterator[str]:
    """Yield the files above roots, and in the config file's directory, that tests may need."""
    for path in _support_candidates(layout, roots):
        if os.path.lexists(to_bytes(path)):
            yield path


def _support_candidates(layout: Layout, roots: Iterable[str]) -> Iterator[str]:
    yield from (f"{layout.base.rstrip('/')}/{name}" for name in CONFIG_NAMES)
    for root in roots:
        place = next(place for place in layout.places if is_within(root, place.root))
        for parent in _parents(root):
            if not is_within(parent, place.anchor):
                break
            yield f"{parent.rstrip('/')}/conftest.py"
            # An anchor outside of the base is no package there, whatever it is here: its name
            # on a host is another one.
            if parent != place.anchor or place.anchor == layout.base:
                yield f"{parent.rstrip('/')}/__init__.py"


def _real(path: str) -> str:
    return to_text(os.path.realpath(to_bytes(path)))


def _top_below(base: str, path: str) -> str:
    """Return the outermost directory below the base that holds a path; else the path itself.

    Tests use what lies beside them: fixtures in ``tests/conftest.py``, helpers, data.
    """
    if not is_within(path, base):
        return path
    base = base.rstrip("/")
    return f"{base}/{path[len(base) + 1 :].partition('/')[0]}"


def scan(
    request: Request,
    found: Survey,
    memory: ScanMemory | None = None,
    ahead: Ahead | None = None,
) -> Manifest:
    """Return the manifest of a survey.

    Args:
        request: what the survey is of.
        found: the survey.
        memory: of the last scan of the same project; it takes in what this one sees, for whoever
            saves it. Without it every file is read.
        ahead: takes what is read, while it is read.

    Raises:
        SyncError: something cannot be read; the text names all of it.
    """
    builder = ManifestBuilder(found.layout, memory, ahead)
    base = found.layout.base
    for directory in found.directories:
        builder.add_directory(directory)
    rules = Rules(request.rules, top=base, leaves_junk=False)
    for root in found.named:
        _add_walk(builder, root, rules)
    for root in found.whole:
        if not _add_git(builder, root, rules):
            _add_walk(builder, root, Rules(request.rules, top=base, leaves_junk=True))
    for path in found.support:
        decision = rules.own_decision(path, is_directory=False)
        if decision is None or decision.travels:
            builder.add(path)
    return builder.finish()


# -- directories without git -----------------------------------------------------------------


def _add_walk(builder: ManifestBuilder, root: str, rules: Rules) -> None:
    """Add a root that is named, so never filtered itself, and what the rules leave of it."""
    waiting = [root] if builder.add_directory(root) else []
    while waiting:
        directory = waiting.pop()
        for name, is_directory in builder.list_directory(directory):
            path = f"{directory.rstrip('/')}/{name}"
            decision = rules.decide(path, is_directory=is_directory)
            if not _travels(builder, path, decision):
                continue
            if not is_directory:
                _add_file(builder, path, decision)
            elif not _is_environment(builder, path, rules) and builder.add_directory(path):
                waiting.append(path)


def _travels(builder: ManifestBuilder, path: str, decision: Decision) -> bool:
    if decision.is_secret:
        builder.leave_secret(path)
    return decision.travels


def _add_file(builder: ManifestBuilder, path: str, decision: Decision) -> None:
    if decision.is_for_some:
        builder.add_for_some(path)
    else:
        builder.add(path)


def _is_environment(builder: ManifestBuilder, path: str, rules: Rules) -> bool:
    """Return whether a directory is a virtual environment that no rule takes along."""
    own = rules.own_decision(path, is_directory=True)
    if own is not None and own.travels:
        return False
    if any(os.path.lexists(to_bytes(f"{path}/{marker}")) for marker in ENVIRONMENT_MARKERS):
        builder.note(f"{path} stays home: it is a virtual environment")
        return True
    return False


# -- directories that git knows ----------------------------------------------------------------


def _add_git(builder: ManifestBuilder, top: str, rules: Rules) -> bool:
    """Add what git sees in a directory. Return whether it sees anything there."""
    try:
        listing = ask_git(top)
    except GitFailedError as error:
        if any(map(has_git, [top, *_parents(top)])):
            builder.note(f"git cannot list {top}, so all but the usual junk is sent: {error}")
        return False
    if not listing.tracked and not listing.untracked:
        return False
    builder.add(top)
    modules = listing.modules | {
        name.rstrip("/") for name in listing.untracked if name.endswith("/")
    }
    chosen = _Chosen(builder, top, rules, listing)
    for name in sorted(listing.tracked | listing.untracked):
        if name.rstrip("/") not in modules:
            chosen.add(name)
    for name in sorted(modules):
        # A submodule that was never fetched is an empty directory.
        if chosen.add_directory(name) and has_git(f"{top}/{name}"):
            _add_git(builder, f"{top}/{name}", rules)
    for name in listing.untracked_tops:
        if name.endswith("/") and name.rstrip("/") not in modules:
            chosen.add_empty(name.rstrip("/"))
    _add_ignored(chosen)
    return True


def _add_ignored(chosen: _Chosen) -> None:
    """Take along what git ignores and a rule names, or interpreters may need.

    Tell of sources that nobody names.
    """
    sources = []
    for name in sorted(chosen.listing.ignored_tops):
        path = f"{chosen.top}/{name.rstrip('/')}"
        is_directory = name.endswith("/")
        own = chosen.rules.own_decision(path, is_directory=is_directory)
        if own is not None and own.travels:
            if not is_directory:
                chosen.add(name)
            elif chosen.add_directory(name.rstrip("/")):
                _add_walk(chosen.builder, path, chosen.rules)
        elif own is None and is_for_some(name.rpartition("/")[2]):
            chosen.add(name)  # built in place, which is not for git but for tests
        elif own is None and name.endswith(".py"):
            sources.append(name)
    if sources:
        shown = ", ".join(sources[:IGNORED_SOURCES_NAMED])
        more = len(sources) - IGNORED_SOURCES_NAMED
        chosen.builder.note(
            f"stays home, because git ignores it: {shown}"
            + (f" and {more} more" if more > 0 else "")
            + " (to send it, add the rule !NAME to rsyncignore)"
        )


class _Chosen:
    """Chooses among the paths that git lists below a directory."""

    def __init__(self, builder: ManifestBuilder, top: str, rules: Rules, listing: Listing) -> None:
        self.builder = builder
        self.top = top
        self.rules = rules
        self.listing = listing
        self._tracked = set(listing.tracked)
        for name in listing.tracked:
            while name := name.rpartition("/")[0]:
                self._tracked.add(name)
        self._open: dict[str, bool] = {"": True}

    def add(self, name: str) -> None:
        """Add a file or link, with the directories that lead to it, if it travels."""
        path = f"{self.top}/{name}"
        if not self.add_directory(name.rpartition("/")[0]) or not os.path.lexists(to_bytes(path)):
            return  # git still tracks what is deleted here
        tracked = name in self._tracked
        decision = self.rules.decide(path, is_directory=False, is_tracked=tracked)
        if _travels(self.builder, path, decision):
            _add_file(self.builder, path, decision)

    def add_empty(self, name: str) -> None:
        """Add the directories below an untracked one, whether they hold something or not."""
        if not self.add_directory(name):
            return
        for child, is_directory in self.builder.list_directory(f"{self.top}/{name}"):
            if is_directory and f"{name}/{child}/" not in self.listing.ignored_tops:
                self.add_empty(f"{name}/{child}")

    def add_directory(self, directory: str) -> bool:
        """Add a directory if it travels, with all above it. Return whether it does."""
        known = self._open.get(directory)
        if known is None:
            known = self.add_directory(directory.rpartition("/")[0]) and self._enter(directory)
            self._open[directory] = known
        return known

    def _enter(self, directory: str) -> bool:
        path = f"{self.top}/{directory}"
        tracked = directory in self._tracked
        decision = self.rules.decide(path, is_directory=True, is_tracked=tracked)
        if not _travels(self.builder, path, decision):
            return False
        if not tracked and _is_environment(self.builder, path, self.rules):
            return False
        # What git tracks below a directory is gone where that is a link or a file now.
        return self.builder.add_directory(path)


def _parents(path: str) -> Iterator[str]:
    """Yield the directories above an absolute path, the nearest first."""
    while path != "/":
        path = path.rpartition("/")[0] or "/"
        yield path
