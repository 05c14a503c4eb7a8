"""What projects say that they need: files of pip, tables of TOML, old settings, tox, locks."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any, Final

import probes
from fuzz.guard import watching
from fuzz.inputs import edited, lines_of
from fuzz.target import Target, scratch
from hypothesis import strategies as st

from remotest.env import declare, lock, tool_table
from remotest.env.project_settings import read_project_settings
from remotest.env.project_static import describe_statically
from remotest.env.requirement_files import read_requirement_file
from remotest.env.target import read_target
from remotest.env.tox_deps import read_tox, tox_lines
from remotest.env.unavailable import Unavailable
from remotest.errors import UsageError
from remotest.spec import parse_spec

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def _written(name: str, data: bytes) -> Path:
    path = scratch(name) / name
    path.write_bytes(data)
    return path


# -- files of pip ------------------------------------------------------------------------------

REQUIREMENT_WORDS: Final = (
    *(
        "demo",
        "==1.0",
        ">=1,<2",
        "[extra]",
        " @ ",
        "git+https://h/x.git",
        "#egg=a",
        "file://",
        "[",
        "]",
    ),
    *("-r ", "-c ", "-e ", "--hash=sha256:00", "requirements.txt", "./", "../x", "~/", ".", " ; "),
    *(
        "python_version<'3'",
        "(",
        ")",
        "(" * 300,
        "http://[",
        "\\\n",
        "#",
        "'",
        '"',
        "\x00",
        "$HOME",
    ),
    *("a-1.0-py3-none-any.whl", "https://u:p@h/a-1.0.zip", "%00", "://", "--", "=", "extra=='x'"),
)


def check_requirement_file(data: bytes) -> None:
    path = _written("requirements.txt", data)
    with watching(), contextlib.suppress(Unavailable):
        read_requirement_file(path, path.parent)


REQUIREMENT_FILE: Final = Target(
    name="requirement-file",
    check=check_requirement_file,
    inputs=lines_of(REQUIREMENT_WORDS)
    | edited(
        [
            b"demo[x]==1.0 ; python_version<'3' --hash=sha256:00\n-e .[a]\ngit+https://h/x.git#egg=a\n"
        ],
        [word.encode() for word in REQUIREMENT_WORDS],
    ),
)


# -- settings ----------------------------------------------------------------------------------

PYPROJECT: Final = """\
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "demo"
version = "1.0"
dynamic = ["readme"]
requires-python = ">=3.8"
dependencies = ["a>=1", "b @ file:libs/b"]
scripts = {run = "demo:main"}
[project.optional-dependencies]
test = ["pytest", "demo[x]"]
[project.entry-points.pytest11]
demo = "demo.plugin"
[dependency-groups]
dev = ["ruff", {include-group = "test"}]
test = ["pytest>=7"]
[tool.remotest]
group = "test"
worker_plugins_exclude = ["pytest-cov"]
[tool.uv.sources]
a = [{path = "libs/a", marker = "python_version<'3'"}, {git = "https://h/a.git", tag = "v1"}]
b = {workspace = true}
[tool.uv.workspace]
members = ["libs/*"]
[tool.poetry]
name = "demo"
packages = [{include = "demo", from = "src"}]
[tool.poetry.dependencies]
python = "^3.8"
c = {version = "^1.2", extras = ["x"], optional = true, platform = "linux"}
[tool.poetry.extras]
more = ["c"]
[tool.poetry.group.test.dependencies]
d = [{version = "~1", python = "<3.9"}, {path = "libs/d"}]
[tool.poetry.scripts]
run = "demo:main"
[tool.hatch.envs.test]
dependencies = ["e"]
features = ["test"]
[tool.pdm.dev-dependencies]
lint = ["f"]
[tool.setuptools]
package-dir = {"" = "src"}
[tool.setuptools.dynamic]
optional-dependencies = {x = {file = "x.txt"}}
[tool.tox]
env_list = ["py39"]
"""
SETUP_CFG: Final = """\
[metadata]
name = demo
version = attr: demo.VERSION
[options]
package_dir =
    = src
python_requires = >=3.8
install_requires =
    a>=1 ; python_version<'3'
    file: x.txt
[options.extras_require]
test = pytest
x:python_version<"3.8" = y
[options.packages.find]
where = src
[options.entry_points]
console_scripts =
    run = demo:main
"""
SETUP_PY: Final = """\
from setuptools import setup, find_packages
NAMES = ["a", "b>=1"]
setup(name="demo", version="1.0", install_requires=NAMES + ["c"], extras_require={"test": ["d"]},
      package_dir={"": "src"}, entry_points={"console_scripts": ["run=demo:main"]},
      python_requires=">=3")
"""
TOML_VALUES: Final = (
    *('"x"', "3", "true", "[]", "{}", '["x", 3]', '[["x"]]', "{a = 1}", "2001-01-01", "nan", '""'),
    *('"http://["', '"../x"', '"\\u0000"', '"(((("', "[{}]", '[{a = ["x"]}]', '"${a}{root:uri}"'),
    *('"~/x"', '"file:"', '">=3"', '"^"', '"^x"', '"~"', '"**/.."', '"/*"'),
)
PYTHON_WORDS: Final = (
    *("setup(", ")", "{[]: 1}", "{**a}", "a.b.setup(x=1)", "-", "+", "NAMES", "[", "]", "(" * 300),
    *("lambda: 0", "'x'", "name=", "install_requires=", "\x00", "{1, [2]}", "1 + 1j", "9" * 5000),
    *(
        "\n",
        "class",
        "-" * 2000,
        "package_dir={1: 2}",
        "extras_require={'a': 1}",
        "entry_points='x'",
    ),
    *("extras_require={3: ['x']}", "name=3", "version=b'1'", "package_dir={'': None}"),
)


def toml_with_changes() -> st.SearchStrategy[bytes]:
    """Return settings in which a few values are of other kinds, or lines are gone."""
    lines = PYPROJECT.splitlines()

    def changed(edits: list[tuple[int, str]]) -> bytes:
        text = list(lines)
        for number, value in edits:
            key, equals, _ = text[number].partition(" = ")
            text[number] = f"{key} = {value}" if equals and value else ""
        return "\n".join(text).encode()

    edit = st.tuples(st.integers(0, len(lines) - 1), st.sampled_from(["", *TOML_VALUES]))
    return st.lists(edit, min_size=1, max_size=4).map(changed)


def table_of_other_kind() -> st.SearchStrategy[bytes]:
    """Return settings whose tables, at any depth, are no tables."""
    names = [line[1:-1] for line in PYPROJECT.splitlines() if line.startswith("[")]
    prefixes = sorted({".".join(n.split(".")[:end]) for n in names for end in range(1, 5)})

    def text(name: str, value: str) -> bytes:
        table, _, key = name.rpartition(".")
        return (f"[{table}]\n" if table else "").encode() + f"{key} = {value}\n".encode()

    return st.builds(text, st.sampled_from(prefixes), st.sampled_from(TOML_VALUES))


SPECS: Final = (
    *("popen", "popen//group=test", "popen//extra=test,x", "popen//tox=py39", "popen//group=dev"),
)


def _read_settings(folder: Path) -> None:
    """Read all that is read of a project's settings."""
    reads: list[Callable[[], Any]] = [
        lambda: tool_table.find_excluded_plugins(folder),
        lambda: tool_table.find_project_mode(folder),
        lambda: declare.find_requires_python(folder),
        lambda: describe_statically(read_project_settings(folder)),
        *(lambda text=text: declare.find_wanted(folder, parse_spec(text)) for text in SPECS),  # type: ignore[misc]  # a lambda with its text
    ]
    for read in reads:
        with watching(), contextlib.suppress(Unavailable, UsageError):
            read()


def check_pyproject(data: bytes) -> None:
    _read_settings(_written("pyproject.toml", data).parent)


def check_setup_cfg(data: bytes) -> None:
    _read_settings(_written("setup.cfg", data).parent)


def check_setup_py(data: bytes) -> None:
    _read_settings(_written("setup.py", data).parent)


PYPROJECT_TOML: Final = Target(
    name="pyproject",
    check=check_pyproject,
    inputs=toml_with_changes()
    | table_of_other_kind()
    | edited([PYPROJECT.encode()], [b"[" * 2000, b"a.b.c = 1", b'"""', b"\x00", b"[[project]]"]),
)
SETUP_CFG_FILE: Final = Target(
    name="setup-cfg",
    check=check_setup_cfg,
    inputs=edited(
        [SETUP_CFG.encode()], [b"%(a)s", b"[", b"]", b"=", b":", b"\x00", b"file:", b"[DEFAULT]\n"]
    ),
)
SETUP_PY_FILE: Final = Target(
    name="setup-py",
    check=check_setup_py,
    inputs=edited([SETUP_PY.encode()], [word.encode() for word in PYTHON_WORDS])
    | st.lists(st.sampled_from(PYTHON_WORDS), max_size=4).map(
        lambda words: f"setup({', '.join(words)})".encode()
    ),
)


# -- tox ---------------------------------------------------------------------------------------

TOX: Final = b"""\
[tox]
envlist = py{38,39}-{a,b}, docs
[testenv]
deps =
    pytest
    a: demo{env:X:1}
    !b-py{38,39}: other
    {[base]deps}
    {posargs:x}
extras = test
[base]
deps = -r{toxinidir}/requirements.txt
[testenv:docs]
deps = {[testenv]deps}
"""
TOX_WORDS: Final = (
    *(
        b"{",
        b"}",
        b"{[testenv]deps}",
        b"{env:",
        b":",
        b": ",
        b",",
        b"!",
        b"-",
        b"{a,b}" * 4,
        b"[",
        b"]",
    ),
    *(b"[testenv:", b"=", b"\n    ", b"{posargs", b"#", b"{{}}", b"py39", b"\x00", b"%(x)s"),
)


def check_tox(data: bytes) -> None:
    path = _written("tox.ini", data)
    with watching(), contextlib.suppress(Unavailable):
        tox = read_tox(path.parent)
        for name in ("py39", "py39-a", "docs", "none", ""):
            for key in ("deps", "extras"):
                with contextlib.suppress(Unavailable):
                    tox_lines(tox, name, key)


TOX_INI: Final = Target(name="tox", check=check_tox, inputs=edited([TOX], TOX_WORDS))


# -- locks -------------------------------------------------------------------------------------

LOCK: Final = """\
lock-version = "1.0"
created-by = "uv"
requires-python = ">=3.8"
extras = ["x"]
dependency-groups = ["test"]
default-groups = ["test"]
[[packages]]
name = "demo"
version = "1.0"
marker = "python_version >= '3.8' and 'x' in extras"
sdist = {url = "https://h/demo-1.0.tar.gz", size = 10, hashes = {sha256 = "00"}}
wheels = [{name = "demo-1.0-py3-none-any.whl", url = "https://u:p@h/demo-1.0-py3-none-any.whl"}]
[[packages]]
name = "other"
vcs = {type = "git", url = "https://h/o.git", commit-id = "abc", subdirectory = "x"}
[[packages]]
name = "local"
directory = {path = "../local", editable = true}
[[packages]]
name = "packed"
archive = {path = "packed.zip", hashes = {sha256 = "00"}}
"""


def lock_with_changes() -> st.SearchStrategy[bytes]:
    values = [
        *TOML_VALUES,
        '"x.whl"',
        "[{name = 3}]",
        '{url = "http://["}',
        "-1",
        '{path = "\\u0000"}',
    ]
    lines = LOCK.splitlines()

    def changed(edits: list[tuple[int, str]]) -> bytes:
        text = list(lines)
        for number, value in edits:
            key, equals, _ = text[number].partition(" = ")
            text[number] = f"{key} = {value}" if equals and value else ""
        return "\n".join(text).encode()

    edit = st.tuples(st.integers(0, len(lines) - 1), st.sampled_from(["", *values]))
    return st.lists(edit, min_size=1, max_size=3).map(changed)


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts in a value; names of keys are none."""
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part)
    elif isinstance(value, str):
        yield value


def check_lock(data: bytes) -> None:
    """A lock, of the user or as a tool prints it, is read or refused."""
    try:
        document = tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError):
        return
    target, base = read_target(probes.example(), host="h"), scratch("lock")
    with watching(), contextlib.suppress(Unavailable):
        clean = lock.without_secrets(document)
        assert "://u:p@h/" not in str(list(_texts(clean)))
        for groups, extras in (((), ()), (("test",), ("x",))):
            with contextlib.suppress(Unavailable):
                artifacts = lock.choose(
                    lock.read_lock(clean, "it"),
                    target,
                    what="it",
                    base=base,
                    groups=groups,
                    extras=extras,
                )
                assert not any("/" in artifact.filename for artifact in artifacts)


LOCK_FILE: Final = Target(
    name="lock",
    check=check_lock,
    inputs=lock_with_changes()
    | edited([LOCK.encode()], [b"packages = 3\n", b"[packages]\n", b"http://[", b"[[packages]]\n"]),
)

TARGETS: Final = (
    REQUIREMENT_FILE,
    PYPROJECT_TOML,
    SETUP_CFG_FILE,
    SETUP_PY_FILE,
    TOX_INI,
    LOCK_FILE,
)
