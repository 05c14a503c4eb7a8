"""Whether this machine had too little memory, as far as everybody may know."""

COUNTERS = "/proc/vmstat"


def kill_count() -> int:
    """Return how many processes Linux has ended for want of memory so far; 0 if nobody tells."""
    try:
        with open(COUNTERS, "rb") as stream:
            rows = dict(line.split() for line in stream)
    except OSError:
        return 0
    return int(rows.get(b"oom_kill", 0))


def words(count_before: int, count_now: int) -> str:
    """Return what is said of a process that SIGKILL has ended, and nobody of the run has sent it.

    >>> words(2, 3)
    'out of memory: Linux has ended 1 process there meanwhile'
    >>> words(2, 2)
    'maybe out of memory; nothing of this run has sent it'
    """
    count = count_now - count_before
    if count <= 0:
        return "maybe out of memory; nothing of this run has sent it"
    plural = "" if count == 1 else "es"
    return "out of memory: Linux has ended %d process%s there meanwhile" % (count, plural)
