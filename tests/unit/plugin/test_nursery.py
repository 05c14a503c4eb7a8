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
import pytest

from pytest_remotest import cpus, forkparent, messages, turns, values
from pytest_remotest.bytecode import ByteCode
from pytest_remotest.forkparent import ForkedProcess, ForkParent
from pytest_remotest.loader import BundleFinder
from pytest_remotest.nursery import Nursery
from pytest_remotest.watch import Watch
from pytest_remotest.workerprocess import WorkerProcess
from remotest.bundle import pack_bundle, read_bundle

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def _bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is started has its modules from there."""
    bundle = read_bundle()
    finder = BundleFinder(dict(bundle), pack_bundle(bundle), ByteCode([], ""))
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, finder])


def prepared(name: str, directory: Path, way: str = "auto") -> WorkerProcess:
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
        way=way,
    )
    return WorkerProcess(start, str(directory), None, watch())


def watch() -> Watch:
    return Watch(float("inf"), None)


@pytest.fixture(autouse=True)
def _two_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpus, "usable_count", lambda: 2)


@pytest.mark.usefixtures("_bundle")
def test_who_finds_the_zygote_gone_before_anybody_was_told_is_a_new_process(tmp_path: Path) -> None:
    begun: list[WorkerProcess] = []
    with selectors.DefaultSelector() as selector, contextlib.ExitStack() as stack:
        nursery = Nursery(selector, begun.append, lambda *_: None, watch)
        stack.callback(nursery.end)
        workers = [prepared(name, tmp_path) for name in ("gw0", "gw1")]
        nursery.start(workers[0])
        nursery.start_next(0.0)
        ((zygote, _),) = selector.select(gatewayworld.WAIT_S)
        nursery.serve(zygote.data)
        nursery.start_next(0.0)
        (pid,) = nursery.pids()
        os.kill(pid, signal.SIGKILL)
        assert leftovers.has_ended(pid)
        # The first worker has begun with its end, too: only behind that nobody can be told.
        assert selector.select(gatewayworld.WAIT_S)

        nursery.start(workers[1])
        nursery.start_next(0.0)

        assert begun == workers
        for worker in workers:
            os.killpg(worker.pid, signal.SIGKILL)
        assert leftovers.has_ended(workers[1].pid)
        assert workers[1].status() == -signal.SIGKILL
        for worker in workers:
            worker.close()


@pytest.mark.usefixtures("_bundle")
def test_a_zygote_may_end_as_soon_as_its_collector_is_ready(tmp_path: Path) -> None:
    begun: list[WorkerProcess] = []
    with selectors.DefaultSelector() as selector, contextlib.ExitStack() as stack:
        nursery = Nursery(selector, begun.append, lambda *_: None, watch)
        stack.callback(nursery.end)
        worker = prepared("gw0", tmp_path, "fork")
        nursery.start(worker)
        nursery.start_next(0.0)
        ((zygote, _),) = selector.select(gatewayworld.WAIT_S)
        nursery.serve(zygote.data)
        (pid,) = nursery.pids()
        nursery.start_next(0.0)
        ((collector, _),) = selector.select(gatewayworld.WAIT_S)
        os.kill(pid, signal.SIGKILL)
        assert leftovers.has_ended(pid)
        assert {key.fd for key, _ in selector.select(0)} == {zygote.fd, collector.fd}

        nursery.serve(collector.data)
        nursery.serve(zygote.data)
        nursery.start_next(0.0)

        assert begun == [worker]
        os.killpg(worker.pid, signal.SIGKILL)
        assert leftovers.has_ended(worker.pid)
        worker.close()


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"\0\0", "it is gone (the process that forks workers does not answer)"),
        (b"\0\0\0\x017", "b'7' is no answer"),
        (b"\xff\xff\xff\xff", "a body of 4294967295 bytes is over the limit"),
    ],
)
def test_nobody_waits_for_an_answer_that_does_not_come_whole(
    monkeypatch: pytest.MonkeyPatch, said: bytes, reason: str
) -> None:
    monkeypatch.setattr(forkparent, "ANSWER_S", 1)
    control, its_end = forkparent.control_pair()
    with control, its_end:
        its_end.sendall(said)
        nobody = ForkedProcess(os.getpid())
        assert ForkParent(nobody, control).hear() == reason


@pytest.mark.usefixtures("_bundle")
def test_who_would_have_no_cpu_begins_when_another_one_has_collected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cpus, "usable_count", lambda: 1)
    begun: list[WorkerProcess] = []
    with selectors.DefaultSelector() as selector:
        nursery = Nursery(selector, begun.append, lambda *_: None, watch)
        workers = [prepared(name, tmp_path, way="spawn") for name in ("gw0", "gw1")]
        for worker in workers:
            nursery.start(worker)
        for _ in workers:
            nursery.start_next(1.0)
        assert (begun, nursery.idle_s()) == (workers[:1], turns.LOOK_S)

        nursery.has_collected(workers[0])
        assert nursery.idle_s() == 0.0
        nursery.start_next(1.0)

        assert (begun, nursery.idle_s()) == (workers, None)
        for worker in workers:
            worker.signal(signal.SIGKILL)
            assert worker.pid is not None
            assert leftovers.has_ended(worker.pid)
            assert worker.status() == -signal.SIGKILL
            worker.close()
