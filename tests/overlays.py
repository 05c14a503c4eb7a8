"""Overlays made real: a virtual environment as a host has it, with the project in another place."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import interpreters
import probes

from remotest.env.model import TREE, Overlay, Target
from remotest.env.target import read_target

if TYPE_CHECKING:
    from collections.abc import Mapping

_LOOK: Final = """\
import importlib, json, sys
try:
    from importlib import metadata
except ImportError:
    metadata = None
answer = {"files": {}, "versions": {}, "entry_points": []}
modules, names = json.loads(sys.argv[1])
for name in modules:
    module = importlib.import_module(name)
    answer["files"][name] = module.__file__
for name in names if metadata else ():
    found = metadata.distribution(name)
    answer["versions"][name] = found.version
    answer["entry_points"] += [[e.group, e.name, e.value] for e in found.entry_points]
print(json.dumps(answer))
"""


def write(top: Path, files: Mapping[str, str]) -> Path:
    """Write dedented texts by their paths below a directory, and return it."""
    for path, text in files.items():
        target = top / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(textwrap.dedent(text).lstrip("\n"))
    return top


@functools.cache
def target_of(python: Path) -> Target:
    """Return what an interpreter of this machine is."""
    return read_target(probes.ask(python), host="here")


class Host:
    """A place with an interpreter, a tree and a project in it.

    Args:
        directory: where to make it.
        python: the interpreter.
        tree: the project here; it lies elsewhere there.
        overlay: what the interpreter is given of it.
    """

    def __init__(self, directory: Path, python: Path, tree: Path, overlay: Overlay) -> None:
        self.tree = directory / "tree" / "base"
        shutil.copytree(tree, self.tree, symlinks=True)
        environment = directory / "venv"
        command = [interpreters.UV, "--quiet", "venv", "--no-project", "--python", python]
        subprocess.run([*command, environment], check=True)
        (self.site_packages,) = environment.glob("lib/*/site-packages")
        texts = {name: text.replace(TREE, str(self.tree)) for name, text in overlay.files}
        write(self.site_packages, texts)
        self.python = environment / "bin" / "python"

    def look(self, modules: tuple[str, ...], names: tuple[str, ...] = ()) -> dict[str, Any]:
        """Return what that interpreter finds.

        Args:
            modules: to import.
            names: of distributions, where the interpreter can tell of them.

        Returns:
            ``files``: paths below the tree by module; ``versions`` by name; ``entry_points``.
        """
        answer = subprocess.run(
            [self.python, "-c", _LOOK, json.dumps([modules, names])],
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
        assert answer.returncode == 0, answer.stderr
        assert answer.stderr == "", "a .pth file that fails is only told on stderr"
        found: dict[str, Any] = json.loads(answer.stdout)
        found["files"] = {
            name: str(Path(path).relative_to(self.tree)) for name, path in found["files"].items()
        }
        return found


def contents(directory: Path) -> dict[str, bytes]:
    """Return what is in the files below a directory, by path."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
