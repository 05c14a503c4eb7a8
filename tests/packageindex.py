"""A package index on loopback, of packages that a test makes up: no registry is asked."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
import textwrap
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from packaging.tags import Tag, compatible_tags, cpython_tags, generic_tags
from packaging.utils import canonicalize_name
from wheels import Draft

from remotest.env.model import Target

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import TracebackType
    from typing import Self

PLATFORMS: Final = (
    "manylinux_2_17_x86_64",
    "manylinux2014_x86_64",
    "manylinux2010_x86_64",
    "manylinux1_x86_64",
    "linux_x86_64",
)
"""Of a Linux that is ten years old."""

_BACKEND: Final = """
import zipfile

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    filename = "{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(wheel_directory + "/" + filename, "w") as archive:
        archive.writestr("{name}.py", open("{name}.py").read())
        for file, text in {metadata}.items():
            archive.writestr("{name}-{version}.dist-info/" + file, text)
    return filename
"""
"""A build backend that lies in the project: building asks no index for another."""


@dataclass
class PackageIndex:
    """Serves the simple API of what was added; a context manager.

    Attributes:
        login: user and password that everything asks for; None for an open one.
        redirects: path -> URL that it redirects to.
        answers: path -> statuses to answer with, one after the other, before the file is sent.
        torn: paths whose files end in the middle.
        asked: (path, the ``Authorization`` header or None), in the order of arrival.
    """

    login: tuple[str, str] | None = None
    redirects: dict[str, str] = field(default_factory=dict)
    answers: dict[str, list[int]] = field(default_factory=dict)
    torn: set[str] = field(default_factory=set)
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._contents: dict[str, bytes] = {}
        self._links: dict[str, list[str]] = defaultdict(list)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Go away. May be called again."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        """The URL of the index, without user and password."""
        return f"http://{self.host}/simple"

    @property
    def url_with_login(self) -> str:
        assert self.login
        return f"http://{':'.join(self.login)}@{self.host}/simple"

    def file_url(self, filename: str) -> str:
        return f"http://{self.host}/files/{filename}"

    def add(
        self,
        name: str,
        version: str,
        tag: str = "py3-none-any",
        *,
        requires: Iterable[str] = (),
        python: str = "",
        hashed: bool = True,
    ) -> str:
        """Add a wheel; return its sha256."""
        with TemporaryDirectory() as folder:
            metadata = _metadata(name, version, requires, python)
            draft = Draft(name, version, tag, overrides={"METADATA": metadata})
            content = draft.write(Path(folder)).path.read_bytes()
        return self._publish(name, draft.filename, content, python, hashed=hashed)

    def add_source(self, name: str, version: str, tag: str = "py3-none-any") -> str:
        """Add a source distribution whose wheel has this tag; return its sha256."""
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w:gz") as archive:
            for path, text in source_files(name, version, tag).items():
                info = tarfile.TarInfo(f"{name}-{version}/{path}")
                info.size = len(text.encode())
                archive.addfile(info, io.BytesIO(text.encode()))
        return self.add_archive(name, version, stream.getvalue())

    def add_archive(self, name: str, version: str, content: bytes) -> str:
        """Add a source distribution; return its sha256."""
        return self._publish(name, f"{name}-{version}.tar.gz", content, "", hashed=True)

    def files_asked(self) -> list[str]:
        """Return the names of the files that were asked for, sorted."""
        return sorted(path.rpartition("/")[2] for path, _ in self.asked if "/files/" in path)

    def _publish(
        self, name: str, filename: str, content: bytes, python: str, *, hashed: bool
    ) -> str:
        sha256 = hashlib.sha256(content).hexdigest()
        self._contents[f"/files/{filename}"] = content
        fragment = f"#sha256={sha256}" if hashed else ""
        needs = f' data-requires-python="{escape(python)}"' if python else ""
        page = f"/simple/{canonicalize_name(name)}/"
        self._links[page].append(
            f'<a href="../../files/{filename}{fragment}"{needs}>{filename}</a>'
        )
        return sha256

    def answer(self, path: str, authorization: str | None) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body for a path."""
        self.asked.append((path, authorization))
        if self.login and authorization != authorization_of(self.login):
            return 401, {"WWW-Authenticate": 'Basic realm="test"'}, b""
        if path in self.redirects:
            return 302, {"Location": self.redirects[path]}, b""
        if self.answers.get(path):
            return self.answers[path].pop(0), {}, b"busy"
        if path in self._links:
            return 200, {"Content-Type": "text/html"}, "\n".join(self._links[path]).encode()
        if path in self._contents:
            return 200, {"Content-Type": "application/octet-stream"}, self._contents[path]
        return 404, {}, b""


def authorization_of(login: tuple[str, str]) -> str:
    return f"Basic {base64.b64encode(':'.join(login).encode()).decode()}"


def source_files(name: str, version: str, tag: str = "py3-none-any") -> dict[str, str]:
    """Return the files of a project by path; it is built by a backend of its own."""
    metadata = {
        "METADATA": _metadata(name, version),
        "WHEEL": f"Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: {tag}\n",
        "RECORD": "",
    }
    project = f"""
        [project]
        name = "{name}"
        version = "{version}"

        [build-system]
        requires = []
        build-backend = "backend"
        backend-path = ["."]
    """
    return {
        "pyproject.toml": textwrap.dedent(project),
        "backend.py": _BACKEND.format(name=name, version=version, tag=tag, metadata=metadata),
        f"{name}.py": f"VERSION = {version!r}\n",
        "PKG-INFO": _metadata(name, version),
    }


def target(
    version: str, implementation: str = "CPython", platforms: Sequence[str] = PLATFORMS
) -> Target:
    """Return an interpreter on Linux, for example ``target("3.9", "PyPy")``."""
    major, minor = (int(part) for part in version.split("."))
    short = {"CPython": "cp", "PyPy": "pp"}[implementation]
    tags: list[Tag] = []
    if short == "cp":
        abi = f"cp{major}{minor}" + ("m" if (major, minor) < (3, 8) else "")
        tags += cpython_tags((major, minor), [abi], platforms)
    else:
        tags += generic_tags(f"pp{major}{minor}", [f"pypy{major}{minor}_pp73"], platforms)
    tags += compatible_tags((major, minor), f"{short}{major}{minor}", platforms)
    markers = {
        "implementation_name": implementation.lower(),
        "implementation_version": f"{version}.9",
        "os_name": "posix",
        "platform_machine": "x86_64",
        "platform_python_implementation": implementation,
        "platform_release": "6.1",
        "platform_system": "Linux",
        "platform_version": "#1",
        "python_full_version": f"{version}.9",
        "python_version": version,
        "sys_platform": "linux",
    }
    return Target(
        markers=markers,
        tags=tuple(dict.fromkeys(tags)),
        ext_suffix=".so",
        is_own=False,
        build=f"{implementation} {version}",
        distributions={},
    )


def _metadata(name: str, version: str, requires: Iterable[str] = (), python: str = "") -> str:
    lines = ["Metadata-Version: 2.2", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Python: {python}"] if python else []
    lines += [f"Requires-Dist: {text}" for text in requires]
    return "\n".join(lines) + "\n"


def _handler(index: PackageIndex) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = index.answer(self.path, self.headers["Authorization"])
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if self.path in index.torn else body)

        do_HEAD = do_GET  # noqa: N815  a name of the base class

        def log_message(self, *_arguments: Any) -> None:
            """Keep silent: ``asked`` has it."""

    return Handler
