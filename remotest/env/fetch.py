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
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin, urlsplit

from remotest.env.indexes import login_in_url
from remotest.env.unavailable import Unavailable
from remotest.env.wheelcache import COPY_BYTES, hash_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from remotest.env.indexes import IndexSettings, Login
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

MAX_REDIRECTS: Final = 10
"""As browsers and pip: more of them lead in a circle."""

MAX_BYTES: Final = 8 * 1024**3
"""No wheel is as large: a server that never ends must not fill the disk."""

PASSING_STATUS: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP answers after which a new try makes sense."""

REDIRECT_STATUS: Final = frozenset({301, 302, 303, 307, 308})

DENIED_STATUS: Final = frozenset({401, 403})

CHECKABLE: Final = ("sha512", "sha384", "sha256", "blake2b", "sha3_256", "sha1", "md5")
"""Algorithms to check a file with, the strongest that an index gives first."""


class Fetcher:
    """Downloads for one resolution. May be used from several threads.

    Args:
        settings: who to be where.
        netrc_file: of the user; None without one.
        ask_pip: brings a URL's file into a directory, for servers that do not let us have it:
            pip may know of a keyring. Raises Unavailable.
        wait: sleeps so many seconds.
    """

    def __init__(
        self,
        settings: IndexSettings,
        netrc_file: Path | None = None,
        ask_pip: Callable[[str, Path], None] | None = None,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._settings = settings
        self._netrc_file = netrc_file
        self._ask_pip = ask_pip
        self._wait = wait
        self._contexts: dict[bool, ssl.SSLContext] = {}

    def knowing(self, urls: Iterable[str]) -> Fetcher:
        """Return a fetcher that also is who these URLs say, at their servers."""
        settings = replace(
            self._settings, index_urls=(*self._settings.index_urls, *filter(login_in_url, urls))
        )
        return Fetcher(settings, self._netrc_file, self._ask_pip, self._wait)

    def login(self, url: str) -> Login | None:
        """Return who to be at a URL."""
        return self._settings.login(url, self._netrc_file)

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
                if error.code in DENIED_STATUS and self._brought_by_pip(artifact, path):
                    return
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

    def _brought_by_pip(self, artifact: Artifact, path: Path) -> bool:
        if self._ask_pip is None or artifact.kind != "wheel":
            return False
        try:
            self._ask_pip(artifact.url, path.parent)
        except Unavailable:  # The server's refusal says more.
            return False
        return path.is_file()

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
            if expected is not None and str(received) != expected.strip():
                raise OSError(f"{received} bytes came in the place of {expected:.20}")

    def _open(self, url: str) -> Any:
        """Follow redirects to a file; say at each server only who we are there.

        Raises:
            OSError: as urllib does.
        """
        for _ in range(MAX_REDIRECTS):
            try:
                return self._ask(url)
            except urllib.error.HTTPError as error:
                location = error.headers.get("Location")
                if error.code not in REDIRECT_STATUS or not location:
                    raise
                error.close()
                url = _joined(url, location)
            if urlsplit(url).scheme not in {"http", "https"}:
                raise OSError(f"it redirects to a {urlsplit(url).scheme} URL")
        raise OSError(f"more than {MAX_REDIRECTS} redirects")

    def _ask(self, url: str) -> Any:
        handlers: list[urllib.request.BaseHandler] = [_NoRedirects()]
        if urlsplit(url).scheme == "https":
            handlers.append(urllib.request.HTTPSHandler(context=self._context(url)))
        if proxy := self._settings.proxy:
            handlers.append(urllib.request.ProxyHandler({"http": proxy, "https": proxy}))
        headers = {"Accept-Encoding": "identity"}
        if login := self.login(url):
            headers["Authorization"] = basic_authorization(login)
        request = urllib.request.Request(url, headers=headers)  # noqa: S310  only web addresses come here
        opener = urllib.request.build_opener(*handlers)
        return opener.open(request, timeout=SILENCE_TIMEOUT_S)

    def _context(self, url: str) -> ssl.SSLContext:
        """Return what to check a server with."""
        is_trusted = bool({_host(url), urlsplit(url).hostname} & self._settings.trusted_hosts)
        if is_trusted not in self._contexts:
            context = self._with_certificates()
            if is_trusted:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            self._contexts[is_trusted] = context
        return self._contexts[is_trusted]

    def _with_certificates(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        for path in self._settings.certificates:
            is_directory = Path(path).is_dir()
            try:
                context.load_verify_locations(
                    cafile=None if is_directory else path, capath=path if is_directory else None
                )
            except OSError as error:
                raise Unavailable(
                    f"the certificates of {path} cannot be read: {error}",
                    remedy="see REQUESTS_CA_BUNDLE, PIP_CERT and cert in pip.conf",
                ) from error
        return context


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Leaves them to the caller, who has to be somebody else at each server."""

    def redirect_request(self, *_arguments: Any) -> None:
        return None


def basic_authorization(login: Login) -> str:
    """Return the value of an ``Authorization`` header."""
    return f"Basic {base64.b64encode(':'.join(login).encode()).decode()}"


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


def _joined(url: str, location: str) -> str:
    """Return where a server redirects to.

    Raises:
        OSError: nowhere.
    """
    try:
        joined = urljoin(url, location)
        joined.encode("ascii")
    except ValueError as error:
        raise OSError(f"it redirects to what is no URL: {error}") from error
    return joined


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
