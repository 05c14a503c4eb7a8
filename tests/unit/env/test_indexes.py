"""Reading pip's and uv's settings: which indexes, who we are there, and what changes a lock."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from remotest.env.indexes import IndexSettings, read_settings

if TYPE_CHECKING:
    from pathlib import Path

ALONE = {"PIP_CONFIG_FILE": "/dev/null", "UV_NO_CONFIG": "1"}
OWN = "https://me:pw@pypi.example.com/simple"


def read(folder: Path, **environ: str) -> IndexSettings:
    return read_settings({**ALONE, **environ}, folder, folder)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, {}),
        (
            {"PIP_INDEX_URL": OWN},
            {"UV_DEFAULT_INDEX": OWN, "UV_INDEX_STRATEGY": "unsafe-best-match"},
        ),
        ({"PIP_INDEX_URL": OWN, "UV_INDEX_URL": "https://pypi.org/simple"}, {}),
        ({"PIP_INDEX_URL": OWN, "UV_FIND_LINKS": "wheels"}, {}),
        (
            {"PIP_EXTRA_INDEX_URL": f"{OWN}\nhttps://b.example.com", "PIP_FIND_LINKS": "/a /b"},
            {
                "UV_INDEX": f"{OWN} https://b.example.com",
                "UV_FIND_LINKS": "/a,/b",
                "UV_INDEX_STRATEGY": "unsafe-best-match",
            },
        ),
        ({"PIP_NO_INDEX": "1"}, {"UV_NO_INDEX": "1", "UV_INDEX_STRATEGY": "unsafe-best-match"}),
        ({"PIP_NO_INDEX": "0"}, {}),
    ],
)
def test_uv_is_told_of_pips_indexes_where_it_has_none(
    tmp_path: Path, environ: dict[str, str], expected: dict[str, str]
) -> None:
    assert read(tmp_path, **environ).uv_environ == expected


FOR_PIP = {"PIP_CONFIG_FILE": "/dev/null", "PIP_TRUSTED_HOST": ""}
NOTHING = {"PIP_EXTRA_INDEX_URL": "", "PIP_FIND_LINKS": "", "PIP_NO_INDEX": ""}
PYPI = "https://pypi.org/simple"


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, {}),
        ({"PIP_INDEX_URL": OWN}, {}),
        (
            {"UV_DEFAULT_INDEX": OWN, "PIP_PROXY": "http://p:1", "PIP_EXTRA_INDEX_URL": PYPI},
            {**FOR_PIP, **NOTHING, "PIP_INDEX_URL": OWN, "PIP_PROXY": "http://p:1"},
        ),
        (
            {"UV_FIND_LINKS": "a,b", "UV_NO_INDEX": "1"},
            {
                **FOR_PIP,
                **NOTHING,
                "PIP_INDEX_URL": PYPI,
                "PIP_FIND_LINKS": "a b",
                "PIP_NO_INDEX": "1",
            },
        ),
        ({"UV_INDEX": OWN}, None),
        ({"UV_EXTRA_INDEX_URL": OWN, "UV_INDEX_STRATEGY": "first-index"}, None),
        (
            {"UV_INDEX": f"ours={OWN}", "UV_INDEX_STRATEGY": "unsafe-best-match"},
            {**FOR_PIP, **NOTHING, "PIP_INDEX_URL": PYPI, "PIP_EXTRA_INDEX_URL": OWN},
        ),
    ],
)
def test_pip_is_told_of_uvs_indexes_where_uv_has_some(
    tmp_path: Path, environ: dict[str, str], expected: dict[str, str] | None
) -> None:
    """If it can be: pip takes the best of all, uv what the first that knows a package has."""
    settings = read(tmp_path, **environ)
    told = settings.pip_environ
    assert told == ({**expected, "PIP_CONFIG_FILE": os.devnull} if expected else expected)
    assert "pw" not in repr(settings)


def test_indexes_that_only_named_packages_are_from_are_none_for_pip(tmp_path: Path) -> None:
    (tmp_path / "uv.toml").write_text(
        'find-links = ["wheels"]\n'
        '[[index]]\nname = "torch"\nurl = "https://torch.example.com"\nexplicit = true\n'
        f'[[index]]\nurl = "{OWN}"\ndefault = true\n'
    )
    told = read_settings({"PIP_CONFIG_FILE": os.devnull}, tmp_path, tmp_path).pip_environ
    assert told is not None
    assert (told["PIP_INDEX_URL"], told["PIP_EXTRA_INDEX_URL"]) == (OWN, "")
    assert told["PIP_FIND_LINKS"] == "wheels"


def test_files_of_both_tools_are_read(tmp_path: Path) -> None:
    """pip's own file is weaker than its variables; uv takes the nearest project's settings."""
    home, project = tmp_path / "home", tmp_path / "project"
    for path, text in {
        home / ".config/pip/pip.conf": f"[global]\nindex-url = {OWN}\nproxy = http://proxy:8080\n",
        home / ".config/uv/uv.toml": 'extra-index-url = ["https://c.example.com/simple"]\n',
        project / "pyproject.toml": (
            '[tool.uv]\nindex = [{name = "ours", url = "https://d.example.com/simple"}]\n'
        ),
    }.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    below = project / "tests"
    below.mkdir()
    environ = {"UV_INDEX_OURS_PASSWORD": "token", "XDG_CONFIG_DIRS": str(tmp_path / "none")}
    settings = read_settings(environ, below, home)
    assert settings.uv_environ == {}
    assert settings.index_urls[:3] == (
        "https://d.example.com/simple",
        "https://c.example.com/simple",
        OWN,
    )
    assert settings.proxy == "http://proxy:8080"
    assert settings.login("https://d.example.com/files/a.whl") == ("", "token")
    assert "token" not in repr(settings)
    assert "pw" not in repr(settings)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://pypi.example.com/files/a.whl", ("me", "pw")),
        ("https://pypi.example.com:443/files/a.whl", ("me", "pw")),
        ("https://pypi.example.com/team/a.whl", ("team", "t%am")),
        ("http://pypi.example.com/files/a.whl", None),
        ("https://pypi.example.com:8443/files/a.whl", None),
        ("https://pypi.example.com.evil.org/files/a.whl", None),
        ("https://files.example.com/a.whl", None),
    ],
)
def test_a_login_holds_for_scheme_host_and_port(
    tmp_path: Path, url: str, expected: tuple[str, str] | None
) -> None:
    settings = read(
        tmp_path,
        PIP_INDEX_URL=OWN,
        PIP_EXTRA_INDEX_URL="https://team:t%25am@pypi.example.com/team/simple",
    )
    assert settings.login(url) == expected


@pytest.mark.parametrize(
    ("environ", "is_other"),
    [
        ({"UV_INDEX_URL": OWN}, True),
        ({"PIP_INDEX_URL": OWN}, True),
        ({"UV_PRERELEASE": "allow"}, True),
        ({"PIP_CONSTRAINT": "/etc/constraints.txt"}, True),
        ({"UV_CACHE_DIR": "/var/cache"}, False),
        ({"PIP_TIMEOUT": "3", "UV_HTTP_RETRIES": "1"}, False),
        ({"HOME": "/nowhere"}, False),
    ],
)
def test_the_digest_changes_with_what_may_change_a_resolution(
    tmp_path: Path, environ: dict[str, str], *, is_other: bool
) -> None:
    assert (read(tmp_path, **environ).digest != read(tmp_path).digest) is is_other


def test_a_constraints_file_that_a_variable_names_counts_by_its_content(tmp_path: Path) -> None:
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("demo<2\n", encoding="utf-8")
    before = read(tmp_path, UV_CONSTRAINT=str(constraints)).digest
    assert read(tmp_path, UV_CONSTRAINT=str(constraints)).digest == before
    constraints.write_text("demo<1.5\n", encoding="utf-8")
    assert read(tmp_path, UV_CONSTRAINT=str(constraints)).digest != before


@pytest.mark.parametrize("variable", ["UV_FIND_LINKS", "PIP_FIND_LINKS"])
def test_a_new_wheel_in_a_directory_that_serves_as_an_index_is_seen(
    tmp_path: Path, variable: str
) -> None:
    """The directory may be named as tools are run: from the project's own."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    digests = []
    for filename in ("a-1-py3-none-any.whl", "a-2-py3-none-any.whl"):
        digests.append(read(tmp_path, **{variable: "wheels"}).digest)
        (wheels / filename).write_bytes(b"")
        digests.append(read(tmp_path, **{variable: wheels.as_uri()}).digest)
    digests.append(read(tmp_path, **{variable: "wheels"}).digest)
    assert len(set(digests)) == len(digests)


def test_the_certificates_that_tools_are_given_are_added_to_the_systems(tmp_path: Path) -> None:
    settings = read(tmp_path, PIP_CERT="/a.pem", REQUESTS_CA_BUNDLE="/b.pem")
    assert settings.certificates == ("/a.pem", "/b.pem")


@pytest.mark.parametrize("url", ["http://[", "https://h:port/simple", "", "https://["])
def test_what_is_no_url_is_left_to_the_tools(tmp_path: Path, url: str) -> None:
    assert read(tmp_path, PIP_EXTRA_INDEX_URL=url).login("https://h/a.whl") is None


def test_an_index_may_be_all_of_its_host(tmp_path: Path) -> None:
    settings = read(tmp_path, PIP_INDEX_URL="https://me:pw@h")
    assert settings.login("https://h/a/b.whl") == ("me", "pw")
