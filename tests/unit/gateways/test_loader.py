"""The loader, in real interpreters: it runs a package from memory and from nowhere else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import interpreters
import pytest
from gatewayworld import WAIT_S, stub_bundle

from pytest_remotest import loader
from remotest.bundle import BYTECODE, LOADER, pack_bundle, read_bundle

PLUGIN = Path(__file__).parents[3] / "plugin"

REPORT = """\
import importlib, inspect, json, os, sys, traceback
from pytest_remotest import loader
def main(read_fd, write_fd):
    import pytest_remotest.helper
    try:
        pytest_remotest.helper.fail()
    except ValueError:
        trace = traceback.format_exc()
    try:
        import pytest_remotest.on_disk
    except ImportError as error:
        missing = str(error)
    answer = [sorted(loader.bundle()), trace.splitlines()[-3:], missing,
              inspect.getsource(pytest_remotest.helper.fail), "" in sys.path]
    os.write(write_fd, json.dumps(answer).encode())
    return 7
"""
HELPER = "def fail():\n    raise ValueError('here')\n"


@pytest.mark.parametrize("name", [*interpreters.ALL, "this"])
def test_a_worker_process_runs_from_the_bundle_alone(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An installed package of the same name is not touched, nor a json.py where it starts."""
    python = Path(sys.executable) if name == "this" else interpreters.find_or_skip(name)
    installed = tmp_path / "site" / "pytest_remotest"
    installed.mkdir(parents=True)
    for file in ("__init__", "worker", "on_disk"):
        (installed / f"{file}.py").write_text("raise SystemExit('from disk')")
    (tmp_path / "json.py").write_text("raise SystemExit('from disk')")
    bundle = stub_bundle(worker=REPORT, helper=HELPER)
    body = pack_bundle(bundle)

    child_in, to_child = os.pipe()
    from_child, child_out = os.pipe()
    with monkeypatch.context() as patched:  # Where remotest runs this, it has byte code of its own.
        patched.setattr(loader, "finder", lambda: None)
        command = loader.worker_command(child_in, child_out)
    process = subprocess.Popen(
        [python, *command[1:]],
        pass_fds=(child_in, child_out),
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed.parent)},
    )
    os.close(child_in)
    os.close(child_out)
    with os.fdopen(to_child, "wb") as stream:
        stream.write(len(body).to_bytes(4, "big") + body)
    with os.fdopen(from_child, "rb") as stream:
        answer = json.load(stream)
    assert process.wait(WAIT_S) == 7
    assert answer == [
        sorted(bundle),
        [
            '  File "<remotest>/pytest_remotest/helper.py", line 2, in fail',
            "    raise ValueError('here')",
            "ValueError: here",
        ],
        "No module named 'pytest_remotest.on_disk'",
        HELPER,
        False,
    ]


def test_a_worker_whose_agent_is_gone_ends() -> None:
    process = subprocess.run(
        loader.worker_command(0, 1), input=b"\0\0\0\7abc", capture_output=True, check=False
    )
    assert (process.returncode, process.stdout, process.stderr) == (
        1,
        b"",
        b"the agent ended before its worker had started\n",
    )


def test_a_second_bundle_replaces_the_first() -> None:
    """As in a socket server, which serves one controller after the other."""
    program = (
        "import types\n"
        "for text in ('first', 'second'):\n"
        "    bytecode, module = types.ModuleType('bytecode'), types.ModuleType('loader')\n"
        f"    exec({read_bundle()[BYTECODE]!r}, bytecode.__dict__)\n"
        f"    exec({read_bundle()[LOADER]!r}, module.__dict__)\n"
        "    code = bytecode.ByteCode([], '')\n"
        "    module.install({'pytest_remotest': 'TEXT = %r' % text}, b'', code)\n"
        "    import pytest_remotest\n"
        "    print(pytest_remotest.TEXT, module.bundle())\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert answer.stdout.splitlines() == [
        "first {'pytest_remotest': \"TEXT = 'first'\"}",
        "second {'pytest_remotest': \"TEXT = 'second'\"}",
    ]


def test_the_bundle_is_the_whole_package() -> None:
    package = PLUGIN / "pytest_remotest"
    expected = {
        "pytest_remotest" if file.stem == "__init__" else f"pytest_remotest.{file.stem}": (
            file.read_text(encoding="utf-8")
        )
        for file in package.glob("*.py")
    }
    assert read_bundle() == expected
    assert set(package.rglob("*.py")) == set(package.glob("*.py"))


def test_the_same_bundle_is_the_same_bytes() -> None:
    """What hosts keep is named by these."""
    bundle = {"pytest_remotest": "", "pytest_remotest.loader": "a"}
    assert pack_bundle(bundle) == pack_bundle(dict(reversed(bundle.items())))


def test_without_a_bundle_there_is_none() -> None:
    program = "from pytest_remotest import loader; print(loader.bundle())"
    answer = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(PLUGIN)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout == "{}\n"
