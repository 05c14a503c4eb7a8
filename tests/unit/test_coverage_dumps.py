"""Coverage data of hosts: all of it comes home, and nothing else that a script of SQL can do."""

from __future__ import annotations

import zlib
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.config import get_config
from coverage import CoverageData

from remotest.compat import coverage
from remotest.compat.coverage import BadDumpError, Measured, read_dump, write_data
from remotest.pathmap import PathMap
from remotest.sync.plan import lay_out

if TYPE_CHECKING:
    from pathlib import Path

LAYOUT = lay_out("/me/proj", ["/me/proj", "/me/lib/tools"], python_path=["/me/lib"])
PATHS = PathMap(locate=LAYOUT.locate, origin=LAYOUT.origin, tree="/c/0")
TOOLS = PATHS.to_host("/me/lib/tools/a.py")


def dump_of(script: str) -> bytes:
    return b"z" + zlib.compress(script.encode())


def measured_lines() -> CoverageData:
    data = CoverageData(no_disk=True)
    data.add_lines({"/c/0/base/a.py": [1, 9, 70]})
    data.set_context("test_a|run")
    data.add_lines({"/c/0/base/a.py": [2], TOOLS: [3], "/usr/lib/x.py": [1], "relative.py": [4]})
    data.touch_files(["/c/0/base/never_ran.py"])
    data.add_file_tracers({"/c/0/base/a.py": "templates"})
    return data


def test_files_are_called_as_they_are_here() -> None:
    assert read_dump(measured_lines().dumps(), PATHS) == Measured(
        has_arcs=False,
        files=(
            *("/me/proj/a.py", "/me/lib/tools/a.py", "/usr/lib/x.py", "relative.py"),
            "/me/proj/never_ran.py",
        ),
        lines={
            "": {"/me/proj/a.py": {1, 9, 70}},
            "test_a|run": {
                "/me/proj/a.py": {2},
                "/me/lib/tools/a.py": {3},
                "/usr/lib/x.py": {1},
                "relative.py": {4},
            },
        },
        tracers={"/me/proj/a.py": "templates"},
    )


def test_a_file_has_all_that_was_measured(tmp_path: Path) -> None:
    base = str(tmp_path / "data")
    write_data(read_dump(measured_lines().dumps(), PATHS), base, suffix="gw0")
    found = CoverageData(f"{base}.gw0")
    found.read()
    assert found.contexts_by_lineno("/me/proj/a.py") == {
        1: [""],
        9: [""],
        70: [""],
        2: ["test_a|run"],
    }
    assert found.lines("/me/proj/never_ran.py") == []
    assert found.file_tracer("/me/proj/a.py") == "templates"


def test_branches_stay_branches(tmp_path: Path) -> None:
    data = CoverageData(no_disk=True)
    data.set_context("test_a|run")
    data.add_arcs({"/c/0/base/a.py": [(-1, 1), (1, 2), (2, -1)]})
    write_data(read_dump(data.dumps(), PATHS), str(tmp_path / "data"), suffix="gw0")
    found = CoverageData(str(tmp_path / "data.gw0"))
    found.read()
    assert found.has_arcs()
    assert sorted(found.arcs("/me/proj/a.py") or []) == [(-1, 1), (1, 2), (2, -1)]
    assert found.measured_contexts() == {"test_a|run"}


def test_a_worker_that_measured_nothing_leaves_no_file(tmp_path: Path) -> None:
    empty = read_dump(CoverageData(no_disk=True).dumps(), PATHS)
    assert empty == Measured()
    write_data(empty, str(tmp_path / "data"), suffix="gw0")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "statement",
    [
        "ATTACH 'written' AS other; CREATE TABLE other.t (a)",
        "VACUUM INTO 'written'",
        "PRAGMA writable_schema = 1",
        "PRAGMA temp_store_directory = '.'",
        "SELECT load_extension('written')",
        "CREATE VIEW v AS SELECT 1",
        "CREATE TRIGGER t AFTER INSERT ON file BEGIN DELETE FROM file; END",
        "CREATE VIRTUAL TABLE v USING fts5(a)",
        "CREATE TABLE t AS SELECT 1",
        "INSERT INTO meta VALUES ('a', zeroblob(1000000000))",
        "INSERT INTO file SELECT NULL, a.path || b.path FROM file a, file b",
        "WITH RECURSIVE n AS (SELECT 1 UNION ALL SELECT 2 FROM n) INSERT INTO file SELECT * FROM n",
        "UPDATE file SET path = 'x'",
        "DELETE FROM file",
        "DROP TABLE file",
    ],
)
def test_a_script_only_fills_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    monkeypatch.chdir(tmp_path)
    script = zlib.decompress(measured_lines().dumps()[1:]).decode()
    with pytest.raises(BadDumpError, match=r"not authorized|prohibited|denied"):
        read_dump(dump_of(f"{script};{statement};"), PATHS)
    assert list(tmp_path.iterdir()) == []


GOOD = zlib.decompress(measured_lines().dumps()[1:]).decode()


@pytest.mark.parametrize(
    "dump",
    [
        *("a text", None, b"", b"z", b"y" + zlib.compress(b""), b"znonsense"),
        measured_lines().dumps()[:-9],
        b"z" + zlib.compress(b"\xff"),
        *(dump_of(text) for text in ("", "nonsense", "\0", "BEGIN; COMMIT")),
        dump_of(GOOD + "INSERT INTO file VALUES (99, 5);".replace("5", "x'00'")),
        dump_of(GOOD + "INSERT INTO line_bits VALUES (99, 1, x'01');"),
        dump_of(GOOD + "INSERT INTO line_bits VALUES (3, 77, x'01');"),
        dump_of(GOOD + "INSERT INTO line_bits VALUES (3, 1, 'text');"),
        dump_of(GOOD + "INSERT INTO arc VALUES (1, 1, 'one', 2);"),
    ],
)
def test_what_is_no_data_is_refused(dump: Any) -> None:
    with pytest.raises(BadDumpError):
        read_dump(dump, PATHS)


def test_a_dump_that_unpacks_without_an_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coverage, "MAX_SCRIPT_BYTES", 1000)
    with pytest.raises(BadDumpError, match="longer than 1000 bytes"):
        read_dump(dump_of(" " * 1001), PATHS)


class Recorder:
    """A plugin that keeps the warnings that the user is shown."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def pytest_warning_recorded(self, warning_message: Any) -> None:
        self.texts.append(str(warning_message.message))


def test_a_worker_without_readable_data_is_one_that_pytest_cov_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    config, recorder = get_config(), Recorder()
    config.parse(["-c", "/dev/null", "--rootdir", str(tmp_path)])
    config.pluginmanager.register(recorder)
    config.pluginmanager.register(SimpleNamespace(cov_controller=object()), "_cov")
    hooks = coverage.HostCoverage(config, paths_of=lambda _: PATHS)
    output = {"cov_worker_node_id": "gw0", "cov_worker_data": b"nonsense", "of_others": 1}
    node: Any = SimpleNamespace(
        workeroutput=output, environment="host", gateway=SimpleNamespace(id="gw0")
    )

    hooks.pytest_testnodedown(node)

    assert output == {"of_others": 1}
    assert recorder.texts == [
        "gw0: the coverage data that it sent cannot be read: it does not begin as such data does"
    ]
