"""Rows 7-15: a host lets us in, and what is started there is not what was meant."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import barehost
import interpreters
import needs
from faultlab import stubs
from faultlab.catalogue import GREEN, HOST_FAILED, WRONG_USAGE, fault

if TYPE_CHECKING:
    from pathlib import Path

    from faultlab.scene import Scene, Seen

ALL_RAN = {"passed": 6}

NOISY_RC = """\
echo "+++ welcome to the cluster +++"
echo "{'status': [1" >&2
"""


@fault(
    "7",
    "interpreter missing",
    exits=HOST_FAILED,
    says=["boot failed: python3.99 ", "found there: .*python3"],
    outcomes=ALL_RAN,
    cheap=True,
)
def missing(scene: Scene) -> Seen:
    """One of two specs names an interpreter that its host does not have."""
    first, second = scene.host("first"), scene.host("second")
    return scene.run(scene.spec(first), scene.spec(second, python="python3.99"))


@fault(
    "7b",
    "interpreter that ends at once",
    exits=HOST_FAILED,
    says=["libpython3.so: cannot open shared object file"],
    outcomes=ALL_RAN,
)
def ending(scene: Scene) -> Seen:
    """The interpreter of one of two hosts prints an error and exits with 3."""
    first, second = scene.host("first"), scene.host("second")
    stub = stubs.ending(scene.directory / "ending")
    return scene.run(scene.spec(first), scene.spec(second, python=stub))


@fault(
    "7c",
    "interpreter that dies in the handshake",
    exits=HOST_FAILED,
    says=["second.*: .* failed: "],
    outcomes=ALL_RAN,
)
def dying(scene: Scene) -> Seen:
    """The input of one of two interpreters ends in the middle of what is sent to it."""
    first, second = scene.host("first"), scene.host("second")
    stub = stubs.dying(scene.directory / "dying", scene.python, after_bytes=6000)
    return scene.run(scene.spec(first), scene.spec(second, python=stub))


@fault("8", "interpreter old", exits=GREEN, outcomes=ALL_RAN)
def old(scene: Scene) -> Seen:
    """The host's interpreter is Python 3.6."""
    host = scene.host("first")
    return scene.run(scene.spec(host, python=scene.interpreter("3.6")))


@fault(
    "8b",
    "interpreter too old",
    exits=HOST_FAILED,
    says=["Python 2.7 found at .*, remotest needs 3.6 or newer"],
    outcomes=ALL_RAN,
)
def too_old(scene: Scene) -> Seen:
    """The interpreter of one of two hosts is Python 2.7."""
    first, second = scene.host("first"), scene.host("second")
    python = interpreters.find_or_skip(interpreters.PYTHON_27)
    return scene.run(scene.spec(first), scene.spec(second, python=python))


@fault(
    "9",
    "interpreter hangs at start",
    exits=HOST_FAILED,
    says=["second.*: boot failed: .* within 20 s"],
    outcomes=ALL_RAN,
)
def hanging(scene: Scene) -> Seen:
    """The interpreter of one of two hosts says nothing and does not end."""
    first, second = scene.host("first"), scene.host("second")
    stub = stubs.hanging(scene.directory / "hanging")
    return scene.run(scene.spec(first), scene.spec(second, python=stub))


@fault("10", "noise on stdout of the login shell", exits=GREEN, outcomes=ALL_RAN, cheap=True)
def noisy_shell(scene: Scene) -> Seen:
    """The host's .bashrc prints on both streams."""
    home = _home(scene)
    (home / ".bashrc").write_text(NOISY_RC)
    return scene.run(scene.host("first", home=home, shell="/bin/bash"))


@fault("10b", "noise of the interpreter", exits=GREEN, outcomes=ALL_RAN)
def noisy_interpreter(scene: Scene) -> Seen:
    """The interpreter prints bytes that are no text on both streams before it starts."""
    host = scene.host("first")
    stub = stubs.noisy(scene.directory / "noisy", scene.python)
    return scene.run(scene.spec(host, python=stub))


@fault("11", "login shell fish", exits=GREEN, outcomes=ALL_RAN)
def fish(scene: Scene) -> Seen:
    """The account's login shell is fish."""
    return scene.run(scene.host("first", shell=needs.program("fish")))


@fault("11b", "login shell tcsh", exits=GREEN, outcomes=ALL_RAN)
def tcsh(scene: Scene) -> Seen:
    """The account's login shell is tcsh."""
    return scene.run(scene.host("first", shell=needs.program("tcsh")))


@fault("11c", "login shell dash", exits=GREEN, outcomes=ALL_RAN)
def dash(scene: Scene) -> Seen:
    """The account's login shell is dash."""
    return scene.run(scene.host("first", shell=needs.program("dash")))


@fault("12", "space in the path of the interpreter", exits=GREEN, outcomes=ALL_RAN)
def spaced(scene: Scene) -> Seen:
    """The interpreter lies in a directory with a blank and a quote in its name."""
    host = scene.host("first")
    stub = stubs.plain(scene.directory / "it's my python" / "python", scene.python)
    return scene.run(scene.spec(host, python=stub))


@fault(
    "13",
    "misspelt key in a spec",
    exits=WRONG_USAGE,
    says=["unknown key 'pyhton'"],
    outcomes={},
    cheap=True,
)
def misspelt(scene: Scene) -> Seen:
    """The spec says pyhton= instead of python=."""
    host = scene.host("first")
    return scene.run(scene.spec(host).replace("python=", "pyhton="))


@fault(
    "14",
    "pytest missing on the host",
    exits=HOST_FAILED,
    says=["preflight failed: "],
    outcomes={},
)
def without_pytest(scene: Scene) -> Seen:
    """The interpreter of the host has no pytest, and remotest may not make an environment."""
    host = scene.host("first")
    return scene.run(scene.spec(host, python=_bare(scene), ours="env=system"))


@fault("14b", "pytest missing on the host, no network there", exits=GREEN, outcomes=ALL_RAN)
def without_pytest_but_with_us(scene: Scene) -> Seen:
    """The host has a bare interpreter and no network; remotest may make an environment there."""
    shell = stubs.shell_within(scene.directory / "offline", barehost.without_network())
    host = scene.host("first", shell=str(shell))
    return scene.run(scene.spec(host, python=_bare(scene), ours="env=managed"))


@fault(
    "15",
    "plugin missing on the worker",
    exits=WRONG_USAGE,
    says=["environment .* failed: .*No module named 'fancy'"],
    outcomes={},
)
def without_plugin(scene: Scene) -> Seen:
    """A plugin is loaded with -p and its option used; it is here and not on the host."""
    folder = scene.directory / "only-here"
    folder.mkdir()
    (folder / "fancy.py").write_text(
        "def pytest_addoption(parser):\n    parser.addoption('--fancy', action='store_true')\n"
    )
    scene.project = scene.project.with_variables({"PYTHONPATH": str(folder)})
    host = scene.host("first")
    scene.write({"pytest.ini": "[pytest]\naddopts = --fancy\n"})
    return scene.run(host, arguments=["-p", "fancy"])


def _home(scene: Scene) -> Path:
    home = scene.directory / "home"
    home.mkdir()
    return home


def _bare(scene: Scene) -> Path:
    """Return the python of an environment in which nothing is installed."""
    directory = scene.directory / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", directory], check=True)
    return directory / "bin" / "python"
