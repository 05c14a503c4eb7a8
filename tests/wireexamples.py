"""One example of each message, the same on every interpreter: no syntax beyond Python 3.6."""

from pytest_remotest import messages as m

REPORT = {
    "$report_type": "TestReport",
    "duration": 0.25,
    "extra": {"dict": [["user_properties", [{"tuple": ["count", 3]}]]]},
    "keywords": {"test_a": 1},
    "location": ["test_a.py", 3, "test_a"],
    "longrepr": None,
    "nodeid": "test_a.py::test_a[\ud800 \u00e9]",
    "outcome": "passed",
    "sections": [["Captured stdout call", "hello\n"]],
    "when": "call",
}

EXAMPLES = (
    m.Greeting(m.PROTOCOL, {"version_info": [3, 6, 15], "pytest_version": "7.0.1"}),
    m.SyncWant(["00ff"], True),
    m.SyncDone("/tree", ["a note"]),
    m.SyncFailed("the disk is full", "free some room"),
    m.Room("/home/me/.cache", 1000, 500, None),
    m.WorkerExited("gw0", -9, "Fatal Python error"),
    m.WorkerOutput("gw0", "printed\n"),
    m.SyncOpen("project", "run", None, "/srv/tree"),
    m.SyncEntries([["file", "a.py", 420, 10, "00ff"]], False),
    m.SyncCommit(),
    m.AskRoom(None, None),
    m.HoldTree("/tree"),
    m.SpawnWorker(
        "gw0",
        ["-k", "a b"],
        "/tree",
        {"A": "b"},
        ["/tree"],
        False,
        5,
        {"dict": [["workerid", "gw0"]]},
    ),
    m.StopWorker("gw0", 9),
    m.Goodbye(),
    m.RunItems([0, 1, 2]),
    m.ReclaimItems([2]),
    m.Finish(),
    m.StopSession("stopping after 1 failures"),
    m.SessionStarted({"dict": [["executable", "/usr/bin/python3"]]}),
    m.ItemGroups([[0, "database"]]),
    m.Collected(["test_a.py::test_a"], True),
    m.LogStart(0, "test_a.py::test_a", ["test_a.py", None, "test_a"]),
    m.LogFinish(0, "test_a.py::test_a", None),
    m.TestReport(0, REPORT),
    m.CollectReport({"nodeid": "test_b.py", "outcome": "failed", "longrepr": "SyntaxError"}),
    m.WarningRecorded(
        "UserWarning", "builtins", "h\u00e9", "a.py", 3, "runtest", "test_a.py", None
    ),
    m.ItemFinished(0, 0.25),
    m.ItemsReturned([2]),
    m.InternalError("Traceback"),
    m.SessionOutput('{"dict":[["exitstatus",0]]}'),
    m.SessionFinished(""),
)
