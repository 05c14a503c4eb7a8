"""What holds for all tests."""

from __future__ import annotations

import hypothesis

# A busy machine is slow now and then: no test is judged by its time.
hypothesis.settings.register_profile("here", deadline=None)
hypothesis.settings.load_profile("here")
