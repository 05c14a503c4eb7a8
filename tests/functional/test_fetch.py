"""Downloading wheels from servers that are slow, strict, broken or not what they say."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest
from packageindex import PackageIndex, authorization_of
from wheels import Draft

from remotest.env.fetch import RETRY_AFTER_S, Fetcher
from remotest.env.indexes import read_settings
from remotest.env.lock import Artifact
from remotest.env.model import Wheel
from remotest.env.unavailable import Unavailable
from remotest.env.wheelcache import WheelCache

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

FILENAME = "demo-1.0-py3-none-any.whl"
PATH = f"/files/{FILENAME}"
ME = ("me", "s3cr3t")


@pytest.fixture
def other() -> Iterator[PackageIndex]:
    with PackageIndex() as index:
        yield index


@pytest.fixture
def cache(tmp_path: Path) -> WheelCache:
    return WheelCache(tmp_path / "cache")


def artifact(url: str, **changes: Any) -> Artifact:
    values: dict[str, Any] = {"name": "demo", "version": "1.0", "kind": "wheel", "url": url}
    return Artifact(**{**values, "filename": FILENAME, **changes})


def fetch(
    what: Artifact,
    cache: WheelCache,
    environ: Mapping[str, str] | None = None,
    waits: list[float] | None = None,
    **options: Any,
) -> Wheel | Unavailable:
    """Return what becomes of one wheel, with no settings but ``environ``."""
    nowhere = cache.root / "nowhere"
    settings = read_settings(
        {"PIP_CONFIG_FILE": "/dev/null", "UV_NO_CONFIG": "1", **(environ or {})}, nowhere, nowhere
    )
    waited: list[float] = [] if waits is None else waits
    fetcher = Fetcher(settings, wait=waited.append, **options)
    return fetcher.wheels([what], cache)[what]


def cause(answer: Wheel | Unavailable) -> str:
    assert isinstance(answer, Unavailable), answer
    return answer.cause


def left_over(cache: WheelCache) -> list[Path]:
    return [path for path in cache.root.rglob("*") if path.is_file()]


def test_a_wheel_is_kept_by_its_content_and_fetched_once(
    index: PackageIndex, cache: WheelCache
) -> None:
    sha256 = index.add("demo", "1.0")
    what = artifact(index.file_url(FILENAME), hashes={"sha256": sha256})
    first, second = fetch(what, cache), fetch(what, cache)
    assert isinstance(first, Wheel)
    assert first == second
    assert first.path == cache.root / "wheels" / sha256 / FILENAME
    assert hashlib.sha256(first.path.read_bytes()).hexdigest() == sha256 == first.sha256
    assert index.files_asked() == [FILENAME]
    assert left_over(cache) == [first.path]
    assert {path.stat().st_mode & 0o077 for path in cache.root.rglob("*") if path.is_dir()} == {0}


def test_without_a_hash_the_content_names_the_wheel(index: PackageIndex, cache: WheelCache) -> None:
    sha256 = index.add("demo", "1.0")
    wheel = fetch(artifact(index.file_url(FILENAME)), cache)
    assert isinstance(wheel, Wheel)
    assert wheel.sha256 == sha256


def test_a_file_of_this_machine_is_copied(
    index: PackageIndex, cache: WheelCache, tmp_path: Path
) -> None:
    index.add("demo", "1.0")
    first = fetch(artifact(index.file_url(FILENAME)), cache)
    assert isinstance(first, Wheel)
    again = fetch(artifact(first.path.as_uri()), WheelCache(tmp_path / "another"))
    assert isinstance(again, Wheel)
    assert again.sha256 == first.sha256
    assert first.path.is_file()


@pytest.mark.parametrize("statuses", [[503], [500, 429, 502]])
def test_a_busy_server_is_asked_again(
    index: PackageIndex, cache: WheelCache, statuses: list[int]
) -> None:
    index.add("demo", "1.0")
    index.answers[PATH] = list(statuses)
    waits: list[float] = []
    assert isinstance(fetch(artifact(index.file_url(FILENAME)), cache, waits=waits), Wheel)
    assert waits == list(RETRY_AFTER_S[: len(statuses)])


def test_a_server_that_stays_busy_is_given_up(index: PackageIndex, cache: WheelCache) -> None:
    index.add("demo", "1.0")
    index.answers[PATH] = [503] * 10
    answer = fetch(artifact(index.file_url(FILENAME)), cache)
    assert cause(answer) == f"{index.host} does not send {FILENAME} (HTTP 503)"
    assert isinstance(answer, Unavailable)
    assert answer.is_network
    assert len(index.asked) == len(RETRY_AFTER_S) + 1
    assert left_over(cache) == []


def test_a_missing_file_is_not_asked_for_again(index: PackageIndex, cache: WheelCache) -> None:
    answer = fetch(artifact(index.file_url(FILENAME)), cache)
    assert cause(answer) == f"{index.host} does not send {FILENAME} (HTTP 404)"
    assert len(index.asked) == 1


def test_a_torn_download_is_none(index: PackageIndex, cache: WheelCache) -> None:
    index.add("demo", "1.0")
    index.torn.add(PATH)
    assert "cannot be fetched" in cause(fetch(artifact(index.file_url(FILENAME)), cache))
    assert left_over(cache) == []


@pytest.mark.parametrize(
    ("promised", "words"),
    [
        ({"hashes": {"sha256": "0" * 64}}, "has another sha256 than the lock says"),
        ({"hashes": {"md5": "0" * 32}}, "has another md5 than the lock says"),
        ({"size_bytes": 10**6}, "instead of 1000000"),
        ({"size_bytes": 3}, "sends more than the 3 bytes"),
    ],
)
def test_what_is_not_what_was_promised_is_refused(
    index: PackageIndex, cache: WheelCache, promised: dict[str, Any], words: str
) -> None:
    index.add("demo", "1.0")
    assert words in cause(fetch(artifact(index.file_url(FILENAME), **promised), cache))
    assert left_over(cache) == []


def test_a_login_goes_to_its_own_server_only(
    index: PackageIndex, other: PackageIndex, cache: WheelCache
) -> None:
    """Where an index redirects to a store of files, that one does not learn who we are."""
    index.login = ME
    other.add("demo", "1.0")
    index.redirects[PATH] = other.file_url(FILENAME)
    environ = {"UV_INDEX_URL": index.url_with_login}
    assert isinstance(fetch(artifact(index.file_url(FILENAME)), cache, environ), Wheel)
    assert index.asked == [(PATH, authorization_of(ME))]
    assert other.asked == [(PATH, None)]


def test_each_server_is_told_its_own_login(
    index: PackageIndex, other: PackageIndex, cache: WheelCache
) -> None:
    index.login, other.login = ME, ("you", "0ther")
    other.add("demo", "1.0")
    index.redirects[PATH] = other.file_url(FILENAME)
    environ = {"PIP_INDEX_URL": index.url_with_login, "PIP_EXTRA_INDEX_URL": other.url_with_login}
    assert isinstance(fetch(artifact(index.file_url(FILENAME)), cache, environ), Wheel)
    assert other.asked == [(PATH, authorization_of(("you", "0ther")))]


@pytest.mark.parametrize("statement", ["named", "netrc", "url"])
def test_a_login_is_found_where_pip_and_uv_find_it(
    index: PackageIndex, cache: WheelCache, tmp_path: Path, statement: str
) -> None:
    index.login = ME
    index.add("demo", "1.0")
    environ = {}
    options: dict[str, Any] = {}
    url = index.file_url(FILENAME)
    if statement == "named":
        environ = {
            "UV_INDEX": f"our-own={index.url}",
            "UV_INDEX_OUR_OWN_USERNAME": ME[0],
            "UV_INDEX_OUR_OWN_PASSWORD": ME[1],
        }
    elif statement == "netrc":
        netrc = tmp_path / "netrc"
        netrc.write_text(f"machine 127.0.0.1 login {ME[0]} password {ME[1]}\n", encoding="ascii")
        options["netrc_file"] = netrc
    else:
        url = url.replace("://", f"://{ME[0]}:{ME[1]}@")
        environ = {"UV_INDEX_URL": url}
    assert isinstance(fetch(artifact(index.file_url(FILENAME)), cache, environ, **options), Wheel)


def test_a_refusal_says_where_a_login_belongs_and_not_which_was_tried(
    index: PackageIndex, cache: WheelCache
) -> None:
    index.login = ("me", "another")
    environ = {"PIP_INDEX_URL": f"http://me:s3cr3t@{index.host}/simple"}
    answer = fetch(artifact(index.file_url(FILENAME)), cache, environ)
    assert cause(answer) == f"{index.host} does not let us have {FILENAME} (HTTP 401)"
    assert isinstance(answer, Unavailable)
    assert "~/.netrc" in answer.remedy
    assert "s3cr3t" not in f"{answer!r} {answer.__cause__!r} {answer.remedy}"


def test_what_a_server_refuses_is_left_to_pip(
    index: PackageIndex, cache: WheelCache, tmp_path: Path
) -> None:
    index.login = ME
    content = Draft().write(tmp_path).path.read_bytes()

    def ask_pip(url: str, directory: Path) -> None:
        assert url == index.file_url(FILENAME)
        (directory / FILENAME).write_bytes(content)

    sha256 = hashlib.sha256(content).hexdigest()
    what = artifact(index.file_url(FILENAME), hashes={"sha256": sha256})
    assert isinstance(fetch(what, cache, ask_pip=ask_pip), Wheel)
    another = artifact(index.file_url(FILENAME), hashes={"sha256": "0" * 64})
    answer = fetch(another, WheelCache(tmp_path / "another"), ask_pip=ask_pip)
    assert "has another sha256" in cause(answer)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://127.0.0.1/demo.whl", "which is no web address"),
        ("file:///nowhere/demo.whl", "cannot be read: No such file or directory"),
        ("http://127.0.0.1:9/demo.whl", "cannot be fetched from 127.0.0.1:9: "),
    ],
)
def test_what_cannot_be_reached_is_told_in_one_line(
    cache: WheelCache, url: str, words: str
) -> None:
    assert words in cause(fetch(artifact(url), cache))


def test_redirects_in_a_circle_and_out_of_the_web_end(
    index: PackageIndex, cache: WheelCache
) -> None:
    index.redirects[PATH] = PATH
    assert "more than 10 redirects" in cause(fetch(artifact(index.file_url(FILENAME)), cache))
    index.redirects[PATH] = "file:///etc/passwd"
    assert "redirects to a file URL" in cause(fetch(artifact(index.file_url(FILENAME)), cache))
