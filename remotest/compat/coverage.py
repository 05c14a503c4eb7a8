"""What pytest-cov measured where the tree has another name, under the names of the sources here.

On such a worker pytest-cov dumps its data as a script of SQL; the controller's would run it, with
all that SQL can do to files, and look for the sources where the host has them. Here the script
runs in a database in memory, in which it can make tables, fill them and nothing else. What they
hold is checked and goes into a data file beside those of local workers, for pytest-cov to combine.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from remotest.compat.node import WorkerController
    from remotest.pathmap import PathMap

MAX_SCRIPT_BYTES: Final = 1 << 30
"""Of a dump, unpacked: 10,000 tests that each run 1,000 files, with 100 bytes a row."""

_FILLING: Final = frozenset(
    (
        *(sqlite3.SQLITE_CREATE_TABLE, sqlite3.SQLITE_CREATE_INDEX),
        *(sqlite3.SQLITE_INSERT, sqlite3.SQLITE_READ, sqlite3.SQLITE_TRANSACTION),
    )
)
"""What a script may do; and SQLITE_UPDATE of the list of tables, which making one does."""

_READING: Final = frozenset((sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ))

_LIST_OF_TABLES: Final = "sqlite_master"


class BadDumpError(Exception):
    """What a worker sent is no data of coverage; the text says why."""


@dataclass(frozen=True)
class Measured:
    """What coverage has measured.

    Attributes:
        has_arcs: whether branches were measured and not lines; None if nothing was.
        files: all files that were looked at, also those of which nothing ran.
        lines: file -> numbers of the lines that ran, by context.
        arcs: file -> pairs of line numbers, by context.
        tracers: file -> the coverage plugin that traced it.
    """

    has_arcs: bool | None = None
    files: tuple[str, ...] = ()
    lines: dict[str, dict[str, set[int]]] = field(default_factory=dict)
    arcs: dict[str, dict[str, set[tuple[int, int]]]] = field(default_factory=dict)
    tracers: dict[str, str] = field(default_factory=dict)


class HostCoverage:
    """Takes a worker's data before pytest-cov does. ``paths_of`` knows an environment's tree."""

    def __init__(self, config: pytest.Config, paths_of: Callable[[str], PathMap]) -> None:
        self._config = config
        self._paths_of = paths_of

    @pytest.hookimpl(tryfirst=True)
    def pytest_testnodedown(self, node: WorkerController) -> None:
        """Bring a worker's data home. Without usable data it is one that pytest-cov names."""
        output = getattr(node, "workeroutput", {})
        plugin = self._config.pluginmanager.get_plugin("_cov")
        here = getattr(plugin, "cov_controller", None)
        if here is None or "cov_worker_data" not in output:
            return
        paths = self._paths_of(node.environment)
        try:
            measured = read_dump(output.pop("cov_worker_data"), paths)
        except BadDumpError as error:
            output.pop("cov_worker_node_id", None)
            text = f"{node.gateway.id}: the coverage data that it sent cannot be read: {error}"
            self._config.issue_config_time_warning(pytest.PytestWarning(text), stacklevel=2)
        else:
            beside = here.cov.get_data().base_filename()
            write_data(measured, beside, suffix=f"remotest.{node.gateway.id}")


def read_dump(dump: Any, paths: PathMap) -> Measured:
    """Return what a dump of ``coverage.CoverageData.dumps`` holds, with the files' names here.

    Raises:
        BadDumpError: it is none, too large, or would do more than fill tables.
    """
    try:
        script = _unpack(dump)
        with closing(sqlite3.connect(":memory:")) as database:
            database.set_authorizer(_may_fill)
            database.executescript(script)
            database.set_authorizer(_may_read)
            return _read_tables(database, paths)
    except (sqlite3.Error, zlib.error, ValueError, LookupError, MemoryError) as error:
        raise BadDumpError(str(error)) from None


def _unpack(dump: Any) -> str:
    if not isinstance(dump, bytes) or dump[:1] != b"z":
        raise BadDumpError("it does not begin as such data does")
    unpacking = zlib.decompressobj()
    script = unpacking.decompress(dump[1:], MAX_SCRIPT_BYTES)
    if not unpacking.eof:
        raise BadDumpError(f"it is cut off, or longer than {MAX_SCRIPT_BYTES} bytes")
    return script.decode()


def _may_fill(action: int, name: str | None, *_: Any) -> int:
    is_listing = action == sqlite3.SQLITE_UPDATE and name == _LIST_OF_TABLES
    return sqlite3.SQLITE_OK if action in _FILLING or is_listing else sqlite3.SQLITE_DENY


def _may_read(action: int, *_: Any) -> int:
    return sqlite3.SQLITE_OK if action in _READING else sqlite3.SQLITE_DENY


def _rows(database: sqlite3.Connection, table: str, **columns: type) -> Iterator[Any]:
    """Yield the rows of a table: SQLite itself lets a column hold any type."""
    kinds = tuple(columns.values())
    for row in database.execute(f"SELECT {', '.join(columns)} FROM {table}"):  # noqa: S608  ours
        if tuple(map(type, row)) != kinds:
            raise ValueError(f"a row of the table {table} has values of other types")
        yield row


def _read_tables(database: sqlite3.Connection, paths: PathMap) -> Measured:
    # Imported here, as is coverage below: it is there where somebody uses pytest-cov.
    from coverage.numbits import numbits_to_nums  # noqa: PLC0415

    files = {
        number: (paths.to_here(path) or path) if path.startswith("/") else path
        for number, path in _rows(database, "file", id=int, path=str)
    }
    contexts = dict(_rows(database, "context", id=int, context=str))
    lines: Any = defaultdict(lambda: defaultdict(set))
    for file, context, bits in _rows(
        database, "line_bits", file_id=int, context_id=int, numbits=bytes
    ):
        lines[contexts[context]][files[file]].update(numbits_to_nums(bits))
    arcs: Any = defaultdict(lambda: defaultdict(set))
    for file, context, *arc in _rows(
        database, "arc", file_id=int, context_id=int, fromno=int, tono=int
    ):
        arcs[contexts[context]][files[file]].add(tuple(arc))
    tracers = {
        files[file]: tracer for file, tracer in _rows(database, "tracer", file_id=int, tracer=str)
    }
    has_arcs = dict(_rows(database, "meta", key=str, value=str)).get("has_arcs")
    return Measured(
        has_arcs=None if has_arcs is None else has_arcs == "1",
        files=tuple(files.values()),
        lines={context: dict(found) for context, found in lines.items()},
        arcs={context: dict(found) for context, found in arcs.items()},
        tracers=tracers,
    )


def write_data(measured: Measured, base: str, *, suffix: str) -> None:
    """Write a coverage data file, as one of those that ``base`` is combined from."""
    if measured.has_arcs is None:
        return
    from coverage import CoverageData  # noqa: PLC0415

    data = CoverageData(basename=base, suffix=suffix)
    # An empty one says what this data is about, even where nothing ran.
    if measured.has_arcs:
        data.add_arcs({})
        for context, arcs_by_file in measured.arcs.items():
            data.set_context(context)
            data.add_arcs(arcs_by_file)
    else:
        data.add_lines({})
        for context, lines_by_file in measured.lines.items():
            data.set_context(context)
            data.add_lines(lines_by_file)
    data.touch_files(measured.files)
    data.add_file_tracers(measured.tracers)
    data.write()
