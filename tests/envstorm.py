"""Builders, users and removers of environments, all at once in one cache, some of them killed.

Run as a program it does so many rounds and fails where an environment is not what it should be:

    python envstorm.py HOME ROUNDS SEED WHEEL...
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import sys
import time
import traceback
import zipfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "plugin"))

from pytest_remotest import cachefolder, cleaning, envstore, messages
from pytest_remotest.envreceive import Builder

if TYPE_CHECKING:
    from collections.abc import Callable

KEYS: Final = ("a" * 32, "b" * 32)
BUILDERS: Final = 4
CLEANERS: Final = 2
LONGEST_S: Final = 0.15
"""Until a kill. Building takes about a third of it, so kills come before, within and after."""


def use_environment(home: Path, wheels: list[Path], key: str, hold_s: float) -> None:
    """Have an environment, and look at all of it for a while."""
    answers: list[Any] = []
    builder = Builder(answers.append, {"HOME": str(home)})
    contents = {digest_of(wheel.read_bytes()): wheel for wheel in wheels}
    rows = [[digest, wheel.name, wheel.stat().st_size] for digest, wheel in contents.items()]
    builder.open(messages.EnvOpen(key, None, rows, False, [], []))
    want = answers.pop(0)
    for digest in want.digests:
        builder.blob(messages.Blob(digest, True, contents[digest].read_bytes()))
    (done,) = answers
    assert isinstance(done, messages.EnvDone), done
    end_s = time.monotonic() + hold_s
    check_whole(Path(done.folder), wheels)
    while time.monotonic() < end_s:
        check_whole(Path(done.folder), wheels)
    builder.release()


def check_whole(folder: Path, wheels: list[Path]) -> None:
    (site,) = folder.glob("lib/python*/site-packages")
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if not name.endswith("RECORD"):
                    assert (site / name).read_bytes() == archive.read(name), (folder, name)
    assert (folder / "bin" / "python").exists()


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def clean_all(home: Path, for_s: float = 0) -> None:
    """Remove all that is not in use, as if it were old; again and again for a while."""
    store = envstore.EnvStore(os.fsencode(home / ".cache" / "remotest" / "v1"))
    end_s = time.monotonic() + for_s
    cleaning.clean(store)
    while time.monotonic() < end_s:
        cleaning.clean(store)


def in_child(work: Callable[[], None]) -> int:
    """Start a process that does some work; its exit status says whether that went well."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        work()
        status = 0
    except BaseException:  # noqa: BLE001  a child of a fork has nobody to raise to
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def play_round(home: Path, wheels: list[Path], chance: random.Random) -> int:
    """Return how many processes failed that were not killed."""
    plans = [(chance.choice(KEYS), chance.uniform(0, LONGEST_S)) for _ in range(BUILDERS)]
    builders = [in_child(partial(use_environment, home, wheels, *plan)) for plan in plans]
    cleaners = [in_child(partial(clean_all, home, 2 * LONGEST_S)) for _ in range(CLEANERS)]
    time.sleep(chance.uniform(0, LONGEST_S))  # the moment of the kill is to be any
    victim = chance.choice([*builders, *cleaners])
    os.kill(victim, signal.SIGKILL)
    ends = {child: os.waitpid(child, 0)[1] for child in (*builders, *cleaners)}
    return sum(status != 0 for child, status in ends.items() if child != victim)


def check_store(home: Path, wheels: list[Path]) -> None:
    """Every environment that has its name is whole; the next cleaning removes all of the rest."""
    root = home / ".cache" / "remotest" / "v1"
    for folder in (root / "envs").iterdir():
        if not folder.name.startswith("."):
            check_whole(folder, wheels)
    clean_all(home)
    left = {
        name: [path.name for path in (root / name).iterdir()]
        for name in ("envs", "received", "trash", "leases")
    }
    # Of one that was killed before it had said who it is: it goes after a while.
    left["leases"] = [name for name in left["leases"] if not name.startswith(".")]
    assert not any(left.values()), left


def main(home: Path, rounds: int, seed: int, wheels: list[Path]) -> int:
    cleaning.MAX_AGE_S = -1  # everything is old
    cachefolder.find(cachefolder.ROOT, None, {"HOME": str(home)})
    chance = random.Random(seed)
    failed = sum(play_round(home, wheels, chance) for _ in range(rounds))
    check_store(home, wheels)
    sys.stdout.write(f"{rounds} rounds, {failed} failed\n")
    return min(failed, 1)


if __name__ == "__main__":
    HOME, ROUNDS, SEED, *WHEELS = sys.argv[1:]
    sys.exit(main(Path(HOME), int(ROUNDS), int(SEED), [Path(wheel) for wheel in WHEELS]))
