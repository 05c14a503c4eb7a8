"""Rows 16-20, 29 and 30: the tree does not fit on its host."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from faultlab import homes
from faultlab.catalogue import GREEN, HOST_FAILED, fault

if TYPE_CHECKING:
    from faultlab.scene import Scene, Seen

ALL_RAN = {"passed": 6}
MEGABYTE = 1 << 20

HUGE_MB = 300


@fault(
    "16",
    "disk full at sync",
    exits=HOST_FAILED,
    says=["MB free, but the tree needs"],
    outcomes=ALL_RAN,
)
def disk_too_small(scene: Scene) -> Seen:
    """The project has 4 MB; the disk with the home of one of two hosts has 512 kB."""
    home = scene.use(homes.mounted(scene.directory / "small", homes.SMALL))
    (scene.project.directory / "large.bin").write_bytes(os.urandom(4 * MEGABYTE))
    return scene.run(scene.host("first"), scene.host("second", home=home))


@fault(
    "16b",
    "not a byte is free",
    exits=HOST_FAILED,
    says=["sync failed: the disk is full: No space left on device"],
    outcomes=ALL_RAN,
)
def disk_full(scene: Scene) -> Seen:
    """The disk with the home of one of two hosts is full to the last byte."""
    home = scene.use(homes.full(scene.directory / "full"))
    return scene.run(scene.host("first"), scene.host("second", home=home))


@fault(
    "17",
    "no inodes",
    exits=HOST_FAILED,
    says=[r"room for \d+ more files, but the tree needs"],
    outcomes=ALL_RAN,
)
def no_inodes(scene: Scene) -> Seen:
    """The project has 100 directories; the disk of one of two hosts has room for 40 files."""
    home = scene.use(homes.mounted(scene.directory / "few", homes.FEW_FILES))
    for number in range(100):
        (scene.project.directory / f"directory-{number}").mkdir()
    return scene.run(scene.host("first"), scene.host("second", home=home))


@fault(
    "17b",
    "quota",
    exits=HOST_FAILED,
    says=["quota"],
    outcomes=ALL_RAN,
)
def quota(scene: Scene) -> Seen:
    """The project has 4 MB; the home of one of two hosts may have 1 MB of a larger disk."""
    home = scene.use(homes.with_quota(scene.directory / "quota"))
    (scene.project.directory / "large.bin").write_bytes(os.urandom(4 * MEGABYTE))
    return scene.run(scene.host("first"), scene.host("second", home=home))


@fault(
    "18",
    "read-only home",
    exits=GREEN,
    says=["cannot hold the tree: Read-only file system"],
    outcomes=ALL_RAN,
    cheap=True,
)
def read_only_home(scene: Scene) -> Seen:
    """The file system with the host's home is mounted read-only."""
    home = scene.use(homes.read_only(scene.directory / "read-only"))
    return scene.run(scene.host("first", home=home))


@fault("19", "noexec cache", exits=GREEN, outcomes=ALL_RAN)
def noexec_cache(scene: Scene) -> Seen:
    """Nothing below the host's home can be executed."""
    home = scene.use(homes.mounted(scene.directory / "noexec", homes.NOEXEC))
    return scene.run(scene.host("first", home=home))


@fault("20", "chdir= that is not there yet", exits=GREEN, outcomes=ALL_RAN)
def chdir(scene: Scene) -> Seen:
    """The spec's chdir= is three directories that do not exist, with a blank and umlauts."""
    host = scene.host("first")
    return scene.run(scene.spec(host) + "//chdir=a/b/ünï cödé")


@fault(
    "29",
    "target that takes two names for one",
    exits=HOST_FAILED,
    says=["readme", "README"],
    outcomes=ALL_RAN,
)
def case_insensitive(scene: Scene) -> Seen:
    """The project has README and readme; on the disk of one of two hosts these are one name."""
    home = scene.use(homes.case_insensitive(scene.directory / "casefold"))
    scene.write({"README": "one", "readme": "two"})
    return scene.run(scene.host("first"), scene.host("second", home=home))


@fault(
    "30",
    "huge file",
    exits=GREEN,
    says=[f"huge.bin travels, {HUGE_MB * MEGABYTE / 1e6:.0f} MB"],
    outcomes={"passed": 1},
)
def huge_file(scene: Scene) -> Seen:
    """The project has a file of 300 MB; a test looks at its size on the host."""
    scene.write_tests(
        f"""
        import os

        def test_size():
            folder = os.path.dirname(os.path.abspath(__file__))
            assert os.path.getsize(os.path.join(folder, "huge.bin")) == {HUGE_MB * MEGABYTE}
        """
    )
    with (scene.project.directory / "huge.bin").open("wb") as stream:
        stream.truncate(HUGE_MB * MEGABYTE)
    return scene.run(scene.host("first"))
