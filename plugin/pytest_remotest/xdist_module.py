"""``import xdist``, ``import remotest`` where these are not installed: what test code imports.

A finder at the *end* of ``sys.meta_path`` answers only when nobody else could: an installed
package always wins. The same finder answers who asks for the metadata of ``pytest-xdist``, by that
name only: some plugins decide by its version what they do.
"""

import importlib
import importlib.machinery
import re
import sys
import types
from typing import Any, Callable, Dict, Iterable, Iterator, Optional, Tuple

from pytest_remotest import api, hookspecs, options

VERSION = "3.8.0"  # What the module xdist answers for is pytest-xdist of this version.
DISTRIBUTION = "pytest-xdist"

_SCHEDULERS = (
    "EachScheduling",
    "LoadFileScheduling",
    "LoadGroupScheduling",
    "LoadScheduling",
    "LoadScopeScheduling",
    "WorkStealingScheduling",
)
_TOOLS = ("Producer", "WorkerController", "parse_tx_spec_config", "report_collection_diff")
_PACKAGES = ("xdist", "xdist.scheduler")

# What public plugins import, by module: names of the controller's side. A suite is imported on
# workers too, where these are placeholders that can be named, annotated with and subclassed.
CONTROLLER_NAMES: Dict[str, Tuple[str, ...]] = {
    "xdist.dsession": (
        *_SCHEDULERS,
        *("DSession", "Interrupted", "NodeManager", "Producer", "Scheduling"),
        *("TerminalDistReporter", "WorkerController"),
    ),
    "xdist.remote": ("Producer", "WorkerInfo"),
    "xdist.report": ("report_collection_diff",),
    "xdist.scheduler": (*_SCHEDULERS, "Scheduling"),
    "xdist.scheduler.each": ("EachScheduling", *_TOOLS),
    "xdist.scheduler.load": ("LoadScheduling", *_TOOLS),
    "xdist.scheduler.loadfile": ("LoadFileScheduling", "LoadScopeScheduling", "Producer"),
    "xdist.scheduler.loadgroup": ("LoadGroupScheduling", "LoadScopeScheduling", "Producer"),
    "xdist.scheduler.loadscope": ("LoadScopeScheduling", *_TOOLS),
    "xdist.scheduler.protocol": ("Scheduling", "WorkerController"),
    "xdist.scheduler.worksteal": ("WorkStealingScheduling", *_TOOLS),
    "xdist.workermanage": ("NodeManager", "WorkerController", "parse_tx_spec_config"),
}

_ROLE_NAMES = ("get_xdist_worker_id", "is_xdist_controller", "is_xdist_master", "is_xdist_worker")


def placeholder(name: str) -> Any:
    """Return what stands on a worker for a class or function of the controller's side."""

    def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError("xdist: %s is there for the controller, and this is a worker" % name)

    return type(name, (), {"__init__": refuse, "__doc__": "Of use on the controller only."})


class XdistFinder:
    """Finds and makes the modules and the metadata.

    ``find`` returns an object of the controller's side by its name. ``hooks`` are those of
    ``xdist.plugin`` as a pytest plugin.
    """

    def __init__(
        self, find: Callable[[str], Any], hooks: Iterable[Callable[..., Any]] = ()
    ) -> None:
        self._find = find
        self._hooks = tuple(hooks)

    def find_spec(
        self, fullname: str, path: Any = None, target: Optional[types.ModuleType] = None
    ) -> Optional[importlib.machinery.ModuleSpec]:
        """Answer for the modules that are listed here and nothing else."""
        del path, target
        own = ("xdist", "xdist.newhooks", "xdist.plugin", "remotest")
        if fullname not in own and fullname not in CONTROLLER_NAMES:
            return None
        loader: Any = self
        return importlib.machinery.ModuleSpec(
            fullname, loader, origin="pytest_remotest", is_package=fullname in _PACKAGES
        )

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        """Leave it to Python to make the empty module."""

    def exec_module(self, module: types.ModuleType) -> None:
        """Fill the module."""
        names = self.names_of(module.__name__)
        vars(module).update(names)
        module.__all__ = sorted(names)  # type: ignore[attr-defined]  # a module has any attribute

    def names_of(self, module: str) -> Dict[str, Any]:
        """Return what a module holds."""
        if module == "xdist.newhooks":
            return {
                name: value for name, value in vars(hookspecs).items() if name.startswith("pytest_")
            }
        if module in CONTROLLER_NAMES:
            return {name: self._find(name) for name in CONTROLLER_NAMES[module]}
        names: Dict[str, Any] = {name: getattr(api, name) for name in _ROLE_NAMES}
        if module == "xdist":
            names["__version__"] = VERSION
        elif module == "xdist.plugin":
            names["parse_numprocesses"] = options.worker_count
            names.update({hook.__name__: hook for hook in self._hooks})
        return names

    def find_distributions(self, context: Any) -> Iterator[Any]:
        """Answer ``importlib.metadata`` for pytest-xdist, when it is asked for by this name.

        An installed one has answered before; lists of all that is installed stay true.
        """
        name = getattr(context, "name", None)
        if name is None or re.sub(r"[-_.]+", "-", name).lower() != DISTRIBUTION:
            return
        yield stand_in_distribution()


def stand_in_distribution() -> Any:
    """Return the metadata of a pytest-xdist that is not there."""
    # Python before 3.8 has no such module, and so nobody there who asks.
    from importlib import metadata  # noqa: PLC0415  see above

    class StandIn(metadata.Distribution):
        def read_text(self, filename: str) -> Optional[str]:
            text = "Metadata-Version: 2.1\nName: %s\nVersion: %s\n" % (DISTRIBUTION, VERSION)
            return text if filename == "METADATA" else None

        def locate_file(self, path: Any) -> Any:
            return path

    return StandIn()


def present_versions() -> Dict[str, str]:
    """Return the version of pytest-xdist, installed or not, by its name."""
    from importlib import metadata  # noqa: PLC0415  only the controller asks; see above

    return {DISTRIBUTION: metadata.version(DISTRIBUTION)}


def installed_version() -> Optional[str]:
    """Return the version of a pytest-xdist that is really installed, or None."""
    from importlib import metadata  # noqa: PLC0415  only the controller asks; see above

    spec = importlib.import_module("xdist").__spec__
    if spec is None or isinstance(spec.loader, XdistFinder):
        return None
    return metadata.version(DISTRIBUTION)


def install(
    find: Callable[[str], Any] = placeholder, hooks: Iterable[Callable[..., Any]] = ()
) -> None:
    """Make the imports work from now on in this process. The first call decides."""
    if not any(isinstance(finder, XdistFinder) for finder in sys.meta_path):
        finder: Any = XdistFinder(find, hooks)
        sys.meta_path.append(finder)


def installed_finder() -> XdistFinder:
    """Return the finder that ``install`` has made."""
    return next(finder for finder in sys.meta_path if isinstance(finder, XdistFinder))
