"""A secret that a worker is given is seen by its tests and by nobody else; others stay here."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pty
import re
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import interpreters
import projects
import sshd

from remotest.hosttext import MASK

if TYPE_CHECKING:
    from collections.abc import Iterable

    from projects import Project

SUITE: Final = """
    import hashlib
    import os
    import subprocess

    def test_it_is_there():
        digest = hashlib.sha256(os.environ["API_TOKEN"].encode()).hexdigest()
        assert digest == "DIGEST"

    def test_others_are_not():
        assert "HERE_ONLY" not in os.environ
        assert "PIP_INDEX_URL" not in os.environ

    def test_nobody_sees_it_in_a_list_of_processes():
        token = os.environ["API_TOKEN"].encode()
        lists = [subprocess.check_output(["ps", "-A", "-ww", "-o", "args"])]
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/cmdline" % pid, "rb") as file:
                    lists.append(file.read())
            except OSError:  # It has ended.
                continue
        assert [text for text in lists if token in text] == []
        assert any(b"env:API_TOKEN" in text for text in lists)  # What the user typed.

    def test_that_shows_it():
        token = os.environ["API_TOKEN"]
        print("it is", token)
        os.write(2, token.encode())
        assert token == "another"

    def test_that_dies_of_it(capfd):
        with capfd.disabled():
            os.write(2, b"last words: " + os.environ["API_TOKEN"].encode())
            os._exit(3)
    """


def files_with(words: Iterable[bytes], folders: Iterable[Path]) -> set[Path]:
    """Return the files, and names of files, that have any of these in them."""
    found = set()
    for folder in folders:
        for path in folder.rglob("*"):
            content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
            if any(word in content or word in bytes(path) for word in words):
                found.add(path)
    return found


def test_secrets_are_nowhere_where_they_should_not_be(project: Project, tmp_path: Path) -> None:
    given, kept, password = (secrets.token_urlsafe(18) for _ in range(3))
    filed = secrets.token_urlsafe(18)
    stays = {".env": filed, "id_rsa": filed, "ignored.txt": filed, "deep/server.pem": filed}
    project.write(
        {
            "pytest.ini": "[pytest]\n",
            "test_it.py": SUITE.replace("DIGEST", hashlib.sha256(given.encode()).hexdigest()),
            ".gitignore": "ignored.txt\n",
            **stays,
        }
    )
    subprocess.run(["git", "init", "-q", project.directory], check=True)
    project = project.with_variables(
        {
            "API_TOKEN": given,
            "HERE_ONLY": kept,
            "PIP_INDEX_URL": f"https://me:{password}@127.0.0.1:9/simple",
        }
    )

    answer = project.pytest(
        *("-d", "-v", "-rA", "--showlocals", "--junitxml=junit.xml"),
        f"--tx=2*ssh=myhost//python={interpreters.with_pytest('3.9')}//env:API_TOKEN",
    )

    outcomes = re.findall(r"^(PASSED|FAILED) test_it.py::(\w+)", answer.output, re.MULTILINE)
    assert {name: outcome for outcome, name in outcomes} == {
        "test_it_is_there": "PASSED",
        "test_others_are_not": "PASSED",
        "test_nobody_sees_it_in_a_list_of_processes": "PASSED",
        "test_that_shows_it": "FAILED",
        "test_that_dies_of_it": "FAILED",
    }, answer.output
    assert f"it is {MASK}" in answer.output
    assert f"last words: {MASK}" in answer.output
    assert not any(word in answer.output for word in (given, kept, password, filed))
    words = [word.encode() for word in (given, kept, password, filed)]
    # Below tmp_path are the project, its JUnit file and the host's home with the tree.
    temporary = Path(tempfile.gettempdir())
    everywhere = [tmp_path, *temporary.glob("remotest-*"), *Path("/var/tmp").glob("remotest-*")]
    assert list(tmp_path.glob("machine/home/.cache/remotest/v1/trees/*/0/*/test_it.py"))
    assert files_with(words, everywhere) == {project.directory / name for name in stays}
    assert MASK in (project.directory / "junit.xml").read_text()


def test_a_passphrase_is_seen_by_nobody(tmp_path: Path) -> None:
    passphrase = secrets.token_urlsafe(18)
    suite = """
        import os

        def test_no_process_has_it():
            passphrase = os.environ["BACKWARDS"][::-1].encode()
            seen = []
            for pid in filter(str.isdigit, os.listdir("/proc")):
                for name in ("cmdline", "environ"):
                    try:
                        with open("/proc/%s/%s" % (pid, name), "rb") as file:
                            seen += [pid] if passphrase in file.read() else []
                    except OSError:  # It has ended.
                        continue
            assert seen == []
        """
    files = {"pytest.ini": "[pytest]\n", "test_it.py": suite}
    project = projects.make(tmp_path / "project", dict(os.environ), files)
    with sshd.running(tmp_path) as server:
        key = sshd.make_key(tmp_path / "key", passphrase=passphrase)
        shutil.copy(f"{key}.pub", server.authorized_keys)
        config = server.ssh_config_path.read_text()
        server.ssh_config_path.write_text(f"IdentityFile {key}\n{config}")
        python = interpreters.with_pytest("3.9")
        spec = f"{server.spec}//python={python}//env:BACKWARDS={passphrase[::-1]}"
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            ["setsid", "--ctty", "--wait", "pytest", "-d", "--color=no", "--tx", spec],
            cwd=project.directory,
            env=dict(project.environment),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        output = b""
        # Where the last process has closed a terminal, Linux tells that by an error.
        with contextlib.suppress(OSError), os.fdopen(ours, "r+b", buffering=0) as stream:
            while data := stream.read(4096):
                output += data
                if output.endswith(f"Passphrase of {key}: ".encode()):
                    stream.write(f"{passphrase}\n".encode())
        status = process.wait(projects.COMMAND_TIMEOUT_S)
    assert b" 1 passed in " in output
    assert (status, passphrase.encode() in output) == (0, False)
    assert files_with([passphrase.encode()], [tmp_path]) == set()
