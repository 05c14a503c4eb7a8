"""What there is on the controller to resolve, fetch and build with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from remotest.env.fetch import Fetcher
from remotest.env.indexes import read_settings
from remotest.env.piptool import find_pip
from remotest.env.unavailable import Unavailable
from remotest.env.uvtool import find_uv

if TYPE_CHECKING:
    from collections.abc import Mapping

    from remotest.env.indexes import IndexSettings
    from remotest.env.piptool import Pip
    from remotest.env.uvtool import Uv


@dataclass(frozen=True, kw_only=True)
class Toolbox:
    """Tools and their settings.

    Attributes:
        uv: None where there is none.
        pip: None where there is none.
        settings: which indexes they use.
        fetcher: downloads as they would.
    """

    uv: Uv | None
    pip: Pip | None
    settings: IndexSettings
    fetcher: Fetcher

    @property
    def identity(self) -> str:
        """A text that changes with what decides a resolution beside the wish itself."""
        tool = self.uv or self.pip
        return f"{tool.identity if tool else 'no tool'} {self.settings.digest}"

    @property
    def resolver(self) -> Uv | Pip:
        """The tool that resolves.

        Raises:
            Unavailable: there is none.
        """
        if tool := self.uv or self.pip:
            return tool
        raise Unavailable(
            "neither uv nor pip is here to resolve with", remedy="install uv beside remotest"
        )


def find_tools(directory: Path, environ: Mapping[str, str]) -> Toolbox:
    """Return the tools that are here, as they are set up for a project's directory.

    Nothing is started, and of the network nothing is asked.
    """
    home = Path.home()
    settings = read_settings(environ, directory, home)
    uv = find_uv(directory, settings.uv_environ)
    pip = find_pip(directory, uv, (settings.pip_environ or {}) if uv else {})
    netrc_file = Path(environ.get("NETRC") or home / ".netrc")
    return Toolbox(
        uv=uv,
        pip=pip,
        settings=settings,
        fetcher=Fetcher(
            settings,
            netrc_file if netrc_file.is_file() else None,
            pip.download if pip else None,
        ),
    )
