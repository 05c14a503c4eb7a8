"""What a worker is given to talk by."""

from __future__ import annotations

import errno
import os
import resource
from typing import TYPE_CHECKING

import pytest

from pytest_remotest.workerprocess import make_pipes

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def room_for_three() -> Iterator[None]:
    """Three descriptors more may be opened."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = [os.dup(0) for _ in range(4)]
    for descriptor in free:
        os.close(descriptor)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free[-1], hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("room_for_three")
def test_where_not_all_pipes_can_be_made_none_is() -> None:
    with pytest.raises(OSError, match="Too many open files") as error:
        make_pipes(2)
    assert error.value.errno == errno.EMFILE
    (pipe,) = make_pipes(1)
    for descriptor in pipe:
        os.close(descriptor)
