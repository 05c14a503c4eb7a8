"""Accounts and servers that run something else than our command, or nothing at all."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

import machine
import projects
import pytest
import refusing
import sshd

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from projects import Answer

REMEDY: Final = (
    "  try: `ssh HOST echo here` by hand: a login shell such as nologin, ForceCommand in "
    "sshd_config or command= of the key may run something else, and login scripts may wait"
)
NOT_BEGUN: Final = "boot failed: our command did not begin"
ENDED: Final = f"{NOT_BEGUN}: its process ended with exit status"
SAYS: Final = "  last words of the host:"

FORCED: Final = {
    "false": ("/bin/false", [f"ssh=false: {ENDED} 1", REMEDY]),
    "no-login": (
        # What /usr/sbin/nologin does, which not every machine has.
        "echo This account is currently not available.; exit 1",
        [
            f"ssh=no-login: {ENDED} 1",
            SAYS,
            "    This account is currently not available.",
            REMEDY,
        ],
    ),
    "only-git": (
        "echo fatal: not in a git directory >&2; exit 128",
        [f"ssh=only-git: {ENDED} 128", SAYS, "    fatal: not in a git directory", REMEDY],
    ),
    "only-files": (
        "internal-sftp",
        [
            f"ssh=only-files: {ENDED} 1",
            SAYS,
            "    This service allows sftp connections only.",
            REMEDY,
        ],
    ),
    # These read what is said to our own shell, and take it for theirs.
    "sh": ("/bin/sh", [f"ssh=sh: {ENDED} 0", REMEDY]),
    "bash": ("bash --noprofile --norc", [f"ssh=bash: {ENDED} 0", REMEDY]),
    "menu": (
        'while read -r choice; do echo "1 status, 2 quit"; [ "$choice" = exit ] && exit; done',
        [f"ssh=menu: {ENDED} 0", SAYS, "    1 status, 2 quit", REMEDY],
    ),
}
"""A name -> what its key is bound to, and what is said of it."""

REFUSING: Final = {
    "refuses": [
        "refuses: start a command failed: the server does not let this account run commands",
        "  try: ask its owner; `ssh refuses echo here` by hand must answer",
    ],
    "explains": [
        "explains: start a command failed: the server does not let this account run commands",
        SAYS,
        "    no commands here",
        "  try: ask its owner; `ssh explains echo here` by hand must answer",
    ],
    "hangs-up": [f"ssh=hangs-up: {NOT_BEGUN}: the connection ended", REMEDY],
}
"""A user of a server that runs no commands -> what is said of it."""


@contextlib.contextmanager
def bare_sshd(directory: Path, environment: Mapping[str, str]) -> Iterator[list[str]]:
    """Run an sshd that has no ForceCommand of its own: that would win over those of keys."""
    variables = {name: environment[name] for name in ("HOME", "PATH")}
    with sshd.running(directory, environment=variables) as server:
        lines = [server.authorized_keys.read_text()]
        for name, (command, _) in FORCED.items():
            quoted = command.replace('"', '\\"')
            lines.append(f'restrict,command="{quoted}" {public_half(directory / name)}')
        lines.append(f"restrict {public_half(directory / 'restricted')}")
        server.authorized_keys.write_text("".join(lines))
        common = server.ssh_config_path.read_text().splitlines()[1:]
        yield [line for line in common if "IdentityFile" not in line]


def public_half(key: Path) -> str:
    return Path(f"{sshd.make_key(key)}.pub").read_text()


NESTED_SHELL: Final = '[ -n "$SSH_ORIGINAL_COMMAND$NESTED" ] || NESTED=yes bash --norc\n'
"""A ``.bashrc`` as many have it (with newgrp, say): its shell reads what is said to ours, and must
leave. Of forced commands it keeps away."""


@pytest.fixture(scope="module")
def answer(tmp_path_factory: pytest.TempPathFactory) -> Answer:
    """What one run says of all of them, beside a key that is restricted, but bound to nothing."""
    root = tmp_path_factory.mktemp("forced")
    directory = root / "machine"
    directory.mkdir()
    with (
        machine.running(directory, (), bare_sshd) as shell,
        refusing.running(root, REFUSING) as lines,
    ):
        config = Path(shell["HOME"], ".ssh", "config")
        Path(shell["HOME"], ".bashrc").write_text(NESTED_SHELL)
        own = [f"Host {name}\n  IdentityFile {directory / name}\n" for name in FORCED]
        own += lines
        rest = f"Host *\n  IdentityFile {directory / 'restricted'}\n"
        config.write_text("".join([*own, rest, config.read_text()]))
        files = {"pytest.ini": "[pytest]\n", "test_it.py": "def test_it():\n    pass\n"}
        project = projects.make(root / "project", shell, files)
        names = [*FORCED, *REFUSING, "restricted"]
        return project.pytest("--dist=each", *(f"--tx=ssh={name}" for name in names))


@pytest.mark.parametrize(
    "paragraph",
    [*(said for _, said in FORCED.values()), *REFUSING.values()],
    ids=[*FORCED, *REFUSING],
)
def test_what_is_said(answer: Answer, paragraph: list[str]) -> None:
    assert paragraph[0] in answer.lines, answer.output
    start = answer.lines.index(paragraph[0])
    assert answer.lines[start : start + len(paragraph)] == paragraph


def test_the_run_is_red_and_goes_on_elsewhere(answer: Answer) -> None:
    rows = {line.split()[0]: line.split() for line in answer.section("environments")}
    (row,) = (row for name, row in rows.items() if name.startswith("restricted-"))
    assert row[4:6] == ["1", "0"], answer.output
    assert answer.status == 6
