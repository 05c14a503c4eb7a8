"""What resolving is tested in: an index, a cache, a clock and tools that know of nothing else."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from packageindex import PackageIndex, target

from remotest.env.model import Target, Wanted
from remotest.env.resolve import Request, Resolved, resolve
from remotest.env.toolbox import Toolbox, find_tools
from remotest.env.wheelcache import WheelCache

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from remotest.errors import EnvError

TARGETS: Final = {
    "py36": target("3.6"),
    "py39": target("3.9"),
    "py313": target("3.13"),
    "pypy": target("3.9", "PyPy"),
}


@dataclass
class World:
    """An index, a cache, a clock and the tools, which see no settings of this machine."""

    index: PackageIndex
    folder: Path
    tool: str
    now_s: float = 1_000_000.0

    @classmethod
    def alone(
        cls, index: PackageIndex, folder: Path, tool: str, monkeypatch: pytest.MonkeyPatch
    ) -> World:
        """Return a world in which the tools know of this index only."""
        for name in os.environ:
            if name.startswith(("UV_", "PIP_")) or name.lower().endswith("_proxy"):
                monkeypatch.delenv(name)
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_INDEX_URL", index.url)
        monkeypatch.setenv("PIP_CACHE_DIR", str(folder / "pip"))
        monkeypatch.setenv("PIP_RETRIES", "1")
        monkeypatch.setenv("UV_CACHE_DIR", str(folder / "uv"))
        monkeypatch.setenv("UV_HTTP_RETRIES", "0")
        monkeypatch.setenv("UV_NO_CONFIG", "1")
        monkeypatch.setenv("NETRC", str(folder / "netrc"))
        return cls(index, folder, tool)

    @property
    def cache(self) -> WheelCache:
        return WheelCache(self.folder / "cache", lambda: self.now_s)

    @property
    def tools(self) -> Toolbox:
        tools = find_tools(self.folder, os.environ)
        return tools if self.tool == "uv" else replace(tools, uv=None)

    def resolve(
        self,
        *requirements: str,
        targets: dict[str, Target] = TARGETS,
        additions: tuple[str, ...] = (),
        upgrade: bool = False,
        **wanted: Any,
    ) -> dict[str, Resolved | EnvError]:
        wish = Wanted(source="the test", requirements=requirements, **wanted)
        requests = {
            name: Request(target=one, wanted=wish, additions=additions)
            for name, one in targets.items()
        }
        return resolve(requests, cache=self.cache, tools=self.tools, upgrade=upgrade)

    def give(self, *requirements: str, **options: Any) -> dict[str, list[str]]:
        """Return the filenames that each interpreter is given."""
        answers = self.resolve(*requirements, **options)
        return {name: filenames(answer) for name, answer in answers.items()}

    def stored(self) -> bytes:
        """Return all that is on disk but wheels."""
        files = [path for path in (self.folder / "cache").rglob("*.json") if path.is_file()]
        return b"".join(path.read_bytes() for path in files)


def filenames(answer: Resolved | EnvError) -> list[str]:
    assert isinstance(answer, Resolved), answer
    return [wheel.filename for wheel in answer.wheels]
