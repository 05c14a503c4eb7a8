"""The house keeps its rules: who imports whom, what travels to old interpreters, file sizes."""

from __future__ import annotations

import ast
import configparser
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

import interpreters
import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
PLUGIN: Final = ROOT / "plugin" / "pytest_remotest"

LAYERS: Final = tuple(
    parts.split()
    for parts in (
        "errors bundle spec spec_rules yaml_nodes pathmap",
        (
            "interpreters inventory wirefaults settings pytestconfig environments preflight labels "
            "launch lastwords hosttext garbage scheduling run sync env"
        ),
        "gateways",
        "driver agentline faultywire tidings backlog heartbeat interrupts",
        (
            "start "
            "controller schedulers durations discovery preparation places relay quota reports "
            "collected reportparts workercommands failureshape reporting compat visit check "
            "envcommand cachecommand cliparser screencommands dialling syncing synccommand cli"
        ),
    )
)
"""Parts of ``remotest``. A part imports its own layer and those above it in this table."""

PURE: Final = (
    "spec",
    "spec_rules",
    "pathmap",
    "environments",
    "interpreters",
    "preflight",
    "labels",
    "lastwords",
    "wirefaults",
    "hosttext",
    "quota",
    "scheduling",
    "run",
    "sync.rules",
    "sync.plan",
    "sync.pace",
    "reporting.cachetable",
    "reporting.checktable",
    "reporting.columns",
    "reporting.envtable",
    "env.choose",
    "env.decision",
    "env.key",
    "env.plugins",
    "env.poetry_needs",
    "env.project_needs",
    "env.stored",
    "env.tags",
    "env.target",
)
IMPURE_MODULES: Final = frozenset(
    ("_pytest", "os", "pytest", "random", "secrets", "socket", "subprocess", "threading", "time")
)
"""What a pure part never imports: the world, the clock, chance, pytest."""

OWNERS: Final = {
    "paramiko": {"gateways"},
    "execnet": {"gateways"},
    "socket": {"gateways"},
    "subprocess": {
        "gateways",
        "env.tools",  # uv, pip and git, which resolve and build
        "sync.gitlisting",  # asks git which files belong to the tree
    },
    "threading": {
        "driver",
        "agentline",  # what the driver's threads share of one connection
        "discovery",  # hosts are asked before there is a driver
        "backlog",  # whoever says too much waits there
        "heartbeat",  # what a stuck link holds up must hold up nobody else
        "gateways",  # paramiko's and execnet's reader threads meet ours at this edge
        "sync.ahead",  # packs while hosts are dialled
        "sync.reading",  # hosts are sent what has been read while the rest is read
    },
}
"""The only parts of ``remotest`` that import such a module."""

FORBIDDEN_WORDS: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (r"\bT[O]DO\b", r"\bFIX[M]E\b", r"\bsl[a]ves?\b", r"/wor[k]/", r"\biss[u]e \d")
)
"""Loose ends, retired words, and what means nothing to a reader of this tree."""

MAX_FILE_LINES: Final = 450

Where: TypeAlias = Literal["module", "try", "function", "typing"]


@dataclass(frozen=True)
class Import:
    """One import of a module; ``where`` it stands says when it happens and whether it may fail."""

    importer: str
    imported: str
    line: int
    where: Where

    def __str__(self) -> str:
        return f"{self.importer}, line {self.line}: imports {self.imported}"


def modules_of(package: Path) -> dict[str, Path]:
    """Return the dotted names of all modules of a package and their files."""
    return {
        ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(
            ".__init__"
        ): path
        for path in sorted(package.rglob("*.py"))
    }


def is_typing_block(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def imports_of(name: str, path: Path) -> list[Import]:
    found: list[Import] = []

    def walk(node: ast.AST, where: Where) -> None:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and where == "module":
            where = "function"
        if isinstance(node, ast.Try) and where == "module":
            where = "try"
        if is_typing_block(node):
            where = "typing"
        if isinstance(node, ast.Import):
            found.extend(Import(name, alias.name, node.lineno, where) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            module = node.module or ""
            for alias in node.names:
                full = f"{module}.{alias.name}"
                target = full if full in ALL_MODULES else module
                found.append(Import(name, target, node.lineno, where))
        for child in ast.iter_child_nodes(node):
            walk(child, where)

    walk(ast.parse(path.read_bytes()), "module")
    return found


CONTROLLER_MODULES: Final = modules_of(ROOT / "remotest")
PLUGIN_MODULES: Final = modules_of(PLUGIN)
ALL_MODULES: Final = {**CONTROLLER_MODULES, **PLUGIN_MODULES}
IMPORTS: Final = [item for name, path in ALL_MODULES.items() for item in imports_of(name, path)]


def is_within(module: str, part: str) -> bool:
    return module == part or module.startswith(f"{part}.")


def layer_of(module: str) -> int | None:
    """Return the layer of a module of ``remotest``; the package itself is below them all."""
    if module == "remotest":
        return -1
    part = module.split(".")[1]
    return next((index for index, parts in enumerate(LAYERS) if part in parts), None)


def test_each_part_has_its_layer() -> None:
    assert [name for name in CONTROLLER_MODULES if layer_of(name) is None] == []


def test_imports_go_one_way() -> None:
    def goes_up(item: Import) -> bool:
        own, other = layer_of(item.importer), layer_of(item.imported)
        return own is not None and other is not None and other > own

    inside = [
        item
        for item in IMPORTS
        if is_within(item.importer, "remotest") and is_within(item.imported, "remotest")
    ]
    assert [str(item) for item in inside if goes_up(item)] == []


def test_pure_parts_do_not_touch_the_world() -> None:
    pure = [f"remotest.{part}" for part in PURE]
    assert [
        str(item)
        for item in IMPORTS
        if item.where != "typing"
        and any(is_within(item.importer, part) for part in pure)
        and item.imported.split(".")[0] in IMPURE_MODULES
    ] == []


@pytest.mark.parametrize("module", OWNERS)
def test_only_its_owners_import(module: str) -> None:
    owners = [f"remotest.{part}" for part in OWNERS[module]]
    assert [
        str(item)
        for item in IMPORTS
        if item.where != "typing"
        and is_within(item.importer, "remotest")
        and is_within(item.imported, module)
        and not any(is_within(item.importer, owner) for owner in owners)
    ] == []


def test_what_travels_needs_only_pytest() -> None:
    """setproctitle, psutil are used where they are; ``entry`` hands over to the controller."""

    def is_allowed(item: Import) -> bool:
        top = item.imported.split(".")[0]
        return (
            top in sys.stdlib_module_names
            or top in ("pytest", "_pytest", "pytest_remotest")
            or (top == "setproctitle" and item.where == "try")
            or (top == "psutil" and item.where == "function")
            or (
                top == "remotest"
                and item.importer == "pytest_remotest.entry"
                and item.where == "function"
            )
        )

    travels = [item for item in IMPORTS if is_within(item.importer, "pytest_remotest")]
    assert [str(item) for item in travels if not is_allowed(item)] == []


@pytest.mark.parametrize("path", PLUGIN_MODULES.values(), ids=list(PLUGIN_MODULES))
def test_what_travels_has_the_grammar_of_3_6(path: Path) -> None:
    ast.parse(path.read_bytes(), feature_version=(3, 6))


def test_each_package_is_installed() -> None:
    """setup.cfg lists packages by name: one that is not there works only in a checkout."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    listed = parser["options"]["packages"].split()
    assert sorted(listed) == sorted(
        name for name, path in ALL_MODULES.items() if path.name == "__init__.py"
    )


IMPORT_ALONE: Final = """
import importlib, sys, traceback, warnings
import pytest  # the oldest warn about themselves
warnings.simplefilter("error")
first = set(sys.modules)
broken = []
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except Exception:
        broken.append("%s alone: %s" % (name, traceback.format_exc(limit=-1)))
    for loaded in set(sys.modules) - first:
        if loaded.split(".")[0] in ("remotest", "pytest_remotest"):
            del sys.modules[loaded]
sys.exit("".join(broken) or 0)
"""
"""Imports each module without those of ours that another one has loaded."""


def assert_each_imports_alone(
    python: Path | str, search_path: list[Path], names: list[str]
) -> None:
    paths = [str(path) for path in search_path]
    program = f"import sys; sys.path[:0] = {paths!r}\n{IMPORT_ALONE}"
    answer = subprocess.run(
        [python, "-B", "-c", program, *names],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert answer.stderr == ""


def test_each_module_imports_alone_without_a_warning() -> None:
    assert_each_imports_alone(sys.executable, [], list(ALL_MODULES))


@pytest.mark.parametrize("name", ["3.6", "3.8", interpreters.PYPY])
def test_what_travels_imports_on_an_old_interpreter(name: str) -> None:
    python = interpreters.with_pytest(name)
    assert_each_imports_alone(python, [PLUGIN.parent], list(PLUGIN_MODULES))


def tree() -> list[Path]:
    """Return the text files of the tree as git sees it: tracked, or new and not ignored."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    names = listing.stdout.rstrip("\0").split("\0")
    files = [ROOT / name for name in names if (ROOT / name).is_file()]
    return [path for path in files if b"\0" not in path.read_bytes()]


def test_no_forbidden_word() -> None:
    assert [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in tree()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if any(pattern.search(line) for pattern in FORBIDDEN_WORDS)
    ] == []


def test_no_file_is_too_long_to_read() -> None:
    lengths = {
        path.relative_to(ROOT): len(path.read_bytes().splitlines())
        for path in tree()
        if path.suffix in (".py", ".md")
    }
    assert {path: lines for path, lines in lengths.items() if lines > MAX_FILE_LINES} == {}
