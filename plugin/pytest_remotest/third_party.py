"""What plugins of others need on a worker that is not where the controller is."""

import os
import socket
import sys
from typing import Any, Dict


def keep_coverage_apart(worker_input: Dict[str, Any]) -> None:
    """Give this worker coverage files of its own where pytest-cov will combine them by itself.

    Away from the controller's directory each of its workers combines whatever coverage files it
    finds around, and removes them: in one tree also those of the others, while they are written.
    Called before pytest starts; what programs that tests start measure is this worker's as well.
    """
    if "cov_master_topdir" not in worker_input:
        return
    if (socket.gethostname(), os.getcwd()) != (
        worker_input["cov_master_host"],
        worker_input["cov_master_topdir"],
    ):
        name = os.environ.get("COVERAGE_FILE", ".coverage")
        os.environ["COVERAGE_FILE"] = os.path.abspath(name + "-" + worker_input["workerid"])


def count_reruns_here(worker_input: Dict[str, Any]) -> None:
    """Let pytest-rerunfailures count in this process if it was told of no port of the controller.

    It is then what it is without workers. Called before plugins are configured.
    """
    plugin: Any = sys.modules.get("pytest_rerunfailures")
    if plugin is not None and "sock_port" not in worker_input:
        worker_input.update(sock_port=None, statusdb_token=None)
        plugin.ClientStatusDB = lambda *_: plugin.StatusDB()
