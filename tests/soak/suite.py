"""The suite of a soak: it checks that its files have arrived, and waits where the fault is due."""

from __future__ import annotations

import hashlib
import json
import textwrap
from typing import TYPE_CHECKING, Final

from faultlab.sample import CONFTEST, SMALL

if TYPE_CHECKING:
    from soak.plan import Plan

AT: Final = "SOAK_AT"
FOLDER: Final = "SOAK_FOLDER"
"""Variables of the host ``first``: the number of the test that waits; a folder to count in."""

TREE: Final = "tree"
"""Noted with "as it was sent", or with what is wrong."""

HERE: Final = "here"
"""Told by the test that waits, after the ids of its process and of that one's parent."""

EXPECTED: Final = "expected.json"
TEMPORARY: Final = "tmp"
"""The folder of the controller's temporary files, on the stage."""

MORE_CONFTEST: Final = """

import hashlib
import time


def digests(top):
    found = {}
    for folder, folders, files in os.walk(top):
        folders[:] = [name for name in folders if name not in ("__pycache__", ".pytest_cache")]
        for name in files:
            path = os.path.join(folder, name)
            with open(path, "rb") as stream:
                digest = hashlib.sha256(stream.read()).hexdigest()
            found[os.path.relpath(path, top)] = digest
    return found


class Tree(object):
    def pytest_sessionstart(self, session):
        top = os.path.dirname(os.path.abspath(__file__))
        with open(os.path.join(top, "expected.json")) as stream:
            expected = json.load(stream)
        found = digests(top)
        del found["expected.json"]
        wrong = sorted(set(found.items()) ^ set(expected.items()))
        row = [os.environ["FAULTLAB_HOST"], "tree", wrong[0][0] if wrong else "as it was sent"]
        with open(os.environ["FAULTLAB_NOTES"], "a") as stream:
            stream.write(json.dumps(row) + "\\n")


def pytest_sessionstart(session):
    if hasattr(session.config, "workerinput"):
        Tree().pytest_sessionstart(session)


def number_of_this_test():
    number = 0
    while True:
        path = os.path.join(os.environ["SOAK_FOLDER"], str(number))
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL))
            return number
        except FileExistsError:
            number += 1


@pytest.fixture(autouse=True)
def moment():
    time.sleep(0.01)
    if os.environ["FAULTLAB_HOST"] != "first":
        return
    if number_of_this_test() == int(os.environ["SOAK_AT"]):
        write("pids:%d:%d here" % (os.getpid(), os.getppid()))
        with open(os.environ["FAULTLAB_GO"]) as stream:
            stream.readline()
"""

MODULE: Final = """
import pytest

@pytest.mark.xdist_group("{group}")
class TestIt:
    @pytest.mark.parametrize("number", range({half}))
    def test_of_class(self, number):
        pass

@pytest.mark.parametrize("number", range({rest}))
def test_of_module(number):
    pass
"""
FAILS: Final = """
def test_that_fails():
    assert not "always"
"""
MODULE_COUNT: Final = 3


def files(plan: Plan) -> dict[str, str]:
    """Return the files of the suite, with one that says what the others hold."""
    count = plan.item_count // MODULE_COUNT
    texts = {
        **SMALL,
        "conftest.py": CONFTEST + MORE_CONFTEST,
        "data/words.txt": "words " * plan.item_count,
        **{
            f"test_{number}.py": MODULE.format(
                group=f"group{number // 2}", half=count // 2, rest=count - count // 2
            )
            for number in range(MODULE_COUNT)
        },
    }
    if plan.fails:
        texts["test_9.py"] = FAILS
    # As the project writes them.
    texts = {name: textwrap.dedent(text).lstrip("\n") for name, text in texts.items()}
    digests = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}
    return {**texts, EXPECTED: json.dumps(digests)}


def item_count(plan: Plan) -> int:
    """Return how many items it has."""
    return plan.item_count + plan.fails
