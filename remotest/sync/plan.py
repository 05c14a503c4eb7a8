"""What goes where: the layout of a tree on a host, and its manifest as messages. Pure."""

from __future__ import annotations

import functools
import hashlib
import posixpath
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from pytest_remotest import frames, manifests
from pytest_remotest.entries import FILE, Entry, to_bytes
from pytest_remotest.messages import Blob, SyncManifest
from remotest.sync.extensions import is_foreign

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

BASE: Final = "base"
OUTSIDE: Final = "outside"

HASH_CHARS: Final = 12
"""Of a path's hash in a name: 48 bits keep a user's few hundred projects and roots apart."""

SLUG_CHARS: Final = 40
"""Of a project's name in its directory on a host: enough to recognise it in a traceback."""

WHOLE_BYTES: Final = 4 * 1024 * 1024
"""Of a manifest that is sent unasked: half of what a message may hold."""

CHANGES_BYTES: Final = 64 * 1024
"""Of a manifest's new lines: with more of them it is quicker to ask whether they are needed."""

DROPPED_COUNT: Final = 5000
"""Of a manifest's old lines, for the same reason."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a root lies on a host: ``anchor`` is the directory above it that is at ``there``.

    Attributes:
        root: absolute path that travels.
        anchor: the root itself, or the directory above it that makes it importable.
        there: place of the anchor, relative to the top of the tree.
    """

    root: str
    anchor: str
    there: str


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where everything of this machine is put in a tree. All paths are absolute and normal.

    Attributes:
        places: the base first, then roots outside of it.
        aliases: (path, real path) of directories that users reach through a symbolic link.
    """

    places: tuple[Place, ...]
    aliases: tuple[tuple[str, str], ...] = ()

    @property
    def base(self) -> str:
        """The directory that is at ``base`` in the tree."""
        return self.places[0].root

    def locate(self, path: str) -> str | None:
        """Return the place of a path in the tree, None for one that is in no root.

        A directory between a root outside of the base and its anchor has a place, too, but its
        other content has none.
        """
        for alias, real in self.aliases:
            if is_within(path, alias):
                path = real + path[len(alias) :]
                break
        for place in self.places:
            inside = is_within(path, place.root)
            if inside or (is_within(path, place.anchor) and is_within(place.root, path)):
                return place.there + path[len(place.anchor.rstrip("/")) :].rstrip("/")
        return None

    def origin(self, place: str) -> str | None:
        """Return the path that has a place in the tree, None for a place that no root has."""
        for known in self.places:
            if known.there == "." or is_within(place, known.there):
                rest = posixpath.relpath(place, known.there)
                return posixpath.normpath(posixpath.join(known.anchor, rest))
        return None


def lay_out(
    base: str,
    roots: Iterable[str],
    *,
    python_path: Sequence[str] = (),
    aliases: Iterable[tuple[str, str]] = (),
    holder_of: Callable[[str], str] = lambda base: base,
) -> Layout:
    """Return the layout of some roots.

    What lies inside the base keeps its path relative to it; a root that holds the base takes its
    place. A root outside is put below its nearest directory on ``python_path``, or else its
    parent, in a directory of their own: roots of the same name never meet, and what could be
    imported here can be imported there.

    Args:
        base: the config file's directory, or the rootdir without one.
        roots: absolute, normal paths of what travels.
        python_path: ``sys.path`` of this machine.
        aliases: (path, real path) of directories; see ``Layout``.
        holder_of: returns the directory that holds the package which a directory is or is part
            of, so that the package keeps its name; the directory itself if it is none.
    """
    ordered = sorted(set(roots), key=lambda root: (root.count("/"), root))
    above = next((root for root in ordered if is_within(base, root)), base)
    places = [Place(root=above, anchor=holder_of(above), there=BASE)]
    for root in ordered:
        if any(is_within(root, place.root) for place in places):
            continue
        parents = [path for path in python_path if is_within(root, path) and path != root]
        anchor = max(parents, key=len, default=root.rpartition("/")[0] or "/")
        there = f"{OUTSIDE}/{_short_hash(anchor)}"
        places.append(Place(root=root, anchor=anchor, there=there))
    different = tuple((path, real) for path, real in aliases if path != real)
    return Layout(places=tuple(places), aliases=different)


def is_within(path: str, directory: str) -> bool:
    """Return whether a path is a directory or lies below it; both absolute and normal."""
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def _short_hash(text: str) -> str:
    return hashlib.sha256(to_bytes(text)).hexdigest()[:HASH_CHARS]


def project_key(base: str, machine: str) -> str:
    """Return the name of a project's directory on hosts.

    It differs between projects and between machines: two of them never share a tree.

    Args:
        base: absolute path of the project.
        machine: name of this machine.
    """
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", base.rpartition("/")[2]).strip("-")[:SLUG_CHARS]
    return f"{name or 'project'}-{_short_hash(machine + '/' + base)}"


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Everything that a tree on a host will hold, and nothing else.

    Attributes:
        entries: by path, directories before what they hold.
        sources: absolute paths on this machine by digest: the only files that can be asked for.
        notes: what the user should hear, one line each.
        secrets: paths that stayed home because they look like secrets, relative to the base.
        for_some: paths of extension modules that only some interpreters can import.
        former: text of the manifest before this one, which hosts may have; empty without one.
        contents: by digest, of files that hosts cannot have which have that one, if it is little.
    """

    entries: tuple[Entry, ...]
    sources: Mapping[str, str] = field(repr=False)
    notes: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    for_some: frozenset[str] = frozenset()
    former: bytes = field(default=b"", repr=False)
    contents: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    def for_interpreters(self, ext_suffixes: Collection[str]) -> Manifest:
        """Return what travels to a host where these interpreters run.

        Args:
            ext_suffixes: EXT_SUFFIX of each.
        """
        left_out = {
            path for path in self.for_some if is_foreign(path.rpartition("/")[2], ext_suffixes)
        }
        if not left_out:
            return self
        entries = tuple(entry for entry in self.entries if entry.path not in left_out)
        digests = {entry.digest for entry in entries if entry.kind == FILE}
        sources = {digest: path for digest, path in self.sources.items() if digest in digests}
        former = manifests.to_checked_tree(self.former)
        return replace(
            self,
            entries=entries,
            sources=sources,
            former=manifests.to_text(
                entry for path, entry in former.items() if path not in left_out
            ),
        )

    @functools.cached_property
    def text(self) -> bytes:
        """What the manifest is on the way and on a host."""
        return manifests.to_text(self.entries)

    @functools.cached_property
    def digest(self) -> str:
        """What the manifest is known by."""
        return manifests.digest_of(self.text)

    @functools.cached_property
    def announcement(self) -> SyncManifest:
        """What hosts are told of the manifest: all that they need, if it is little."""
        dropped, added = manifests.changes_between(self.former, self.text)
        if sum(map(len, added)) > CHANGES_BYTES or len(dropped) > DROPPED_COUNT:
            dropped, added = [], []
        base = manifests.digest_of(self.former)
        return SyncManifest(self.digest, len(self.text), base, dropped, added, contents="")

    @functools.cached_property
    def offer(self) -> SyncManifest:
        """The announcement along with new contents: if a host has the former, it lacks no other."""
        blobs = [Blob(digest, last=True, data=data) for digest, data in self.contents.items()]
        return self.announcement._replace(contents=frames.to_text(blobs))

    def rest(self, came: Collection[str]) -> SyncManifest:
        """Return what hosts are told of the manifest that have no other one.

        That is all of it, but for what came ahead and if it is not huge.

        Args:
            came: paths of what came ahead.
        """
        text = manifests.to_text(entry for entry in self.entries if entry.path not in came)
        added = text.decode("ascii").split("\n") if 0 < len(text) <= WHOLE_BYTES else []
        return SyncManifest(self.digest, len(self.text), manifests.digest_of(b""), [], added, "")

    @property
    def file_count(self) -> int:
        """How many files there are."""
        return sum(entry.kind == FILE for entry in self.entries)

    @property
    def total_bytes(self) -> int:
        """Size of all files."""
        return sum(entry.size for entry in self.entries if entry.kind == FILE)
