"""``remotest check`` as a user types it: whole screens, over a real sshd."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import interpreters
import machine
import projects
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from projects import Answer, Project

HOST_FAILED: Final = 6
USAGE: Final = 4
INTERRUPTED: Final = 130

PLUGIN: Final = "otherplugin"
"""A plugin of this side. The tests' own are left out: they differ from machine to machine."""

FILES: Final = {
    "pytest.ini": "[pytest]\n",
    "test_one.py": "def test_one():\n    pass\n",
    "data.bin": "x" * 2000,
    "data/twin.bin": "x" * 2000,
    ".env": "PASSWORD=secret\n",
}


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A project of a user who has one plugin, two interpreters, and hosts."""
    directory = tmp_path / "machine"
    directory.mkdir()
    with machine.running(directory, ("3.6", "3.9")) as shell:
        project = projects.make(tmp_path / "project", shell, FILES)
        variables = install_plugin(tmp_path / "plugins", wraps=())
        yield project.with_variables(
            {
                **variables,
                "COLUMNS": "80",
                "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
                "PYTEST_ADDOPTS": f"-p remotest -p {PLUGIN}",
            }
        )


def install_plugin(directory: Path, wraps: tuple[str, ...]) -> dict[str, str]:
    """Install a plugin that, as its metadata have it, brought some packages with it."""
    metadata = directory / f"{PLUGIN}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (directory / f"{PLUGIN}.py").write_text("")
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {PLUGIN}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[pytest11]\n{PLUGIN} = {PLUGIN}\n")
    files = [f"{PLUGIN}.py", *(f"{package}/__init__.py" for package in wraps)]
    (metadata / "RECORD").write_text("".join(f"{name},,\n" for name in files))
    return {"PYTHONPATH": str(directory)}


def normal(answer: Answer, project: Project, **names: object) -> str:
    """Return a screen without what differs from machine to machine, and from day to day.

    Args:
        answer: what was printed.
        project: its paths are replaced.
        names: name -> the text that it stands for.
    """
    home = project.environment["HOME"]
    ssh_port = re.findall(r"Port (\d+)", Path(home, ".ssh", "config").read_text())[0]
    text = "\n".join(answer.lines) + "\n"
    places = {"PROJECT": project.directory, "HOME": home, "SSHPORT": ssh_port}
    for name, value in {**names, **places}.items():
        text = text.replace(str(value), name)
    text = re.sub(r"\b([37-9]\.\d+)\.\d+\b", r"\1.N", text)  # versions of Python and pytest
    text = re.sub(r"times in [\d.]+ s", "times in T s", text)
    text = re.sub(r"found there: .*", "found there: ...", text)
    text = re.sub(r"SHA256:\S+", "SHA256:...", text)
    text = re.sub(r"[\d.]+ [MGT]B", "FREE", text)
    return re.sub(r"(?<=\S) {2,}", "  ", text)


def row(answer: Answer, project: Project) -> str:
    """Return the line of the only host of a check."""
    return normal(answer, project).splitlines()[3].strip()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


SCREEN: Final = """\
spec
  reachable  interpreter  pytest  plugins  free disk  clock  files to send
ssh=myhost//python=python3.9
  yes  CPython 3.9.N  8.4.N  1 differ  FREE  same  4, 2.0 kB
ssh=myhost//python=python3.6
  yes  CPython 3.6.N  7.0.N  1 differ  FREE  same  shared
ssh=myhost//python=python3.5
  no: python3.5 is absent
ssh=myhost//python=BARE
  yes  CPython 3.9.N  none  1 differ  FREE  same  shared
ssh=myhost//python=NOBODYS
  yes  CPython 3.9.N  brought  brought  FREE  same  shared
ssh=other:CLOSED
  no: 127.0.0.1:CLOSED refused the connection; tried 4 times in T s
ssh=unknown//ssh_config=../strict_config
  no: [127.0.0.1]:SSHPORT is not in known_hosts; it shows the ssh-ed25519 key ...

plugins that differ from here:
  ssh=myhost//python=python3.9
  ssh=myhost//python=python3.6
  ssh=myhost//python=BARE
    otherplugin 1.0 here, none there

the tree of PROJECT: 4 files, 4.0 kB
  stayed here, as they look like secrets (a '!rule' in rsyncignore takes one along): .env

ssh=myhost//python=python3.5: boot failed: python3.5 is absent
  try: name another interpreter of that host with python=, or install this one there, \
or let uv do so with interpreters=uv; found there: ...

ssh=myhost//python=BARE: preflight failed: Python 3.9.N at BARE has no pytest
  try: BARE -m pip install 'pytest>=7.0', there, or name an interpreter that has one with python=

other:CLOSED: connect failed: 127.0.0.1:CLOSED refused the connection; tried 4 times in T s
  try: check the port, and that an SSH server runs there

unknown: check the host key failed: [127.0.0.1]:SSHPORT is not in known_hosts; \
it shows the ssh-ed25519 key SHA256:...
  try: compare the fingerprint with what the machine's owner says; then log in once with ssh, or \
`ssh-keyscan -p SSHPORT 127.0.0.1 >> HOME/nobody_known`, or add //hostkey=accept-new to the --tx

3 of 7 usable
"""


def test_two_interpreters_and_all_that_can_go_wrong(project: Project) -> None:
    bare = project.directory.parent / "bare" / "bin" / "python"
    nobodys = interpreters.find_or_skip("3.9")  # In no environment: a run makes one for it.
    make = [nobodys, "-m", "venv", "--without-pip", bare.parents[1]]
    subprocess.run(make, check=True)
    home = project.environment["HOME"]
    config = Path(home, ".ssh", "config").read_text()
    strict = re.sub(r"(UserKnownHostsFile) .*", rf"\1 {home}/nobody_known", config)
    project.write({"../strict_config": strict})
    port = free_port()
    answer = project.type_command(
        "remotest check --tx ssh=myhost//python=python3.9 --tx 3*ssh=myhost//python=python3.6"
        f" --tx ssh=myhost//python=python3.5 --tx ssh=myhost//python={bare}"
        f" --tx ssh=myhost//python={nobodys} --tx ssh=other:{port}"
        " --tx ssh=unknown//ssh_config=../strict_config"
    )
    assert normal(answer, project, BARE=bare, NOBODYS=nobodys, CLOSED=port) == SCREEN
    assert answer.status == HOST_FAILED
    # Nothing of the tree is there: it was a question.
    assert list(Path(home, ".cache").rglob("test_one.py")) == []


def test_what_a_host_has_already_is_not_sent_again(project: Project) -> None:
    check = "remotest check --tx ssh=myhost//python=python3.9"
    before = "yes  CPython 3.9.N  8.4.N  1 differ  FREE  same  "

    assert row(project.type_command(check), project) == f"{before}4, 2.0 kB"
    without_plugin = project.with_variables({"PYTEST_ADDOPTS": "-p remotest"})
    run = without_plugin.pytest("-d", "--tx=ssh=myhost//python=python3.9")
    assert run.status == 0, run.output
    answer = project.type_command(check)
    assert (row(answer, project), answer.status) == (f"{before}none", 0)
    project.write({"data/twin.bin": "y" * 812})
    assert row(project.type_command(check), project) == f"{before}1, 812 B"


def test_the_config_file_names_hosts_and_what_travels(project: Project) -> None:
    """Options and arguments find the config file as those of pytest do."""
    project.write(
        {
            "sub/tox.ini": "[pytest]\naddopts = --tx ssh=myhost//python=python3.9\nrsyncdirs = t\n",
            "sub/t/test_two.py": "def test_two():\n    pass\n",
        }
    )
    found = project.type_command("remotest check sub/t")
    named = project.type_command("remotest check -- -c sub/tox.ini")
    assert (found.status, named.status) == (0, 0)
    assert normal(found, project) == normal(named, project)
    assert normal(found, project) == (
        "spec\n"
        "  reachable  interpreter  pytest  plugins  free disk  clock  files to send\n"
        "ssh=myhost//python=python3.9\n"
        "  yes  CPython 3.9.N  8.4.N  1 differ  FREE  same  2, 92 B\n"
        "\n"
        "plugins that differ from here:\n"
        "  ssh=myhost//python=python3.9\n"
        "    otherplugin 1.0 here, none there\n"
        "\n"
        "the tree of PROJECT/sub: 2 files, 92 B\n"
        "\n"
        "1 of 1 usable\n"
    )


def test_this_machine_needs_no_tree_and_has_the_same_plugins(project: Project) -> None:
    answer = project.type_command("remotest check --tx popen")
    assert normal(answer, project).splitlines()[2:] == [
        "popen",
        "  yes  CPython " + "{}.{}.N".format(*sys.version_info) + "  9.2.N  same  FREE  same  -",
        "",
        "1 of 1 usable",
    ]
    assert answer.status == 0


def test_a_cache_that_cannot_be_made_is_told(project: Project) -> None:
    spec = "ssh=myhost//python=python3.9//cache=/proc/x"
    answer = project.type_command(f"remotest check --tx {spec}")
    assert normal(answer, project).splitlines()[-4:] == [
        f"{spec}: sync failed: /proc/x cannot hold the tree: No such file or directory",
        "  try: name a directory that you may write to, with cache=DIR",
        "",
        "0 of 1 usable",
    ]
    assert answer.status == HOST_FAILED


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("", "remotest: no host is named: name one with --tx, here or in the config file's"),
        (
            "--tx=popen//pyhton=x",
            "remotest: --tx 'popen//pyhton=x': unknown key 'pyhton': did you mean 'python'?",
        ),
        ("--tx=popen -- --nosuch", "  rootdir: PROJECT"),
        ("--tx=popen -- -n2", "-n starts workers on this machine"),
    ],
)
def test_wrong_usage(arguments: str, said: str, project: Project) -> None:
    answer = project.type_command(f"remotest check {arguments}")
    assert said in normal(answer, project)
    assert "Traceback" not in answer.output
    assert answer.status == USAGE


def test_a_project_that_makes_errors_of_warnings(project: Project) -> None:
    """As in an installation that has files: pytest wants to rewrite the plugins' packages."""
    variables = install_plugin(
        project.directory.parent / "complete", wraps=("remotest", "pytest_remotest")
    )
    environment = {**project.environment, **variables}
    for name in ("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "PYTEST_ADDOPTS"):
        del environment[name]
    project.write({"pytest.ini": "[pytest]\nfilterwarnings = error\n"})
    answer = replace(project, environment=environment).type_command("remotest check --tx popen")
    assert answer.lines[-1] == "1 of 1 usable"


def test_a_terminal_has_colours(project: Project) -> None:
    ours, theirs = os.openpty()
    command = ["remotest", "check", "--tx", "popen"]
    environment = {**project.environment, "TERM": "xterm"}
    with subprocess.Popen(
        command, cwd=project.directory, env=environment, stdin=theirs, stdout=theirs
    ) as process:
        os.close(theirs)
        output = b""
        while piece := read_terminal(ours):
            output += piece
    os.close(ours)
    assert process.returncode == 0
    assert b"\x1b[32myes\x1b[0m" in output
    assert output.endswith(b"\x1b[32m1 of 1 usable\x1b[0m\r\n")


def read_terminal(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # Linux reports the end of a terminal so.
        return b""


def test_ctrl_c_ends_it_at_once_and_without_a_word(project: Project) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(projects.COMMAND_TIMEOUT_S)
        port = silent.getsockname()[1]
        with project.start(f"exec remotest check --tx ssh=silent:{port}") as process:
            connection, _ = silent.accept()
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=projects.COMMAND_TIMEOUT_S)
            connection.close()
    assert (output, process.returncode) == ("", INTERRUPTED)


def test_serve_is_a_command_and_ends_by_ctrl_c(project: Project) -> None:
    key = project.directory.parent / "machine" / "sshd-worker" / "client_key.pub"
    with project.start(["remotest", "serve", "--port=0", f"--authorized-keys={key}"]) as process:
        assert process.stdout is not None
        assert re.fullmatch(r"listening on 127\.0\.0\.1:\d+ for \S+\n", process.stdout.readline())
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=projects.COMMAND_TIMEOUT_S)
    assert process.returncode == 0
    assert "Traceback" not in output
