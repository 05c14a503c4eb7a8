"""A process that ends sooner does at its end whatever somebody could tell of."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

PLUGIN: Final = Path(__file__).resolve().parents[3] / "plugin"

PROGRAM: Final = """\
import atexit, gc, io, os, sys
sys.path.insert(0, sys.argv[1])
from pytest_remotest import quickend

atexit.register(lambda: print("left" if gc.get_freeze_count() else "freed", flush=True))
quickend.prepare()

class Cycle:
    def __init__(self, held):
        self.held, self.myself = held, self

class Telling:
    def __del__(self):
        os.write(1, b"deleted\\n")

class Asked(type):
    def __getattr__(cls, name):
        raise SystemError(name)

def generator():
    try:
        yield
    finally:
        os.write(1, b"closed\\n")

def begun():
    made = generator()
    next(made)
    return made

def written():
    file = open(1, "w", closefd=False)
    file.write("flushed\\n")
    return file

def closed():
    file = open(os.devnull)
    file.close()
    return file

class Broken(io.RawIOBase):
    def readable(self):
        return True
    @property
    def closed(self):
        raise SystemError("no")

"""


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        ("Cycle(object())", ["left"]),
        ("Cycle(Asked('Class', (), {})())", ["left"]),
        ("Cycle(closed())", ["left"]),
        ("Cycle(io.StringIO('text'))", ["left"]),
        ("Cycle(Telling())", ["freed", "deleted"]),
        ("Telling()", ["freed", "deleted"]),
        ("Cycle(begun())", ["freed", "closed"]),
        ("Cycle(written())", ["freed", "flushed"]),
        ("Cycle(io.BufferedReader(Broken()))", ["freed"]),
    ],
)
def test_what_would_tell_of_its_end_is_freed_as_ever(kept: str, said: list[str]) -> None:
    command = [sys.executable, "-c", f"{PROGRAM}\nkept = {kept}", str(PLUGIN)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == said


def test_what_the_last_function_of_atexit_makes_in_no_cycle_is_freed_as_ever() -> None:
    program = f"{PROGRAM}\natexit.register(lambda: globals().update(kept=None))\nkept = Telling()"
    command = [sys.executable, "-c", program, str(PLUGIN)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["deleted", "left"]
