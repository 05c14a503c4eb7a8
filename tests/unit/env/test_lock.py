"""What a lock gives an interpreter, and how little of a secret is left in one."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest
from packageindex import target

from remotest.env.lock import (
    Artifact,
    choose,
    filename_in,
    lowest_python,
    narrow,
    pins,
    read_lock,
    scrubbed,
    without_secrets,
)
from remotest.env.piptool import lock_of_report
from remotest.env.unavailable import Unavailable, Unfit

BASE: Final = Path("/project")
HASHES: Final = {"sha256": "ab" * 32}
PY39: Final = target("3.9")
PYPY: Final = target("3.9", "PyPy")


def lock(*packages: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"lock-version": "1.0", "created-by": "test", "packages": list(packages), **more}


def wheel(filename: str, **more: Any) -> dict[str, Any]:
    return {"url": f"https://files.example.com/{filename}", "hashes": HASHES, **more}


def package(name: str, *filenames: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "version": "1.0", "wheels": [wheel(one) for one in filenames], **more}


def chosen(document: dict[str, Any], one: Any = PY39, **options: Any) -> tuple[Artifact, ...]:
    return choose(read_lock(document, "the lock"), one, what="the lock", base=BASE, **options)


PURE: Final = package("pure", "pure-1.0-py3-none-any.whl")
NATIVE: Final = package(
    "native",
    "native-1.0-cp39-cp39-manylinux_2_17_x86_64.whl",
    "native-1.0-cp39-cp39-linux_x86_64.whl",
    "native-1.0-cp39-cp39-musllinux_1_2_x86_64.whl",
)
SOURCE: Final = {"url": "https://files.example.com/native-1.0.tar.gz", "hashes": HASHES}


def test_the_best_file_of_each_package_is_chosen() -> None:
    assert chosen(lock(PURE, NATIVE)) == (
        Artifact(
            name="pure",
            version="1.0",
            kind="wheel",
            url="https://files.example.com/pure-1.0-py3-none-any.whl",
            filename="pure-1.0-py3-none-any.whl",
            hashes=HASHES,
        ),
        Artifact(
            name="native",
            version="1.0",
            kind="wheel",
            url="https://files.example.com/native-1.0-cp39-cp39-manylinux_2_17_x86_64.whl",
            filename="native-1.0-cp39-cp39-manylinux_2_17_x86_64.whl",
            hashes=HASHES,
            platform_wheels=True,
        ),
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ["core", "of-default"]),
        ({"groups": ("test",)}, ["core", "of-test"]),
        ({"extras": ("fancy",)}, ["core", "of-default", "of-fancy"]),
    ],
)
def test_groups_and_extras_of_a_lock_are_taken_by_name(
    options: dict[str, Any], expected: list[str]
) -> None:
    document = lock(
        package("core", "core-1.0-py3-none-any.whl"),
        package(
            "of-default", "of_default-1.0-py3-none-any.whl", marker="'dev' in dependency_groups"
        ),
        package("of-test", "of_test-1.0-py3-none-any.whl", marker="'test' in dependency_groups"),
        package("of-fancy", "of_fancy-1.0-py3-none-any.whl", marker="'fancy' in extras"),
        extras=["fancy"],
        **{"dependency-groups": ["dev", "test"], "default-groups": ["dev"]},
    )
    assert [artifact.name for artifact in chosen(document, **options)] == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            {"sdist": {"url": "https://files.example.com/a-1.0.tar.gz", "hashes": HASHES}},
            {
                "kind": "sdist",
                "url": "https://files.example.com/a-1.0.tar.gz",
                "filename": "a-1.0.tar.gz",
                "hashes": HASHES,
            },
        ),
        (
            {"directory": {"path": "../a", "subdirectory": "lib"}},
            {"kind": "directory", "url": "file:///a", "subdirectory": "lib"},
        ),
        (
            {"vcs": {"type": "git", "url": "https://git.example.com/a", "commit-id": "c0ffee"}},
            {
                "kind": "vcs",
                "url": "https://git.example.com/a",
                "commit": "c0ffee",
                "vcs": "git",
            },
        ),
        (
            {"archive": {"path": "wheels/a-1.0-py3-none-any.whl", "hashes": {}}},
            {
                "kind": "wheel",
                "url": "file:///project/wheels/a-1.0-py3-none-any.whl",
                "filename": "a-1.0-py3-none-any.whl",
            },
        ),
    ],
)
def test_other_sources_say_where_they_are(source: dict[str, Any], expected: dict[str, Any]) -> None:
    document = lock({"name": "a", "version": "1.0", **source})
    assert chosen(document) == (Artifact(name="a", version="1.0", **expected),)


def test_a_source_knows_that_its_wheels_are_all_for_a_platform() -> None:
    for document, expected in (
        (lock({**NATIVE, "sdist": SOURCE}), True),
        (lock({"name": "native", "version": "1.0", "sdist": SOURCE}), False),
    ):
        (artifact,) = chosen(document, PYPY)
        assert (artifact.kind, artifact.platform_wheels) == ("sdist", expected)


@pytest.mark.parametrize(
    ("document", "kind", "words"),
    [
        (lock(NATIVE), Unfit, "No wheel found matching the provided tags for package 'native'"),
        (
            lock(PURE, **{"requires-python": ">=3.10"}),
            Unavailable,
            "does not satisfy the Python version requirement '>=3.10'",
        ),
        (lock(PURE, environments=["sys_platform == 'win32'"]), Unavailable, "environments"),
        (lock(PURE, PURE), Unavailable, "Multiple packages with the name 'pure'"),
        (
            lock({"name": "native", "archive": wheel("native-1.0-cp39-cp39-linux_x86_64.whl")}),
            Unfit,
            "native-1.0-cp39-cp39-linux_x86_64.whl, which native is required as, is none for",
        ),
        ({"lock-version": "1.0"}, Unavailable, "is no valid lock of PEP 751"),
        (lock({"name": "a"}), Unavailable, "is no valid lock of PEP 751"),
    ],
)
def test_what_a_lock_does_not_have_is_told(
    document: dict[str, Any], kind: type[Unavailable], words: str
) -> None:
    with pytest.raises(Unavailable) as caught:
        chosen(document, PYPY)
    assert type(caught.value) is kind
    assert words in caught.value.cause
    assert "at packages[" not in caught.value.cause


def test_a_lock_without_secrets_is_the_same_but_for_them() -> None:
    secret = {
        "url": "https://me:pw@files.example.com/a%20b.whl?x=1#y",
        "path": "a@b",
        "upload-time": "yesterday",
    }
    assert without_secrets(lock({"name": "a", "wheels": [secret]})) == lock(
        {
            "name": "a",
            "wheels": [{"url": "https://files.example.com/a%20b.whl?x=1#y", "path": "a@b"}],
        }
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a @ https://me:pw@b.example.com/c: no", "a @ https://b.example.com/c: no"),
        (
            "git+ssh://git@b.example.com/c and http://t@d/e",
            "git+ssh://b.example.com/c and http://d/e",
        ),
        ("https://b.example.com/me@c", "https://b.example.com/me@c"),
        ("mail me@example.com", "mail me@example.com"),
    ],
)
def test_what_stands_before_a_host_is_told_nobody(text: str, expected: str) -> None:
    assert scrubbed(text) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://example.com/a/b-1.0%2Bcpu-py3-none-any.whl#x", "b-1.0+cpu-py3-none-any.whl"),
        ("https://example.com/..%2F..%2Fb.whl", "b.whl"),
    ],
)
def test_a_filename_leads_nowhere_else(url: str, expected: str) -> None:
    assert filename_in(url) == expected


@pytest.mark.parametrize(
    ("requirement", "expected"),
    [
        (
            "demo[x]>=1",
            (
                'demo[x]>=1; python_version == "3.9" and platform_python_implementation == "PyPy" '
                'and sys_platform == "linux" and platform_machine == "x86_64"'
            ),
        ),
        (
            "demo; os_name == 'nt' or python_version < '4'",
            (
                'demo; (os_name == "nt" or python_version < "4") and (python_version == "3.9" and '
                'platform_python_implementation == "PyPy" and sys_platform == "linux" and '
                'platform_machine == "x86_64")'
            ),
        ),
    ],
)
def test_a_narrowed_requirement_is_one_for_its_interpreter_only(
    requirement: str, expected: str
) -> None:
    assert narrow(requirement, PYPY) == expected


def test_versions_are_compared_as_versions() -> None:
    assert lowest_python([target("3.10"), target("3.9"), target("3.13")]) == "3.9"


def test_what_has_a_version_is_pinned() -> None:
    assert pins(chosen(lock(PURE, {"name": "a", "directory": {"path": "a"}}))) == ("pure==1.0",)


def test_pips_report_is_read_as_a_lock() -> None:
    """What pip calls an archive is a wheel, a source, a directory or a commit."""
    items = [
        (
            "Pure",
            {"url": "https://x/pure-1.0-py3-none-any.whl", "archive_info": {"hashes": HASHES}},
        ),
        ("src", {"url": "https://x/src-1.0.zip", "archive_info": {}, "subdirectory": "lib"}),
        ("dir", {"url": "file:///dir", "dir_info": {}}),
        ("git", {"url": "https://x/git", "vcs_info": {"vcs": "git", "commit_id": "c0ffee"}}),
    ]
    report = {
        "install": [
            {"download_info": info, "metadata": {"name": name, "version": "1.0"}}
            for name, info in items
        ]
    }
    given = [
        (artifact.name, artifact.kind, artifact.url, artifact.commit or artifact.subdirectory)
        for artifact in chosen(lock_of_report(report))
    ]
    assert given == [
        ("dir", "directory", "file:///dir", ""),
        ("git", "vcs", "https://x/git", "c0ffee"),
        ("pure", "wheel", "https://x/pure-1.0-py3-none-any.whl", ""),
        ("src", "sdist", "https://x/src-1.0.zip", "lib"),
    ]
