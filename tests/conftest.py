"""What holds for all tests."""

from __future__ import annotations

import os
import signal

import hypothesis

# A busy machine is slow now and then: no test is judged by its time.
hypothesis.settings.register_profile("here", deadline=None)
hypothesis.settings.load_profile("here")

# A shell that starts the tests in the background hands SIGINT down ignored, and what the tests
# start would not end by a Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

# With these an interpreter keeps no byte code, and whatever is printed is there at once: neither
# is so where most users work.
for name in ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"):
    os.environ.pop(name, None)
