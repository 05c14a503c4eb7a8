"""The gateways of a run that ends: what hangs on a host is ended there."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import leftovers
import sshd
from gatewayworld import Recorder, Watched
from sshclient import spec_of

from pytest_remotest import frames
from remotest.gateways.opener import GatewayOpener

if TYPE_CHECKING:
    from pathlib import Path


def test_an_agent_that_hangs_is_ended_also_once_the_run_is_over(tmp_path: Path) -> None:
    recorder = Recorder()
    with sshd.running(tmp_path, home=tmp_path) as server:
        opener = GatewayOpener([spec := spec_of(server)], invocation_dir=tmp_path)
        opener.name({"host": spec})
        gateway = opener("host", recorder.on_frame, recorder.on_closed, lambda _: None)
        greeting = frames.decode(recorder.frame())[1][0]
        agent = Watched(greeting.info["pid"])
        for pid in (leftovers.parent_of(agent.pid), agent.pid):
            os.kill(pid, signal.SIGSTOP)

        opener.abort()
        gateway.close(timeout_s=0.1)

        assert agent.has_ended()
        opener.close()
