"""Plan files: written whole or not at all, for their owner only, and read again."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from bulkdelete.errors import PlanRefused, SettingsError
from bulkdelete.planning import MOST_PLAN_BYTES, Plan


def write(plan: Plan, path: str) -> None:
    """Write *plan* to the file *path*, also in place of an older plan.

    Raises:
        SettingsError: that cannot be done, or something else is there.

    """
    _refuse_to_replace(path)
    new = Path(f"{path}.new")
    try:
        with suppress(FileNotFoundError):
            new.unlink()
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{plan.as_json()}\n")
        new.replace(path)
    except OSError as error:
        raise SettingsError(f"{path}: the plan cannot be written: {error.strerror}. Nothing was sent") from None


def _refuse_to_replace(path: str) -> None:
    """Raise :class:`SettingsError` where *path* is there and is no plan: it may be the source, or a ledger."""
    if not os.path.lexists(path):
        return
    try:
        read(path)
    except PlanRefused:
        raise SettingsError(
            f"{path} is there already, and is no plan of this bulkdelete. It was left as it is. Nothing was sent. Give "
            "another file with -o, or take that one away"
        ) from None


def read(path: str, digest: str | None = None) -> Plan:
    """Return the plan in the file *path*; raise :class:`PlanRefused` where there is none, or not that with *digest*."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - reads no more than a plan may have
            data = file.read(MOST_PLAN_BYTES)
    except OSError as error:
        raise PlanRefused(f"{path}: the plan cannot be read: {error.strerror}. Nothing was sent") from None
    plan = Plan.from_json(data, path)
    if digest is not None and digest != plan.digest:
        raise PlanRefused(
            f"{path}: its digest is {plan.digest}, and {digest} was approved. Nothing was sent. Give the plan that was "
            "approved, or have this one approved"
        )
    return plan
