"""What is to be resolved where projects are there as trees."""

from __future__ import annotations

import pytest
from packaging.requirements import Requirement

from remotest.env.model import Overlay
from remotest.env.project_requires import without_projects

APP = """\
Metadata-Version: 2.1
Name: The.App
Version: 1
Provides-Extra: Test
Requires-Dist: attrs>=20
Requires-Dist: lib[fast]; python_version >= '3.8'
Requires-Dist: hypothesis; extra == "test"
Requires-Dist: the-app[more]; extra == "test"
Requires-Dist: tomli; (os_name == 'nt' or sys_platform == 'linux') and extra == 'more'
"""

OVERLAY = Overlay(
    files=(
        ("The_App-1.dist-info/METADATA", APP),
        ("lib-2.dist-info/METADATA", "Name: lib\nRequires-Dist: numpy; extra == 'fast'\n"),
        ("odd-2.dist-info/METADATA", "Name: odd\nRequires-Dist: the-app\n"),
        ("the_app.pth", "{tree}/src\n"),
    )
)


@pytest.mark.parametrize(
    ("requirements", "expected"),
    [
        ([], []),
        (["pytest>=7", "-e ./lib", "attrs"], ["pytest>=7", "-e ./lib", "attrs"]),
        (
            ["pytest", "the_app==9"],
            ["pytest", "attrs>=20", 'numpy ; (python_version >= "3.8")'],
        ),
        (["lib @ file:///home/me/lib"], []),
        (["lib[FAST]"], ["numpy"]),
    ],
)
def test_a_project_is_what_it_requires(requirements: list[str], expected: list[str]) -> None:
    assert list(without_projects(requirements, OVERLAY)) == expected


EVERYWHERE = {"python_version": "3.9", "os_name": "posix", "sys_platform": "linux"}


@pytest.mark.parametrize(
    ("requirements", "environment", "expected"),
    [
        (["the-app"], {}, {"attrs", "numpy"}),
        (["the-app"], {"python_version": "3.7"}, {"attrs"}),
        (["the-app[test]"], {}, {"attrs", "numpy", "hypothesis", "tomli"}),
        (["the-app[test]"], {"sys_platform": "darwin"}, {"attrs", "numpy", "hypothesis"}),
        (["odd ; os_name == 'nt'"], {}, set()),
        (["odd ; os_name == 'posix'"], {}, {"attrs", "numpy"}),
    ],
)
def test_markers_hold_together(
    requirements: list[str], environment: dict[str, str], expected: set[str]
) -> None:
    found = map(Requirement, without_projects(requirements, OVERLAY))
    there = {**EVERYWHERE, **environment}
    assert {
        each.name for each in found if each.marker is None or each.marker.evaluate(there)
    } == expected
