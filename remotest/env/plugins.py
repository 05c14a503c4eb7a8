"""What every environment has beside what the suite asks for: pytest, and the plugins of here. Pure.

The controller's command line and configuration are those of its own plugins: a worker that lacks
one would not know an option or a fixture. None is newer than here, so that what a suite meets on
a host is what it meets here, or older where the host's interpreter is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from remotest.preflight import OLDEST_PYTEST

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

STAY_HOME: Final = frozenset({"remotest", "pytest-xdist"})
"""Workers get their part of remotest by another way, and pytest-xdist's place is taken."""


def additions(
    pytest_version: str,
    plugins: Mapping[str, str],
    *,
    exclude: Iterable[str] = (),
    project: str | None = None,
) -> tuple[str, ...]:
    """Return requirements (PEP 508) for pytest and the plugins of here.

    Args:
        pytest_version: the controller's.
        plugins: name -> version, of ``settings.active_plugins``.
        exclude: names that the project's ``worker_plugins_exclude`` holds.
        project: the name of the project under test, which comes by another way.
    """
    left_out = STAY_HOME | {canonicalize_name(name) for name in [*exclude, project or ""]}
    oldest = ".".join(str(number) for number in OLDEST_PYTEST)
    pytest = f"pytest>={oldest}{not_newer(pytest_version).replace('<', ',<', 1)}"
    names = sorted(set(map(canonicalize_name, plugins)) - left_out - {"pytest"})
    versions = {canonicalize_name(name): version for name, version in plugins.items()}
    return (pytest, *(f"{name}{not_newer(versions[name])}" for name in names))


def not_newer(version: str) -> str:
    """Return the specifier for releases that are not newer than a version.

    A build from a checkout is on no index, and naming it would allow other pre-releases: the
    newest release before it is meant. So is, of a build with a local part, the release itself.

    >>> [not_newer(text) for text in ("1.2", "1.2rc1", "1.2+cpu", "1.2.dev4+gabc", "unknown")]
    ['<=1.2', '<=1.2rc1', '<=1.2', '<1.2', '']
    """
    try:
        parsed = Version(version)
    except InvalidVersion:
        return ""
    if not parsed.is_devrelease:
        return f"<={parsed.public}"
    return f"<={parsed.base_version}" if parsed.is_postrelease else f"<{parsed.base_version}"
