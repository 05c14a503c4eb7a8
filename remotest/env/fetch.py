"""Downloading the files that a lock names, each checked against its hash before it counts."""

from __future__ import annotations

import base64
import hashlib
import http.client
import shutil
import ssl
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from remotest.env.indexes import login_in_url
from remotest.env.unavailable import Unavailable
from remotest.env.wheelcache import COPY_BYTES, hash_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from remotest.env.indexes import IndexSettings
    from remotest.env.lock import Artifact
    from remotest.env.model import Wheel
    from remotest.env.wheelcache import WheelCache

PARALLEL_DOWNLOADS: Final = 8
"""Enough to fill a line with small files; registries see more than that as rude."""

SILENCE_TIMEOUT_S: Final = 30
"""Without a byte from the server."""

DOWNLOAD_TIMEOUT_S: Final = 1800
"""For one file in all: the largest wheels have two gigabytes."""

RETRY_AFTER_S: Final = (0.5, 2.0, 5.0)
"""Waits before each new try."""

MAX_BYTES: Final = 8 * 1024**3
"""No wheel is as large: a server that never ends must not fill the disk."""

PASSING_STATUS: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP answers after which a new try makes sense."""

DENIED_STATUS: Final = frozenset({401, 403})

CHECKABLE: Final = ("sha512", "sha384", "sha256", "blake2b", "sha3_256", "sha1", "md5")
"""Algorithms to check a file with, the strongest that an index gives first."""


class Fetcher:
    """Downloads for one resolution. May be used from several threads.

    Args:
        settings: who to be where.
        netrc_file: of the user; None without one.
        wait: sleeps so many seconds.
    """

    def __init__(
        self,
        settings: IndexSettings,
        netrc_file: Path | None = None,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._settings = settings
        self._netrc_file = netrc_file
        self._wait = wait

    def wheels(
        self, artifacts: Iterable[Artifact], cache: WheelCache
    ) -> dict[Artifact, Wheel | Unavailable]:
        """Return each wheel from the cache, or bring it there; what cannot be had is an error.

        Args:
            artifacts: of kind ``wheel``.
            cache: where they go.
        """
        wanted = list(dict.fromkeys(artifacts))

        def bring(artifact: Artifact) -> Wheel | Unavailable:
            try:
                return self._wheel(artifact, cache)
            except Unavailable as error:
                return error

        with ThreadPoolExecutor(PARALLEL_DOWNLOADS, "remotest-fetch") as pool:
            return dict(zip(wanted, pool.map(bring, wanted), strict=True))

    def file(self, artifact: Artifact, directory: Path) -> Path:
        """Bring a file into a directory, checked. Return its path.

        Raises:
            Unavailable: it cannot be had, or is not what was promised.
        """
        path = directory / artifact.filename
        scheme = urlsplit(artifact.url).scheme
        if scheme == "file":
            _copy(artifact, path)
        elif scheme in {"http", "https"}:
            self._download(artifact, path)
        else:
            raise Unavailable(f"{artifact.title} is at {artifact.url}, which is no web address")
        _check(artifact, path)
        return path

    def _wheel(self, artifact: Artifact, cache: WheelCache) -> Wheel:
        sha256 = artifact.hashes.get("sha256")
        if sha256 and (known := cache.find(sha256, artifact.filename)):
            return known
        with cache.staging() as directory:
            path = self.file(artifact, directory)
            return cache.adopt(path, sha256 or hash_file(path))

    def _download(self, artifact: Artifact, path: Path) -> None:
        for wait_s in (*RETRY_AFTER_S, None):
            try:
                self._receive(artifact, path)
            except urllib.error.HTTPError as error:
                error.close()
                failure = _refused(artifact, error.code)
                if error.code not in PASSING_STATUS:
                    raise failure from None  # the error's text may hold the URL's secrets
            except (OSError, http.client.HTTPException) as error:
                reason = getattr(error, "reason", None) or error
                failure = Unavailable(
                    f"{artifact.filename} cannot be fetched from {_host(artifact.url)}: {reason}",
                    remedy="see whether the package index can be reached from here",
                    is_network=True,
                )
            else:
                return
            if wait_s is None:
                raise failure from None
            self._wait(wait_s)

    def _receive(self, artifact: Artifact, path: Path) -> None:
        ends_s = time.monotonic() + DOWNLOAD_TIMEOUT_S
        limit = MAX_BYTES if artifact.size_bytes is None else artifact.size_bytes
        with self._open(artifact.url) as answer, path.open("wb") as file:
            received = 0
            while piece := answer.read(COPY_BYTES):
                received += len(piece)
                if received > limit:
                    raise Unavailable(
                        f"{_host(artifact.url)} sends more than the {limit} bytes of "
                        f"{artifact.filename}",
                        remedy="resolve anew: the index has changed, or something is in between",
                    )
                file.write(piece)
                if time.monotonic() > ends_s:
                    raise TimeoutError(f"not complete within {DOWNLOAD_TIMEOUT_S} s")
            expected = answer.headers.get("Content-Length")
            if expected is not None and received != int(expected):
                raise http.client.IncompleteRead(b"", int(expected) - received)

    def _open(self, url: str) -> Any:
        handlers: list[urllib.request.BaseHandler] = [_Redirects(self._authorize)]
        if urlsplit(url).scheme == "https":
            handlers.append(urllib.request.HTTPSHandler(context=self._certificates(url)))
        if proxy := self._settings.proxy:
            handlers.append(urllib.request.ProxyHandler({"http": proxy, "https": proxy}))
        request = urllib.request.Request(url, headers={"Accept-Encoding": "identity"})  # noqa: S310  file() let only web addresses in
        self._authorize(request)
        opener = urllib.request.build_opener(*handlers)
        return opener.open(request, timeout=SILENCE_TIMEOUT_S)

    def _authorize(self, request: urllib.request.Request) -> None:
        """Say who we are, to this server only: a redirect to another does not carry it on."""
        login = login_in_url(request.full_url) or self._settings.login(
            request.full_url, self._netrc_file
        )
        if login:
            token = base64.b64encode(":".join(login).encode()).decode()
            request.add_unredirected_header("Authorization", f"Basic {token}")

    def _certificates(self, url: str) -> ssl.SSLContext:
        """Return what to check a server with. A redirect to another host is checked the same."""
        context = ssl.create_default_context()
        for path in self._settings.certificates:
            location = Path(path)
            try:
                if location.is_dir():
                    context.load_verify_locations(capath=path)
                else:
                    context.load_verify_locations(cafile=path)
            except (OSError, ssl.SSLError) as error:
                raise Unavailable(
                    f"the certificates of {path} cannot be read: {error}",
                    remedy="see REQUESTS_CA_BUNDLE, PIP_CERT and cert in pip.conf",
                ) from error
        if {_host(url), urlsplit(url).hostname} & self._settings.trusted_hosts:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, and says at each server only who we are there."""

    def __init__(self, authorize: Callable[[urllib.request.Request], None]) -> None:
        self._authorize = authorize

    def redirect_request(self, *arguments: Any) -> urllib.request.Request | None:
        request = super().redirect_request(*arguments)
        if request is not None:
            self._authorize(request)
        return request


def _refused(artifact: Artifact, status: int) -> Unavailable:
    where = _host(artifact.url)
    if status in DENIED_STATUS:
        return Unavailable(
            f"{where} does not let us have {artifact.filename} (HTTP {status})",
            remedy="put user and password into the index URL, UV_INDEX_<NAME>_USERNAME and "
            "_PASSWORD, or ~/.netrc",
        )
    return Unavailable(
        f"{where} does not send {artifact.filename} (HTTP {status})",
        remedy="resolve anew: it may have been removed",
        is_network=status in PASSING_STATUS,
    )


def _host(url: str) -> str:
    """Return host and port of a URL, without user and password."""
    return urlsplit(url).netloc.rpartition("@")[2]


def _copy(artifact: Artifact, path: Path) -> None:
    source = Path(urllib.request.url2pathname(urlsplit(artifact.url).path))
    try:
        shutil.copyfile(source, path)
    except OSError as error:
        raise Unavailable(
            f"{source} of {artifact.title} cannot be read: {error.strerror or error}",
            remedy="resolve anew if it was moved",
        ) from error


def _check(artifact: Artifact, path: Path) -> None:
    """Compare a file with what was promised of it.

    Raises:
        Unavailable: it is another.
    """
    size = path.stat().st_size
    if artifact.size_bytes not in {None, size}:
        problem = f"has {size} bytes instead of {artifact.size_bytes}"
    elif not (algorithm := next((name for name in CHECKABLE if name in artifact.hashes), "")):
        return
    elif hash_file(path, algorithm) != artifact.hashes[algorithm].lower():
        problem = f"has another {algorithm} than the lock says"
    else:
        return
    raise Unavailable(
        f"{artifact.filename} from {_host(artifact.url) or artifact.url} {problem}",
        remedy="resolve anew: the index has changed, or something is in between",
    )


assert set(CHECKABLE) <= hashlib.algorithms_guaranteed
