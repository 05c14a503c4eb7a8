"""How a worker of an environment is started: arguments, folder, environment, sys.path. Pure."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_remotest import messages, values
from pytest_remotest.options import CONTROLLER_OPTIONS
from remotest import wirefaults
from remotest.env.model import TREE
from remotest.pathmap import DONE_HERE, SHOWN_HERE, PathMap, map_arguments

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from remotest.env.model import Overlay
    from remotest.settings import Settings
    from remotest.spec import GatewaySpec

PASSED_ON_VARIABLES = ("PYTEST_PLUGINS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD")
"""Variables of the controller that change what a pytest command means: hosts get them too."""


FOUND_HERE = ("--rootdir", "-c", "--config-file")
"""What pytest found here by looking around, it might not find on a host: it is always told."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a worker runs: on this machine or not, and what paths are called there.

    ``shares_interpreter``: it is the very interpreter of the controller.
    ``base_folder`` is the parent of the workers' base folders, where the controller chooses it.
    """

    is_local: bool
    shares_interpreter: bool
    paths: PathMap
    base_folder: str | None


@dataclass(frozen=True, kw_only=True)
class StartUp:
    """What the controller's process was when it started: workers here begin like it.

    ``search_path`` is its sys.path, ``project_path`` those entries that are no part of the
    interpreter's own installation, ``variables`` its environment.
    """

    search_path: tuple[str, ...]
    project_path: tuple[str, ...]
    variables: Mapping[str, str]


def spawn_message(
    *,
    worker: str,
    worker_count: int,
    worker_input: Mapping[str, Any],
    spec: GatewaySpec,
    place: Place,
    start_up: StartUp,
    settings: Settings,
    env_folder: str | None,
    overlay: Overlay,
    extensions_folder: str | None,
    way: str,
) -> messages.SpawnWorker:
    """Return the message that starts a worker, in an environment that was made where there is one.

    The overlay's files lead to where the base directory is there. ``way`` is one of
    ``options.WAYS``.
    """
    tree = str(place.paths.to_host(str(settings.base_dir)))
    directory = worker_directory(spec, place, settings)
    return messages.SpawnWorker(
        worker=worker,
        arguments=worker_arguments(worker, place, settings),
        directory=directory,
        environment=worker_variables(
            worker=worker,
            worker_count=worker_count,
            run_uid=settings.run_uid,
            spec=spec,
            place=place,
            start_up=start_up,
        ),
        python_path=[] if overlay.hides_sources else search_path(directory, place, start_up),
        whole_path=place.shares_interpreter,
        nice=spec.nice or 0,
        worker_input=values.pack(dict(worker_input)),
        env_folder=env_folder,
        overlay=[[name, text.replace(TREE, tree)] for name, text in overlay.files],
        extensions_folder=extensions_folder,
        way=way,
    )


def worker_directory(spec: GatewaySpec, place: Place, settings: Settings) -> str:
    """Return where a worker runs: the place of the directory that pytest was started in here.

    Where that does not travel, it is the place of the config file's directory.
    """
    here = settings.invocation_dir
    if place.is_local and spec.chdir is not None:
        return str(here / spec.chdir)
    there = place.paths.to_host(str(here)) or place.paths.to_host(str(settings.base_dir))
    assert there is not None, "the base always has a place"
    return there


def worker_arguments(worker: str, place: Place, settings: Settings) -> list[str]:
    """Return the command line of a worker: the controller's, without what is not for it."""
    arguments = map_arguments(
        settings.arguments,
        paths=place.paths,
        invocation_dir=str(settings.invocation_dir),
        options=settings.option_arities,
        left_out={*CONTROLLER_OPTIONS, *DONE_HERE, *SHOWN_HERE, *FOUND_HERE},
    )
    # addopts in a config file that travels may name a mode that the command line overrides.
    found = [f"--dist={settings.mode}", f"--rootdir={place.paths.to_host(str(settings.root_dir))}"]
    if settings.config_file is not None:
        found += ["-c", str(place.paths.to_host(str(settings.config_file)))]
    if place.base_folder is not None:
        found.append(f"--basetemp={posixpath.join(place.base_folder, 'popen-' + worker)}")
    return [*found, *arguments]


def worker_variables(
    *,
    worker: str,
    worker_count: int,
    run_uid: str,
    spec: GatewaySpec,
    place: Place,
    start_up: StartUp,
) -> dict[str, str]:
    """Return what a worker's environment has beside the host's own.

    On this machine that is the controller's whole environment, as it is now.
    """
    mine = start_up.variables
    # After setup= the agent's environment is this one as that has left it.
    variables = dict(mine) if place.is_local and spec.setup is None else {}
    if wirefaults.VARIABLE in variables:
        variables[wirefaults.VARIABLE] = ""  # It is meant for this run, and for none in its tests.
    variables.update({name: mine[name] for name in PASSED_ON_VARIABLES if name in mine})
    variables.update(
        {
            "PYTEST_XDIST_WORKER": worker,
            "PYTEST_XDIST_WORKER_COUNT": str(worker_count),
            "PYTEST_XDIST_TESTRUNUID": run_uid,
            # The controller's are part of the arguments already.
            "PYTEST_ADDOPTS": "",
        }
    )
    if spec.dont_write_bytecode:
        variables["PYTHONDONTWRITEBYTECODE"] = "1"
    for name, value in spec.env:
        # That a forwarded variable is set was seen when the settings were read.
        variables[name] = mine[name] if value is None else value
    return variables


def search_path(directory: str, place: Place, start_up: StartUp) -> list[str]:
    """Return what a worker's sys.path begins with, or all of it for the same interpreter.

    Another interpreter keeps its own sys.path: with the controller's it would import a standard
    library that is not its own. It gets the project's entries only.
    """
    if place.shares_interpreter:
        return list(start_up.search_path)
    if place.is_local:
        return list(start_up.project_path)
    # pytest-xdist puts the working directory first on a remote worker, and suites rely on it.
    return list(dict.fromkeys([directory, *place.paths.python_path(start_up.project_path)]))


def project_entries(
    entries: Sequence[str], installation: Sequence[str], working_dir: str
) -> tuple[str, ...]:
    """Return those entries of sys.path that lie outside of an interpreter's own folders."""
    absolute = [posixpath.join(working_dir, entry) for entry in entries]
    return tuple(
        entry
        for entry in absolute
        if not any(entry == own or entry.startswith(own + "/") for own in installation)
        and not entry.endswith(".zip")
    )
