"""What a pytest command means here, it means on a host: arguments, options, configuration files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import interpreters
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from projects import Answer, Project

FILES: Final = {
    "pytest.ini": "[pytest]\n",
    "tests/unit/test_one.py": """
        import pytest

        @pytest.mark.parametrize("text", ["a", "b::c", "d/e"])
        def test_text(text):
            pass

        class TestClass:
            def test_method(self):
                pass
        """,
    "tests/test_two.py": "def test_two():\n    pass\n",
}
"""There is no ``__init__.py`` in any project of these tests."""

ONE: Final = {
    "tests.unit.test_one.test_text[a]",
    "tests.unit.test_one.test_text[b::c]",
    "tests.unit.test_one.test_text[d/e]",
    "tests.unit.test_one.TestClass.test_method",
}
TWO: Final = {"tests.test_two.test_two"}


def run(project: Project, *arguments: str | Path, within: str = ".", name: str = "3.9") -> Answer:
    """Run pytest on a host; its JUnit file is at the root of the project."""
    tx = f"--tx=ssh=myhost//python={interpreters.with_pytest(name)}"
    junit = f"--junitxml={project.directory / 'junit.xml'}"
    return project.pytest("-d", tx, junit, *arguments, within=within)


def passed(project: Project) -> set[str]:
    """Return the names of the tests of the last run, all of which have passed."""
    (suite,) = project.junit().values()
    assert set(suite.values()) == {"passed"}
    return set(suite)


def test_everything_below_the_working_directory(project: Project) -> None:
    project.write(FILES)
    assert run(project).status == 0
    assert passed(project) == ONE | TWO


@pytest.mark.parametrize(
    ("argument", "tests"),
    [
        ("tests", ONE | TWO),
        ("./tests/unit/", ONE),
        ("tests/unit/../test_two.py", TWO),
        ("tests/unit/test_one.py::TestClass", {"tests.unit.test_one.TestClass.test_method"}),
        ("tests/unit/test_one.py::test_text[b::c]", {"tests.unit.test_one.test_text[b::c]"}),
        ("tests/unit/test_one.py::test_text[d/e]", {"tests.unit.test_one.test_text[d/e]"}),
    ],
)
@pytest.mark.parametrize("form", ["relative", "absolute"])
@pytest.mark.slow  # Twelve runs; the next test has all that can stand in one command.
def test_each_path_and_node_id(
    project: Project, argument: str, tests: Iterable[str], form: str
) -> None:
    project.write(FILES)
    prefix = "" if form == "relative" else f"{project.directory}/"
    answer = run(project, prefix + argument)
    assert answer.status == 0, answer.output
    assert passed(project) == set(tests)


def test_paths_and_node_ids(project: Project) -> None:
    project.write({**FILES, "tests/more/test_three.py": "def test_three():\n    pass\n"})
    answer = run(
        project,
        "./tests/more/",
        "tests/unit/../test_two.py",
        "tests/unit/test_one.py::TestClass",
        "tests/unit/test_one.py::test_text[b::c]",
        f"{project.directory}/tests/unit/test_one.py::test_text[d/e]",
    )
    assert answer.status == 0, answer.output
    left_out = {"tests.unit.test_one.test_text[a]"}
    assert passed(project) == (ONE - left_out) | TWO | {"tests.more.test_three.test_three"}


@pytest.mark.parametrize(
    ("within", "arguments", "tests"),
    [
        ("tests/unit", (), ONE),
        pytest.param("tests/unit", ("..",), ONE | TWO, marks=pytest.mark.slow),
        ("tests", ("unit/test_one.py::TestClass", "test_two.py"), None),
        ("..", ("project/tests/test_two.py",), TWO),
        pytest.param("..", ("project",), ONE | TWO, marks=pytest.mark.slow),
    ],
)
def test_from_another_directory(
    project: Project, within: str, arguments: tuple[str, ...], tests: set[str] | None
) -> None:
    project.write(FILES)
    answer = run(project, *arguments, within=within)
    assert answer.status == 0, answer.output
    expected = TWO | {"tests.unit.test_one.TestClass.test_method"} if tests is None else tests
    assert passed(project) == expected


def test_a_path_that_is_not_there_is_refused_as_here(project: Project) -> None:
    project.write(FILES)
    answer = run(project, "tests/missing.py")
    assert answer.status == 4
    assert "ERROR: file or directory not found: tests/missing.py" in answer.output


def test_options_that_name_files(project: Project) -> None:
    project.write(
        {
            **FILES,
            "conftest.py": """
                raise RuntimeError("--confcutdir=tests leaves this one out")
                """,
            "config/other.ini": "[pytest]\npython_functions = check_*\n",
            "tests/conftest.py": "",
            "tests/test_three.py": """
                def check_paths(pytestconfig):
                    assert pytestconfig.inipath.parts[-2:] == ("config", "other.ini")
                    assert (pytestconfig.rootpath / "tests" / "test_three.py").is_file()
                    assert pytestconfig.invocation_params.dir == pytestconfig.rootpath
                """,
        }
    )
    answer = run(
        project,
        "--rootdir=.",
        *("-c", "config/other.ini"),
        f"--confcutdir={project.directory}/tests",
        "tests/test_three.py",
    )
    assert answer.status == 0, answer.output
    assert passed(project) == {"tests.test_three.check_paths"}


def test_files_of_the_controller_are_written_here(project: Project) -> None:
    project.write(FILES)

    answer = run(project, "--log-file=reports/run.log", "--junit-xml", "reports/run.xml")

    assert answer.status == 0
    assert set(project.junit("reports/run.xml")["pytest"]) == ONE | TWO
    home = project.directory.parents[1] / "machine" / "home"
    assert list(home.rglob("test_two.py"))
    assert not list(home.rglob("run.xml"))


@pytest.mark.parametrize(
    ("config", "text"),
    [
        pytest.param("tox.ini", "[pytest]\nrsyncdirs = . mypkg\n", marks=pytest.mark.slow),
        ("setup.cfg", "[tool:pytest]\nrsyncdirs = . mypkg\n"),
        pytest.param("pytest.ini", "[pytest]\nrsyncdirs = . mypkg\n", marks=pytest.mark.slow),
        ("pyproject.toml", '[tool.pytest.ini_options]\nrsyncdirs = [".", "mypkg"]\n'),
    ],
)
def test_rsyncdirs_of_every_config_file(project: Project, config: str, text: str) -> None:
    project.write(
        {
            config: text,
            "mypkg/core.py": "",
            "tests/test_core.py": """
                import pathlib
                from mypkg import core

                def test_core(pytestconfig):
                    assert pathlib.Path(core.__file__).is_relative_to(pytestconfig.rootpath)
                """,
        }
    )
    answer = run(project)
    assert answer.status == 0, answer.output
    assert passed(project) == {"tests.test_core.test_core"}


def test_two_roots_of_one_name_do_not_collide(project: Project) -> None:
    project.write(
        {
            "pytest.ini": "[pytest]\nrsyncdirs = one/tests\n",
            "one/tests/test_one.py": "def test_one():\n    pass\n",
            "two/tests/test_two.py": "def test_two():\n    pass\n",
            "three/tests/test_three.py": "def test_three():\n    assert 0\n",
        }
    )
    answer = run(project, "--rsyncdir", "two/tests", "one", "two")
    assert answer.status == 0, answer.output
    assert passed(project) == {"one.tests.test_one.test_one", "two.tests.test_two.test_two"}


@pytest.mark.parametrize("way", ["PYTHONPATH", "ini"])
def test_a_root_outside_of_the_project_is_importable_as_here(project: Project, way: str) -> None:
    ini = {"PYTHONPATH": "", "ini": "pythonpath = ../lib\n"}[way]
    project.write(
        {
            "pytest.ini": f"[pytest]\nrsyncdirs = . ../lib\n{ini}",
            "../lib/shared/tool.py": "",
            "tests/test_tool.py": """
                from shared import tool

                def test_tool():
                    assert "/outside/" in tool.__file__
                """,
        }
    )
    variables: Mapping[str, str] = {"PYTHONPATH": f"{project.directory.parent}/lib"}
    in_shell = project if way == "ini" else project.with_variables(variables)
    answer = run(in_shell)
    assert answer.status == 0, answer.output
    assert passed(project) == {"tests.test_tool.test_tool"}


@pytest.mark.parametrize("name", ["3.6", pytest.param("3.7", marks=pytest.mark.slow)])
def test_the_packages_of_a_host_stay_its_own(project: Project, name: str) -> None:
    """pytest-xdist copies the controller's own _pytest over the host's."""
    project.write(
        {
            "test_packages.py": """
                import sys
                import pytest, _pytest, pluggy

                def test_packages():
                    for module in (pytest, _pytest, pluggy):
                        assert module.__file__.startswith(sys.prefix)
                    assert pytest.__version__.startswith("7.")
                """,
        }
    )
    answer = run(project, name=name)
    assert answer.status == 0, answer.output
    assert passed(project) == {"test_packages.test_packages"}


def test_two_runs_at_once_on_one_host(project: Project) -> None:
    """Each waits, in a test, for the other to run one of its own; the second tree differs."""
    meeting = project.directory.parent / "meeting"
    meeting.mkdir()
    tx = f"--tx=ssh=myhost//python={interpreters.with_pytest('3.9')}"
    runs = []
    for own, other in (("a", "b"), ("b", "a")):
        project.write(
            {
                "pytest.ini": "[pytest]\n",
                "value.py": f"VALUE = {own!r}\n",
                "test_it.py": f"""
                    import pathlib, time, value

                    def test_meeting():
                        folder = pathlib.Path({str(meeting)!r})
                        (folder / value.VALUE).touch()
                        deadline = time.monotonic() + 60
                        while not (folder / {other!r}).exists():
                            assert time.monotonic() < deadline
                            time.sleep(0.01)

                    def test_value():
                        assert pathlib.Path(value.__file__).read_text() == "VALUE = {own!r}\\n"
                    """,
            }
        )
        process = project.start(["pytest", "-d", tx])
        runs.append(process)
        assert process.stdout is not None
        first_lines = iter(process.stdout.readline, "")
        assert any(line.startswith("1 worker [2 items]") for line in first_lines)
    outputs = [process.communicate(timeout=60)[0] for process in runs]
    assert [process.returncode for process in runs] == [0, 0], outputs
