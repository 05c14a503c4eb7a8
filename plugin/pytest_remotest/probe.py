"""What decides which wheels an interpreter can have: told by it, judged elsewhere.

This file alone is the probe: it imports nothing of ours and parses from Python 3.4 on. ``probe``
returns plain JSON values:

``markers``
    The whole PEP 508 environment, text to text, under the names of ``packaging.markers``:
    implementation_name, implementation_version, os_name, platform_machine,
    platform_python_implementation, platform_release, platform_system, platform_version,
    python_full_version (``3.13.0rc1``, ``3.14.0a1+`` for a build from a checkout), python_version,
    sys_platform.
``implementation``
    ``sys.implementation.name``: ``cpython``, ``pypy``.
``version_info``
    ``[3, 13, 0, "final", 0]``.
``config``
    Of ``sysconfig.get_config_var``, None where there is no such variable: Py_DEBUG,
    Py_GIL_DISABLED, WITH_PYMALLOC, Py_UNICODE_SIZE, EXT_SUFFIX, SOABI, py_version_nodot.
``has_refcount_total``
    Whether ``sys.gettotalrefcount`` exists: a debug build, where Py_DEBUG is None.
``max_unicode``
    ``sys.maxunicode``.
``extension_suffixes``
    ``importlib.machinery.EXTENSION_SUFFIXES``, the best first.
``platform``
    ``sysconfig.get_platform()``: ``linux-x86_64``, ``macosx-11.0-arm64``.
``system``
    ``platform.system()``: ``Linux``, ``Darwin``.
``machine``
    ``platform.machine()``: the kernel's, whatever the interpreter is built for.
``is_64bit``
    Whether ``sys.maxsize`` is above 2**32: false for a 32-bit interpreter on a 64-bit kernel.
``libc``
    ``{"kind": "glibc", "version": "2.36"}``, ``{"kind": "musl", "version": "1.2"}``, or both empty.
``elf``
    Of the interpreter's own file: ``{"bits": 32 or 64, "is_little_endian": bool, "machine": int,
    "flags": int, "interpreter": "/lib64/ld-linux-x86-64.so.2"}``; None where it is no ELF file.
``mac_version``
    ``[release, machine]`` of ``platform.mac_ver()``; two empty texts elsewhere.
``is_virtual``
    Whether it lies in a virtual environment: ``sys.prefix`` is not the base interpreter's.
``is_conda``
    Whether it lies in a conda environment.
``base_prefix``
    The base interpreter's prefix, links resolved: those with the same one share a standard library.
``base_executable``
    The base interpreter's file, links resolved; empty where it cannot be told.
``cache_tag``
    ``sys.implementation.cache_tag``: ``cpython-39``.
``version``
    ``sys.version``, the whole text: it names the build.
"""
