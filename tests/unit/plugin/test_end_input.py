"""A process whose other side is silent for ever comes to the end of its input, or ends."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import Final

from pytest_remotest import supervise

WAIT_S: Final = 60

READING: Final = """
import os, sys, threading
from pytest_remotest import supervise
reader = threading.Thread(target=os.read, args=(0, 1), daemon=True)
reader.start()
supervise.end_input(0)
reader.join(50)
sys.exit(2 if reader.is_alive() else 0)
"""


def status_of(input_fd: int) -> int:
    """Run a process that reads what nobody writes; return how it ended."""
    return subprocess.run(
        [sys.executable, "-c", READING], stdin=input_fd, timeout=WAIT_S, check=False
    ).returncode


def test_who_reads_a_socket_reads_its_end() -> None:
    here, there = socket.socketpair()
    with here, there:
        assert status_of(there.fileno()) == 0


def test_who_reads_a_pipe_ends() -> None:
    read_fd, write_fd = os.pipe()
    try:
        assert status_of(read_fd) == 1
    finally:
        os.close(read_fd)
        os.close(write_fd)


def test_a_socket_stays_open_for_its_owner() -> None:
    here, there = socket.socketpair()
    with here, there:
        supervise.end_input(there.fileno())
        assert there.recv(1) == b""
        assert there.fileno() >= 0
