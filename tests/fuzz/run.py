"""``make fuzz``: looks for inputs that break what reads bytes from outside, for as long as it may.

The targets take turns. What is found is written to the corpus, where it stays as a test.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib.util
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

ROOT: Final = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from fuzz.catalogue import TARGETS  # noqa: E402  found by the path above
from fuzz.search import Finding, search, story_of  # noqa: E402  as above

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fuzz.target import Target

GUIDED: Final = Path(__file__).with_name("guided.py")
KEPT: Final = ROOT / ".cache" / "fuzz"
"""Inputs that reach far, by target: the next run begins with them."""

TURN_S: Final = 10.0
"""Of one target: short enough that all have their turn in a run of five minutes."""

END_S: Final = 60
"""For a guided search to end after its time: it may be writing what it has found."""

STORY_LINES: Final = 12

HAS_ATHERIS: Final = importlib.util.find_spec("atheris") is not None


@dataclass
class Score:
    """What was done with one target."""

    target: Target
    tries: int = 0
    guided_tries: int = 0
    found: list[Path] = field(default_factory=list)

    def __str__(self) -> str:
        nothing = "nothing found" if self.tries + self.guided_tries else "not tried: no time left"
        state = ", ".join(path.name for path in self.found) or nothing
        return f"{self.target.name:18} {self.tries:>9,} {self.guided_tries:>9,}   {state}"


def main(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    scores = [Score(TARGETS[name]) for name in options.target or TARGETS]
    if not HAS_ATHERIS:
        print("atheris is not here, so nothing is guided by branches:")
        print("    .venv/bin/python -m pip install --group fuzz")
    print(f"{len(scores)} targets, {options.seconds:g} s, seed {options.seed}", flush=True)
    end = time.monotonic() + options.seconds
    turn_s = min(TURN_S, options.seconds / len(scores))
    turn = 0
    with contextlib.suppress(KeyboardInterrupt):  # Then so much is enough.
        while time.monotonic() < end and not all(score.found for score in scores):
            score = scores[turn % len(scores)]
            # Every other round is guided.
            is_guided = HAS_ATHERIS and turn // len(scores) % 2 == 1
            if not score.found:
                _take_turn(score, turn_s, options.seed + 1000 * turn, is_guided=is_guided)
            turn += 1
    print(f"{'target':18} {'inputs':>9} {'guided':>9}")
    for score in scores:
        print(score)
    return 1 if any(score.found for score in scores) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="of all targets (600)")
    parser.add_argument("--target", action="append", choices=TARGETS, help="only this one")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    return parser


def _take_turn(score: Score, seconds: float, seed: int, *, is_guided: bool) -> None:
    if is_guided:
        tries, finding = _search_guided(score.target, seconds)
        score.guided_tries += tries
    else:
        tries, finding = search(score.target, seconds, seed)
        score.tries += tries
    if finding is not None:
        score.found.append(_keep(score.target, finding))


def _search_guided(target: Target, seconds: float) -> tuple[int, Finding | None]:
    kept = KEPT / target.name
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="remotest-fuzz-") as folder:
        findings, temporary = Path(folder, "findings"), Path(folder, "tmp")
        findings.mkdir()
        temporary.mkdir()
        answer = subprocess.run(
            [sys.executable, GUIDED, target.name, str(max(1, round(seconds))), findings, kept],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            env={**os.environ, "TMPDIR": str(temporary)},  # libFuzzer ends without cleaning up.
            timeout=seconds + END_S,
        )
        tries = re.search(r"number_of_executed_units: (\d+)", answer.stdout)
        files = sorted(findings.iterdir())
        if not files and answer.returncode:
            raise RuntimeError(f"the guided search of {target.name} failed:\n{answer.stdout}")
        if not files:
            return int(tries[1]) if tries else 0, None
        data = files[0].read_bytes()
        found = Finding(data=data, story=story_of(target, data))
        return int(tries[1]) if tries else 0, found


def _keep(target: Target, finding: Finding) -> Path:
    """Write a finding to the corpus, and say what to do."""
    digest = hashlib.sha256(finding.data).hexdigest()[:8]
    path = target.folder / f"found-{digest}"
    target.folder.mkdir(parents=True, exist_ok=True)
    path.write_bytes(finding.data)
    story = finding.story.splitlines()
    print(f"\n{target.name}: found {path.relative_to(ROOT)}, {len(finding.data)} bytes:")
    print("\n".join(f"    {line[:200]}" for line in story[-STORY_LINES:]))
    print("  give it a name that says what is odd about it, mend the reader, and see it pass:")
    print(f"    make test ARGS='-n0 tests/fuzz -k {target.name}'", flush=True)
    return path


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
