"""Our specs in the form that plugins read: execnet's XSpec."""

from __future__ import annotations

from typing import TYPE_CHECKING

import execnet

if TYPE_CHECKING:
    from remotest.spec import GatewaySpec


def as_xspec(spec: GatewaySpec, worker: str) -> execnet.XSpec:
    """Return the spec of one worker with pytest-xdist's fields; secrets are masked."""
    xspec = execnet.XSpec("popen" if spec.target is None else "ssh=" + spec.host_label)
    xspec._spec = spec.redacted()  # noqa: SLF001  what str() shows; parsing ours there may fail
    xspec.id = worker
    xspec.chdir = spec.chdir
    xspec.python = spec.interpreter
    xspec.via = spec.via
    xspec.nice = None if spec.nice is None else str(spec.nice)
    xspec.execmodel = "main_thread_only"
    return xspec
