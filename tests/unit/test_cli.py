"""The command line of ``remotest``: what it refuses, and how it ends."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from remotest import cli

USAGE = 4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "the following arguments are required: COMMAND; see remotest --help"),
        (["--frob"], "the following arguments are required: COMMAND; see remotest --help"),
        (["check", "--tz=a"], "unrecognized arguments: --tz=a; see remotest --help"),
        (["check", "--tx"], "argument --tx: expected one argument; see remotest check --help"),
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


@pytest.mark.parametrize("command", ["", "check", "serve"])
def test_help_names_every_option(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([*command.split(), "--help"])
    assert ended.value.code == 0
    options = set(re.findall(r"^  (?:-h, )?(--[\w-]+)", capsys.readouterr().out, re.MULTILINE))
    assert (
        options
        == {
            "": {"--help", "--version"},
            "check": {"--help", *cli.CHECK_OPTIONS},
            "serve": {"--help", "--bind", "--port", "--authorized-keys", "--host-key"},
        }[command]
    )


def test_the_reference_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "command-line.md").read_text()
    for command in ("check", "serve"):
        with pytest.raises(SystemExit):
            cli.main([command, "--help"])
        options = set(re.findall(r"^  (--[\w-]+)", capsys.readouterr().out, re.MULTILINE))
        _, _, section = page.partition(f"## `remotest {command}`")
        section, _, _ = section.partition("\n## ")
        assert set(re.findall(r"^\| `(--[\w-]+)", section, re.MULTILINE)) == options
