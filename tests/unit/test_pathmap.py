"""Paths and arguments mean on a host what they mean here."""

from __future__ import annotations

import argparse
import posixpath

import pytest
from _pytest.config import get_config

from remotest.pathmap import DONE_HERE, Arity, PathMap, describe_options, map_arguments
from remotest.sync.plan import Layout, Place, lay_out

LAYOUT = lay_out(
    "/home/me/proj",
    ["/home/me/proj", "/home/me/lib/tests", "/opt/pkgs/a/b"],
    python_path=["/opt/pkgs", "/usr/lib/python3"],
    aliases=[("/link/proj", "/home/me/proj")],
)
PATHS = PathMap(locate=LAYOUT.locate, origin=LAYOUT.origin, tree="/c/0")
LIB = f"/c/0/{LAYOUT.locate('/home/me/lib')}"
OPT = f"/c/0/{LAYOUT.locate('/opt/pkgs')}"

CONTROLLER_ONLY = frozenset(
    ("-n", "--numprocesses", "--maxprocesses", "--dist", "-d", "--tx", "--rsyncdir")
)


@pytest.fixture(scope="module")
def options() -> dict[str, Arity]:
    """The options of pytest's own parser, and some of ours."""
    ours = argparse.ArgumentParser()
    ours.add_argument("-n", "--numprocesses")
    ours.add_argument("--maxprocesses")
    ours.add_argument("--dist")
    ours.add_argument("-d", action="store_true")
    ours.add_argument("--tx", action="append")
    ours.add_argument("--rsyncdir", action="append")
    ours.add_argument("--cov", nargs="?", action="append")
    ours.add_argument("--cov-report", action="append")
    parser = get_config()._parser.optparser  # type: ignore[attr-defined]  # private, but the real one
    return {**describe_options(parser._actions), **describe_options(ours._actions)}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/home/me/proj", "/c/0/base"),
        ("/home/me/proj/", "/c/0/base"),
        ("/home/me/proj/tests/../src", "/c/0/base/src"),
        ("/home/me/proj/not sent", "/c/0/base/not sent"),
        ("/home/me/project2", None),
        ("/home/me", None),
        ("/link/proj/tests", "/c/0/base/tests"),
        ("/home/me/lib/tests/x", f"{LIB}/tests/x"),
        ("/home/me/lib", LIB),
        ("/home/me/lib/other", None),
        ("/opt/pkgs", OPT),
        ("/opt/pkgs/a", f"{OPT}/a"),
        ("/opt/pkgs/a/c", None),
        ("/opt", None),
        ("/usr/lib/python3", None),
    ],
)
def test_paths(path: str, expected: str | None) -> None:
    assert PATHS.to_host(path) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/c/0/base", "/home/me/proj"),
        ("/c/0/base/src/../a.py", "/home/me/proj/a.py"),
        (f"{LIB}/tests/x", "/home/me/lib/tests/x"),
        (f"{OPT}/a/b", "/opt/pkgs/a/b"),
        ("/c/0/.remotest/owner", None),
        ("/c/0/outside/other", None),
        ("/c/0", None),
        ("/c", None),
        ("/usr/lib/python3", None),
    ],
)
def test_the_way_back(path: str, expected: str | None) -> None:
    assert PATHS.to_here(path) == expected
    assert PathMap().to_here(path) == posixpath.normpath(path)


def test_the_way_back_from_a_tree_that_is_the_directory_itself() -> None:
    layout = Layout(places=(Place(root="/home/me/proj", anchor="/home/me/proj", there="."),))
    paths = PathMap(locate=layout.locate, origin=layout.origin, tree="/there")
    assert paths.to_here("/there/a/b.py") == "/home/me/proj/a/b.py"
    assert paths.to_here("/there") == "/home/me/proj"
    assert paths.to_here("/therefore") is None


def test_python_path_is_what_travels_in_its_order() -> None:
    entries = ["", "/opt/pkgs", "relative", "/usr/lib/python3", "/home/me/proj/src", "/link/proj"]
    assert PATHS.python_path(entries) == [OPT, "/c/0/base/src", "/c/0/base"]


def test_this_machines_own_files_keep_their_names(options: dict[str, Arity]) -> None:
    arguments = ["../x", "/abs", "--ignore=/abs"]
    assert PathMap().to_host("/abs/../x") == "/x"
    assert (
        map_arguments(arguments, paths=PathMap(), invocation_dir="/p", options=options, left_out=())
        == arguments
    )


def mapped(line: list[str], options: dict[str, Arity], invocation_dir: str) -> list[str]:
    return map_arguments(
        line,
        paths=PATHS,
        invocation_dir=invocation_dir,
        options=options,
        left_out=CONTROLLER_ONLY | DONE_HERE,
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        # paths
        (["tests"], ["tests"]),
        (["./tests/../tests", "."], ["./tests/../tests", "."]),
        (["../lib/tests"], [f"{LIB}/tests"]),
        (
            ["../lib/tests/t.py::C::test[../lib/tests]"],
            [f"{LIB}/tests/t.py::C::test[../lib/tests]"],
        ),
        (["tests/t.py::test[a b]"], ["tests/t.py::test[a b]"]),
        (["/home/me/proj/tests"], ["/c/0/base/tests"]),
        (["/usr/share/tests"], ["/usr/share/tests"]),
        (["../elsewhere"], ["../elsewhere"]),
        (["--", "-odd", "../lib/tests"], ["--", "-odd", f"{LIB}/tests"]),
        # paths in options
        (["--rootdir=/home/me/proj"], ["--rootdir=/c/0/base"]),
        (["--rootdir", "/home/me/proj"], ["--rootdir", "/c/0/base"]),
        (["--rootdir", "."], ["--rootdir", "."]),
        (["-c", "/home/me/proj/ci.ini"], ["-c", "/c/0/base/ci.ini"]),
        (["-c/home/me/proj/ci.ini"], ["-c/c/0/base/ci.ini"]),
        (["-qc", "ci.ini"], ["-qc", "ci.ini"]),
        (["--confcutdir=../lib/tests"], [f"--confcutdir={LIB}/tests"]),
        (["--ignore", "../lib/tests/slow"], ["--ignore", f"{LIB}/tests/slow"]),
        (["-o", "cache_dir=/home/me/proj/c"], ["-o", "cache_dir=/c/0/base/c"]),
        (["--cov=/link/proj/src"], ["--cov=/c/0/base/src"]),
        (["--cov-report", "html:/home/me/proj/h"], ["--cov-report", "html:/c/0/base/h"]),
        # ours
        (["-n3", "x"], ["x"]),
        (["-n", "3", "x"], ["x"]),
        (["-n=3", "x"], ["x"]),
        (["--numprocesses", "3", "x"], ["x"]),
        (["--numprocesses=auto", "x"], ["x"]),
        (["-d", "--tx", "3*popen", "--tx=ssh=h", "--rsyncdir", "mypkg", "tests"], ["tests"]),
        (["-vxn3", "x"], ["-vx", "x"]),
        (["-vdx", "x"], ["-vx", "x"]),
        (["-dn", "3", "x"], ["x"]),
        (["-xdn3"], ["-x"]),
        # not ours, though it looks like it
        (["-k", "-n"], ["-k", "-n"]),
        (["-k-n3"], ["-k-n3"]),
        (["-m", "--tx"], ["-m", "--tx"]),
        (["-k", "/home/me/proj"], ["-k", "/home/me/proj"]),
        (["-p", "no:d", "-rA"], ["-p", "no:d", "-rA"]),
        (["--maxfail", "2", "--durations=3"], ["--maxfail", "2", "--durations=3"]),
        (["--", "-n3"], ["--", "-n3"]),
        # done on this machine
        (["--junitxml=out.xml", "--junit-xml", "out.xml", "x"], ["x"]),
        (["--basetemp", "/tmp/x", "--log-file=l", "x"], ["x"]),
        (["--debug", "x"], []),
        (["--debug", "-q", "x"], ["-q", "x"]),
        (["--cov", "-n3"], ["--cov"]),
        (["--cov", "src", "-n3"], ["--cov", "src"]),
    ],
)
def test_arguments(given: list[str], expected: list[str], options: dict[str, Arity]) -> None:
    assert mapped(given, options, "/home/me/proj") == expected


@pytest.mark.parametrize(
    ("invocation_dir", "given", "expected"),
    [
        ("/home/me/proj/docs", ["../tests", "x"], ["../tests", "x"]),
        ("/home/me", ["proj/tests", "--rootdir=proj"], ["/c/0/base/tests", "--rootdir=/c/0/base"]),
        ("/link/proj", ["tests", "/link/proj/tests"], ["tests", "/c/0/base/tests"]),
        ("/link/proj", ["../me"], ["../me"]),
        ("/home/me/lib/tests", [".", "../../proj/t.py"], [".", "/c/0/base/t.py"]),
    ],
)
def test_arguments_elsewhere(
    invocation_dir: str, given: list[str], expected: list[str], options: dict[str, Arity]
) -> None:
    assert mapped(given, options, invocation_dir) == expected


def test_pytest_takes_no_shortened_options() -> None:
    """What lets map_arguments compare whole names."""
    assert get_config()._parser.optparser.allow_abbrev is False  # type: ignore[attr-defined]
