"""Sources with a module in C and a build backend of their own: nothing is fetched for a build."""

from __future__ import annotations

import io
import tarfile
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_PYPROJECT = """
    [project]
    name = "{name}"
    version = "1.0"

    [build-system]
    requires = [{requires}]
    build-backend = "backend"
    backend-path = ["."]
    """

_BACKEND = """
    import base64, hashlib, os, subprocess, sys, sysconfig, zipfile

    NAME = "{name}"

    def wheel(directory, tag, files):
        info = NAME + "-1.0.dist-info/"
        files[info + "METADATA"] = "Metadata-Version: 2.1\\nName: " + NAME + "\\nVersion: 1.0\\n"
        files[info + "WHEEL"] = (
            "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: false\\nTag: " + tag + "\\n"
        )
        rows = []
        filename = NAME + "-1.0-" + tag + ".whl"
        with zipfile.ZipFile(os.path.join(directory, filename), "w") as archive:
            for path, content in files.items():
                content = content if isinstance(content, bytes) else content.encode()
                digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest())
                rows.append(path + ",sha256=" + digest.rstrip(b"=").decode() + ",")
                archive.writestr(path, content)
            archive.writestr(info + "RECORD", "\\n".join(rows + [info + "RECORD,,", ""]))
        return filename

    def tag():
        version = "%d%d" % sys.version_info[:2]
        if sys.implementation.name == "pypy":
            abi = "pp" + version + "-pypy" + version + "_pp73"
        else:
            abi = "cp" + version + "-cp" + version + getattr(sys, "abiflags", "")
        return abi + "-" + sysconfig.get_platform().replace("-", "_").replace(".", "_")

    def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
        print("compiling", NAME)
        sys.stdout.flush()
        module = "_fast" + sysconfig.get_config_var("EXT_SUFFIX")
        paths = sysconfig.get_paths()
        command = [os.environ.get("CC", "cc"), "-shared", "-fPIC"]
        command += ["-I" + paths["include"], "-I" + paths["platinclude"]]
        subprocess.check_call(command + ["-o", module, "src/" + NAME + "/_fast.c"])
        files = {{
            NAME + "/__init__.py": open("src/" + NAME + "/__init__.py").read(),
            NAME + "/" + module: open(module, "rb").read(),
        }}
        return wheel(wheel_directory, tag(), files)

    def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
        return wheel(wheel_directory, tag(), {{NAME + ".pth": os.path.abspath("src") + "\\n"}})
    """

_MODULE = """
    #include <Python.h>

    static PyObject *answer(PyObject *self, PyObject *nothing) {{
        return PyLong_FromLong({answer});
    }}
    static PyMethodDef methods[] = {{{{"answer", answer, METH_NOARGS, ""}}, {{0}}}};
    static struct PyModuleDef module = {{PyModuleDef_HEAD_INIT, "_fast", "", -1, methods}};
    PyMODINIT_FUNC PyInit__fast(void) {{ return PyModule_Create(&module); }}
    """


def files(
    name: str = "fast", *, backend: str = "", answer: int = 42, requires: str = ""
) -> dict[str, str]:
    """Return the files of a project with the module ``NAME._fast``, by path.

    Args:
        name: of the project, and of its package.
        backend: what its build backend does after all that it usually does.
        answer: what ``NAME._fast.answer`` returns.
        requires: the texts of what its build needs, quoted, with commas between them.
    """
    return {
        "pyproject.toml": textwrap.dedent(_PYPROJECT.format(name=name, requires=requires)),
        "backend.py": textwrap.dedent(_BACKEND.format(name=name)) + textwrap.dedent(backend),
        f"src/{name}/__init__.py": f"from {name}._fast import answer\n",
        f"src/{name}/_fast.c": textwrap.dedent(_MODULE.format(answer=answer)),
        "PKG-INFO": f"Metadata-Version: 2.2\nName: {name}\nVersion: 1.0\n",
    }


def archive(sources: Mapping[str, str], name: str = "fast") -> bytes:
    """Return a source distribution of these files."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for path, text in sources.items():
            info = tarfile.TarInfo(f"{name}-1.0/{path}")
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    return stream.getvalue()


def write(directory: Path, sources: Mapping[str, str]) -> Path:
    """Write the files of a project, and return its directory."""
    for path, text in sources.items():
        place = directory / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
    return directory
