"""What the workers of one agent run in, where that needs no look at the project. Pure.

Apart from ``choose``: most runs are decided here, and what that imports takes long.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from remotest.spec import GatewaySpec


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What the workers of one agent run in, and why, in a few words for the user.

    ``use`` is the interpreter ``as it is``, a ``managed`` environment that is kept, or a ``fresh``
    one that is removed after the run.
    """

    use: Literal["as it is", "managed", "fresh"]
    reason: str

    def __str__(self) -> str:
        return f"{self.use}: {self.reason}"

    @property
    def is_built(self) -> bool:
        """Whether an environment is made."""
        return self.use != "as it is"


def choose_at_once(spec: GatewaySpec, *, is_own: bool, is_controllers_own: bool) -> Decision | None:
    """Return the decision where it does not depend on what is wanted, else None.

    What is wanted need not be known, and may be wrong, where this decides.

    Args:
        spec: the agent's.
        is_own: its interpreter lies in a virtual or conda environment.
        is_controllers_own: it is the interpreter that runs the controller, by ``popen``.
    """
    if spec.venv is not None:
        return Decision(use="as it is", reason="env=venv: names it")
    if spec.env_mode == "system":
        return Decision(use="as it is", reason="env=system")
    if spec.env_mode in ("managed", "fresh"):
        return None
    if is_controllers_own:
        return Decision(use="as it is", reason="the interpreter that runs this command")
    if is_own:
        return Decision(use="as it is", reason="it lies in a virtual or conda environment")
    return None
