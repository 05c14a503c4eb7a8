"""Programs that stand where a host's interpreter should, and start a hostile agent in its place."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Final

AGENT: Final = Path(__file__).with_name("hostile_agent.py")

_PROGRAM: Final = """\
import importlib.util, json, os, sys
importlib.util.MAGIC_NUMBER = b"hostile"  # What was compiled here for the real agent is not found.
plain_loads = json.loads
def loads(text, *arguments, **options):
    value = plain_loads(text, *arguments, **options)
    if isinstance(value, dict) and "pytest_remotest.agent" in value:
        with open(os.environ["HOSTILE_AGENT"]) as file:
            value["pytest_remotest.agent"] = file.read()
    return value
json.loads = loads
program = sys.argv.pop(2)
exec(program)
"""


def install(folder: Path, attack: str) -> Path:
    """Write such a program for one attack of ``hostile_agent`` and return its path.

    What it received is afterwards in ``folder / f"received-{attack}"``.
    """
    path = folder / attack
    variables = {
        "HOSTILE_ATTACK": attack,
        "HOSTILE_FOLDER": str(folder),
        "HOSTILE_AGENT": str(AGENT),
    }
    exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())
    start = shlex.join([sys.executable, "-c", _PROGRAM])
    path.write_text(
        f"#!/bin/sh\n{exports}env >> {shlex.quote(str(folder))}/received-{attack}\n"
        f'exec {start} "$@"\n'
    )
    path.chmod(0o755)
    return path
