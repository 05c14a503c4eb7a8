"""Which files a wheel may hold, and where each of them goes: nothing is written here.

A wheel is an archive that somebody else made. A name in it that leads out of the environment, or
that means another file on another file system, is refused.
"""

import re
import stat
import unicodedata
from typing import Dict, FrozenSet, Iterable, List, NamedTuple, Tuple
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipInfo

MAX_FILES = 200000  # Of one wheel; the largest known have about 30 000.
MAX_NAME_CHARS = 1000  # Of a path in a wheel: PATH_MAX without the environment's own path.
MAX_PART_BYTES = 255  # NAME_MAX of Linux and macOS.
SITE = "site"  # Beside SCHEMES: where most of it goes, purelib or platlib as WHEEL has it.
LIBRARIES = (SITE, "purelib", "platlib")  # These are one folder in most environments.
SCHEMES = ("purelib", "platlib", "scripts", "data", "headers")

_DRIVE = re.compile(r"[A-Za-z]:")
_WHEEL = re.compile(
    r"(?P<name>[^-/]+)-(?P<version>[^-/]+)(-\d[^-/]*)?-[^-/]+-[^-/]+-[^-/]+\.whl", re.DOTALL
)


class WheelError(Exception):
    """A wheel that cannot be used; ``reason`` says which and why."""

    def __init__(self, reason: str) -> None:
        super(WheelError, self).__init__(reason)
        self.reason = reason


class Member(NamedTuple):
    """A file of a wheel. It goes to ``path`` below the folder of ``scheme``, or of ``SITE``."""

    info: ZipInfo
    scheme: str
    path: str

    @property
    def is_executable(self) -> bool:
        """Whether the archive says that it is a program."""
        return bool(self.info.external_attr >> 16 & 0o111)


class Contents(NamedTuple):
    """What a wheel holds: ``members``, and RECORD, which does not list itself and its signatures.

    ``dist_info`` is the name of its metadata's folder; ``unlisted`` names RECORD and those.
    """

    dist_info: str
    members: List[Member]
    record: ZipInfo
    unlisted: FrozenSet[str]


def name_and_version(filename: str) -> Tuple[str, str]:
    """Return (name, version) of a wheel's file name, the name normalized.

    Raises:
        WheelError: it is no name of a wheel.
    """
    match = _WHEEL.fullmatch(filename)
    if match is None:
        raise WheelError("%.200r is no name of a wheel" % filename)
    return normalized(match.group("name")), match.group("version")


def normalized(name: str) -> str:
    """Return the name of a distribution in the one spelling that is compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


def survey(filename: str, infos: Iterable[ZipInfo]) -> Contents:
    """Return what a wheel holds and where it goes.

    Args:
        filename: the wheel's own, without a directory.
        infos: the archive's table.

    Raises:
        WheelError: a name in it is not to be trusted, or it is not built like a wheel.
    """
    files = [info for info in infos if not _is_directory(info)]
    if len(files) > MAX_FILES:
        raise WheelError("it holds more than %d files" % MAX_FILES)
    dist_info = _find_dist_info(filename, files)
    data = dist_info[: -len(".dist-info")] + ".data"
    members = []
    for info in files:
        top, _, rest = info.filename.partition("/")
        scheme, path = SITE, info.filename
        if top == data:
            scheme, _, path = rest.partition("/")
            if scheme not in SCHEMES or not path or _is_own(scheme, path):
                raise WheelError("%r has no place in an environment" % info.filename)
        members.append(Member(info, scheme, path))
    _check_collisions(members)
    unlisted = frozenset(dist_info + "/RECORD" + suffix for suffix in ("", ".jws", ".p7s"))
    return Contents(
        dist_info=dist_info,
        members=[member for member in members if member.info.filename not in unlisted],
        record=next(info for info in files if info.filename == dist_info + "/RECORD"),
        unlisted=unlisted,
    )


def _is_own(scheme: str, path: str) -> bool:
    """Return whether a file would take the place of what makes a folder an environment."""
    return scheme == "data" and (path.startswith(".") or path.lower() == "pyvenv.cfg")


def check_path(path: str) -> None:
    """Refuse a relative path that could lead elsewhere, or be another one elsewhere.

    Raises:
        WheelError: it does.
    """
    if "\0" in path or "\\" in path or _DRIVE.match(path):
        raise WheelError("%.200r is no portable path" % path)
    if len(path) > MAX_NAME_CHARS:
        raise WheelError("the path %.200r... is too long" % path)
    for part in path.split("/"):
        if part in ("", ".", ".."):
            raise WheelError("%.200r leads elsewhere" % path)
        try:
            if len(part.encode("utf-8")) > MAX_PART_BYTES:
                raise WheelError("the name %.200r... is too long" % part)
        except UnicodeEncodeError:
            raise WheelError("%.200r is no text" % path) from None


def _is_directory(info: ZipInfo) -> bool:
    """Return whether an entry is a directory, after a look at its name and kind."""
    # ``filename`` ends at a NUL, and has os.sep for "/".
    name = info.orig_filename
    check_path(name[:-1] if name.endswith("/") else name)
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise WheelError("%.200r is a link or a special file" % name)
    if name.endswith("/") != (kind == stat.S_IFDIR) and kind:
        raise WheelError("%.200r is a file and a directory" % name)
    if info.flag_bits & 1 or info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise WheelError("%.200r is encrypted, or packed in an unusual way" % name)
    return name.endswith("/")


def _find_dist_info(filename: str, files: Iterable[ZipInfo]) -> str:
    found = {info.filename.partition("/")[0] for info in files if "/" in info.filename}
    found = {name for name in found if name.endswith(".dist-info")}
    if len(found) != 1:
        raise WheelError("it has %d dist-info folders" % len(found))
    dist_info = found.pop()
    name, _, version = dist_info[: -len(".dist-info")].partition("-")
    if not version or normalized(name) != name_and_version(filename)[0]:
        raise WheelError("%r is not its dist-info folder" % dist_info)
    names = {info.filename for info in files}
    for needed in ("METADATA", "WHEEL", "RECORD"):
        if dist_info + "/" + needed not in names:
            raise WheelError("it has no %s" % needed)
    return dist_info


def _check_collisions(members: Iterable[Member]) -> None:
    """Refuse files that are one and the same where case, or the form of accents, counts not."""
    seen: Dict[Tuple[str, str], Tuple[str, bool]] = {}
    for member in members:
        scheme = SITE if member.scheme in LIBRARIES else member.scheme
        parts = member.path.split("/")
        for length in range(1, len(parts) + 1):
            path = "/".join(parts[:length])
            is_file = length == len(parts)
            key = (scheme, unicodedata.normalize("NFC", path).casefold())
            new = (path, is_file)
            before = seen.setdefault(key, new)
            if before is not new and (is_file or before != (path, False)):
                raise WheelError("%r collides with %r" % (path, before[0]))
