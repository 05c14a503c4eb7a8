"""An environment and its overlay on every interpreter: what is importable, found and run there."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import interpreters
import pytest
from envhosts import HostProcess
from wheels import Draft

from pytest_remotest.overlay import Overlay

if TYPE_CHECKING:
    from remotest.env.model import Wheel

DEBIAN_PYTHON: Final = "/usr/bin/python3"
"""Where there is one it may lack ``ensurepip``, and has folders of its own for packages."""

LOOK: Final = """
import json, os, site, sys
try:
    from importlib import metadata
except ImportError:  # until 3.7
    metadata = None
import demo, project
print(json.dumps({
    "order": [name for name in sys.path if name.startswith(sys.argv[1])],
    "prefix": [sys.prefix, sys.base_prefix != sys.prefix, site.ENABLE_USER_SITE],
    "pth": getattr(sys, "demo_pth", None),
    "modules": [demo.NAME, project.__file__],
    "data": open(os.path.join(sys.prefix, "share", "demo", "words.txt")).read(),
    "versions": metadata and [metadata.version("demo"), metadata.version("project")],
    "plugins": metadata and sorted(
        found.name for dist in metadata.distributions() for found in dist.entry_points
        if found.group == "pytest11"
    ),
    "files": metadata and sorted(map(str, metadata.files("demo"))),
}))
"""


@pytest.fixture
def wheels(tmp_path: Path) -> list[Wheel]:
    demo = Draft(
        files={
            "demo.py": """
                import sys
                NAME = "demo"
                def main():
                    print(sys.prefix, sys.argv[1:])
                """,
            "demo.pth": "import sys; sys.demo_pth = True\n",
            "demo-1.0.data/data/share/demo/words.txt": "words",
            "demo-1.0.data/scripts/tool": "#!python\nimport demo, sys\nprint(sys.prefix)\n",
        },
        entry_points="""
            [console_scripts]
            run-demo = demo:main
            [pytest11]
            demo = demo
            """,
    )
    return [demo.write(tmp_path)]


def project_files(tree: Path) -> list[tuple[str, str]]:
    tree.mkdir()
    (tree / "project.py").write_text("def main():\n    print('project')\n")
    info = "project-2.0.dist-info"
    points = "[console_scripts]\nproject = project:main\n[pytest11]\nproject = project\n"
    return [
        ("project.pth", f"{tree}\n"),
        (f"{info}/METADATA", "Metadata-Version: 2.1\nName: project\nVersion: 2.0\n"),
        (f"{info}/entry_points.txt", points),
    ]


def run(program: Path, *arguments: str) -> str:
    answer = subprocess.run(
        [program, *arguments], check=False, capture_output=True, text=True, cwd="/", env={}
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def python_of(name: str) -> Path:
    if name != DEBIAN_PYTHON:
        return interpreters.find_or_skip(name)
    if not Path(name).exists():
        pytest.skip("no python3 of the system")
    return Path(name)


@pytest.mark.parametrize("name", [*interpreters.ALL, DEBIAN_PYTHON])
def test_environment_and_project_are_seen(tmp_path: Path, wheels: list[Wheel], name: str) -> None:
    files = project_files(tmp_path / "tree")
    (tmp_path / "home").mkdir()
    with HostProcess(tmp_path / "home", python_of(name)) as host:
        env = host.ship(wheels).folder
        python = host.overlay(env, files)
        overlay = python.parent.parent
        seen: dict[str, Any] = json.loads(run(python, "-c", LOOK, str(tmp_path)))
        (site,) = Path(env).glob("lib/py*/site-packages")
        has_metadata = seen["versions"] is not None
        listed = sorted(
            [
                *("../../../bin/run-demo", "../../../bin/tool", "../../../share/demo/words.txt"),
                *("demo.py", "demo.pth"),
                *(
                    f"demo-1.0.dist-info/{file}"
                    for file in ("INSTALLER", "METADATA", "RECORD", "WHEEL", "entry_points.txt")
                ),
            ]
        )
        assert seen == {
            "order": [
                str(overlay / site.relative_to(env)),
                str(tmp_path / "tree"),
                str(site),
            ],
            "prefix": [str(overlay), True, False],
            "pth": True,
            "modules": ["demo", str(tmp_path / "tree" / "project.py")],
            "data": "words",
            "versions": ["1.0", "2.0"] if has_metadata else None,
            "plugins": ["demo", "project"] if has_metadata else None,
            "files": listed if has_metadata else None,
        }
        assert run(python.with_name("run-demo"), "a b") == f"{overlay} ['a b']\n"
        assert run(python.with_name("tool")) == f"{overlay}\n"
        assert run(python.with_name("project")) == "project\n"
        assert run(Path(env, "bin", "run-demo")) == f"{env} []\n"


def test_interpreter_that_is_used_as_it_is_can_have_a_project_too(tmp_path: Path) -> None:
    files = project_files(tmp_path / "tree")
    (tmp_path / "home").mkdir()
    python = interpreters.with_pytest("3.8")
    before = {path: path.stat().st_mtime_ns for path in python.parents[1].rglob("*")}
    with HostProcess(tmp_path / "home", python) as host:
        overlay = host.overlay(None, files)
        look = "import project, pytest; print(project.__file__, pytest.__file__)"
        mine, theirs = run(overlay, "-B", "-c", look).split()
    assert mine == str(tmp_path / "tree" / "project.py")
    assert Path(theirs).is_relative_to(python.parents[1])
    assert {path: path.stat().st_mtime_ns for path in python.parents[1].rglob("*")} == before


def test_environment_of_a_virtual_environments_python_is_the_base_interpreters(
    tmp_path: Path, wheels: list[Wheel]
) -> None:
    (tmp_path / "home").mkdir()
    with HostProcess(tmp_path / "home", interpreters.with_pytest("3.9")) as host:
        python = Path(host.ship(wheels).folder, "bin", "python")
        look = "import importlib.util; print(importlib.util.find_spec('pytest'))"
        assert run(python, "-c", look) == "None\n"
        assert python.resolve() == interpreters.find_or_skip("3.9")


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ({b"PATH": b"/usr/bin"}, b"/run/bin:/env/bin:/usr/bin"),
        ({}, b"/run/bin:/env/bin:" + os.defpath.encode()),
    ],
)
def test_worker_has_the_variables_of_an_activated_environment(
    before: dict[bytes, bytes], expected: bytes
) -> None:
    variables = {**before, b"PYTHONHOME": b"/elsewhere", b"HOME": b"/home/me"}
    Overlay(b"/run", [b"/run/bin", b"/env/bin"]).activate(variables)
    assert variables == {b"PATH": expected, b"VIRTUAL_ENV": b"/run", b"HOME": b"/home/me"}
