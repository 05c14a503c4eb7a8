"""What the user asked for, read once from pytest's config. The only reader of config.option."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from remotest import inventory
from remotest.errors import UsageError
from remotest.spec import AUTO, GatewaySpec, TxRequest, parse_spec

if TYPE_CHECKING:
    import pytest

    from remotest.inventory import Inventory

DistributionMode = Literal["each", "load"]

RESTARTS_PER_WORKER = 4
"""Crashes that a run survives for each of its workers, as pytest-xdist allows for -n."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One run, as asked for.

    ``base_dir`` is what paths in the config file are relative to, and what the tree on a host
    mirrors: the config file's directory, or the rootdir where there is none.
    """

    mode: DistributionMode
    requests: tuple[TxRequest, ...]
    proxies: tuple[GatewaySpec, ...]
    max_worker_restart: int | None
    max_chunk_items: int | None
    run_uid: str
    arguments: tuple[str, ...]
    invocation_dir: Path
    root_dir: Path
    config_file: Path | None
    roots: tuple[Path, ...]
    ignore_rules: tuple[str, ...]
    max_failures: int
    verbosity: int
    shows_worker_output: bool
    local_base_folder: Path | None

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
    requests = tuple(request for text in option.tx for request in hosts.expand(text))
    _refuse_double_ids(requests)
    return Settings(
        mode=option.dist,
        requests=requests,
        proxies=tuple(_parse_proxy(text) for text in option.px),
        max_worker_restart=_parse_restarts(option.maxworkerrestart, requests),
        max_chunk_items=option.maxschedchunk,
        run_uid=option.testrunuid or uuid.uuid4().hex,
        arguments=tuple(str(argument) for argument in config.invocation_params.args),
        invocation_dir=invocation_dir,
        root_dir=config.rootpath,
        config_file=config.inipath,
        roots=_read_roots(config, invocation_dir),
        ignore_rules=(*config.getini("rsyncignore"), *option.rsyncignore),
        max_failures=option.maxfail,
        verbosity=option.verbose,
        shows_worker_output=option.capture == "no",
        local_base_folder=None,
    )


def _read_inventory(named: str | None, base_dir: Path) -> Inventory:
    path = inventory.find(base_dir, named)
    return inventory.load(path) if path is not None else inventory.EMPTY


def _parse_proxy(text: str) -> GatewaySpec:
    proxy = parse_spec(text)
    if proxy.id is None:
        raise UsageError(f"--px {text}: a proxy needs an id that others name: add //id=NAME")
    return proxy


def _refuse_double_ids(requests: tuple[TxRequest, ...]) -> None:
    seen: set[str] = set()
    for request in requests:
        name = request.spec.id
        if name is not None and (name in seen or request.count not in (1, "1")):
            raise UsageError(f"id={name}: two workers cannot have the same id")
        if name is not None:
            seen.add(name)


def _parse_restarts(text: str | None, requests: tuple[TxRequest, ...]) -> int | None:
    """Return how many crashed workers may be replaced; None where the count is not yet known."""
    if text is not None:
        try:
            return int(text)
        except ValueError:
            raise UsageError(
                f"--max-worker-restart {text}: it must be a whole number"
            ) from None
    if any(request.count == AUTO for request in requests):
        return None
    return RESTARTS_PER_WORKER * sum(int(request.count) for request in requests)


def _read_roots(config: pytest.Config, invocation_dir: Path) -> tuple[Path, ...]:
    given = [*config.getini("rsyncdirs")]
    given += [invocation_dir / directory for directory in config.option.rsyncdir]
    roots = tuple(Path(root).resolve() for root in given)
    for root in roots:
        if not root.exists():
            raise UsageError(f"rsyncdir {root}: there is no such file or directory")
    return tuple(dict.fromkeys(roots))
