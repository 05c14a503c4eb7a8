"""Virtual environments, written without ``venv``: Debian's python3 comes without half of it.

What makes a folder one is little: ``pyvenv.cfg``, a link to the base interpreter, and a folder for
packages. No pip, no scripts to activate it.
"""

import os
import sys
import sysconfig
from typing import List

from pytest_remotest import probe
from pytest_remotest.entries import to_bytes, to_text
from pytest_remotest.faults import Refused
from pytest_remotest.wheelunpack import Layout

CONFIG = b"pyvenv.cfg"
_CONFIG = b"home = %s\ninclude-system-site-packages = false\nversion = %d.%d.%d\n"
PYTHON = b"python"
NAMES = (PYTHON, b"python3")  # Links in bin beside those by the version, and PyPy's own.


def make(folder: bytes) -> Layout:
    """Make an environment of the interpreter that runs this, in a folder that is not there yet.

    It is made of links only to the base interpreter: it may be renamed.

    Raises:
        Refused: the base interpreter cannot be told.
        OSError: as the disk has it.
    """
    base = probe.base_executable()
    if not base:
        raise Refused(
            "the interpreter that %s was made from cannot be found" % sys.executable,
            "name that interpreter itself in python=",
        )
    layout = layout_of(folder)
    os.mkdir(folder, 0o700)
    os.makedirs(layout.scripts)
    os.makedirs(layout.purelib)
    if sys.maxsize > 2**32 and sys.platform != "darwin":  # As venv: some look for platlib there.
        os.symlink(b"lib", os.path.join(folder, b"lib64"))
    for name in python_names():
        os.symlink(os.fsencode(base), os.path.join(layout.scripts, name))
    with open(os.path.join(folder, CONFIG), "xb") as file:
        file.write(_CONFIG % (os.path.dirname(os.fsencode(base)), *sys.version_info[:3]))
    return layout


def layout_of(folder: bytes) -> Layout:
    """Return where things are in an environment of the interpreter that runs this."""
    names = sysconfig.get_scheme_names()
    scheme = "venv" if "venv" in names else "posix_prefix"
    if sys.implementation.name == "pypy" and "pypy" in names:  # until PyPy 3.7
        scheme = "pypy"
    root = to_text(folder)
    variables = {"base": root, "platbase": root, "installed_base": root}
    library, scripts = (
        to_bytes(sysconfig.get_path(name, scheme, variables)) for name in ("purelib", "scripts")
    )
    version = b"python%d.%d" % sys.version_info[:2]
    return Layout(
        root=folder,
        purelib=library,
        platlib=library,
        scripts=scripts,
        data=folder,
        headers=os.path.join(folder, b"include", b"site", version),
    )


def python_names() -> List[bytes]:
    """Return what the interpreter is called in an environment's folder of programs."""
    names = [*NAMES, b"python%d.%d" % sys.version_info[:2]]
    if sys.implementation.name == "pypy":
        names += [b"pypy", b"pypy3", b"pypy%d.%d" % sys.version_info[:2]]
    return names
