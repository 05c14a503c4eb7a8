import pytest


@pytest.fixture
def timetable(tmp_path):
    """A file of durations, one a line."""
    path = tmp_path / "timetable.txt"
    path.write_text("45m\n1h 30m\n20s\n")
    return path
