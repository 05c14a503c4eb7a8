"""What hosts say is shown as text: it steers nothing and tells no secret."""

from __future__ import annotations

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_remotest import frames, messages
from pytest_remotest.brief import pack_times
from remotest.hosttext import MAX_WORDS_CHARS, HostText, secrets_of

CI: Final = {"GITHUB_ACTIONS": "true"}


def heard(message: Any, host_text: HostText | None = None) -> Any:
    """Return a message as it is after the way that all of them take."""
    frame = frames.encode([message])
    (cleaned,) = (host_text or HostText()).clean(frames.decode(frame)[1], frame)
    return cleaned


def report(**fields: Any) -> messages.TestReport:
    return messages.TestReport(0, 0, {"nodeid": "test_a.py::test_a", **fields})


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("plain, ünï, 日本 👩‍💻\tand\nlines\n", "plain, ünï, 日本 👩‍💻\tand\nlines\n"),
        ("\x1b]0;title\x07", "?]0;title?"),
        ("\x1b[2J\x1b[1;1H", "?[2J?[1;1H"),
        ("\x9b31m \x85 \x7f \0", "?31m ? ? ?"),
        ("dos\r\nold\rmac", "dos\nold?mac"),
        ("\u202egnp.exe\u2028", "?gnp.exe?"),
        ("\x1b[31mred\x1b[0m", "?[31mred?[0m"),
    ],
)
def test_what_would_steer_a_terminal_is_replaced(said: str, shown: str) -> None:
    assert heard(messages.WorkerOutput("gw0", said)).text == shown
    assert heard(messages.InternalError(said)).text == shown


def test_colours_of_a_failure_stay_and_nothing_else() -> None:
    longrepr = {"reprcrash": None, "lines": ["\x1b[1;31mE\x1b[0m \x1b[2J \x1b]8;;x\x07"]}
    said = report(longrepr=longrepr, sections=[["out", "\x1b[7mx\x1b[27m\x1b[10A"]])

    assert heard(said).data == {
        "nodeid": "test_a.py::test_a",
        "longrepr": {"reprcrash": None, "lines": ["\x1b[1;31mE\x1b[0m ?[2J ?]8;;x?"]},
        "sections": [["out", "\x1b[7mx\x1b[27m?[10A"]],
    }


def test_names_have_one_line() -> None:
    name = "test_a.py::test\nPASSED test_b.py::test_b\x1b[0m"
    clean = "test_a.py::test?PASSED test_b.py::test_b?[0m"

    assert heard(messages.Collected([name], last=True)).ids == [clean]
    started = heard(messages.LogStart(0, name, [name, None, name]))
    assert started == messages.LogStart(0, clean, [clean, None, clean])
    data = {"nodeid": name, "location": [name, 1, name], "keywords": {name: 1}, "when": name}
    assert heard(messages.TestReport(0, 0, data)).data == {
        "nodeid": clean,
        "location": [clean, 1, clean],
        "keywords": {clean: 1},
        "when": clean,
    }
    passed = messages.ItemPassed(
        0, [name], pack_times([0.5] * 9), [["out", "\x1b[7mx\x1b[10A"]], [0, 1, 1], 0.5
    )
    assert heard(passed) == passed._replace(keywords=[clean], sections=[["out", "\x1b[7mx?[10A"]])
    ended = messages.LogFinish(0, "test\nPASSED", None)
    assert heard(ended) == ended._replace(node_id="test?PASSED")
    warning = messages.WarningRecorded("W", "m", "two\nlines\x07", name, 1, "runtest", name, None)
    assert heard(warning) == warning._replace(text="two\nlines?", filename=clean, node_id=clean)


@pytest.mark.parametrize(
    ("variable", "said", "shown"),
    [
        ("GITHUB_ACTIONS", "a\n::set-output name=x::1", "a\n?:set-output name=x::1"),
        ("GITHUB_ACTIONS", " \t::add-mask::e", " \t?:add-mask::e"),
        ("GITHUB_ACTIONS", "\r::stop-commands::x", "?::stop-commands::x"),
        ("GITHUB_ACTIONS", "and ##[error]x", "and ?#[error]x"),
        ("GITHUB_ACTIONS", "std::vector a::b\n a ::b", "std::vector a::b\n a ::b"),
        ("TF_BUILD", "x ##vso[task.setvariable]y", "x ?#vso[task.setvariable]y"),
        ("TEAMCITY_VERSION", "##teamcity[testFailed]", "?#teamcity[testFailed]"),
        ("HOME", "::error::x ##[error] ##vso[a]b", "::error::x ##[error] ##vso[a]b"),
    ],
)
def test_a_ci_system_is_given_no_commands(variable: str, said: str, shown: str) -> None:
    host_text = HostText(environment={variable: "1"})
    assert heard(messages.WorkerOutput("gw0", said), host_text).text == shown
    said_in_a_report = report(longrepr=said)
    assert heard(said_in_a_report, host_text).data["longrepr"] == shown
    if variable != "HOME":  # Lines of our own are the same everywhere.
        assert host_text.line(said) == HostText().line(said) == shown


def test_no_command_comes_of_the_dots_that_pytest_turns_into_colons() -> None:
    started = messages.LogStart(0, ".error x", [".error x", None, ".error x"])

    cleaned = heard(started, HostText(environment=CI))

    assert cleaned.location == [".error x", None, "?error x"]
    assert heard(started) == started


def test_secrets_are_masked_where_they_are_shown() -> None:
    host_text = HostText({"s3cret-value", "s3cret-value-2", "päss\nwörd"})
    said = "a s3cret-value, s3cret-value-2, päss\nwörd"

    assert heard(messages.WorkerOutput("gw0", said), host_text).text == "a ***, ***, ***"
    seen = heard(report(longrepr=said, nodeid="test[s3cret-value]"), host_text)
    assert seen.data == {"nodeid": "test[***]", "longrepr": "a ***, ***, ***"}
    # What is a path, and not to be read by a person, stays what it is.
    done = messages.SyncDone("/home/s3cret-value/tree", [])
    assert heard(done, host_text) == done


def test_which_variables_hold_secrets() -> None:
    here = {"API_TOKEN": "from here, long", "HOME": "/home/me/long"}
    variables = [
        ("API_TOKEN", None),
        ("db_password", "correct horse"),
        ("SSH_KEY_PATH", "/home/me/.ssh/id"),
        ("STAGE", "production"),
        ("PASSED", "short"),
        ("SECRET_NOT_SET", None),
        ("HOME", None),
    ]
    assert secrets_of(variables, here) == {"from here, long", "correct horse"}


def test_no_host_fills_the_screen_with_its_reasons() -> None:
    text = "x" * (MAX_WORDS_CHARS + 2)
    few = "x" * (MAX_WORDS_CHARS // 2)
    short = f"{few}\n... [2 characters left out by remotest] ...\n{few}"

    assert heard(messages.SyncFailed(text, text)) == messages.SyncFailed(short, short)
    failed = messages.BuildFailed("00ff", "it fails", text)
    assert heard(failed) == failed._replace(log=short)
    exited = messages.WorkerExited("gw0", 1, text)
    assert heard(exited) == messages.WorkerExited("gw0", 1, short)
    assert heard(messages.InternalError(text)).text == short
    assert heard(messages.SessionFinished(text)).interrupted == short
    notes = [f"note {number} {'x' * 200}" for number in range(102)]
    done = messages.EnvDone("/env", False, {}, notes)
    assert heard(done) == done._replace(notes=[*notes[:100], "... and 2 more"])


def test_what_is_nested_as_deep_as_may_be_is_cleaned() -> None:
    value: Any = "\x1b"
    for _ in range(frames.MAX_NESTING - 10):
        value = [value]
    cleaned = heard(report(longrepr=value)).data["longrepr"]
    assert str(cleaned).strip("[]") == "'?'"


@given(st.text())
def test_nothing_that_steers_gets_through(text: str) -> None:
    cleaned = heard(messages.WorkerOutput("gw0", text), HostText(environment=CI)).text
    assert heard(messages.WorkerOutput("gw0", cleaned), HostText(environment=CI)).text == cleaned
    assert {c for c in cleaned if ord(c) < 32 or 127 <= ord(c) < 160} <= {"\n", "\t"}
    assert not any(line.lstrip().startswith("::") for line in cleaned.split("\n"))
