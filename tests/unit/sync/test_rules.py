"""Which paths a rule is about, and which of several rules decides."""

from __future__ import annotations

import fnmatch

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from remotest.errors import UsageError
from remotest.sync.rules import Decision, Rules, parse_rule


def matches(rule: str, path: str, *, is_directory: bool = False) -> bool:
    return parse_rule(rule, "/p").matches(path, is_directory=is_directory)


@pytest.mark.parametrize(
    ("rule", "yes", "no"),
    [
        # a name, at any depth
        (".hg", ["/p/.hg", "/p/a/.hg"], ["/p/.hgignore", "/p/a.hg"]),
        ("*.pyc", ["/p/a.pyc", "/p/a/b/c.pyc", "/p/.pyc"], ["/p/a.py", "/p/a.pyc/b"]),
        ("build", ["/p/build", "/p/src/build"], ["/p/rebuild", "/p/build/x"]),
        ("?.txt", ["/p/a.txt"], ["/p/ab.txt", "/p/.txt"]),
        ("[ab].txt", ["/p/a.txt"], ["/p/c.txt"]),
        ("[!ab].txt", ["/p/c.txt"], ["/p/a.txt"]),
        ("[]x].txt", ["/p/].txt", "/p/x.txt"], ["/p/a.txt"]),
        (r"\*.txt", ["/p/*.txt"], ["/p/a.txt"]),
        ("a b", ["/p/a b"], ["/p/a"]),
        ("new\nline*", ["/p/new\nline\n"], ["/p/new"]),
        ("$var(x)+", ["/p/$var(x)+"], ["/p/x"]),
        ("[", ["/p/["], ["/p/x"]),
        # a path below the anchor
        ("doc/_build", ["/p/doc/_build"], ["/p/x/doc/_build", "/doc/_build"]),
        ("./build", ["/p/build"], ["/p/src/build"]),
        ("doc/*.pdf", ["/p/doc/a.pdf"], ["/p/doc/x/a.pdf", "/p/a.pdf"]),
        ("**/tmp", ["/p/tmp", "/p/a/b/tmp"], ["/q/tmp", "/p/tmp/x"]),
        ("a/**/b", ["/p/a/b", "/p/a/x/b", "/p/a/x/y/b"], ["/p/a/xb", "/p/b"]),
        ("a/**", ["/p/a/b", "/p/a/b/c"], ["/p/a", "/p/b"]),
        ("../lib/tmp", ["/lib/tmp"], ["/p/lib/tmp"]),
        # an absolute path, as pytest-xdist makes them of the ini file
        ("/p/doc/_build", ["/p/doc/_build"], ["/p/x/p/doc/_build"]),
        ("/q/*.log", ["/q/a.log"], ["/p/a.log", "/q/r/a.log"]),
    ],
)
def test_what_a_rule_matches(rule: str, yes: list[str], no: list[str]) -> None:
    assert [path for path in yes + no if matches(rule, path)] == yes


def test_slash_behind_a_rule_asks_for_directories() -> None:
    assert matches("build/", "/p/a/build", is_directory=True)
    assert not matches("build/", "/p/a/build", is_directory=False)
    assert not matches("./build/", "/p/a/build", is_directory=True)


@pytest.mark.parametrize("rule", ["", "!", "/", ".", "!./", ".."])
def test_a_rule_that_matches_nothing_is_refused(rule: str) -> None:
    with pytest.raises(UsageError, match="it matches nothing"):
        parse_rule(rule, "/p")


@example(glob="a[]", name="a")
@example(glob="a[!]", name="a!")
@given(glob=st.text("ab.*?[]!-", min_size=1), name=st.text("ab.]!-", min_size=1))
def test_globs_of_names_mean_what_they_mean_in_pytest_xdist(glob: str, name: str) -> None:
    """Which compares them by fnmatch. Rules that begin with a sign of ours mean something else."""
    if glob.startswith("!") or set(glob) <= {"."} or set(name) <= {"."}:
        return
    assert matches(glob, f"/p/{name}") == fnmatch.fnmatchcase(name, glob)


def decide(
    rules: list[str], path: str, *, is_directory: bool = False, is_tracked: bool = False
) -> Decision:
    own = [parse_rule(rule, "/p") for rule in rules]
    return Rules(own, top="/p", leaves_junk=True).decide(
        path, is_directory=is_directory, is_tracked=is_tracked
    )


@pytest.mark.parametrize(
    ("rules", "path", "expected"),
    [
        ([], "/p/a.py", Decision(travels=True, reason="no rule")),
        ([], "/p/.hidden", Decision(travels=False, reason="default rule .*")),
        ([], "/p/a.pyc", Decision(travels=False, reason="default rule *.pyc")),
        ([], "/p/a.pyo", Decision(travels=False, reason="default rule *.pyo")),
        ([], "/p/a.py~", Decision(travels=False, reason="default rule *~")),
        ([], "/p/.coveragerc", Decision(travels=True, reason="default rule !.coveragerc")),
        ([], "/p/.pytest.ini", Decision(travels=True, reason="default rule !.pytest.ini")),
        ([], "/p/.pytest.toml", Decision(travels=True, reason="default rule !.pytest.toml")),
        ([".coveragerc"], "/p/.coveragerc", Decision(travels=False, reason="rule .coveragerc")),
        (["!.hidden"], "/p/.hidden", Decision(travels=True, reason="rule !.hidden")),
        (["*.log", "!a.log"], "/p/a.log", Decision(travels=True, reason="rule !a.log")),
        (["!a.log", "*.log"], "/p/a.log", Decision(travels=False, reason="rule *.log")),
    ],
)
def test_the_last_rule_that_matches_decides(
    rules: list[str], path: str, expected: Decision
) -> None:
    assert decide(rules, path) == expected


def test_what_git_tracks_is_ignored_by_rules_of_the_user_alone() -> None:
    assert decide([], "/p/.github", is_directory=True, is_tracked=True).travels
    assert not decide([".github"], "/p/.github", is_directory=True, is_tracked=True).travels
    assert not decide([], "/p/.env", is_tracked=True).travels


@pytest.mark.parametrize(
    ("name", "is_secret"),
    [
        (".env", True),
        (".env.production", True),
        (".env.example", False),
        (".envrc", True),
        ("server.pem", True),
        ("server.key", True),
        ("id_rsa", True),
        ("id_rsa.bak", True),
        ("id_ed25519", True),
        ("id_ecdsa_sk", True),
        ("id_work", True),
        ("id_map.py", False),
        ("id_list.json", False),
        (".netrc", True),
        (".pypirc", True),
        (".npmrc", True),
        ("credentials.json", True),
        ("credentials.py", False),
        ("environment.py", False),
        ("keys.py", False),
    ],
)
def test_secrets(name: str, is_secret: bool) -> None:
    decision = decide([], f"/p/tests/{name}", is_tracked=True)
    assert (decision.is_secret, decision.travels) == (is_secret, not is_secret)


def test_directories_are_secret_by_other_names_than_files() -> None:
    assert decide([], "/p/.ssh", is_directory=True, is_tracked=True).is_secret
    assert not decide([], "/p/id_tests", is_directory=True).is_secret


@pytest.mark.parametrize(
    ("rule", "travels"),
    [
        ("!.env", True),
        ("!.e*", True),
        ("!tests/*.pem", True),
        ("!*", False),
        ("!.*", False),
        ("!tests/**", False),
    ],
)
def test_a_secret_travels_only_if_a_rule_names_it(rule: str, travels: bool) -> None:
    path = "/p/tests/a.pem" if "tests" in rule else "/p/.env"
    assert decide([rule], path).travels is travels


def test_a_secret_that_a_rule_leaves_out_needs_no_mention() -> None:
    assert decide(["*.pem"], "/p/a.pem") == Decision(travels=False, reason="rule *.pem")
