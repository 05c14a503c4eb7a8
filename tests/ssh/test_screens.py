"""Every fault of a spec, a host or an interpreter as it looks on the screen.

The screens are below ``screens/``. After a change of words: ``REMOTEST_WRITE_SCREENS=1 make test
ARGS=tests/ssh/test_screens.py``, then read what has changed as somebody who sees it at night.
"""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import gatewayworld
import interpreters
import projects
import pytest
import sshd

if TYPE_CHECKING:
    from collections.abc import Iterator

    from projects import Project
    from sshd import SshServer

SCREENS: Final = Path(__file__).with_name("screens")
WRITES_SCREENS: Final = "REMOTEST_WRITE_SCREENS" in os.environ

START_TIMEOUT_S: Final = 60.0

FILES: Final = {
    "pytest.ini": "[pytest]\n",
    "test_it.py": "def test_one():\n    pass\n\ndef test_two():\n    pass\n",
}


class Stage:
    """A project, a host ``myhost``, and what of their screens differs from run to run."""

    def __init__(self, project: Project, server: SshServer, directory: Path) -> None:
        self.project = project
        self.server = server
        self.directory = directory

    @property
    def python(self) -> Path:
        """An interpreter of the host that can run the suite."""
        return interpreters.with_pytest("3.9")

    def check(self, name: str, *arguments: str, status: int) -> None:
        """Type a pytest command; compare all that is on the screen then.

        Args:
            name: of the file below ``screens/``.
            arguments: of pytest; they are on the screen, too.
            status: the exit status.
        """
        answer = self.project.pytest(*arguments)
        self.check_answer(name, arguments, answer, status)

    def check_answer(
        self, name: str, arguments: tuple[str, ...], answer: projects.Answer, status: int
    ) -> None:
        command = " ".join(["$ pytest", *arguments])
        screen = self.normal("\n".join([command, *answer.lines, f"exit status {status}", ""]))
        path = SCREENS / f"{name}.txt"
        if WRITES_SCREENS:
            path.parent.mkdir(exist_ok=True)
            path.write_text(screen)
        assert screen == path.read_text()
        assert answer.status == status

    def normal(self, screen: str) -> str:
        """Return a screen without what differs between machines and runs."""
        replacements = (
            (r"\n(platform|rootdir:|configfile:|plugins:) .*", ""),
            (r" //ssh_config=\S+?(?=//|\s|:)", ""),
            (r"//ssh_config=\S+?/ssh_config", ""),
            (re.escape(str(self.python)), "/opt/python3.9"),
            (re.escape(str(self.directory)), "/home/me"),
            (r"/proc/\d+/", "/proc/PID/"),
            (r"/home/me/machine/[\w./-]*?/trees/[\w-]+/\d+/base", "/cache/tree"),
            (r"(?m)^Thread 0x\w+ .*\n(  .*\n)*\n", ""),
            (r"thread 0x\w+", "thread 0x7f12"),
            (r"File \"/\S*/lib/python3", 'File "/usr/lib/python3'),
            (r"\n/\S*/lib/python3", "\n/usr/lib/python3"),
            (r"found there: .*", "found there: /usr/bin/python3"),
            (r"Python 3\.(?!9)\d+\.\d+", "Python 3.11.7"),
            (r"-py3(?!9)\d+", "-py311"),
            (r"user root", "user me"),
            (r"\bgw\d", "gw0"),
            (r"__init__\.py:\d+", "__init__.py:127"),
            (r"test module '/[^']+\.\.\.", "test module '/cache..."),
            (rf"\b{self.server.port}\b", "2222"),
            (r"SHA256:[\w+/]{43}", "SHA256:FINGERPRINT"),
            (r"\b\d+\.\d\ds\b", "0.12s"),
            (r"\b\d+\.\ds\b", "0.1s"),
            (r"times in \d+\.\d s\b", "times in 1.8 s"),
            (r"=+ ((?:\d|no tests).*) in 0.12s(?: \(.*\))? =+", r"=== \1 in 0.12s ==="),
            (r"\(\d+ frames of pytest\)", "(31 frames of pytest)"),
            (r"\b3\.9\.\d+", "3.9.18"),
            (r"\b8\.\d+\.\d+", "8.4.2"),
        )
        for pattern, replacement in replacements:
            screen = re.sub(pattern, replacement, screen)
        return screen


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    home = tmp_path / "machine" / "home"
    home.mkdir(parents=True)
    with sshd.running(tmp_path / "machine", name="myhost", home=home) as server:
        client = tmp_path / "client"
        (client / ".ssh").mkdir(parents=True, mode=0o700)
        (client / ".ssh" / "config").write_text(server.ssh_config_path.read_text())
        shell = {**os.environ, "HOME": str(client)}
        shell.pop("SSH_AUTH_SOCK", None)
        project = projects.make(tmp_path / "project", shell, FILES)
        yield Stage(project, server, tmp_path)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("spec-unknown-key", ("-d", "--tx", "ssh=myhost//pyton=python3.9")),
        ("spec-option-as-host", ("-d", "--tx", "ssh=-oProxyCommand=touch$IFS/tmp/x")),
        ("spec-without-a-way", ("-d", "--tx", "python=python3.9")),
        ("spec-a-bad-number", ("-d", "--tx", "two*ssh=myhost")),
        ("spec-a-value-with-slashes", ("-d", "--tx", "popen//env:URL=pg://me:secret@db//name")),
        ("spec-via-nobody", ("-d", "--tx", "ssh=inner//via=gate")),
        ("spec-one-id-twice", ("-d", "--tx", "popen//id=a", "--tx", "ssh=myhost//id=a")),
        ("spec-variable-not-set", ("-d", "--tx", "popen//env:NOT_SET_HERE")),
        ("local-workers-and-hosts", ("-n2", "--tx", "ssh=myhost")),
        ("group-unknown", ("-d", "--tx=@far")),
        ("rsyncdir-missing", ("-d", "--tx", "ssh=myhost", "--rsyncdir", "mypkg")),
        ("inventory-missing", ("-d", "--tx=@far", "--inventory", "hosts.yaml")),
    ],
)
def test_wrong_usage(stage: Stage, name: str, arguments: tuple[str, ...]) -> None:
    stage.check(name, *arguments, status=4)


def test_an_unknown_host_key(stage: Stage) -> None:
    stage.server.known_hosts.write_text("")
    stage.check("host-key-unknown", "-d", "--tx", "ssh=myhost", status=6)


def test_a_changed_host_key(stage: Stage) -> None:
    stage.server.new_host_key()
    stage.check("host-key-changed", "-d", "--tx", "ssh=myhost", status=6)


def test_a_port_that_refuses(stage: Stage) -> None:
    stage.server.stop()
    stage.check("connection-refused", "-d", "--tx", "ssh=myhost", status=6)


def test_a_name_that_cannot_be_resolved(stage: Stage) -> None:
    stage.check("name-unknown", "-d", "--tx", "ssh=myhots.invalid", status=6)


def test_a_key_that_is_not_let_in(stage: Stage) -> None:
    stage.server.authorized_keys.write_text("")
    stage.check("key-refused", "-d", "--tx", "ssh=me@myhost", status=6)


def test_an_encrypted_key_and_nobody_to_ask(stage: Stage) -> None:
    key = sshd.make_key(stage.directory / "secret_key", passphrase="open sesame")
    config = stage.directory / "client" / ".ssh" / "config"
    config.write_text(config.read_text().replace(str(stage.server.client_key), str(key)))
    stage.check("key-encrypted", "-d", "--tx", "ssh=myhost", status=6)


def test_several_faults_at_once(stage: Stage) -> None:
    stage.check(
        "several-faults",
        *("--dist=each", "--tx", f"ssh=myhost//python={stage.python}"),
        *("--tx", "ssh=myhost//python=python3.99", "--tx", "ssh=myhots.invalid"),
        status=6,
    )


def test_an_interpreter_that_is_missing(stage: Stage) -> None:
    stage.check(
        "interpreter-missing", "-d", "--tx", "2*ssh=myhost//python=/opt/py/bin/python", status=6
    )


def test_an_interpreter_that_is_too_old(stage: Stage) -> None:
    python = stage.directory / "python2.7"
    python.symlink_to(interpreters.find_or_skip(interpreters.PYTHON_27))
    stage.check("interpreter-2.7", "-d", "--tx", f"ssh=myhost//python={python}", status=6)


@pytest.mark.slow
def test_an_interpreter_that_hangs(stage: Stage) -> None:
    python = gatewayworld.executable(
        stage.directory / "python", "#!/bin/sh\necho waiting for the licence server\nsleep 100\n"
    )
    stage.check("interpreter-hangs", "-d", "--tx", f"ssh=myhost//python={python}", status=6)


def bare_python(stage: Stage) -> Path:
    """Return a python without pytest."""
    directory = stage.directory / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", directory], check=True)
    return directory / "bin" / "python"


def test_an_interpreter_without_pytest(stage: Stage) -> None:
    bare = bare_python(stage)
    stage.check(
        "interpreter-without-pytest",
        *("--dist=each", "--tx", f"ssh=myhost//python={stage.python}"),
        *("--tx", f"ssh=myhost//python={bare}"),
        status=6,
    )


def test_a_pytest_that_is_too_old(stage: Stage) -> None:
    bare = bare_python(stage)
    (site_packages,) = (stage.directory / "venv").glob("lib/python*/site-packages")
    (site_packages / "pytest.py").write_text("__version__ = '6.2.5'\n")
    information = site_packages / "pytest-6.2.5.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: pytest\nVersion: 6.2.5\n")
    stage.check("pytest-too-old", "-d", "--tx", f"ssh=myhost//python={bare}", status=6)


def test_a_file_that_cannot_be_read(stage: Stage) -> None:
    # Nobody, root neither, can read this one from its beginning.
    stage.check(
        "file-unreadable",
        *("-d", "--tx", f"ssh=myhost//python={stage.python}", "--rsyncdir=/proc/self/mem"),
        status=6,
    )


def test_what_stays_here_is_told(stage: Stage) -> None:
    stage.project.write({".env": "TOKEN=1", "deploy/id_ed25519": "secret"})
    os.mkfifo(stage.project.directory / "queue")
    stage.check("stayed-here", "-d", "--tx", f"ssh=myhost//python={stage.python}", status=0)


def test_a_worker_that_crashes(stage: Stage) -> None:
    stage.project.write(
        {"test_crash.py": "import os\n\ndef test_crash():\n    os.kill(os.getpid(), 11)\n"}
    )
    stage.check("worker-crashed", "-d", "--tx", f"ssh=myhost//python={stage.python}", status=1)


def test_a_worker_that_ends_while_it_collects(stage: Stage) -> None:
    stage.project.write({"test_exit.py": "import os, sys\nprint('bye', flush=True)\nos._exit(3)\n"})
    stage.check(
        "worker-ended-while-collecting",
        *("-d", "--tx", f"2*ssh=myhost//python={stage.python}"),
        status=6,
    )


def test_a_conftest_that_a_host_cannot_import(stage: Stage) -> None:
    stage.project.write(
        {"conftest.py": "import sys\nif sys.version_info < (3, 10):\n    import not_there\n"}
    )
    stage.check("conftest-fails", "-d", "--tx", f"2*ssh=myhost//python={stage.python}", status=4)


def test_a_module_that_a_host_cannot_import(stage: Stage) -> None:
    stage.project.write({"test_more.py": "import not_there\n\ndef test_more():\n    pass\n"})
    stage.check(
        "import-fails", "--dist=each", "--tx", f"ssh=myhost//python={stage.python}", status=1
    )


def test_a_host_that_goes_away(stage: Stage) -> None:
    fifo = stage.directory / "fifo"
    os.mkfifo(fifo)
    handle = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
    stage.project.write(
        {
            "test_it.py": f"""
                import time

                def test_one():
                    with open({str(fifo)!r}, "w") as stream:
                        stream.write("here")
                    time.sleep(1000)

                def test_two():
                    pass
                """,
        }
    )
    arguments = ("--dist=each", "--tx", f"ssh=myhost//python={stage.python}")
    with stage.project.start(["pytest", *arguments]) as process:
        readable, _, _ = select.select([handle], [], [], START_TIMEOUT_S)
        assert readable, "no test has begun"
        stage.server.cut_connections()
        output, _ = process.communicate(timeout=START_TIMEOUT_S)
    os.close(handle)
    answer = projects.Answer(status=process.returncode, output=output)
    stage.check_answer("host-lost", arguments, answer, 1)
