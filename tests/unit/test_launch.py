"""How a worker is started: whole answers for every kind of place."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
from settingsworld import PROJECT, settings

from pytest_remotest import messages, values
from remotest.env.model import Overlay
from remotest.launch import (
    Place,
    StartUp,
    project_entries,
    search_path,
    spawn_message,
    worker_arguments,
    worker_directory,
    worker_variables,
)
from remotest.pathmap import PathMap
from remotest.spec import parse_spec
from remotest.sync.plan import lay_out

REMOTE: Final = Place(
    is_local=False,
    shares_interpreter=False,
    paths=PathMap(locate=lay_out(str(PROJECT), [str(PROJECT)]).locate, tree="/c/0"),
    base_folder=None,
)
HERE: Final = Place(
    is_local=True, shares_interpreter=True, paths=PathMap(), base_folder="/tmp/base"
)
OTHER: Final = Place(
    is_local=True, shares_interpreter=False, paths=PathMap(), base_folder="/tmp/base"
)
START_UP: Final = StartUp(
    search_path=("/home/me/project/src", "/usr/lib/python3.12"),
    project_path=("/home/me/project/src", "/elsewhere"),
    variables={"LANG": "C", "TOKEN": "secret", "PYTEST_PLUGINS": "mine"},
)


def test_the_message_that_starts_a_worker_on_a_host() -> None:
    spec = parse_spec("ssh=h//nice=5//env:TOKEN//env:COLOUR=red//dont_write_bytecode")
    run = settings(
        arguments=("-v", "--tx", "ssh=h", "-n3", "--junitxml=x.xml", "/home/me/project/tests"),
        invocation_dir=PROJECT / "tests",
    )
    assert spawn_message(
        worker="gw3",
        worker_count=4,
        worker_input={"workerid": "gw3"},
        spec=spec,
        place=REMOTE,
        start_up=START_UP,
        settings=run,
        env_folder="/cache/envs/3fa9c1",
        overlay=Overlay(files=(("demo.pth", "{tree}/src\n"),)),
        extensions_folder="/cache/envs/7ab",
        way="auto",
    ) == messages.SpawnWorker(
        worker="gw3",
        arguments=[
            "--dist=load",
            "--rootdir=/c/0/base",
            *("-c", "/c/0/base/tox.ini"),
            "-v",
            "/c/0/base/tests",
        ],
        directory="/c/0/base/tests",
        environment={
            "PYTEST_PLUGINS": "mine",
            "PYTEST_XDIST_WORKER": "gw3",
            "PYTEST_XDIST_WORKER_COUNT": "4",
            "PYTEST_XDIST_TESTRUNUID": "run1",
            "PYTEST_ADDOPTS": "",
            "PYTHONDONTWRITEBYTECODE": "1",
            "TOKEN": "secret",
            "COLOUR": "red",
        },
        python_path=["/c/0/base/tests", "/c/0/base/src"],
        whole_path=False,
        nice=5,
        worker_input=values.pack({"workerid": "gw3"}),
        env_folder="/cache/envs/3fa9c1",
        overlay=[["demo.pth", "/c/0/base/src\n"]],
        extensions_folder="/cache/envs/7ab",
        way="auto",
    )


@pytest.mark.parametrize(
    ("spec", "place", "directory"),
    [
        ("ssh=h", REMOTE, "/c/0/base/tests"),
        ("popen", HERE, "/home/me/project/tests"),
        ("popen//chdir=sub", HERE, "/home/me/project/tests/sub"),
        ("popen//chdir=/data", OTHER, "/data"),
    ],
)
def test_the_working_directory(spec: str, place: Place, directory: str) -> None:
    run = settings(invocation_dir=PROJECT / "tests")
    assert worker_directory(parse_spec(spec), place, run) == directory


def test_a_working_directory_that_does_not_travel() -> None:
    run = settings(invocation_dir=Path("/home/me"))
    assert worker_directory(parse_spec("ssh=h"), REMOTE, run) == "/c/0/base"


def test_arguments_without_a_config_file_and_with_a_base_folder() -> None:
    run = settings(arguments=("tests", "-k", "a or b"), config_file=None)
    assert worker_arguments("gw0", HERE, run) == [
        "--dist=load",
        "--rootdir=/home/me/project",
        "--basetemp=/tmp/base/popen-gw0",
        *("tests", "-k", "a or b"),
    ]


def test_a_worker_is_not_told_what_is_only_shown_here() -> None:
    """An older pytest or pytest-cov on a host would refuse what it does not know."""
    shown = (
        *("--no-fold-skipped", "--xfail-tb", "--force-short-summary", "--max-warnings=3"),
        *("--cov-report=markdown:out.md", "--cov-fail-under=9", "--cov-precision=1"),
    )
    run = settings(arguments=("-v", *shown, "--log-file-mode=a"), config_file=None)
    assert worker_arguments("gw0", REMOTE, run) == [
        "--dist=load",
        "--rootdir=/c/0/base",
        "-v",
    ]


def test_a_worker_here_has_the_whole_environment() -> None:
    found = worker_variables(
        worker="gw0",
        worker_count=1,
        run_uid="run1",
        spec=parse_spec("popen//env:LANG=de"),
        place=OTHER,
        start_up=START_UP,
    )
    assert found == {
        "LANG": "de",
        "TOKEN": "secret",
        "PYTEST_PLUGINS": "mine",
        "PYTEST_XDIST_WORKER": "gw0",
        "PYTEST_XDIST_WORKER_COUNT": "1",
        "PYTEST_XDIST_TESTRUNUID": "run1",
        "PYTEST_ADDOPTS": "",
    }


@pytest.mark.parametrize(
    ("place", "entries"),
    [
        (HERE, ["/home/me/project/src", "/usr/lib/python3.12"]),
        (OTHER, ["/home/me/project/src", "/elsewhere"]),
        (REMOTE, ["/c/0/base", "/c/0/base/src"]),
    ],
)
def test_what_modules_are_found(place: Place, entries: list[str]) -> None:
    assert search_path("/c/0/base", place, START_UP) == entries


def test_entries_of_the_project() -> None:
    installation = ["/usr/lib/python3.12", "/usr/lib/python3.12/site-packages"]
    entries = [
        "",
        "src",
        "/usr/lib/python312.zip",
        "/usr/lib/python3.12",
        "/usr/lib/python3.12/lib-dynload",
        "/usr/lib/python3.12-mine",
        "/opt/lib",
    ]
    assert project_entries(entries, installation, "/here") == (
        "/here/",
        "/here/src",
        "/usr/lib/python3.12-mine",
        "/opt/lib",
    )
