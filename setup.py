"""Puts remotest.pth into the wheel, which setup.cfg cannot say; it says all the rest."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithPathFile(build_py):  # type: ignore[misc]  # setuptools has no types
    """Copies remotest.pth beside the packages."""

    def run(self) -> None:
        """Build."""
        super().run()
        if not self.editable_mode:
            self.copy_file("plugin/remotest.pth", str(Path(self.build_lib) / "remotest.pth"))


setup(cmdclass={"build_py": BuildWithPathFile})
