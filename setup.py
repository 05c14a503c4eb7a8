"""Puts remotest.pth beside the packages, which setup.cfg cannot say; it says all the rest."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

PATH_FILE = Path("plugin/remotest.pth")


class BuildWithPathFile(build_py):  # type: ignore[misc]  # setuptools has no types
    """Copies remotest.pth; for an editable install with the whole path of what it names."""

    def run(self) -> None:
        """Build."""
        super().run()
        if self.editable_mode:
            # What is below is the wheel: packages stay here, other files go into it.
            wheel = Path(self.get_finalized_command("install").install_lib)
            standin = Path(PATH_FILE.read_text().strip()).resolve()
            (wheel / PATH_FILE.name).write_text(f"{standin}\n")
        else:
            self.copy_file(str(PATH_FILE), str(Path(self.build_lib) / PATH_FILE.name))


setup(cmdclass={"build_py": BuildWithPathFile})
