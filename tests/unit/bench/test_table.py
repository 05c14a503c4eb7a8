"""Results as a page."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest
from benchresults import RESULT

from bench import table
from bench.experiment import Experiment, Outcome

if TYPE_CHECKING:
    from pathlib import Path


def nothing(_: Path, rounds: int) -> Outcome:
    raise AssertionError(rounds)


EXPERIMENT = Experiment(
    number=3, what="two workers", blind="real tests", minutes=1.0, measure=nothing
)

GENERATED = """\
A machine; pytest 9.0, execnet 2.1.

| # | what | remotest | beside | | ratio (in single rounds) | aim | reached | limit |
|---|---|---|---|---|---|---|---|---|
| **3** | **two workers** | | | | | | | |
| 3a | tests a second | 1,500 tests/s | pytest-xdist | 1,000 tests/s | 1.50 (1.40..1.60) | at least 2.00 | no | 2,000 tests/s (2 x pytest) |
| 3b | threads | 4.00 | pytest-xdist | 10.0 | 0.40 (0.40..0.50) | at most 4.00 | yes | - |
| 3c | as well | 0.50 s | rsync | 1.00 s | 0.50 (0.50..0.50) | - | - | - |

### 3. two workers

2026-01-02 03:04 UTC, 3 rounds in 1.5 minutes. Again: `make bench ARGS="--rows 3 --rounds 3"`. Not shown: real tests.

```text
pytest-xdist:  python -m pytest -n2
remotest:      python -m pytest -n2
```"""  # noqa: E501  a table


def page(generated: str) -> str:
    return (
        f"# Title\n\nBy hand.\n\n{table.BEGIN}\n\n{generated}\n\n{table.END}\n\n## More by hand\n"
    )


def test_only_what_is_generated_is_replaced() -> None:
    assert table.renew(page("what was \\1 there"), [(EXPERIMENT, RESULT)], "A machine") == page(
        GENERATED
    )


def test_a_terminal_shows_the_rows() -> None:
    assert table.announcement(EXPERIMENT, 10) == (
        "3. two workers (about 2.0 minutes, where nobody else works)"
    )
    assert [" ".join(line.split()) for line in table.screen(RESULT).splitlines()] == [
        (
            "3a tests a second 1,500 tests/s pytest-xdist 1,000, ratio 1.50 (1.40..1.60); "
            "aim at least 2.00: no; limit 2,000 tests/s (2 x pytest)"
        ),
        (
            "3b threads 4.00 pytest-xdist 10.0, ratio 0.40 (0.40..0.50); "
            "aim at most 4.00: yes; limit -"
        ),
        "3c as well 0.50 s rsync 1.00, ratio 0.50 (0.50..0.50); aim -: -; limit -",
    ]


def test_figures_of_a_busy_machine_are_provisional() -> None:
    busy = dataclasses.replace(RESULT, others=0.4)
    made = table.renew(page(""), [(EXPERIMENT, busy)], "A machine")
    assert "\n**Provisional**: others used 40% of this machine meanwhile. 2026-01-02" in made


def test_a_page_without_a_place_for_it_is_an_error() -> None:
    with pytest.raises(ValueError, match="the page has no lines"):
        table.renew("# Title\n", [], "A machine")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0.00"), (0.123, "0.12"), (9.99, "9.99"), (12.34, "12.3"), (1234.5, "1,234")],
)
def test_figures_have_three_digits_that_count(value: float, text: str) -> None:
    assert table.number(value) == text
