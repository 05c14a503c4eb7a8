"""What a project needs, by the tables of its settings: itself, its extras, its groups. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from packaging.dependency_groups import resolve_dependency_groups
from packaging.errors import ExceptionGroup
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from remotest.env.poetry_needs import poetry_extras, poetry_requirements, poetry_specifier
from remotest.env.project_settings import as_table, as_texts
from remotest.env.requirement_texts import with_marker
from remotest.env.unavailable import Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from remotest.env.project_settings import ProjectSettings

HATCH_ENVIRONMENTS: Final = ("hatch-test", "test", "tests", "default")
"""Of hatch, those that tests are usually run in."""

FILE_DIRECTIVE: Final = "file:"
"""Of setup.cfg: the value is in files, which setuptools reads."""


def own_requirements(settings: ProjectSettings) -> list[str]:
    """Return what a project itself needs; its own name where only its backend knows that."""
    project = settings.table("project")
    if project and "dependencies" not in as_texts(project.get("dynamic")):
        return _texts(project.get("dependencies"))
    if poetry := settings.table("tool", "poetry", "dependencies"):
        return poetry_requirements(poetry, settings.directory)
    options, setup = settings.cfg.get("options", {}), settings.setup or {}
    conditional = _setuptools_extras(settings).get("", [])
    if "install_requires" in options and not _is_file(options["install_requires"]):
        return [*_lines(options["install_requires"]), *conditional]
    if "install_requires" in setup:
        return [*_texts(setup["install_requires"]), *conditional]
    name = settings.name
    return [name] if name is not None and settings.has_backend else []


def extras(settings: ProjectSettings) -> dict[str, list[str]]:
    """Return what each extra adds, by normalized name."""
    found: dict[str, list[str]] = {}
    tables = (
        settings.table("project", "optional-dependencies"),
        _setuptools_extras(settings),
        poetry_extras(settings),
    )
    for table in tables:
        for name, needs in table.items():
            if name:
                found.setdefault(canonicalize_name(name), _texts(needs))
    return found


def groups(settings: ProjectSettings) -> dict[str, list[str]]:
    """Return what each dependency group holds, by normalized name.

    Raises:
        Unavailable: the groups cannot be understood.
    """
    table = settings.table("dependency-groups")
    found: dict[str, list[str]] = {}
    try:
        for name in table:
            found[canonicalize_name(name)] = list(resolve_dependency_groups(table, name))
    except ExceptionGroup as error:
        first = str(error.exceptions[0]).splitlines()[0]
        raise Unavailable(
            f"[dependency-groups] of {settings.directory / 'pyproject.toml'}: {first}",
            remedy="see PEP 735, which says how groups are written",
        ) from error
    base = settings.directory
    for name, group in settings.table("tool", "poetry", "group").items():
        members = poetry_requirements(as_table(as_table(group).get("dependencies")), base)
        found.setdefault(canonicalize_name(name), members)
    for name, listed in settings.table("tool", "pdm", "dev-dependencies").items():
        found.setdefault(canonicalize_name(name), _texts(listed))
    older = (
        poetry_requirements(settings.table("tool", "poetry", "dev-dependencies"), base),
        _texts(settings.table("tool", "uv").get("dev-dependencies")),
    )
    for members in older:
        if members:
            found.setdefault("dev", members)
    return found


def hatch_environment(settings: ProjectSettings) -> tuple[str, list[str]] | None:
    """Return the name of hatch's environment for tests and what it adds; None without one."""
    for name in HATCH_ENVIRONMENTS:
        environment = settings.table("tool", "hatch", "envs", name)
        there = extras(settings)
        features = [canonicalize_name(feature) for feature in _texts(environment.get("features"))]
        needs = [
            *_texts(environment.get("dependencies")),
            *_texts(environment.get("extra-dependencies")),
            *(text for feature in features for text in there.get(feature, ())),
        ]
        if needs:
            return name, needs
    return None


def tests_require(settings: ProjectSettings) -> list[str]:
    """Return what ``setup.py test``, of old, needed."""
    options = settings.cfg.get("options", {})
    return _texts(options.get("tests_require") or (settings.setup or {}).get("tests_require"))


def requires_python(settings: ProjectSettings) -> str:
    """Return which Pythons a project is for, empty where it does not say.

    Raises:
        Unavailable: what it says is no specifier.
    """
    candidates = (
        settings.table("project").get("requires-python"),
        settings.cfg.get("options", {}).get("python_requires"),
        (settings.setup or {}).get("python_requires"),
    )
    stated = next((text.strip() for text in candidates if isinstance(text, str)), None)
    if stated is None:
        python = settings.table("tool", "poetry", "dependencies").get("python")
        stated = poetry_specifier(python) if isinstance(python, str) else ""
    try:
        SpecifierSet(stated)
    except InvalidSpecifier as error:
        raise Unavailable(
            f"requires-python of {settings.directory}: {stated!r} is no specifier",
            remedy="write it like '>=3.9,<4'",
        ) from error
    return stated


def _setuptools_extras(settings: ProjectSettings) -> dict[str, list[str]]:
    """Return the extras of setup.cfg and setup.py; what is under ``""`` is always needed.

    A name may have a condition, ``test:python_version<"3.8"``. What is in files only setuptools
    reads: the extra then is a requirement on the project itself.
    """
    found: dict[str, list[str]] = {}
    tables: list[Mapping[str, Any]] = [
        settings.cfg.get("options.extras_require", {}),
        as_table((settings.setup or {}).get("extras_require")),
        settings.table("tool", "setuptools", "dynamic", "optional-dependencies"),
    ]
    for table in tables:
        for key, needs in table.items():
            name, _, condition = str(key).partition(":")
            texts = _texts(needs)
            if isinstance(needs, dict) or _is_file(needs):
                texts = [f"{settings.name}[{name}]"] if settings.name else []
            under_condition = (with_marker(text, condition.strip()) for text in texts)
            found.setdefault(name.strip(), []).extend(under_condition)
    return found


def _is_file(value: object) -> bool:
    return isinstance(value, str) and value.strip().startswith(FILE_DIRECTIVE)


def _texts(value: Any) -> list[str]:
    """Return the texts of a list, or of a text with one a line, as setuptools takes both."""
    if isinstance(value, str):
        return _lines(value)
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []


def _lines(text: str) -> list[str]:
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]
