"""Looking for inputs along the branches that they take: one target, in a process of its own.

    python guided.py TARGET SECONDS FINDINGS KEPT

It needs atheris, which is libFuzzer for Python. New inputs that reach new branches go to the folder
KEPT, and the one that is a finding, with which it ends, to FINDINGS.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[1]))
with atheris.instrument_imports(include=["remotest", "pytest_remotest"]):
    from fuzz.catalogue import TARGETS
    from fuzz.search import LONGEST_READ_S

MAX_INPUT_BYTES = 4096  # What is longer finds nothing that a short one does not, and later.
MAX_MEMORY_MB = 2048


def main() -> None:
    name, seconds, findings, kept = sys.argv[1:]
    target = TARGETS[name]
    options = [
        f"-max_total_time={seconds}",
        f"-artifact_prefix={findings}/",
        f"-max_len={MAX_INPUT_BYTES}",
        f"-timeout={LONGEST_READ_S}",
        f"-rss_limit_mb={MAX_MEMORY_MB}",
        "-print_final_stats=1",
    ]
    folders = [kept, *([str(target.folder)] if target.folder.is_dir() else [])]
    atheris.Setup([sys.argv[0], *options, *folders], target.check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
