"""What a run sees on top of an environment: a small one of its own, with its project in it.

So an edit of the project changes no environment, and a program that a test starts with
``sys.executable`` sees what the test sees.
"""

import contextlib
import itertools
import json
import os
import site
from typing import Dict, Iterable, List, NamedTuple, Optional, Sequence

from pytest_remotest import venvfolder, wheelnames, wheeltexts
from pytest_remotest.entries import to_bytes
from pytest_remotest.faults import Refused
from pytest_remotest.messages import SpawnWorker
from pytest_remotest.wheelunpack import Layout

# Behind every name that a project has: the project counts before what it needs.
LINK_NAME = b"~remotest.pth"

# Finds what of the project was compiled on this host. The last of all finders: what the tree has
# comes from the tree. Nothing but compiled modules is found, which are those of the very sources:
# a module of Python that was deleted in the tree must not live on here.
EXTENSIONS_NAME = b"_remotest_extensions.py"
EXTENSIONS_PROGRAM = """\
import os, sys
from importlib import machinery

FOLDER = os.fsdecode(%r)
LOADERS = (machinery.ExtensionFileLoader, machinery.EXTENSION_SUFFIXES)


class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        folder = os.path.join(FOLDER, *name.split(".")[:-1])
        spec = machinery.FileFinder(folder, LOADERS).find_spec(name)
        return spec if spec is not None and spec.loader is not None else None


sys.meta_path.append(Finder)
"""
EXTENSIONS_LINE = b"import _remotest_extensions\n"


class Overlay(NamedTuple):
    """An overlay that is there: its folder, and where programs are, the first first."""

    folder: bytes
    programs: List[bytes]

    @property
    def python(self) -> bytes:
        """The interpreter to start."""
        return os.path.join(self.programs[0], venvfolder.PYTHON)

    def activate(self, variables: Dict[bytes, bytes]) -> None:
        """Change the variables of a process as ``bin/activate`` does."""
        path = variables.get(b"PATH", os.fsencode(os.defpath))
        variables[b"PATH"] = b":".join([*self.programs, path])
        variables[b"VIRTUAL_ENV"] = self.folder
        variables.pop(b"PYTHONHOME", None)


class Overlays:
    """The overlays of one agent, each made once for a run."""

    def __init__(self) -> None:
        self._made: Dict[str, Overlay] = {}
        self._numbers = itertools.count()

    def made_for(self, start: SpawnWorker, run_folder: str) -> Overlay:
        """Return the overlay of a worker that does not have the agent's interpreter as it is.

        Args:
            start: what is asked for.
            run_folder: holds overlays as long as the run lasts.

        Raises:
            Refused: there cannot be such an overlay.
            OSError: as the disk has it.
        """
        key = json.dumps([start.env_folder, start.overlay, start.extensions_folder])
        if key not in self._made:
            # Other agents of the run have theirs in the same place.
            name = "env-%d-%d" % (os.getpid(), next(self._numbers))
            folder = os.fsencode(os.path.join(run_folder, name))
            env_folder, extensions = (
                None if place is None else to_bytes(place)
                for place in (start.env_folder, start.extensions_folder)
            )
            self._made[key] = make(folder, env_folder, start.overlay, extensions)
        return self._made[key]


def make(
    folder: bytes,
    env_folder: Optional[bytes],
    files: Iterable[Sequence[str]],
    extensions_folder: Optional[bytes] = None,
) -> Overlay:
    """Make an environment that shows another one, and these files of its own before it.

    Args:
        folder: is not there yet.
        env_folder: the other one, made for the interpreter that runs this; None for what that
            interpreter itself has.
        files: (path below site-packages, text).
        extensions_folder: a third one, that has compiled modules of the project; None without it.

    Raises:
        Refused: an overlay cannot hold such a file.
        OSError: as the disk has it.
    """
    layout = venvfolder.make(folder)
    for name, text in files:
        try:
            wheelnames.check_path(name)
            programs = wheeltexts.scripts(text if _names_programs(name) else "")
        except wheelnames.WheelError as error:
            raise Refused("%s of the project: %s" % (name, error.reason), "mend it") from error
        _write(os.path.join(layout.purelib, to_bytes(name)), to_bytes(text), 0o644)
        for program, source in programs.items():
            _write(os.path.join(layout.scripts, to_bytes(program)), source, 0o755)
    below = None if env_folder is None else venvfolder.layout_of(env_folder)
    sites = _own_sites() if below is None else [below.purelib]
    lines = b"".join(_site_line(path) for path in sites)
    if extensions_folder is not None:
        compiled = venvfolder.layout_of(extensions_folder).purelib
        finder = (EXTENSIONS_PROGRAM % compiled).encode("ascii")
        _write(os.path.join(layout.purelib, EXTENSIONS_NAME), finder, 0o644)
        lines += EXTENSIONS_LINE
    _write(os.path.join(layout.purelib, LINK_NAME), lines, 0o644)
    if below is None:
        return Overlay(folder, [layout.scripts])
    _link_all(below, layout)
    return Overlay(folder, [layout.scripts, below.scripts])


def _names_programs(name: str) -> bool:
    return name.endswith(".dist-info/entry_points.txt")


def _own_sites() -> List[bytes]:
    """Return the folders that this interpreter's packages come from, in its order."""
    folders = list(site.getsitepackages())
    if site.ENABLE_USER_SITE:
        folders.insert(0, site.getusersitepackages())
    return [os.fsencode(folder) for folder in folders if os.path.isdir(folder)]


def _site_line(path: bytes) -> bytes:
    """Return the line of a .pth file that adds a folder, with all .pth files in it."""
    quoted = repr(path).encode("ascii")
    return b"import os, site; site.addsitedir(os.fsdecode(%b))\n" % quoted


def _link_all(below: Layout, layout: Layout) -> None:
    """Make what else is in an environment be found below this one's prefix: ``share``, programs.

    A program is run by the python beside its link, so it sees the project.
    """
    for source, destination in ((below.scripts, layout.scripts), (below.root, layout.root)):
        for name in os.listdir(source):
            if name.startswith(b"."):  # What is noted of the environment.
                continue
            with contextlib.suppress(FileExistsError):  # Its own interpreter, or the project's.
                os.symlink(os.path.join(source, name), os.path.join(destination, name))


def _write(path: bytes, data: bytes, mode: int) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with os.fdopen(os.open(path, flags, mode), "wb") as file:
        file.write(data)
