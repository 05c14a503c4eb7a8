"""``remotest sync``: hosts are dialled while it is still found out what travels."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from remotest.dialling import dial_named
from remotest.gateways.link import prepare

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


def sync_command(arguments: argparse.Namespace, for_pytest: Sequence[str]) -> int:
    """Do what ``remotest sync`` was told and return the exit code."""
    with ExitStack() as stack:
        dialling = dial_named(arguments.tx)
        if dialling is not None:
            stack.callback(dialling.leave)
            prepare()
        # Not at the top: this and pytest are imported while hosts answer.
        from remotest.syncing import sync_hosts  # noqa: PLC0415

        return sync_hosts(arguments, for_pytest, dialling)
