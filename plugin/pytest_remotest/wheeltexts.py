"""The small files that say what a wheel is: WHEEL, RECORD, entry_points.txt."""

import base64
import binascii
import configparser
import csv
import io
import re
from typing import Dict, Iterable, Iterator, NamedTuple, Optional

from pytest_remotest.wheelnames import MAX_FILES, WheelError, check_path

HASHES = ("sha256", "sha384", "sha512")  # Nothing weaker: PEP 427.

# As a program for sh it runs the python beside it on itself; as one for Python its lines are a
# text. So neither the length of a path counts, nor where the environment is.
SCRIPT_HEAD = b"""#!/bin/sh
'''exec' "${0%/*}/python" "$0" "$@"
' '''
"""
_SCRIPT = """import sys
from {module} import {name}
if __name__ == "__main__":
    sys.exit({function}())
"""

_ENTRY_POINT = re.compile(r"(?P<module>[\w.]+)\s*:\s*(?P<function>[\w.]+)\s*(\[[^\]]*\])?")
_SIZE = re.compile(r"[0-9]{1,18}")
_PYTHON_LINE = re.compile(rb"#!python[^\n]*(\n|$)")


class Row(NamedTuple):
    """What RECORD says of a file; RECORD itself has no hash. ``size`` is None where it is silent.

    ``digest`` is in hexadecimal.
    """

    path: str
    algorithm: str = ""
    digest: str = ""
    size: Optional[int] = None


def read_record(text: str) -> Dict[str, Row]:
    """Return the rows of a RECORD by path.

    Raises:
        WheelError: it is none.
    """
    rows: Dict[str, Row] = {}
    try:
        for fields in csv.reader(io.StringIO(text, newline="")):
            if not fields:
                continue
            path, checksum, size = fields
            if path in rows or len(rows) > MAX_FILES:
                raise WheelError("RECORD names %.200r twice, or too many files" % path)
            rows[path] = _row(path, checksum, size)
    except (csv.Error, ValueError) as error:  # also a row that has not three fields
        raise WheelError("RECORD cannot be read: %s" % error) from error
    return rows


def _row(path: str, checksum: str, size: str) -> Row:
    if not checksum and not size:
        return Row(path)
    algorithm, _, encoded = checksum.partition("=")
    if algorithm not in HASHES:
        raise WheelError("RECORD has no usable hash of %.200r" % path)
    digest = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    if size and not _SIZE.fullmatch(size):
        raise WheelError("RECORD has no usable size of %.200r" % path)
    hexadecimal = binascii.hexlify(digest).decode("ascii")
    return Row(path, algorithm, hexadecimal, int(size) if size else None)


def write_record(rows: Iterable[Row]) -> bytes:
    """Return the text of a RECORD."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    for row in rows:
        digest = base64.urlsafe_b64encode(binascii.unhexlify(row.digest)).decode("ascii")
        checksum = "%s=%s" % (row.algorithm, digest.rstrip("=")) if digest else ""
        writer.writerow([row.path, checksum, "" if row.size is None else row.size])
    return stream.getvalue().encode("utf-8", "surrogateescape")


def is_pure(wheel: str) -> bool:
    """Return whether a WHEEL says that its files go to purelib.

    Raises:
        WheelError: it is of a later kind of wheels.
    """
    fields = {}
    for line in wheel.splitlines():
        name, _, value = line.partition(":")
        fields[name.strip().lower()] = value.strip()
    if fields.get("wheel-version", "").partition(".")[0] != "1":
        raise WheelError("its Wheel-Version is %.50r" % fields.get("wheel-version"))
    return fields.get("root-is-purelib", "").lower() == "true"


def scripts(entry_points: str) -> Dict[str, bytes]:
    """Return the programs that an entry_points.txt asks for, by name.

    Raises:
        WheelError: it cannot be read, or asks for what is no name or function.
    """
    parser = configparser.RawConfigParser(delimiters=("=",), strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # case counts here
    try:
        parser.read_string(entry_points)
    except configparser.Error as error:
        raise WheelError("entry_points.txt cannot be read: %s" % error) from error
    found: Dict[str, bytes] = {}
    for section in ("console_scripts", "gui_scripts"):
        for name, value in parser.items(section) if parser.has_section(section) else ():
            check_path(name)
            match = _ENTRY_POINT.fullmatch(value.strip())
            if "/" in name or match is None:
                raise WheelError("%.200r is no entry point of a program" % value)
            function = match.group("function")
            text = _SCRIPT.format(
                module=match.group("module"), name=function.partition(".")[0], function=function
            )
            found[name] = SCRIPT_HEAD + text.encode("utf-8")
    return found


def with_python(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a script; where it is for ``#!python``, it runs with the python beside it."""
    stream = iter(pieces)
    first = next(stream, b"")
    match = _PYTHON_LINE.match(first)
    yield SCRIPT_HEAD + first[match.end() :] if match else first
    for piece in stream:
        yield piece
