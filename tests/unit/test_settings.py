"""What the user typed, read into settings."""

from __future__ import annotations

import dataclasses
import re
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import pytest
from _pytest.config import get_config

from remotest.errors import UsageError
from remotest.settings import Settings, active_plugins, read_settings
from remotest.spec import parse_spec, parse_tx
from remotest.sync.rules import parse_rule

if TYPE_CHECKING:
    from pathlib import Path

NOT_COMPARED: Final = ("option_arities", "local_base_folder", "plugins")


class Reader:
    """Reads command lines in a directory, as pytest does before it does anything."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def add_ini(self, line: str) -> None:
        path = self.directory / "tox.ini"
        path.write_text(f"{path.read_text()}{line}\n")

    def read(self, *arguments: str) -> Settings:
        config = get_config(list(arguments), [])
        try:
            config = config.pluginmanager.hook.pytest_cmdline_parse(
                pluginmanager=config.pluginmanager, args=list(arguments)
            )
            return read_settings(config)
        finally:
            config._ensure_unconfigure()


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reader:
    (tmp_path / "tox.ini").write_text(
        "[pytest]\ntestpaths = tests\nrsyncdirs = src\nrsyncignore = *.log !keep.log\n"
    )
    for name in ("tests/deep", "src", "more"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    return Reader(tmp_path)


def test_active_plugins_are_those_of_pytest(pytestconfig: pytest.Config) -> None:
    active = active_plugins(pytestconfig.pluginmanager)
    assert active["pytest-timeout"] == version("pytest-timeout")
    assert "packaging" not in active


def compared(settings: Settings) -> dict[str, Any]:
    fields = {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}
    return {name: value for name, value in fields.items() if name not in NOT_COMPARED}


def test_a_whole_command_line(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "-k 'not slow'")
    arguments = (
        *("--dist=each", "--tx", "2*popen", "--tx", "ssh=h//id=x", "--px", "ssh=gate//id=jump"),
        *("--rsyncdir=more", "--rsyncignore=*.tmp", "--max-worker-restart=3", "--testrunuid=run1"),
        *("--maxschedchunk=5", "tests/deep::test_x"),
    )
    found = reader.read(*arguments)
    base = str(reader.directory)
    assert compared(found) == {
        "mode": "each",
        "requests": (parse_tx("2*popen"), parse_tx("ssh=h//id=x")),
        "proxies": (parse_spec("ssh=gate//id=jump"),),
        "max_worker_restart": 3,
        "max_chunk_items": 5,
        "longest_first": False,
        "reorder_scopes": True,
        "strict_collection": False,
        "requeue": True,
        "reconnect_s": 120.0,
        "min_hosts": None,
        "ramp_s": found.ramp_s,
        "worker_timeout_s": None,
        "faults": (),
        "keep_orphans": False,
        "way": "auto",
        "run_uid": "run1",
        "arguments": ("-k", "not slow", *arguments),
        "invocation_dir": reader.directory,
        "root_dir": reader.directory,
        "config_file": reader.directory / "tox.ini",
        "roots": (reader.directory / "src", reader.directory / "more"),
        "rules": tuple(parse_rule(text, base) for text in ("*.log", "!keep.log", "*.tmp")),
        "argument_paths": (f"{base}/tests/deep",),
    }
    assert found.base_dir == reader.directory
    assert found.option_arities["--tx"] == "one"
    assert found.option_arities["-x"] == "none"


def test_the_least(reader: Reader) -> None:
    found = reader.read("-d", "--tx", "popen")
    assert (found.max_worker_restart, found.max_chunk_items, found.proxies) == (None, None, ())
    assert found.argument_paths == (f"{reader.directory}/tests",)
    assert len(found.run_uid) == 32
    assert found.run_uid != reader.read("-d", "--tx", "popen").run_uid


def test_paths_on_the_command_line_are_relative_to_the_working_directory(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(reader.directory / "tests")
    found = reader.read("-d", "--tx=popen", "--rsyncdir=../more", "--rsyncignore=deep", "deep")
    assert found.roots == (reader.directory / "src", reader.directory / "more")
    assert found.rules[-1] == parse_rule("deep", f"{reader.directory}/tests")
    assert found.argument_paths == (f"{reader.directory}/tests/deep",)
    assert found.invocation_dir == reader.directory / "tests"
    assert found.base_dir == reader.directory


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--px", "ssh=gate"),
            "--px ssh=gate: a proxy needs an id that others name: add //id=NAME",
        ),
        (
            ("--tx", "popen//id=a", "--tx", "ssh=h//id=a"),
            "id=a: two workers cannot have the same id",
        ),
        (
            ("--tx", "popen//env:NOT_SET_AT_ALL"),
            "env:NOT_SET_AT_ALL: NOT_SET_AT_ALL is not set here, so there is nothing to forward",
        ),
        (
            ("--tx=popen", "--max-worker-restart=few"),
            "--max-worker-restart few: it must be a whole number",
        ),
    ],
)
def test_what_cannot_be(reader: Reader, arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        reader.read("-d", *arguments)
    assert str(caught.value) == message


def test_a_root_that_is_not_there(reader: Reader) -> None:
    with pytest.raises(UsageError) as caught:
        reader.read("-d", "--tx=popen", "--rsyncdir=lost")
    assert str(caught.value) == (
        f"rsyncdir {reader.directory}/lost: there is no such file or directory"
    )


@pytest.mark.parametrize(
    ("arguments", "ini", "min_hosts"),
    [
        (["-d", "--tx=ssh=a", "--tx=2*ssh=a//python=3.9", "--tx=ssh=b", "--min-hosts=2"], "", 2),
        (["-d", "--tx=ssh=a", "--tx=ssh=b"], "min_hosts = 2", 2),
        (["-d", "--tx=ssh=a", "--tx=ssh=b", "--min-hosts=1"], "min_hosts = 2", 1),
        (["-d", "--tx=2*popen"], "min_hosts = 2", 1),
        (["--dist=each", "--tx=ssh=a", "--tx=ssh=b"], "min_hosts = 2", None),
    ],
)
def test_how_many_hosts_must_be_left(
    reader: Reader, arguments: list[str], ini: str, min_hosts: int | None
) -> None:
    reader.add_ini(ini)
    assert reader.read(*arguments).min_hosts == min_hosts


@pytest.mark.parametrize(
    ("arguments", "ini", "text"),
    [
        (["-d", "--tx=ssh=a", "--min-hosts=2"], "", "--min-hosts 2: it must be from 1 to 1"),
        (["-d", "--tx=ssh=a", "--min-hosts=0"], "", "--min-hosts 0: it must be from 1 to 1"),
        (["--dist=each", "--tx=ssh=a", "--min-hosts=1"], "", "--min-hosts: under --dist=each"),
        (["-d", "--tx=ssh=a"], "min_hosts = most", "min_hosts = most: it must be a whole number"),
    ],
)
def test_numbers_of_hosts_that_cannot_be(
    reader: Reader, arguments: list[str], ini: str, text: str
) -> None:
    reader.add_ini(ini)
    with pytest.raises(UsageError, match=re.escape(text)):
        reader.read(*arguments)
