"""Dumps of coverage data: scripts of SQL that a worker sends."""

from __future__ import annotations

import contextlib
import tempfile
import zlib
from pathlib import Path
from typing import Final

from coverage import CoverageData
from fuzz.guard import watching
from fuzz.inputs import edited
from fuzz.target import Target
from hypothesis import strategies as st

from remotest.compat.coverage import BadDumpError, read_dump, write_data
from remotest.pathmap import PathMap
from remotest.sync.plan import lay_out

LAYOUT: Final = lay_out("/me/proj", ["/me/proj"], python_path=[])
PATHS: Final = PathMap(locate=LAYOUT.locate, origin=LAYOUT.origin, tree="/c/0")
WORDS: Final = (
    *(b"ATTACH '/tmp/x' AS y;", b"INSERT INTO ", b"VALUES", b"(1, 2)", b"NULL", b"X'ff'", b"1e999"),
    *(
        b"SELECT load_extension('x');",
        b"PRAGMA ",
        b"CREATE TRIGGER",
        b"WITH RECURSIVE",
        b"DROP TABLE file;",
    ),
    *(b"file", b"line_bits", b"arc", b"meta", b"context", b"'", b";", b"--", b"zeroblob(99999999)"),
    *(
        b"CREATE VIEW v AS SELECT 1;",
        b"UPDATE sqlite_master SET sql='x';",
        b"9223372036854775808",
        b"-1",
    ),
    *(b"COMMIT;", b"BEGIN;", b"DEFAULT (randomblob(9))", b"\x00", b"\xff", b"has_arcs", b"'1'"),
)


def _script(*, has_arcs: bool) -> bytes:
    data = CoverageData(no_disk=True)
    if has_arcs:
        data.add_arcs({"/c/0/base/a.py": [(-1, 1), (1, 2)]})
    else:
        data.set_context("test_a|run")
        data.add_lines({"/c/0/base/a.py": [1, 9], "b.py": [2]})
    data.add_file_tracers({"/c/0/base/a.py": "templates"})
    return zlib.decompress(data.dumps()[1:])


def check_dump(data: bytes) -> None:
    """A script, or a packed one behind a ``z``, fills tables or is refused."""
    dump = data if data.startswith(b"z") else b"z" + zlib.compress(data)
    # Python does not see what SQLite itself opens: that is its authorizer's to refuse.
    with (
        tempfile.TemporaryDirectory(prefix="remotest-fuzz-") as folder,
        watching(Path(folder)),
        contextlib.suppress(BadDumpError),
    ):
        write_data(read_dump(dump, PATHS), f"{folder}/data", suffix="gw0")


SCRIPTS: Final = [_script(has_arcs=False), _script(has_arcs=True)]
DUMP: Final = Target(
    name="coverage-dump",
    check=check_dump,
    inputs=edited(SCRIPTS, WORDS)
    | st.lists(st.sampled_from([*WORDS, *SCRIPTS[0].splitlines(keepends=True)])).map(b"".join)
    | edited([b"z" + zlib.compress(SCRIPTS[0])]),
)

TARGETS: Final = (DUMP,)
