"""Where on this host a cache may be. Looks up variables and users only, and touches no disk.

This module is also run alone, in front of everything else: it imports nothing of ours.
"""

import os
import pwd
from typing import List, Mapping, Optional


def home_directory(environ: Mapping[str, str]) -> bytes:
    """Return the user's home directory, from HOME or else from the user database.

    Whom neither knows, as in some containers, has ``/``, where only root can write.
    """
    if environ.get("HOME"):
        return os.fsencode(environ["HOME"])
    try:
        return os.fsencode(pwd.getpwuid(os.geteuid()).pw_dir)
    except KeyError:
        return b"/"


def within_home(text: str, environ: Mapping[str, str]) -> bytes:
    """Return the absolute path of what a user wrote: relative to the home directory."""
    path = text.encode("utf-8", "surrogateescape")
    if path == b"~" or path.startswith(b"~/"):
        path = path[2:]
    return os.path.normpath(os.path.join(home_directory(environ), path))


def candidates(cache: Optional[str], environ: Mapping[str, str]) -> List[bytes]:
    """Return the directories that may hold a cache, the best first.

    Args:
        cache: what the user wrote in ``cache=``.
        environ: where HOME and XDG_CACHE_HOME are looked up.
    """
    if cache is not None:
        return [within_home(cache, environ)]
    given = os.fsencode(environ.get("XDG_CACHE_HOME", ""))
    return [
        *([given] if os.path.isabs(given) else []),
        os.path.join(home_directory(environ), b".cache"),
        b"/var/tmp/remotest-%d" % os.geteuid(),
    ]
