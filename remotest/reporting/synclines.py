"""What ``remotest sync`` has done, as lines. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from remotest.hosttext import one_line
from remotest.reporting.sizes import count_text, size_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from remotest.sync.push import Progress, Pushed


def tree_line(file_count: int, byte_count: int) -> str:
    """Return how large the tree is that travels."""
    return f"the tree: {count_text(file_count, 'file')}, {size_text(byte_count)}"


def pushed_lines(agent: str, pushed: Pushed, *, is_verbose: bool) -> Iterator[str]:
    """Yield what was done for the host of an agent.

    Args:
        agent: the host's name.
        pushed: what was done.
        is_verbose: whether to name each file, and where the tree is.
    """
    yield f"{agent}: {_travelled(pushed)}"
    for note in pushed.notes:
        yield f"{agent}: {one_line(note)}"
    if is_verbose:
        yield f"{agent}: in {one_line(pushed.tree)}"
        for path in pushed.sent:
            yield f"    {one_line(path)}"


def _travelled(pushed: Pushed) -> str:
    """Return what a host lacked, in a few words."""
    if not pushed.sent:
        return "nothing to send"
    files = count_text(len(pushed.sent), "file")
    line = f"sent {files}, {size_text(pushed.sent_bytes)}"
    if pushed.packed_bytes < pushed.sent_bytes:  # What goes as it is has headers, too.
        line += f", {size_text(pushed.packed_bytes)} packed"
    return line


def progress_line(all_hosts: Iterable[Progress]) -> str:
    """Return how far some hosts are: ``120 of 5,000 files, 1.2 of 50 MB, 9.8 MB/s``."""
    parts = list(all_hosts)
    sent = sum(part.byte_count for part in parts)
    total = sum(part.total_bytes for part in parts)
    files = f"{sum(part.count for part in parts):,} of {sum(part.total_count for part in parts):,}"
    elapsed_s = max((part.elapsed_s for part in parts), default=0.0)
    rate = f", {size_text(round(sent / elapsed_s))}/s" if elapsed_s > 0 else ""
    return f"{files} files, {size_text(sent)} of {size_text(total)}{rate}"
