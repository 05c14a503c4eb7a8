"""Settings of runs that nobody has typed."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Final

from remotest.settings import Settings
from remotest.spec import parse_tx

PROJECT: Final = Path("/home/me/project")

_PLAIN: Final = Settings(
    mode="load",
    requests=(),
    proxies=(),
    max_worker_restart=None,
    max_chunk_items=None,
    reorder_scopes=True,
    longest_first=False,
    strict_collection=False,
    requeue=True,
    reconnect_s=120.0,
    min_hosts=None,
    ramp_s=0.0,
    keep_orphans=False,
    way="auto",
    worker_timeout_s=None,
    faults=(),
    run_uid="run1",
    arguments=(),
    option_arities={"-n": "one", "--tx": "one", "-k": "one", "-v": "none", "--junitxml": "one"},
    invocation_dir=PROJECT,
    root_dir=PROJECT,
    config_file=PROJECT / "tox.ini",
    roots=(),
    rules=(),
    argument_paths=(),
    plugins={},
    local_base_folder=lambda: None,
)


def settings(*specs: str, **changes: object) -> Settings:
    """Return the settings of a run of ``--tx`` specs in ``PROJECT``, with fields changed."""
    requests = tuple(parse_tx(spec) for spec in specs)
    return dataclasses.replace(_PLAIN, requests=requests, **changes)
