"""Where pip and uv on this machine take packages from, and who they say they are there.

The tools read their settings themselves. They are read here for three things only: to know when a
resolution of before is still worth something, to let uv use pip's indexes where nobody told uv of
any, and to download the files that a resolution names as the same user.
"""

from __future__ import annotations

import configparser
import hashlib
import json
import netrc
import os
import re
import sys
from dataclasses import dataclass, field
from os.path import commonpath
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

from remotest.env.sources import local_path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

PIP_SECTIONS: Final = ("global", "install", "download")
"""Sections of pip.conf that concern us, the later the stronger."""

UV_FOR_PIP: Final = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
}
"""What uv calls pip's settings."""

UV_INDEX_VARIABLES: Final = (
    "UV_DEFAULT_INDEX",
    "UV_INDEX_URL",
    "UV_INDEX",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
    "UV_NO_INDEX",
)

UV_PATH_VARIABLES: Final = ("UV_CONSTRAINT", "UV_OVERRIDE", "UV_EXCLUDE", "UV_FIND_LINKS")
"""Those that name files and directories, whose contents count."""

UV_INDEX_KEYS: Final = ("index", "index-url", "extra-index-url", "find-links", "no-index")

IRRELEVANT: Final = re.compile(
    r"(UV|PIP)_(CACHE_DIR|NO_CACHE|NO_CACHE_DIR|NO_PROGRESS|PROGRESS_BAR|QUIET|VERBOSE|NO_COLOR"
    r"|DISABLE_PIP_VERSION_CHECK|CONCURRENT_\w+|LINK_MODE|HTTP_TIMEOUT|HTTP_RETRIES|TIMEOUT"
    r"|DEFAULT_TIMEOUT|RETRIES|OFFLINE)|UV|UV_RUN_RECURSION_DEPTH"
)
"""Variables that do not change what a resolution gives."""

TRUE_WORDS: Final = frozenset({"1", "true", "yes", "on"})

REGISTRY: Final = "https://pypi.org/simple"
"""Where both tools take packages from if nothing else is said."""

Login = tuple[str, str]
"""User and password."""


class _Index(NamedTuple):
    """One that uv is told of; the name may be empty. An explicit one is for named packages only."""

    name: str
    url: str
    is_default: bool = False
    is_explicit: bool = False


@dataclass(frozen=True, kw_only=True)
class IndexSettings:
    """What the settings of pip and uv come to. Its text (repr) holds no secret.

    Attributes:
        digest: hex; changes whenever a setting does that could change a resolution.
        uv_environ: what uv is to be told in its environment.
        pip_environ: what pip is to be told where uv resolves as well, so that both take packages
            from the same places; None where pip cannot be told.
        index_urls: of all indexes; user and password may be in them.
        logins: (index URL, user and password) that are given apart from the URL.
        trusted_hosts: ``host`` or ``host:port``, whose certificates are not checked.
        certificates: files of certificates to trust beside the system's own.
        proxy: for http and https; empty where the usual variables decide.
    """

    digest: str
    uv_environ: Mapping[str, str] = field(repr=False)
    pip_environ: Mapping[str, str] | None = field(repr=False)
    index_urls: tuple[str, ...] = field(repr=False)
    logins: tuple[tuple[str, Login], ...] = field(repr=False)
    trusted_hosts: frozenset[str] = frozenset()
    certificates: tuple[str, ...] = ()
    proxy: str = field(default="", repr=False)

    def login(self, url: str, netrc_file: Path | None = None) -> Login | None:
        """Return who to be at a URL: nobody, where its host is none of an index's or netrc's.

        Where several indexes are on the host, the one whose path is most like the URL's counts.
        """
        ours = [(where, given) for where, given in self._known() if same_origin(where, url)]
        if ours:
            return max(ours, key=lambda pair: _common_length(pair[0], url))[1]
        return _from_netrc(url, netrc_file)

    def _known(self) -> Iterator[tuple[str, Login]]:
        yield from self.logins
        for url in self.index_urls:
            if login := login_in_url(url):
                yield url, login


def login_in_url(url: str) -> Login | None:
    """Return user and password of a URL, None where it has none."""
    parts = _parts(url)
    if not parts.username and not parts.password:
        return None
    return unquote(parts.username or ""), unquote(parts.password or "")


def same_origin(one: str, other: str) -> bool:
    """Return whether two URLs have scheme, host and port in common."""
    return _origin(one) == _origin(other)


def read_settings(environ: Mapping[str, str], directory: Path, home: Path) -> IndexSettings:
    """Read the settings of pip and uv.

    Args:
        environ: the environment.
        directory: that uv is run in.
        home: the user's own.
    """
    pip = _pip_settings(environ, home)
    uv_tables = list(_uv_tables(environ, directory, home))
    uv_is_set = any(environ.get(name) for name in UV_INDEX_VARIABLES) or any(
        key in table for table in uv_tables for key in UV_INDEX_KEYS
    )
    uv_environ = {} if uv_is_set else _pip_for_uv(pip)
    named = list(_uv_indexes(environ, uv_tables))
    pip_urls = " ".join([pip.get("index-url", ""), pip.get("extra-index-url", "")]).split()
    variables = {
        name: value
        for name, value in environ.items()
        if name.startswith(("UV_", "PIP_")) and not IRRELEVANT.fullmatch(name)
    }
    files = list(_files_that_decide(environ, pip, uv_tables, directory))
    described = json.dumps([pip, uv_tables, variables, files], sort_keys=True, default=str)
    certificates = [pip.get("cert"), environ.get("REQUESTS_CA_BUNDLE"), environ.get("PIP_CERT")]
    trusted = f"{pip.get('trusted-host', '')} {environ.get('UV_INSECURE_HOST', '')}"
    return IndexSettings(
        digest=hashlib.sha256(described.encode()).hexdigest(),
        uv_environ=uv_environ,
        pip_environ=_uv_for_pip(environ, uv_tables, pip) if uv_is_set else {},
        index_urls=(*(index.url for index in named), *pip_urls),
        logins=tuple(_named_logins(environ, named)),
        trusted_hosts=frozenset(trusted.replace(",", " ").split()),
        certificates=tuple(dict.fromkeys(path for path in certificates if path)),
        proxy=pip.get("proxy", ""),
    )


def _files_that_decide(
    environ: Mapping[str, str],
    pip: Mapping[str, str],
    uv_tables: Iterable[Mapping[str, Any]],
    directory: Path,
) -> Iterator[str]:
    """Yield what changes with a file of constraints, or with a directory of wheels."""
    words = [pip.get("constraint", ""), pip.get("find-links", "")]
    words += [environ.get(name, "").replace(",", " ") for name in UV_PATH_VARIABLES]
    words += [" ".join(table.get("find-links", [])) for table in uv_tables]
    for word in dict.fromkeys(" ".join(words).split()):
        path = local_path(word) or directory / word
        try:
            names = sorted(path.iterdir()) if path.is_dir() else [path]
            for name in names:
                status = name.stat()
                yield f"{name} {status.st_size} {status.st_mtime_ns}"
        except OSError:  # a URL, or uv and pip will complain, and better
            continue


def _pip_settings(environ: Mapping[str, str], home: Path) -> dict[str, str]:
    """Return pip's settings by their long names, as its files and variables give them."""
    settings: dict[str, str] = {}
    for path in _pip_files(environ, home):
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError):  # pip itself will complain, and better
            continue
        for section in PIP_SECTIONS:
            if parser.has_section(section):
                settings.update({_dashed(key): value for key, value in parser.items(section)})
    for name, value in environ.items():
        if name.startswith("PIP_") and name != "PIP_CONFIG_FILE" and value:
            settings[_dashed(name.removeprefix("PIP_"))] = value
    return {key: value for key, value in settings.items() if not _is_irrelevant_to_pip(key)}


def _pip_files(environ: Mapping[str, str], home: Path) -> list[Path]:
    """Return where pip looks for its settings, the weakest first."""
    named = environ.get("PIP_CONFIG_FILE", "")
    if named == os.devnull:
        return []
    shared = environ.get("XDG_CONFIG_DIRS") or "/etc/xdg"
    own = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    found = [Path(base, "pip", "pip.conf") for base in reversed(shared.split(os.pathsep))]
    found += [Path("/etc/pip.conf"), home / ".pip" / "pip.conf"]
    found += [home / "Library" / "Application Support" / "pip" / "pip.conf"]
    found += [own / "pip" / "pip.conf", Path(sys.prefix, "pip.conf")]
    return [*found, Path(named)] if named else found


def _dashed(name: str) -> str:
    return name.lower().replace("_", "-")


def _is_irrelevant_to_pip(key: str) -> bool:
    return bool(IRRELEVANT.fullmatch(f"PIP_{key.upper().replace('-', '_')}"))


def _pip_for_uv(pip: Mapping[str, str]) -> dict[str, str]:
    """Return uv's variables for pip's settings; empty where pip uses the usual registry."""
    told = {
        variable: " ".join(pip[key].split()) for key, variable in UV_FOR_PIP.items() if pip.get(key)
    }
    if "UV_FIND_LINKS" in told:
        told["UV_FIND_LINKS"] = told["UV_FIND_LINKS"].replace(" ", ",")
    if pip.get("no-index", "").lower() in TRUE_WORDS:
        told["UV_NO_INDEX"] = "1"
    if told:
        # pip takes the best of all indexes; uv only knows that as a strategy.
        told["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return told


def _uv_for_pip(
    environ: Mapping[str, str], tables: Iterable[Mapping[str, Any]], pip: Mapping[str, str]
) -> dict[str, str] | None:
    """Return pip's variables for uv's settings, and for pip's own that uv has no part in.

    None where uv takes a package from the first index only that has it, and pip, which takes the
    best of all, might be given somebody else's of the same name.
    """
    settings = _uv_settings(environ, tables)
    indexes = list(_uv_indexes(environ, tables))
    default = next((index for index in indexes if index.is_default), None)
    more = [index.url for index in indexes if not index.is_default and not index.is_explicit]
    if more and not str(settings.get("index-strategy", "")).startswith("unsafe"):
        return None
    own = {key: value for key, value in pip.items() if key not in (*UV_FOR_PIP, "no-index")}
    told = {
        "index-url": default.url if default else REGISTRY,
        "extra-index-url": " ".join(more),
        "find-links": " ".join(settings.get("find-links", [])),
        "no-index": "1" if settings.get("no-index") else "",
        "trusted-host": pip.get("trusted-host", ""),
    }
    variables = {f"PIP_{key.upper().replace('-', '_')}": v for key, v in {**own, **told}.items()}
    # pip takes what is empty for what was not said: a file of settings would be read in its place.
    return {**variables, "PIP_CONFIG_FILE": os.devnull}


def _uv_settings(environ: Mapping[str, str], tables: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return uv's settings by their names in files, as its files and variables give them."""
    settings: dict[str, Any] = {}
    for table in tables:
        settings = {**table, **settings}
    if strategy := environ.get("UV_INDEX_STRATEGY"):
        settings["index-strategy"] = strategy
    if places := environ.get("UV_FIND_LINKS"):
        settings["find-links"] = places.split(",")
    if said := environ.get("UV_NO_INDEX"):
        settings["no-index"] = said.lower() in TRUE_WORDS
    return settings


def _uv_tables(
    environ: Mapping[str, str], directory: Path, home: Path
) -> Iterator[Mapping[str, Any]]:
    """Yield uv's settings from its files: the project's, the user's, the system's."""
    if environ.get("UV_NO_CONFIG"):
        return
    if environ.get("UV_CONFIG_FILE"):
        yield from _uv_table(Path(environ["UV_CONFIG_FILE"]))
        return
    for parent in [directory, *directory.parents]:
        tables = [*_uv_table(parent / "uv.toml"), *_uv_table(parent / "pyproject.toml")]
        if tables:
            yield tables[0]
            break
    own = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    yield from _uv_table(own / "uv" / "uv.toml")
    yield from _uv_table(Path("/etc/uv/uv.toml"))


def _uv_table(path: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the table of uv in a file, with what is for ``uv pip`` only laid over it."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # absent, or uv itself will complain, and better
        return
    if path.name == "pyproject.toml":
        table = table.get("tool", {}).get("uv", {})
    if table:
        yield {**table, **table.get("pip", {})}


def _uv_indexes(
    environ: Mapping[str, str], tables: Iterable[Mapping[str, Any]]
) -> Iterator[_Index]:
    """Yield each index that uv is told of, those that count more first."""
    for variable in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL"):
        is_default = variable in ("UV_DEFAULT_INDEX", "UV_INDEX_URL")
        for word in environ.get(variable, "").split():
            name, equals, url = word.partition("=")
            named = equals and re.fullmatch(r"[\w.-]+", name)
            yield _Index(name, url, is_default) if named else _Index("", word, is_default)
    for table in tables:
        if url := table.get("index-url", ""):
            yield _Index("", url, is_default=True)
        yield from (_Index("", url) for url in table.get("extra-index-url", []) if url)
        for index in table.get("index", []):
            yield _Index(
                index.get("name", ""),
                index.get("url", ""),
                is_default=index.get("default") is True,
                is_explicit=index.get("explicit") is True,
            )


def _named_logins(
    environ: Mapping[str, str], indexes: Iterable[_Index]
) -> Iterator[tuple[str, Login]]:
    for name, url, *_ in indexes:
        prefix = "UV_INDEX_" + re.sub(r"[^A-Z0-9]", "_", name.upper())
        user = environ.get(f"{prefix}_USERNAME", "")
        password = environ.get(f"{prefix}_PASSWORD", "")
        if name and (user or password):
            yield url, (user, password)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = _parts(url)
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname, parts.port or usual


def _parts(url: str) -> SplitResult:
    """Return the parts of a URL; of what is none, empty ones."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # Whether it is a number is looked at only here.
    except ValueError:  # pip and uv will complain, and better
        return urlsplit("")
    return parts


def _common_length(one: str, other: str) -> int:
    return len(commonpath([_parts(url).path or "/" for url in (one, other)]))


def _from_netrc(url: str, path: Path | None) -> Login | None:
    host = _parts(url).hostname
    if not host or path is None:
        return None
    try:
        found = netrc.netrc(path).authenticators(host)
    except (OSError, netrc.NetrcParseError):  # none there, or pip and uv do without it, too
        return None
    return (found[0] or "", found[2] or "") if found else None
