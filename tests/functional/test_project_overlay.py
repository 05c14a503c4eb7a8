"""The project on a host: it is imported from its tree there and has its metadata."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import interpreters
import pytest
from overlays import Host, contents, target_of, write

from remotest.env.project import make_overlay

if TYPE_CHECKING:
    from collections.abc import Mapping

    from remotest.env.model import Overlay

HERE: Final = Path(sys.executable)

METADATA: Final = """\
Metadata-Version: 2.4
Name: Sample.Project
Version: 1.2
Requires-Dist: iniconfig>=1
Description-Content-Type: text/markdown

# {tree} is described at length
"""

ENTRY_POINTS: Final = """\
[console_scripts]
sample = sample.core:main

[pytest11]
sample = sample.plugin
"""

HOOK: Final = """
from __future__ import annotations
import sys
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import spec_from_file_location
from pathlib import Path

MAPPING: dict[str, str] = {"sample": "%(here)s/lib/sample", "space.one": "%(here)s/one"}
NAMESPACES: dict[str, list[str]] = {"space": []}
PLACEHOLDER = "__editable__.sample" + ".__path_hook__"

class Finder:
    @classmethod
    def find_spec(cls, fullname: str, path=None, target=None) -> ModuleSpec | None:
        if fullname in MAPPING:
            return spec_from_file_location(fullname, Path(MAPPING[fullname]) / "__init__.py")
        return None

class NamespaceFinder:
    @classmethod
    def path_hook(cls, path) -> type[NamespaceFinder]:
        if path == PLACEHOLDER:
            return cls
        raise ImportError

    @classmethod
    def find_spec(cls, fullname: str, target=None) -> ModuleSpec | None:
        if fullname in NAMESPACES:
            spec = ModuleSpec(fullname, None, is_package=True)
            spec.submodule_search_locations = [*NAMESPACES[fullname], PLACEHOLDER]
            return spec
        return None

def install():
    sys.meta_path.append(Finder)
    sys.path_hooks.append(NamespaceFinder.path_hook)
    sys.path.append(PLACEHOLDER)
"""
"""An import hook as setuptools writes it: annotations that Python 3.6 does not read included."""


def install(site_packages: Path, project: Path, files: Mapping[str, str]) -> None:
    """Install a project in place as a tool does: it need not have been built for that."""
    folder = "sample_project-1.2.dist-info"
    origin = {"url": f"file://{quote(str(project))}", "dir_info": {"editable": True}}
    installed = {
        **files,
        f"{folder}/METADATA": METADATA,
        f"{folder}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{folder}/entry_points.txt": ENTRY_POINTS,
        f"{folder}/direct_url.json": json.dumps(origin),
    }
    record = "".join(f"{name},,\n" for name in installed) + "../../../bin/sample,,\n"
    write(site_packages, {**installed, f"{folder}/RECORD": record})


def overlay_of(project: Path, tmp_path: Path, python: Path = HERE, **options: Any) -> Overlay:
    """Return the overlay of an editable project, where only a folder of the test is searched."""
    options.setdefault("search_path", [str(tmp_path / "site-packages")])
    return make_overlay(project, "editable", target_of(python), tmp_path / "cache", **options)


def texts(overlay: Overlay, ending: str) -> list[str]:
    return [text for name, text in overlay.files if name.endswith(ending)]


# -- what is installed here -------------------------------------------------------------------


def test_an_install_in_place_is_taken_as_it_is(tmp_path: Path) -> None:
    project = write(
        tmp_path / "a project",
        {"src/sample/__init__.py": "", "src/sample/core.py": "", "src/sample/plugin.py": ""},
    )
    install(tmp_path / "site-packages", project, {"sample.pth": f"{project}/src\n"})

    overlay = overlay_of(project, tmp_path)

    assert overlay.notes == ()
    assert overlay.names == {"sample-project"}
    assert texts(overlay, "METADATA") == [METADATA.partition("Description")[0]]
    assert texts(overlay, "direct_url.json") == [
        '{"url": "file://{tree}", "dir_info": {"editable": true}}\n'
    ]
    assert Host(tmp_path / "host", HERE, project, overlay).look(
        ("sample", "sample.core"), ("sample-project",)
    ) == {
        "files": {"sample": "src/sample/__init__.py", "sample.core": "src/sample/core.py"},
        "versions": {"sample-project": "1.2"},
        "entry_points": [
            ["console_scripts", "sample", "sample.core:main"],
            ["pytest11", "sample", "sample.plugin"],
        ],
    }


@pytest.mark.parametrize("name", ["3.6", "3.11"])
def test_import_hooks_work_on_old_interpreters(tmp_path: Path, name: str) -> None:
    project = write(
        tmp_path / "project",
        {"lib/sample/__init__.py": "", "lib/sample/core.py": "", "one/__init__.py": ""},
    )
    hook = {
        "__editable__.sample.pth": "import __editable___sample; __editable___sample.install()",
        "__editable___sample.py": HOOK % {"here": project},
    }
    install(tmp_path / "site-packages", project, hook)
    python = interpreters.find_or_skip(name)

    overlay = overlay_of(project, tmp_path, python)

    assert Host(tmp_path / "host", python, project, overlay).look(
        ("sample", "sample.core", "space.one")
    )["files"] == {
        "sample": "lib/sample/__init__.py",
        "sample.core": "lib/sample/core.py",
        "space.one": "one/__init__.py",
    }


def test_an_install_of_before_wheels(tmp_path: Path) -> None:
    """``setup.py develop`` leaves a link, and the metadata in the tree."""
    project = write(
        tmp_path / "project",
        {
            "setup.py": "",
            "src/sample/__init__.py": "",
            "src/Sample_Project.egg-info/PKG-INFO": METADATA.replace("Requires", "X-Requires"),
            "src/Sample_Project.egg-info/requires.txt": "iniconfig\n\n[extra]\npluggy\n",
            "src/Sample_Project.egg-info/entry_points.txt": ENTRY_POINTS,
        },
    )
    write(
        tmp_path / "site-packages",
        {"Sample-Project.egg-link": f"{project}/src\n..", "easy-install.pth": f"{project}/src\n"},
    )

    overlay = overlay_of(project, tmp_path)

    (project / "src" / "Sample_Project.egg-info" / "PKG-INFO").unlink()
    assert [name for name, _ in overlay.files if name.endswith((".pth", "METADATA"))] == [
        "Sample_Project-1.2.dist-info/METADATA",
        "__editable__.Sample_Project-1.2.pth",
    ]
    assert "Requires-Dist: iniconfig\nRequires-Dist: pluggy" in texts(overlay, "METADATA")[0]
    found = Host(tmp_path / "host", HERE, project, overlay).look(("sample",), ("sample.project",))
    assert found["files"] == {"sample": "src/sample/__init__.py"}
    assert found["versions"] == {"sample.project": "1.2"}


def test_only_import_hooks_are_rewritten(tmp_path: Path) -> None:
    project = write(tmp_path / "project", {"src/sample/__init__.py": ""})
    module = f'path: str = "{project}/src"  # as it is\n'
    files = {
        "sample.pth": f"{project}/src\nimport hook, sys; hook.install('{project}')\nimport (\n",
        "hook.py": f"def install(path: str): assert path == '{project}'\n",
        "module.py": module,
        "odd.pth": "import odd\n",
        "odd.py": "this is no code\n",
        "sample_project-1.2.dist-info/LICENSE": "long",
        "blob.bin": "\0",
    }
    install(tmp_path / "site-packages", project, files)
    write(tmp_path / "site-packages", {"other-1.dist-info/direct_url.json": "{}"})

    overlay = overlay_of(project, tmp_path)

    found = dict(overlay.files)
    assert {name: found[name] for name in found if "/" not in name} == {
        "sample.pth": "{tree}/src\nimport hook, sys; hook.install('{tree}')\nimport (\n",
        "hook.py": "def install(path):\n    assert path == '{tree}'\n",
        "module.py": module,
        "odd.pth": "import odd\n",
        "odd.py": "this is no code\n",
    }
    assert overlay.notes == ("blob.bin of Sample.Project is no text, so it stays here",)


def test_what_an_install_leads_to_outside_of_the_tree_is_told(tmp_path: Path) -> None:
    project = write(tmp_path / "project", {"src/sample/__init__.py": ""})
    other = write(tmp_path / "project2", {"other.py": ""})
    install(tmp_path / "site-packages", project, {"sample.pth": f"{project}/src\n{other}\n"})

    overlay = overlay_of(project, tmp_path)

    assert texts(overlay, ".pth") == ["{tree}/src\n"]
    assert overlay.notes == (f"{other} is on the path of the project here, but does not travel",)


def test_a_root_outside_that_travels_too(tmp_path: Path) -> None:
    project = write(tmp_path / "project", {"src/sample/__init__.py": ""})
    other = write(tmp_path / "other", {"lib/helper.py": ""})
    install(tmp_path / "site-packages", project, {"sample.pth": f"{project}/src\n{other}/lib\n"})
    there = {
        str(project): "base",
        str(project / "src"): "base/src",
        f"{other}/lib": "outside/1/lib",
    }

    overlay = overlay_of(project, tmp_path, locate=there.get)

    assert texts(overlay, ".pth") == ["{tree}/src\n{tree}/../outside/1/lib\n"]
    assert overlay.notes == ()


def test_what_is_installed_from_elsewhere_is_no_business_of_the_tree(tmp_path: Path) -> None:
    project = write(tmp_path / "project", {"test_it.py": ""})
    other = write(tmp_path / "other", {"src/sample/__init__.py": ""})
    install(tmp_path / "site-packages", other, {"sample.pth": f"{other}/src\n"})

    assert overlay_of(project, tmp_path).files == ()


# -- what is not ------------------------------------------------------------------------------

BACKEND: Final = """
    import os, pathlib, zipfile

    def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
        pathlib.Path("build").mkdir()
        pathlib.Path("src/sample/_version.py").write_text("__version__ = '9'")
        with open(os.environ["CALLS"], "a") as calls:
            calls.write("called\\n")
        name = "sample-9-py3-none-any.whl"
        with zipfile.ZipFile(os.path.join(wheel_directory, name), "w") as wheel:
            wheel.writestr("sample.pth", os.path.abspath("src"))
            folder = "sample-9.dist-info"
            texts = {
                "METADATA": "Metadata-Version: 2.1\\nName: sample\\nVersion: 9\\n",
                "WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
                "entry_points.txt": "[pytest11]\\nsample = sample.core\\n",
            }
            for part, text in texts.items():
                wheel.writestr(f"{folder}/{part}", text)
            wheel.writestr(f"{folder}/RECORD", "")
        return name
    """
"""A backend that writes into the project, as all do. It needs no network."""

WITH_BACKEND: Final = """
    [build-system]
    requires = []
    build-backend = "backend"
    backend-path = ["."]

    [project]
    name = "sample"
    dynamic = ["version"]
    """


def test_its_backend_is_asked_once_and_writes_nothing_into_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = tmp_path / "calls"
    monkeypatch.setenv("CALLS", str(calls))
    project = write(
        tmp_path / "project",
        {
            "pyproject.toml": WITH_BACKEND,
            "backend.py": BACKEND,
            "src/sample/__init__.py": "",
            "src/sample/core.py": "",
        },
    )
    before = contents(project)

    overlay = overlay_of(project, tmp_path)

    assert contents(project) == before
    assert overlay.notes == ()
    assert overlay_of(project, tmp_path) == overlay
    assert calls.read_text() == "called\n"
    assert Host(tmp_path / "host", HERE, project, overlay).look(("sample.core",), ("sample",)) == {
        "files": {"sample.core": "src/sample/core.py"},
        "versions": {"sample": "9"},
        "entry_points": [["pytest11", "sample", "sample.core"]],
    }

    # It is asked again where what it was asked for may have changed.
    changes = {"src/sample/core.py": 1, "src/another.py": 2, "setup.cfg": 3, "src/sample/new.py": 3}
    for path, count in changes.items():
        write(project, {path: "[metadata]"})
        overlay_of(project, tmp_path)
        assert calls.read_text() == "called\n" * count, path


def test_settings_are_read_where_the_backend_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = tmp_path / "calls"
    monkeypatch.setenv("CALLS", str(calls))
    project = write(
        tmp_path / "project",
        {
            "pyproject.toml": WITH_BACKEND + '\n[project.scripts]\nsample = "sample:main"\n',
            "backend.py": """
                import os

                def build_editable(*_):
                    with open(os.environ["CALLS"], "a") as calls:
                        calls.write("called ")
                    raise SystemExit("no compiler")
                """,
            "src/sample/__init__.py": "__version__ = '3.1'",
        },
    )

    overlay = overlay_of(project, tmp_path)

    # Once without a network, once with one; not again for each interpreter.
    assert calls.read_text() == "called called "
    assert overlay_of(project, tmp_path) == overlay
    assert calls.read_text() == "called called "
    (note,) = overlay.notes
    assert note == (
        "sample: its build backend failed: no compiler. It is taken as its settings describe it; "
        "to have it as its build backend does, install it here: "
        f"pip install --editable {project}"
    )
    assert Host(tmp_path / "host", HERE, project, overlay).look(("sample",), ("sample",)) == {
        "files": {"sample": "src/sample/__init__.py"},
        "versions": {"sample": "3.1"},
        "entry_points": [["console_scripts", "sample", "sample:main"]],
    }


def test_a_directory_that_is_no_project_has_no_overlay(tmp_path: Path) -> None:
    project = write(tmp_path / "project", {"pyproject.toml": "[tool.pytest]\n", "test_it.py": ""})
    overlay = overlay_of(project, tmp_path)
    assert (overlay.files, overlay.wheels, overlay.notes) == ((), (), ())


def test_members_of_a_monorepo_are_each_their_own(tmp_path: Path) -> None:
    def member(name: str) -> str:
        return f'[project]\nname = "{name}"\nversion = "1"\n'

    project = write(
        tmp_path / "project",
        {
            "pyproject.toml": member("top")
            + '[tool.uv.workspace]\nmembers = ["libs/*"]\nexclude = ["libs/old"]\n',
            "top/__init__.py": "",
            "libs/one/pyproject.toml": member("one"),
            "libs/one/src/one/__init__.py": "",
            "libs/old/pyproject.toml": "broken",
            "libs/two/pyproject.toml": member("two")
            + 'dependencies = ["three @ file://%s"]\n' % (tmp_path / "project" / "three"),
            "libs/two/two.py": "",
            "three/setup.cfg": """
                [metadata]
                name = three
                version = 3
                [options]
                package_dir =
                    = lib
                """,
            "three/lib/three/__init__.py": "",
            "requirements-dev.txt": "pytest\n-e ./four[extra]  # the last\n",
            "four/pyproject.toml": member("four"),
            "four/four.py": "",
        },
    )

    overlay = overlay_of(project, tmp_path)

    names = ("top", "one", "two", "three", "four")
    assert overlay.names == set(names)
    found = Host(tmp_path / "host", HERE, project, overlay).look(names, names)
    assert found["files"] == {
        "top": "top/__init__.py",
        "one": "libs/one/src/one/__init__.py",
        "two": "libs/two/two.py",
        "three": "three/lib/three/__init__.py",
        "four": "four/four.py",
    }
    assert found["versions"] == {"top": "1", "one": "1", "two": "1", "three": "3", "four": "1"}
