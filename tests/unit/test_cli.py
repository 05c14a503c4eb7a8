"""The command line of ``remotest``: what it refuses, and how it ends."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import wheelfiles

from remotest import cli
from remotest.cliparser import CACHE_OPTIONS, CHECK_OPTIONS, ENV_FLAGS
from remotest.env.wheelcache import WheelCache

USAGE = 4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "the following arguments are required: COMMAND; see remotest --help"),
        (["--frob"], "the following arguments are required: COMMAND; see remotest --help"),
        (["check", "--tz=a"], "unrecognized arguments: --tz=a; see remotest --help"),
        (["check", "--tx"], "argument --tx: expected one argument; see remotest check --help"),
        (["cache"], "the following arguments are required: action; see remotest cache"),
        (["cache", "frob"], "argument action: invalid choice: 'frob' (choose from"),
        (["cache", "gc", "a"], "cache gc takes no names: it decides by age and size"),
        (["cache", "rm"], "cache rm needs the names of what to remove: see remotest cache ls"),
        (["env", "--tz=a"], "unrecognized arguments: --tz=a; see remotest --help"),
        (["serve", "--port=x"], "argument --port: invalid int value: 'x'; see remotest serve"),
        (["serve", "--authorized-keys=none"], "none cannot be read: No such file or directory"),
    ],
)
def test_wrong_usage_is_one_line(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(arguments) == USAGE
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.startswith(f"remotest: {said}")
    assert errors.count("\n") == 1


@pytest.mark.parametrize("command", ["", "check", "sync", "matrix", "env", "cache", "serve"])
def test_help_names_every_option(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([*command.split(), "--help"])
    assert ended.value.code == 0
    options = set(re.findall(r"^  (?:-h, )?(--[\w-]+)", capsys.readouterr().out, re.MULTILINE))
    assert (
        options
        == {
            "": {"--help", "--version"},
            "check": {"--help", *CHECK_OPTIONS},
            "sync": {"--help", "--verbose", *CHECK_OPTIONS},
            "matrix": {"--help", *CHECK_OPTIONS},
            "env": {"--help", *CHECK_OPTIONS, *ENV_FLAGS},
            "cache": {"--help", *CACHE_OPTIONS},
            "serve": {"--help", "--bind", "--port", "--authorized-keys", "--host-key"},
        }[command]
    )


def test_the_reference_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "command-line.md").read_text()
    for command in ("check", "sync", "matrix", "env", "cache", "serve"):
        with pytest.raises(SystemExit):
            cli.main([command, "--help"])
        options = set(re.findall(r"^  (--[\w-]+)", capsys.readouterr().out, re.MULTILINE))
        _, _, section = page.partition(f"## `remotest {command}`")
        section, _, _ = section.partition("\n## ")
        listed = set(re.findall(r"^\| `(--[\w-]+)", section, re.MULTILINE))
        if "are those of `remotest check`" in section.replace("\n", " "):
            listed |= set(CHECK_OPTIONS)
        assert listed == options


AS_PROGRAM = """
import atexit, sys
from remotest.cli import program
atexit.register(print, "last words")
print("first words")
sys.argv[1:] = ["cache", *sys.argv[1:]]
program()
"""


@pytest.mark.parametrize(
    ("arguments", "is_read", "code", "said"),
    [
        (["ls"], True, 0, ["first words", "PLACE: nothing", "last words"]),
        (["frob"], True, USAGE, ["first words", "last words"]),
        # Python's own code for an output that could not be written.
        pytest.param(
            *(["frob"], False, 120, []),
            marks=pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full"),
        ),
    ],
    ids=["good", "wrong-usage", "disk-full"],
)
def test_the_program_ends_as_python_does(
    tmp_path: Path, arguments: list[str], is_read: bool, code: int, said: list[str]
) -> None:
    with Path("/dev/full" if not is_read else tmp_path / "output").open("w") as output:
        ended = subprocess.run(
            [sys.executable, "-c", AS_PROGRAM, *arguments],
            env={**os.environ, "XDG_CACHE_HOME": str(tmp_path), "COLUMNS": "200"},
            stdout=output,
            stderr=subprocess.DEVNULL,
            timeout=60,
            check=False,
        )
    assert ended.returncode == code
    if is_read:
        place = tmp_path / "remotest" / "v1"
        lines = (tmp_path / "output").read_text().replace(str(place), "PLACE").splitlines()
        assert lines == said


def test_the_own_cache_is_listed_and_emptied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    place = tmp_path / "remotest" / "v1"

    def type_command(*arguments: str) -> tuple[int, list[str]]:
        status = cli.main(["cache", *arguments])
        output, errors = capsys.readouterr()
        return status, (output + errors).splitlines()

    assert type_command("ls") == (0, [f"{place}: nothing"])
    cache = WheelCache(place)
    for name in ("ladder", "toolz"):
        wheel = wheelfiles.wheel(wheelfiles.make(tmp_path / name, name, "1.0"))
        cache.adopt(wheel.path, wheel.sha256)
    cache.remember("locks", "3fa9c1", {})
    status, lines = type_command("ls")
    assert (status, lines[0]) == (0, "kind   size   last use  in use  name")
    assert sorted(line.split()[-1] for line in lines[1:-1]) == [
        "3fa9c1",
        "ladder-1.0-py3-none-any.whl",
        "toolz-1.0-py3-none-any.whl",
    ]
    assert lines[-1].startswith(f"{place}: 3 things, ")
    assert type_command("gc") == (0, [f"{place}: nothing removed"])
    status, lines = type_command("rm", "toolz", "3fa*")
    assert (status, lines[-1].rpartition(" ")[2]) == (0, "removed")
    assert [entry.title for entry in cache.entries()] == ["ladder-1.0-py3-none-any.whl"]
    refusal = "remotest: nothing in the cache is called toolz: see remotest cache ls"
    assert type_command("rm", "toolz") == (USAGE, [refusal])
