"""Generated suites: tests that pass at once, and what surrounds them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A generated suite: so many files, each with so many tests that pass at once.

    Attributes:
        is_marked: each process notes the time of its first test, and of its first report.
        imports_s: CPU seconds that the conftest takes, as one does that imports a framework.
        class_count: classes that it imports in this time; they take 6 kB of memory each.
    """

    file_count: int
    tests_per_file: int
    is_marked: bool = False
    imports_s: float = 0.0
    class_count: int = 0

    @property
    def test_count(self) -> int:
        return self.file_count * self.tests_per_file

    def write(self, folder: Path) -> None:
        """Write it into a new folder; marks go into the folder ``FOLDER-marks``."""
        folder.mkdir()
        marks_of(folder).mkdir()
        (folder / "pytest.ini").write_text("[pytest]\n")
        marking = MARKING.replace("MARKS", repr(str(marks_of(folder)))) if self.is_marked else ""
        (folder / "conftest.py").write_text(self._write_framework(folder) + marking)
        test = f"@pytest.mark.parametrize('n', range({self.tests_per_file}))\ndef test(n): pass\n"
        for number in range(self.file_count):
            (folder / f"test_{number:03}.py").write_text(f"import pytest\n\n{test}")

    def _write_framework(self, folder: Path) -> str:
        """Write modules of classes; return what imports them and takes its time."""
        modules = range(self.class_count // CLASSES_A_MODULE)
        for number in modules:
            classes = [CLASS.format(number=index) for index in range(CLASSES_A_MODULE)]
            (folder / f"framework_{number}.py").write_text("".join(classes))
        imports = "".join(f"import framework_{number}\n" for number in modules)
        return BUSY.format(imports=imports, seconds=self.imports_s) if self.imports_s else ""


BUSY: Final = """\
import time

start = time.process_time()
{imports}
while time.process_time() < start + {seconds}:
    pass

"""

CLASSES_A_MODULE: Final = 100

CLASS: Final = '''
class Class{number}:
    """Class {number} of a framework, which somebody imports."""

    limit_{number} = {number}.0

    def __init__(self, first_{number}, second_{number}=None, **others_{number}):
        self.first_{number} = first_{number}
        self.second_{number} = second_{number}
        self.others_{number} = dict(others_{number})

    def compare_{number}(self, other_{number}):
        if other_{number}.first_{number} < self.first_{number}:
            return self.limit_{number}
        return [each for each in other_{number}.others_{number} if each in self.others_{number}]

    @property
    def name_{number}(self):
        return "%s, %d of {number}" % (self.first_{number}, len(self.others_{number}))

    @classmethod
    def make_{number}(cls, *values_{number}):
        return cls(*values_{number}, key_{number}="value {number}")
'''

MARKING: Final = """\
import os
import time

marked = set()


def mark(name):
    if name not in marked:
        marked.add(name)
        with open(os.path.join(MARKS, "%s-%d" % (name, os.getpid())), "w") as stream:
            stream.write(repr(time.time()))


def pytest_runtest_call():
    mark("first-test")


def pytest_runtest_logreport():
    mark("first-report")
"""
"""Each process notes when it runs its first test, and when it has a report first."""


def marks_of(folder: Path) -> Path:
    """Return the folder of the marks of a suite."""
    return folder.with_name(f"{folder.name}-marks")
