"""What the user asked for, read once from pytest's config. The only reader of config.option."""

from __future__ import annotations

import os
import re
import shlex
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from pytest_remotest.options import WAYS, duration_s
from remotest import inventory, wirefaults
from remotest.environments import host_of
from remotest.errors import UsageError
from remotest.interpreters import expand
from remotest.pathmap import describe_options
from remotest.spec import GatewaySpec, TxRequest, parse_spec
from remotest.sync.rules import parse_rule

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from remotest.inventory import Inventory
    from remotest.pathmap import Arity
    from remotest.scheduling.modes import DistMode
    from remotest.sync.rules import Rule
    from remotest.wirefaults import Fault

OWN_DISTRIBUTION: Final = "remotest"
"""Its plugin travels: no host needs to have it."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One run, as asked for.

    ``base_dir`` is what paths in the config file are relative to, and what the tree on a host
    mirrors: the config file's directory, or the rootdir where there is none.
    ``option_arities`` is how many values each option takes. ``argument_paths`` are the absolute
    paths that the command line or ``testpaths`` names. ``plugins`` are the distributions of
    active plugins: name -> version.
    ``way`` is how workers are started, one of ``options.WAYS``.
    ``local_base_folder`` returns, once pytest is configured, the folder for temporary folders.
    """

    mode: DistMode
    requests: tuple[TxRequest, ...]
    proxies: tuple[GatewaySpec, ...]
    max_worker_restart: int | None
    max_chunk_items: int | None
    reorder_scopes: bool
    longest_first: bool
    strict_collection: bool
    requeue: bool
    reconnect_s: float
    min_hosts: int | None
    ramp_s: float
    worker_timeout_s: float | None
    faults: tuple[Fault, ...]
    keep_orphans: bool
    way: str
    run_uid: str
    arguments: tuple[str, ...]
    option_arities: Mapping[str, Arity]
    invocation_dir: Path
    root_dir: Path
    config_file: Path | None
    roots: tuple[Path, ...]
    rules: tuple[Rule, ...]
    argument_paths: tuple[str, ...]
    plugins: Mapping[str, str]
    local_base_folder: Callable[[], str | None]

    @property
    def specs(self) -> tuple[GatewaySpec, ...]:
        """All specs of the run: of proxies and of environments."""
        return (*self.proxies, *(request.spec for request in self.requests))

    @property
    def variables(self) -> tuple[tuple[str, str | None], ...]:
        """All variables that workers are given: name -> value, None for the one it has here."""
        return tuple(variable for spec in self.specs for variable in spec.env)

    @property
    def base_dir(self) -> Path:
        """The directory that the tree on a host mirrors."""
        return self.config_file.parent if self.config_file is not None else self.root_dir


def read_settings(config: pytest.Config) -> Settings:
    """Return the settings of a run.

    Raises:
        UsageError: something asked for cannot be; the text says what and what to write.
    """
    option = config.option
    invocation_dir = Path(config.invocation_params.dir)
    base_dir = config.inipath.parent if config.inipath is not None else config.rootpath
    hosts = _read_inventory(option.inventory, base_dir)
    requests = tuple(
        one for text in option.tx for request in hosts.expand(text) for one in expand(request)
    )
    _refuse_double_ids(requests)
    _refuse_unset_variables(requests)
    return Settings(
        mode=option.dist,
        requests=requests,
        proxies=tuple(_parse_proxy(text) for text in option.px),
        max_worker_restart=_parse_restarts(option.maxworkerrestart),
        max_chunk_items=option.maxschedchunk,
        reorder_scopes=option.loadscopereorder,
        longest_first=option.schedule == "duration",
        strict_collection=option.strict_collection,
        requeue=option.requeue,
        reconnect_s=option.reconnect,
        min_hosts=_read_min_hosts(config, len({host_of(one.spec) for one in requests})),
        ramp_s=option.ramp,
        worker_timeout_s=_read_worker_timeout(config),
        faults=wirefaults.parse_faults(os.environ.get(wirefaults.VARIABLE, "")),
        keep_orphans=option.keeporphans or config.getini("keep_orphans"),
        way=_read_way(config),
        run_uid=option.testrunuid or uuid.uuid4().hex,
        arguments=_read_arguments(config),
        # The parser that read the command line; pytest offers no public way to it.
        option_arities=describe_options(config._parser.optparser._actions),  # noqa: SLF001
        invocation_dir=invocation_dir,
        root_dir=config.rootpath,
        config_file=config.inipath,
        roots=_read_roots(config, invocation_dir),
        rules=(
            *(parse_rule(text, str(base_dir)) for text in config.getini("rsyncignore")),
            *(parse_rule(text, str(invocation_dir)) for text in option.rsyncignore),
        ),
        argument_paths=_read_argument_paths(config, invocation_dir),
        plugins={
            name: version
            for name, version in active_plugins(config.pluginmanager).items()
            if name != OWN_DISTRIBUTION
        },
        local_base_folder=lambda: _base_folder(config),
    )


def active_plugins(manager: pytest.PytestPluginManager) -> dict[str, str]:
    """Return name (normalized, PEP 503) -> version of the distributions with active plugins."""
    return {
        re.sub(r"[-_.]+", "-", distribution.metadata["Name"]).lower(): distribution.version
        for _, distribution in manager.list_plugin_distinfo()
    }


def _read_arguments(config: pytest.Config) -> tuple[str, ...]:
    """Return the command line, with what PYTEST_ADDOPTS adds: a host does not see that."""
    added = shlex.split(os.environ.get("PYTEST_ADDOPTS", ""))
    return (*added, *(str(argument) for argument in config.invocation_params.args))


def _read_argument_paths(config: pytest.Config, invocation_dir: Path) -> tuple[str, ...]:
    if config.args_source is pytest.Config.ArgsSource.INVOCATION_DIR:
        return ()
    return tuple(
        os.path.normpath(invocation_dir / argument.partition("::")[0]) for argument in config.args
    )


def _base_folder(config: pytest.Config) -> str | None:
    # pytest offers it to fixtures alone; with "-p no:tmpdir" there is none.
    factory = getattr(config, "_tmp_path_factory", None)
    return None if factory is None else str(factory.getbasetemp())


def _read_inventory(named: str | None, base_dir: Path) -> Inventory:
    path = inventory.find(base_dir, named)
    return inventory.load(path) if path is not None else inventory.Inventory()


def _parse_proxy(text: str) -> GatewaySpec:
    proxy = parse_spec(text)
    if proxy.id is None:
        raise UsageError(f"--px {text}: a proxy needs an id that others name: add //id=NAME")
    return proxy


def _refuse_double_ids(requests: tuple[TxRequest, ...]) -> None:
    seen: set[str] = set()
    for request in requests:
        name = request.spec.id
        if name is not None and (name in seen or request.count != 1):
            raise UsageError(f"id={name}: two workers cannot have the same id")
        if name is not None:
            seen.add(name)


def _refuse_unset_variables(requests: tuple[TxRequest, ...]) -> None:
    for request in requests:
        for name, value in request.spec.env:
            if value is None and name not in os.environ:
                raise UsageError(
                    f"env:{name}: {name} is not set here, so there is nothing to forward"
                )


def _parse_restarts(text: str | None) -> int | None:
    """Return how many crashed workers may be replaced; None for the default."""
    if text is None:
        return None
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"--max-worker-restart {text}: it must be a whole number") from None


def _read_min_hosts(config: pytest.Config, host_count: int) -> int | None:
    """Return how many hosts of a run must be left; None where none may be missing.

    A number in the config file is for all runs of the project: one of fewer hosts needs them all,
    and under each every environment has to run.
    """
    is_each = config.option.dist == "each"
    given: int | None = config.option.min_hosts
    if given is None:
        text: str = config.getini("min_hosts")
        if text and not (text.isdecimal() and int(text)):
            raise UsageError(f"min_hosts = {text}: it must be a whole number above 0")
        return min(int(text), host_count) if text and not is_each else None
    if is_each:
        raise UsageError("--min-hosts: under --dist=each every environment has to run to its end")
    if not 1 <= given <= host_count:
        text = f"it must be from 1 to {host_count}, the number of hosts of this run"
        raise UsageError(f"--min-hosts {given}: {text}")
    return given


def _read_worker_timeout(config: pytest.Config) -> float | None:
    """Return for how long a worker that has tests to run may say nothing; None for ever."""
    given: float | None = config.option.worker_timeout
    if given is not None:
        return given or None
    text: str = config.getini("worker_timeout")
    try:
        return duration_s(text) or None if text else None
    except ValueError:
        raise UsageError(
            f"worker_timeout = {text}: it must be a duration, as 90, 90s, 10m or 1h"
        ) from None


def _read_way(config: pytest.Config) -> str:
    """Return how workers are started."""
    given: str = config.option.workers or config.getini("workers")
    if given not in WAYS:
        raise UsageError(f"workers = {given}: it must be one of {', '.join(WAYS)}")
    return given


def _read_roots(config: pytest.Config, invocation_dir: Path) -> tuple[Path, ...]:
    given = [*config.getini("rsyncdirs")]
    given += [invocation_dir / directory for directory in config.option.rsyncdir]
    roots = tuple(Path(root).resolve() for root in given)
    for root in roots:
        if not root.exists():
            raise UsageError(f"rsyncdir {root}: there is no such file or directory")
    return tuple(dict.fromkeys(roots))
