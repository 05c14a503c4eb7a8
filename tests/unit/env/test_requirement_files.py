"""Requirements files, as pip reads them."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remotest.env.requirement_files import Directory, read_lines, read_requirement_file
from remotest.env.requirement_texts import checked, name_url, with_marker
from remotest.env.unavailable import Unavailable

if TYPE_CHECKING:
    from pathlib import Path

MEMBER: Final = "[project]\nname = 'core'\nversion = '1'\n"


def write(directory: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return directory


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A directory with a member, ``libs/core``, and a wheel."""
    wheel = {"wheels/my_fig-1.0-py3-none-any.whl": "", "wheels/plum-2.tar.gz": ""}
    return write(tmp_path, {"libs/core/pyproject.toml": MEMBER, **wheel})


@pytest.mark.parametrize(
    ("line", "requirements"),
    [
        ("apple", ["apple"]),
        ("  apple>=1,<2  # a comment", ["apple>=1,<2"]),
        ("apple#egg", None),
        ("# apple", []),
        ("'apple>=1'", ["apple>=1"]),
        ("apple[a,b]~=1.0 ; python_version < '3.8'", ["apple[a,b]~=1.0 ; python_version < '3.8'"]),
        ("apple @ https://host/a.zip", ["apple @ https://host/a.zip"]),
        ("apple @ git+https://${TOKEN}@host/a", ["apple @ git+https://${TOKEN}@host/a"]),
        ("https://host/my_fig-1.0-py3-none-any.whl", ["my-fig @ {whl}"]),
        ("https://host/plum-2.tar.gz#sha256=00", ["plum @ https://host/plum-2.tar.gz"]),
        ("git+https://host/a.git@v1#egg=apple", ["apple @ git+https://host/a.git@v1"]),
        ("-e git+ssh://git@host/a#egg=apple[x]", ["apple[x] @ git+ssh://git@host/a"]),
        (
            "git+https://host/a#egg=apple&subdirectory=py ; os_name == 'posix'",
            ["apple @ git+https://host/a#subdirectory=py ; os_name == 'posix'"],
        ),
        ("git+https://me:password@host/a", None),
        ("./wheels/my_fig-1.0-py3-none-any.whl", ["my-fig @ {base}/wheels/{fig}"]),
        ("wheels/my_fig-1.0-py3-none-any.whl", ["my-fig @ {base}/wheels/{fig}"]),
        ("file:wheels/plum-2.tar.gz", ["plum @ {base}/wheels/plum-2.tar.gz"]),
        ("./nowhere", None),
        ("./" + "a" * 5000, None),
        ("-r " + "a" * 5000, None),
        ("b/" + "a" * 5000, None),
        ("apple ==", None),
        ("-r nowhere.txt", None),
    ],
)
def test_a_line_requires(base: Path, line: str, requirements: list[str] | None) -> None:
    if requirements is None:
        with pytest.raises(Unavailable) as caught:
            read_lines([line], base, "here")
        assert "password" not in caught.value.cause
        return
    fig = "my_fig-1.0-py3-none-any.whl"
    texts = {"base": base.as_uri(), "fig": fig, "whl": f"https://host/{fig}"}
    expected = [text if "$" in text else text.format(**texts) for text in requirements]
    assert read_lines([line], base, "here").requirements == expected


@pytest.mark.parametrize(
    ("line", "path", "extras", "marker"),
    [
        (".", ".", "", ""),
        ("-e .", ".", "", ""),
        ("--editable=.[test, docs]", ".", "[test, docs]", ""),
        (".[test]", ".", "[test]", ""),
        ("./libs/core", "libs/core", "", ""),
        ("libs/core", "libs/core", "", ""),
        ("-e libs/core[x]", "libs/core", "[x]", ""),
        ("libs/core ; os_name == 'posix'", "libs/core", "", "os_name == 'posix'"),
        ("-e 'libs/core'", "libs/core", "", ""),
        ("-e file:libs/core", "libs/core", "", ""),
        ("-e {base}/libs/core", "libs/core", "", ""),
        ("-e {uri}/libs/core#egg=core", "libs/core", "", ""),
    ],
)
def test_a_line_requires_a_directory(
    base: Path, line: str, path: str, extras: str, marker: str
) -> None:
    found = read_lines([line.format(base=base, uri=base.as_uri())], base, "here")
    expected = Directory(path=(base / path).resolve(), extras=extras, marker=marker)
    assert (found.requirements, found.directories) == ([], [expected])


def test_files_include_others(base: Path) -> None:
    """An included file is relative to the one that names it, a project to where pip is started."""
    write(
        base,
        {
            "requirements/test.txt": """\
                \ufeff-r base.txt
                --requirement=more.txt
                -c ../constraints.txt
                -e .
                ./libs/core
                ../libs/core
                """,
            "requirements/base.txt": "apple>=1 \\\n  --hash=sha256:00 \\\n  --hash sha256:01\n",
            "requirements/more.txt": "-r base.txt\npear",
            "constraints.txt": "-r bounds.txt\napple<3\n",
            "bounds.txt": "plum<2\n",
        },
    )
    found = read_requirement_file(base / "requirements" / "test.txt", base)
    assert found.requirements == ["apple>=1", "apple>=1", "pear"]
    assert found.constraints == ["plum<2", "apple<3"]
    directories = [directory.path for directory in found.directories]
    assert directories == [base, base / "libs" / "core", base / "libs" / "core"]
    assert found.notes == ["requirements/base.txt: --hash is not looked at"]


def test_options_are_told_without_their_values(base: Path) -> None:
    lines = [
        "--index-url https://me:password@host/simple",
        "-i https://me:password@host/simple",
        "--extra-index-url=https://me:password@host/simple",
        "--pre",
        'apple --config-settings="a=b c" --global-option x',
    ]
    found = read_lines(lines, base, "req.txt")
    assert found.requirements == ["apple"]
    assert found.notes == [
        f"req.txt: {option} is not looked at"
        for option in (
            *("--index-url", "-i", "--extra-index-url", "--pre"),
            *("--config-settings", "--global-option"),
        )
    ]


@given(st.text(st.sampled_from("ab-rec=./:@[];'\"#\\ \n\t~>1{}$é\0")))
def test_any_text_is_a_file_or_unavailable(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.txt"
    path.write_text(text)
    try:
        read_requirement_file(path, path.parent)
    except Unavailable as error:
        assert error.cause  # noqa: PT017  any of them will do


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("apple>=1", "apple>=1"),
        ("core @ libs/core", "core @ {base}/libs/core"),
        ("core @ ./libs/core ; os_name == 'x'", 'core @ {base}/libs/core ; os_name == "x"'),
        ("core @ file:libs/core", "core @ {base}/libs/core"),
        ("core[a] @ {root:uri}/libs/core", "core[a] @ {base}/libs/core"),
        ("core @ file:///${PROJECT_ROOT}/libs/core", "core @ {base}/libs/core"),
        ("core @ https://host/x", "core @ https://host/x"),
    ],
)
def test_paths_become_absolute(tmp_path: Path, text: str, expected: str) -> None:
    assert checked(text, tmp_path, "p") == expected.format(base=tmp_path.as_uri())


def test_a_wrong_requirement_is_named_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as caught:
        checked("apple=>1", tmp_path, "the settings in /x")
    assert caught.value.cause.startswith("the settings in /x: 'apple=>1' is no requirement: ")


def test_a_further_condition() -> None:
    assert with_marker("a>1", "") == "a>1"
    assert with_marker("a @ file:///x", "os_name == 'x'") == "a @ file:///x ; os_name == 'x'"
    both = with_marker("a; os_name == 'x' or os_name == 'y'", "python_version < '3'")
    assert both == 'a ; (os_name == "x" or os_name == "y") and (python_version < \'3\')'


def test_a_url_without_a_name(tmp_path: Path) -> None:
    del tmp_path
    with pytest.raises(Unavailable) as caught:
        name_url("git+https://me:password@host/a", "here")
    assert caught.value.cause == "here: what 'git+https://host/a' is called cannot be told"
