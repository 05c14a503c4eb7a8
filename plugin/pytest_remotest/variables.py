"""The environment that processes of a worker begin with."""

import contextlib
import locale
import os
from typing import Dict, Mapping, Optional

from pytest_remotest.entries import to_bytes

UTF8_LOCALES = ("C.UTF-8", "C.utf8", "UTF-8")  # As Python itself tries them.


def host_variables(added: Mapping[str, str]) -> Dict[bytes, bytes]:
    """Return the environment of a worker: the host's own, with what the controller adds.

    As bytes: where this process has no UTF-8, it could not encode what is not ASCII.
    """
    environment = dict(os.environb)
    environment.update((to_bytes(name), to_bytes(value)) for name, value in added.items())
    asked = [environment.get(name) for name in (b"LC_ALL", b"LC_CTYPE", b"LANG")]
    if next(filter(None, asked), b"C") in (b"C", b"POSIX"):
        found = utf8_locale()
        if found is not None and not environment.get(b"LC_ALL"):
            environment[b"LC_CTYPE"] = found.encode("ascii")
    return environment


def utf8_locale() -> Optional[str]:
    """Return a locale with UTF-8 that this machine has beside the default one, or None.

    A login by ssh often has no locale at all. Python takes such a one by itself then, but only
    from 3.7 on (PEP 538): 3.6 could not name what is not ASCII.
    """
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        for name in UTF8_LOCALES:
            with contextlib.suppress(locale.Error):
                locale.setlocale(locale.LC_CTYPE, name)
                return name
        return None
    finally:
        locale.setlocale(locale.LC_CTYPE, before)
