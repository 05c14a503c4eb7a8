"""How workers begin where the process that they fork from is not what it was."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import sys
from typing import TYPE_CHECKING

import gatewayworld
import leftovers

from pytest_remotest import messages, values
from pytest_remotest.loader import BundleFinder
from pytest_remotest.nursery import Nursery
from pytest_remotest.watch import Watch
from pytest_remotest.workerprocess import WorkerProcess
from remotest.bundle import read_bundle

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def prepared(name: str, directory: Path) -> WorkerProcess:
    start = messages.SpawnWorker(
        worker=name,
        arguments=[],
        directory=str(directory),
        environment={"PYTEST_XDIST_WORKER": name},
        python_path=[],
        whole_path=False,
        nice=0,
        worker_input=values.pack({"workerid": name}),
        env_folder=None,
        overlay=[],
        extensions_folder=None,
        way="auto",
    )
    return WorkerProcess(start, str(directory), None, watch())


def watch() -> Watch:
    return Watch(float("inf"), None)


def test_who_finds_the_zygote_gone_before_anybody_was_told_is_a_new_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finder = BundleFinder(dict(read_bundle()))  # What is started has its modules from there.
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, finder])
    begun: list[WorkerProcess] = []
    with selectors.DefaultSelector() as selector, contextlib.ExitStack() as stack:
        nursery = Nursery(selector, begun.append, lambda *_: None, watch)
        stack.callback(nursery.end)
        workers = [prepared(name, tmp_path) for name in ("gw0", "gw1")]
        nursery.start(workers[0])
        nursery.start_next()
        ((zygote, _),) = selector.select(gatewayworld.WAIT_S)
        nursery.serve(zygote.data)
        nursery.start_next()
        (pid,) = nursery.pids()
        os.kill(pid, signal.SIGKILL)
        assert leftovers.has_ended(pid)

        nursery.start(workers[1])
        nursery.start_next()

        assert begun == workers
        for worker in workers:
            os.killpg(worker.pid, signal.SIGKILL)
        assert leftovers.has_ended(workers[1].pid)
        assert workers[1].status() == -signal.SIGKILL
        for worker in workers:
            worker.close()
