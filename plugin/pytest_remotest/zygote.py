"""A process from which workers are forked: it has imported what every worker needs, no user's code.

It is started for one interpreter, folder and set of variables, so its forks are what new processes
would be. If other code already runs in it, the zygote gives itself up.
"""

import gc
import importlib
import os
import re
import sys
from typing import List

from pytest_remotest import forking

# Modules of installers that run at every start of an interpreter and only help to find modules.
# Any other module is a program of somebody, which has to start in each worker.
START_HELPERS = re.compile(
    r"_virtualenv|_distutils_hack(\..*)?|_remotest_extensions"
    r"|__editable__.*|_.*_editable(_loader|_impl.*)?"
)


def main(control_fd: int) -> int:
    """Fork workers for the agent at the other end; in each, run it and return its exit code."""
    gc.disable()  # Imports leave next to no garbage, and looking for it takes a seventh of them.
    foreign = foreign_modules()
    if foreign:
        forking.answer(control_fd, forking.REFUSED, "%s runs at the start" % ", ".join(foreign))
        return 0
    # Not sooner: they import pytest, which is slow.
    from pytest_remotest import collector, hindrances, worker  # noqa: PLC0415  see above

    import_default_plugins()
    reason = forking.other_threads() or ("a tracer" if hindrances.is_traced() else "")
    if reason:
        forking.answer(control_fd, forking.REFUSED, reason)
        return 0
    forking.keep_out_of_collections()
    forked = forking.serve(control_fd)
    gc.enable()
    for stream_fd in (1, 2):
        os.dup2(forked.output_fd, stream_fd)
    os.close(forked.output_fd)
    if forked.request == forking.COLLECTOR:
        os.close(forked.write_fd)
        return collector.main(forked.read_fd)
    return worker.main(forked.read_fd, forked.write_fd)


def foreign_modules() -> List[str]:
    """Return the modules that somebody's code has brought into this process, sorted.

    Called before this package has imported what is not of the standard library.
    """
    standard = os.path.dirname(os.__file__)
    return sorted(
        name
        for name, module in list(sys.modules.items())
        if name != "__main__"
        and not name.startswith("pytest_remotest")
        and not START_HELPERS.fullmatch(name)
        and not _is_of(standard, getattr(module, "__file__", None))
    )


def _is_of(standard: str, path: object) -> bool:
    """Return whether a module's file is none, or one of the standard library."""
    if not isinstance(path, str):
        return True
    folder = os.path.dirname(os.path.abspath(path))
    is_below = folder == standard or folder.startswith(standard + os.sep)
    return is_below and not re.search(r"[/\\](site|dist)-packages\b", folder[len(standard) :])


def import_default_plugins() -> None:
    """Import the plugins that pytest itself imports at every start."""
    from _pytest import config  # noqa: PLC0415  as pytest does

    for name in (*config.essential_plugins, *config.default_plugins):
        importlib.import_module("_pytest." + name)
