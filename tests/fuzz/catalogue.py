"""All that is fuzzed, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fuzz import archives, coverages, frames, hosts, logins, requirements, specs, trees, workers

if TYPE_CHECKING:
    from fuzz.target import Target

FAMILIES: Final = (
    *(frames, workers, hosts, coverages),  # What comes from hosts.
    *(trees, archives),  # What comes to them.
    *(specs, logins, requirements),  # What users and projects write.
)
TARGETS: Final[dict[str, Target]] = {
    target.name: target for family in FAMILIES for target in family.TARGETS
}
