"""What is fuzzed: something of ours that reads bytes from outside, and its corpus."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis.strategies import SearchStrategy

CORPUS: Final = Path(__file__).with_name("corpus")
"""A folder for each target: what was found once, and what is worth beginning with."""


@functools.cache
def scratch(name: str) -> Path:
    """Return a folder of this process's own, by a name; it is gone at the end."""
    folder = Path(tempfile.mkdtemp(prefix=f"remotest-fuzz-{name}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@dataclass(frozen=True, kw_only=True)
class Target:
    """One reader of bytes.

    Attributes:
        name: also of its folder in the corpus.
        check: reads bytes. Returns where the reader takes them or refuses them as documented;
            raises anything else where it has a bug.
        inputs: bytes in the reader's own form, right and wrong.
    """

    name: str
    check: Callable[[bytes], None]
    inputs: SearchStrategy[bytes]

    @property
    def folder(self) -> Path:
        """Where its corpus is."""
        return CORPUS / self.name

    def corpus(self) -> list[Path]:
        """Return the files of its corpus."""
        return sorted(path for path in self.folder.glob("*") if path.is_file())
