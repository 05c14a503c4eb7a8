"""Runs this package from memory, whatever version of it the host has installed.

A *bundle* maps the names of this package's modules to their sources. The controller sends it to
the agent (``main``), the agent hands it on to each process that it starts (``worker_command``,
``zygote_command`` and ``framed_payload``). Nothing else is needed: what compile() made of it may be
found on the host's disk (see ``bytecode``), and is made anew where it is not.
"""

import importlib.machinery
import json
import signal
import sys
import zlib
from typing import Any, Dict, List, Optional, Union

PACKAGE = "pytest_remotest"  # Not from __name__: execnet runs this source under another one.

# Frames of tracebacks show this instead of a folder. linecache asks a module's loader for its
# lines unless the name is wholly in angle brackets.
ORIGIN = "<remotest>"

PROGRAM = """\
import sys
sys.path[:] = [entry for entry in sys.path if entry]  # A json.py of the project is not ours.
import json, os, types, zlib
def read(size):
    data = b""
    while len(data) < size:
        piece = os.read(read_fd, size - len(data))
        if not piece:
            sys.exit("the agent ended before its worker had started")
        data += piece
    return data
name, cache, key, read_fd, *more_fds = *sys.argv[1:4], *map(int, sys.argv[4:])
packed = read(int.from_bytes(read(4), "big"))
bundle = json.loads(zlib.decompress(packed).decode("ascii"))
bytecode, loader = map(types.ModuleType, ["pytest_remotest.bytecode", "pytest_remotest.loader"])
exec(bundle[bytecode.__name__], bytecode.__dict__)
code = bytecode.ByteCode([os.fsencode(cache)] if cache else [], key)
file = "<remotest>/pytest_remotest/loader.py"
exec(code.get(loader.__name__, bundle[loader.__name__], file), loader.__dict__)
loader.install(bundle, packed, code)
main = __import__("pytest_remotest." + name, fromlist=["main"]).main
sys.exit(main(read_fd, *more_fds))
"""


def main(channel: Any, will_fork: bool) -> None:
    """Receive the bundle from the controller, then serve it as the agent until it leaves.

    Where workers will probably be forked, what they fork from begins before the agent is imported.
    """
    packed = channel.receive()
    bundle = json.loads(zlib.decompress(packed).decode("ascii"))
    install(bundle, packed, channel.gateway.remotest_code)
    signal.alarm(0)  # Set where this process began: from here on the agent looks after itself.
    begun = None
    if will_fork:
        from pytest_remotest import headstart  # noqa: PLC0415  importable only now

        begun = headstart.begin()
    from pytest_remotest import agent  # noqa: PLC0415  see above

    agent.main(channel, begun)


def install(bundle: Dict[str, str], packed: bytes, code: Any) -> None:
    """Make imports of this package come from a bundle, in place of any other source.

    Args:
        bundle: the sources by module name.
        packed: the same as it has come, to be handed on.
        code: a ``ByteCode`` of it.
    """
    for name in list(sys.modules):
        if name.partition(".")[0] == PACKAGE:
            del sys.modules[name]
    # An earlier controller of the same socket server left its own finder, of its own class.
    sys.meta_path[:] = [
        finder for finder in sys.meta_path if not hasattr(finder, "remotest_bundle")
    ]
    sys.meta_path.insert(0, BundleFinder(bundle, packed, code))


def finder() -> Any:
    """Return the ``BundleFinder`` that this process runs from; None where it runs from disk."""
    finders = (one for one in sys.meta_path if hasattr(one, "remotest_bundle"))
    return next(finders, None)


def bundle() -> Dict[str, str]:
    """Return the bundle that this process runs from; empty where it runs from disk."""
    found = finder()
    return dict(found.remotest_bundle) if found else {}


def worker_command(
    read_fd: int, write_fd: int, python: Optional[bytes] = None
) -> List[Union[str, bytes]]:
    """Return the command of a worker process that inherits these two descriptors.

    It is one of the interpreter that runs this, unless ``python`` is the path of another. It first
    reads ``framed_payload`` from ``read_fd``; then it calls ``worker.main(read_fd, write_fd)``. No
    empty entry is in its ``sys.path``: what the working directory means there is the worker's to
    say.
    """
    return _command("worker", python, read_fd, write_fd)


def zygote_command(control_fd: int, python: Optional[bytes] = None) -> List[Union[str, bytes]]:
    """Return the command of a process that calls ``zygote.main(control_fd)`` in the same way."""
    return _command("zygote", python, control_fd)


def _command(module: str, python: Optional[bytes], *descriptors: int) -> List[Union[str, bytes]]:
    """Return the command of a process that calls the ``main`` of a module."""
    found = finder()
    # Where nothing was found to be kept, nothing is looked for.
    is_kept = found is not None and found.remotest_code.cache is not None
    kept = [found.remotest_code.cache, found.remotest_code.key] if is_kept else ["", ""]
    return [python or sys.executable, "-c", PROGRAM, module, *kept, *map(str, descriptors)]


def framed_payload() -> bytes:
    """Return the bundle that this process runs from as such a process expects it.

    That is in front its length in four bytes, the most significant first.
    """
    packed: bytes = finder().remotest_packed
    return len(packed).to_bytes(4, "big") + packed


class BundleFinder:
    """Finds and loads the modules of one bundle, and says of the package's others: not there.

    It does what ``importlib.abc.ExecutionLoader`` does, whose import takes 10 ms.
    """

    def __init__(self, bundle: Dict[str, str], packed: bytes, code: Any) -> None:
        self.remotest_bundle = bundle
        self.remotest_packed = packed
        self.remotest_code = code

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        """Return the spec of a module of the bundle; see ``importlib.abc.MetaPathFinder``."""
        del path, target
        if fullname not in self.remotest_bundle:
            return None
        return importlib.machinery.ModuleSpec(
            fullname,
            self,  # type: ignore[arg-type]  # It has what a loader needs, see above.
            origin=self.get_filename(fullname),
            # A package's empty path keeps every other finder from looking on the disk.
            is_package=self.is_package(fullname),
        )

    def invalidate_caches(self) -> None:
        """Do nothing: a bundle does not change."""

    def is_package(self, fullname: str) -> bool:
        """Return whether a name is the package itself, which has no packages inside."""
        return fullname == PACKAGE

    def get_filename(self, fullname: str) -> str:
        """Return what tracebacks show as the module's file."""
        name = fullname + ".__init__" if self.is_package(fullname) else fullname
        return "%s/%s.py" % (ORIGIN, name.replace(".", "/"))

    def create_module(self, spec: Any) -> None:
        """Leave it to Python to make a module."""

    def exec_module(self, module: Any) -> None:
        """Run a module; see ``importlib.abc.Loader``."""
        exec(self.get_code(module.__name__), module.__dict__)  # noqa: S102  what loaders do

    def get_code(self, fullname: str) -> Any:
        """Return the compiled source of a module; ImportError where the bundle does not hold it."""
        source = self.get_source(fullname)
        return self.remotest_code.get(fullname, source, self.get_filename(fullname))

    def get_source(self, fullname: str) -> str:
        """Return the source of a module.

        Raises:
            ImportError: the bundle does not hold it.
        """
        try:
            return self.remotest_bundle[fullname]
        except KeyError:
            raise ImportError("%s did not travel" % fullname, name=fullname) from None
