"""Projects of every build backend and layout, as the backend itself installs them in place."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from overlays import Host, contents, target_of, write

from remotest.env.model import Overlay
from remotest.env.project import make_overlay
from remotest.env.project_paths import TreePaths
from remotest.env.project_settings import read_project_settings
from remotest.env.project_static import describe_statically

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

BACKENDS: Final = {
    "setuptools": "setuptools.build_meta",
    "hatchling": "hatchling.build",
    "flit_core": "flit_core.buildapi",
    "poetry-core": "poetry.core.masonry.api",
    "pdm-backend": "pdm.backend",
    "uv_build": "uv_build",
}

PROJECT: Final = """
[build-system]
requires = ["{backend}"]
build-backend = "{module}"

[project]
name = "sample"
version = "1.2"
description = "A sample"
readme = "README.md"

[project.scripts]
sample = "sample:main"

[project.entry-points.pytest11]
sample = "{package}.plugin"
"""

SETTINGS: Final = {
    ("uv_build", "flat"): '[tool.uv.build-backend]\nmodule-root = ""\n',
    ("uv_build", "namespace"): '[tool.uv.build-backend]\nmodule-name = "space.sample"\n',
    ("hatchling", "namespace"): '[tool.hatch.build.targets.wheel]\npackages = ["src/space"]\n',
    ("flit_core", "namespace"): '[tool.flit.module]\nname = "space.sample"\n',
    ("poetry-core", "namespace"): '[tool.poetry]\npackages = [{include = "space", from = "src"}]\n',
}
"""What a backend has to be told of a layout; the others see it."""

LAYOUTS: Final = {
    "src": ("", "src/sample", "sample"),
    "flat": ("", "sample", "sample"),
    "namespace": ("", "src/space/sample", "space.sample"),
    "member": ("libs/sample/", "src/sample", "sample"),
}
"""Directory of the project below the tree, the package's directory in it, the package."""

TOP: Final = """
[project]
name = "top"
version = "1"
dependencies = ["sample"]

[tool.uv.sources]
sample = { path = "libs/sample" }
"""


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_backend_and_a_layout(tmp_path: Path, backend: str, layout: str) -> None:
    where, directory, package = LAYOUTS[layout]
    settings = PROJECT.format(backend=backend, module=BACKENDS[backend], package=package)
    tree = write(
        tmp_path / "tree",
        {
            f"{where}pyproject.toml": settings + SETTINGS.get((backend, layout), ""),
            f"{where}README.md": "# A sample",
            f"{where}{directory}/__init__.py": '"""A sample."""',
            f"{where}{directory}/plugin.py": "",
            f"{where}tests/test_it.py": "",
            **({"pyproject.toml": TOP} if where else {}),
        },
    )
    before = contents(tree)
    here = Path(sys.executable)
    expected = {
        "files": {f"{package}.plugin": f"{where}{directory}/plugin.py"},
        "versions": {"sample": "1.2"},
        "entry_points": [
            ["console_scripts", "sample", "sample:main"],
            ["pytest11", "sample", f"{package}.plugin"],
        ],
    }
    looked_for = ((f"{package}.plugin",), ("sample",))

    overlay = make_overlay(tree, "editable", target_of(here), tmp_path / "cache", search_path=())

    assert overlay.notes == ()
    assert contents(tree) == before
    assert Host(tmp_path / "host", here, tree, overlay).look(*looked_for) == expected

    # What its settings tell comes to the same.
    described = describe_statically(read_project_settings(tree / where))
    files = TreePaths(tree).retarget(described.files)
    without_backend = Overlay(files=tuple(files.items()))
    assert Host(tmp_path / "host2", here, tree, without_backend).look(*looked_for) == expected


def test_without_uv_pip_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uv", None)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    settings = PROJECT.format(backend="flit_core", module="flit_core.buildapi", package="sample")
    files = {"pyproject.toml": settings, "README.md": "", "sample/__init__.py": '"""A sample."""'}
    tree = write(tmp_path / "tree", files)
    here = Path(sys.executable)

    overlay = make_overlay(tree, "editable", target_of(here), tmp_path / "cache", search_path=())

    assert overlay.notes == ()
    found = Host(tmp_path / "host", here, tree, overlay).look(("sample",), ("sample",))
    assert found["files"] == {"sample": "sample/__init__.py"}


def test_a_version_that_comes_from_git(tmp_path: Path) -> None:
    tree = write(
        tmp_path / "tree",
        {
            "pyproject.toml": """
                [build-system]
                requires = ["setuptools", "setuptools-scm"]
                build-backend = "setuptools.build_meta"

                [project]
                name = "sample"
                dynamic = ["version"]

                [tool.setuptools_scm]
                version_file = "src/sample/_version.py"
                """,
            ".gitignore": "_version.py\n",
            "src/sample/__init__.py": "",
        },
    )
    here = Path(sys.executable)

    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        subprocess.run(["git", *identity, *arguments], cwd=tree, check=True, capture_output=True)

    def versions(number: int) -> list[str]:
        cache = tmp_path / "cache"
        overlay = make_overlay(tree, "editable", target_of(here), cache, search_path=())
        host = Host(tmp_path / f"host{number}", here, tree, overlay)
        return [*host.look((), ("sample",))["versions"].values(), *overlay.notes]

    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--message", "first")
    git("tag", "v2.5")
    before = contents(tree)

    assert versions(1) == ["2.5"]
    assert contents(tree) == before
    git("tag", "v2.6")
    git("tag", "--delete", "v2.5")
    assert versions(2) == ["2.6"]
