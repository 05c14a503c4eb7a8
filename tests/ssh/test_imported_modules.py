"""What a command imports beside pytest: nothing that it does not need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from projects import Project

CONFTEST: Final = """
    import sys

    def pytest_unconfigure(config):
        if not hasattr(config, "workerinput"):
            with open("imported", "w") as file:
                file.write("\\n".join(sys.modules))
    """

HEAVY: Final = frozenset(
    ("asyncio", "cryptography", "execnet", "invoke", "packaging", "paramiko", "remotest", "rich")
) | {"ssl", "yaml"}
"""What takes long to import, or imports what does."""


def imported(project: Project, *arguments: str) -> set[str]:
    project.write({"conftest.py": CONFTEST, "test_a.py": "def test_one():\n    pass\n"})
    answer = project.pytest("-p", "no:cacheprovider", "-p", "no:hypothesispytest", *arguments)
    assert answer.status == 0, answer.output
    return set((project.directory / "imported").read_text().splitlines())


@pytest.mark.parametrize("arguments", [(), ("-n0",)], ids=" ".join)
def test_a_run_here_imports_little(project: Project, arguments: tuple[str, ...]) -> None:
    modules = imported(project, *arguments)
    assert modules & HEAVY == set()
    assert {name for name in modules if name.startswith("pytest_remotest.")} - {
        "pytest_remotest.xdist_entry"
    } == {
        f"pytest_remotest.{name}"
        for name in (
            *("api", "cpus", "distribution", "entry", "fixtures", "hookspecs", "markers"),
            *("options", "plainimport", "required", "searchpath", "xdist_module"),
        )
    }


def test_workers_here_need_no_network(project: Project) -> None:
    modules = imported(project, "-n2")
    assert modules & HEAVY == {"execnet", "remotest"}
    assert not modules & {"remotest.env.provision", "remotest.gateways.hostpool"}


def test_hosts_need_no_more_than_ssh(project: Project) -> None:
    modules = imported(project, "-d", "--tx", "ssh=box//env=system")
    assert modules & HEAVY == {"cryptography", "execnet", "paramiko", "remotest"}
    assert "remotest.env.provision" not in modules
