"""``make soak``: many runs with something bad in each; a line for each, and whether all held."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

ROOT: Final = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

import pytest  # noqa: E402  what cannot be made here is skipped by it
from soak.plan import plan  # noqa: E402  found by the path above
from soak.soaking import Soaked, soak  # noqa: E402  as above

if TYPE_CHECKING:
    from collections.abc import Sequence

KEPT: Final = ROOT / ".cache" / "soak"
"""What runs have printed in which something did not hold."""


def main(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    # A shell that starts this in the background hands SIGINT down ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    began_s = time.monotonic()
    soaked: list[Soaked] = []
    with contextlib.suppress(KeyboardInterrupt):  # Then so many are enough.
        for seed in range(options.seed, options.seed + options.runs):
            one = _soak(seed)
            if one is not None:
                soaked.append(one)
    _sum_up(soaked, time.monotonic() - began_s)
    return 1 if any(one.wrong for one in soaked) else 0


def _soak(seed: int) -> Soaked | None:
    """Make a run and tell of it; None where this machine cannot make it."""
    with tempfile.TemporaryDirectory(prefix="soak-", ignore_cleanup_errors=True) as folder:
        try:
            one = soak(plan(seed), Path(folder) / "scene")
        except pytest.skip.Exception as reason:
            print(f"{plan(seed)}: left out, {reason}", flush=True)
            return None
    print(one, flush=True)
    if one.wrong:
        KEPT.mkdir(parents=True, exist_ok=True)
        path = KEPT / f"{seed}.txt"
        path.write_text(f"{one}\n\n{one.seen.output}")
        print(f"        see {path.relative_to(ROOT)}; again: --runs 1 --seed {seed}", flush=True)
    return one


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--runs", type=int, default=200, help="how many (200)")
    parser.add_argument("--seed", type=int, default=1, help="of the first; the others follow (1)")
    return parser


def _sum_up(soaked: list[Soaked], seconds: float) -> None:
    print(f"\n{'fault':24} runs  came  wrong  exit codes")
    by_fault: dict[str, list[Soaked]] = {}
    for one in soaked:
        by_fault.setdefault(one.plan.fault or "nothing", []).append(one)
    for fault, some in sorted(by_fault.items()):
        exits = Counter(str(one.seen.status) for one in some)
        shown = ", ".join(f"{status}: {count}" for status, count in sorted(exits.items()))
        came = sum(one.has_come for one in some)
        wrong = sum(bool(one.wrong) for one in some)
        print(f"{fault:24} {len(some):4}  {came:4}  {wrong:5}  {shown}")
    wrong_seeds = [str(one.plan.seed) for one in soaked if one.wrong]
    verdict = (
        f"seeds in which not all held: {', '.join(wrong_seeds)}" if wrong_seeds else "all held"
    )
    print(f"{len(soaked)} runs in {seconds / 60:.0f} min: {verdict}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
