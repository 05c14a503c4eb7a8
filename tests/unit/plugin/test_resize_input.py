"""What is sent to a process waits in its input, and not in the memory of who hands it over."""

from __future__ import annotations

import os
import socket
import sys
from typing import Final

import pytest

from pytest_remotest import supervise

MUCH: Final = b"x" * 1024 * 1024


@pytest.mark.skipif(sys.platform != "linux", reason="pipes of others stay as they are")
def test_a_pipe_takes_as_much_as_it_is_let_hold() -> None:
    read_fd, write_fd = os.pipe()
    try:
        os.set_blocking(write_fd, False)
        supervise.resize_input(read_fd, supervise.WIDE_PIPE_BYTES)
        assert os.write(write_fd, MUCH) == len(MUCH)
        assert os.read(read_fd, len(MUCH)) == MUCH
        supervise.resize_input(read_fd, supervise.USUAL_PIPE_BYTES)
        assert os.write(write_fd, MUCH) == supervise.USUAL_PIPE_BYTES
    finally:
        os.close(read_fd)
        os.close(write_fd)


def test_what_is_no_pipe_stays_as_it_is() -> None:
    here, there = socket.socketpair()
    with here, there:
        supervise.resize_input(there.fileno(), supervise.WIDE_PIPE_BYTES)
        here.sendall(b"as ever")
        assert there.recv(100) == b"as ever"
