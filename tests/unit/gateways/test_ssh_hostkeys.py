"""What known_hosts says of a key."""

from __future__ import annotations

import base64
import fcntl
import subprocess
import sys
import threading
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remotest.gateways.hostkeys import (
    KnownKey,
    Verdict,
    algorithms_to_offer,
    host_key_names,
    judge,
    keep_key,
    parse_known_hosts,
)

FILE = Path("known_hosts")
ONE, TWO = b"key one", b"key two"
SUPPORTED = ("ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512", "rsa-sha2-256")


def line(names: str, blob: bytes = ONE, *, marker: str = "", key_type: str = "ssh-rsa") -> str:
    return f"{marker} {names} {key_type} {base64.b64encode(blob).decode()} a comment\n".lstrip()


@pytest.mark.parametrize(
    ("text", "host", "port", "verdict", "line_numbers"),
    [
        ("", "box", 22, Verdict.UNKNOWN, []),
        ("# box\n\nmangled\nbox ssh-rsa %%%\n", "box", 22, Verdict.UNKNOWN, []),
        (line("box"), "box", 22, Verdict.KNOWN, [1]),
        (line("box"), "BOX", 22, Verdict.KNOWN, [1]),
        (line("Box,other"), "box", 22, Verdict.KNOWN, [1]),
        (line("box", TWO), "box", 22, Verdict.CHANGED, [1]),
        (line("box", TWO) + line("box"), "box", 22, Verdict.KNOWN, [2]),
        (line("box", TWO, key_type="ssh-ed25519"), "box", 22, Verdict.CHANGED, [1]),
        (line("*.net,!bad.net"), "a.net", 22, Verdict.KNOWN, [1]),
        (line("*.net,!bad.net"), "bad.net", 22, Verdict.UNKNOWN, []),
        (line("[box]:2222"), "box", 2222, Verdict.KNOWN, [1]),
        (line("[box]:2222"), "box", 22, Verdict.UNKNOWN, []),
        (line("box"), "box", 2222, Verdict.KNOWN, [1]),
        (line("box", TWO), "box", 2222, Verdict.UNKNOWN, []),
        (line("[box]:2222", TWO) + line("box"), "box", 2222, Verdict.CHANGED, [1]),
        (line("box") + line("*", marker="@revoked"), "box", 22, Verdict.REVOKED, [2]),
        (line("box") + line("*", TWO, marker="@revoked"), "box", 22, Verdict.KNOWN, [1]),
        (line("box", marker="@cert-authority"), "box", 22, Verdict.CERTIFIED, [1]),
        (line("*.net", TWO, marker="@cert-authority"), "box", 22, Verdict.UNKNOWN, []),
        (line("box", TWO) + line("box", marker="@cert-authority"), "box", 22, Verdict.CHANGED, [1]),
        (line("|1|c2FsdA==|bm8="), "box", 22, Verdict.UNKNOWN, []),
        (line("|1|%|%"), "box", 22, Verdict.UNKNOWN, []),
        (line("|1|"), "box", 22, Verdict.UNKNOWN, []),
    ],
)
def test_verdicts(
    text: str, host: str, port: int, verdict: Verdict, line_numbers: list[int]
) -> None:
    found, lines = judge(list(parse_known_hosts(text, FILE)), host_key_names(host, port, None), ONE)
    assert (found, [key.line_number for key in lines]) == (verdict, line_numbers)


def test_a_line_is_taken_apart() -> None:
    text = line("Box,[b]:2", marker="@revoked")
    assert list(parse_known_hosts(text, FILE)) == [
        KnownKey(
            path=FILE,
            line_number=1,
            marker="@revoked",
            patterns=("box", "[b]:2"),
            key_type="ssh-rsa",
            blob=ONE,
        )
    ]


@given(st.text())
def test_no_file_is_too_odd_to_be_read(text: str) -> None:
    judge(list(parse_known_hosts(text, FILE)), ("box",), ONE)


@pytest.mark.parametrize(
    ("known", "configured", "offered"),
    [
        ([], None, SUPPORTED),
        (["ssh-rsa"], None, (*SUPPORTED[2:], *SUPPORTED[:2])),
        (["ecdsa-sha2-nistp256"], None, (SUPPORTED[1], SUPPORTED[0], *SUPPORTED[2:])),
        (["ssh-rsa"], "ssh-ed25519,rsa-*", ("ssh-ed25519", "rsa-sha2-512", "rsa-sha2-256")),
        ([], "-rsa-*", SUPPORTED[:2]),
        ([], "+ssh-dss", SUPPORTED),
        ([], "^rsa-sha2-256", ("rsa-sha2-256", *SUPPORTED[:3])),
        ([], "ssh-dss", ()),
    ],
)
def test_algorithms_are_offered_in_the_order_in_which_they_can_be_checked(
    known: list[str], configured: str | None, offered: tuple[str, ...]
) -> None:
    text = "".join(line("box", key_type=key_type) for key_type in known) + line("other")
    keys = list(parse_known_hosts(text, FILE))
    assert (
        algorithms_to_offer(keys, ("box",), configured=configured, supported=SUPPORTED) == offered
    )


@pytest.mark.parametrize("hash_name", [False, True])
def test_a_key_is_kept_once(tmp_path: Path, *, hash_name: bool) -> None:
    path = tmp_path / "new" / "known_hosts"
    names = host_key_names("box", 2222, None)

    def keep(blob: bytes) -> Verdict:
        return keep_key(path, names, "ssh-rsa", blob, hash_name=hash_name)

    assert [keep(ONE), keep(ONE), keep(TWO)] == [Verdict.KNOWN, Verdict.KNOWN, Verdict.CHANGED]
    [key] = parse_known_hosts(path.read_text(), path)
    assert key.is_for("[box]:2222")
    assert ("box" in path.read_text()) is not hash_name
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_runs_that_meet_a_host_at_once_agree_on_the_key_that_came_first(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    verdicts: list[Verdict] = []

    def keep() -> None:
        verdicts.append(keep_key(path, ("box",), "ssh-rsa", ONE, hash_name=False))

    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        second = threading.Thread(target=keep)
        second.start()
        second.join(0.2)
        assert second.is_alive()
        file.write(line("box", TWO))
    second.join()
    assert verdicts == [Verdict.CHANGED]


def test_a_torn_last_line_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    path.write_text("torn")
    keep_key(path, ("box",), "ssh-rsa", ONE, hash_name=False)
    assert path.read_text() == "torn\nbox ssh-rsa a2V5IG9uZQ==\n"


KEEPING: Final = """
import itertools, sys
from pathlib import Path
from remotest.gateways.hostkeys import keep_key

for number in itertools.count():
    keep_key(Path(sys.argv[1]), (f"box{number}",), "ssh-rsa", b"key" * 100, hash_name=False)
    print(number, flush=True)
"""


def test_a_run_that_is_killed_leaves_whole_lines_and_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    command = [sys.executable, "-c", KEEPING, path]
    for stop_after in (1, 10, 100):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for said in process.stdout:
                if int(said) >= stop_after:
                    process.kill()
        assert keep_key(path, (f"after{stop_after}",), "ssh-rsa", ONE, hash_name=False)
    lines = path.read_text().splitlines()
    assert len(lines) > 100
    assert len(list(parse_known_hosts(path.read_text(), path))) == len(lines)
