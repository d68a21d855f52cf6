"""What a caller asks for, what makes it the same job, and what decides which records it deletes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from operator import gt, lt
from typing import TYPE_CHECKING, Any, TypeAlias

from bulkdelete.errors import SettingsError
from bulkdelete.ledger import is_complete
from bulkdelete.reports import Report

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bulkdelete.ledger import Ledger
    from bulkdelete.settings import Settings
    from bulkdelete.sources import Source, Stamps

Check: TypeAlias = Callable[[Report], Awaitable[bool]]
"""Is given the report of a canary, and returns whether the job may go on."""


@dataclass(frozen=True, slots=True)
class Approved:
    """What a plan says of an order, and must be so still.

    *what* decides which records are deleted (:func:`what_is_deleted`), and *guards* how carefully
    (:func:`guards_of`). *counts* are what a survey found by the plan's *batch_size*. *digest* is that of
    the whole plan.
    """

    what: Mapping[str, str]
    guards: Mapping[str, Any]
    counts: Mapping[str, int]
    batch_size: int
    digest: str


@dataclass(frozen=True, slots=True)
class Order:
    """What a caller asks for.

    *holds* are its hold lists, *decisions* what was decided before it, for the ledger: kind and plain values.
    *approved* is what a plan says of it. *check* is asked after the canary. With *count* the API is asked for the
    table's number of records, before and after. *shown* are the stamps of the source when it was shown to whoever
    confirmed it. Without *heeds_resume_time* it begins also before the time that the API asked to come back at.
    Where it is *known* from nothing but its ledger, that must be there, and of this very job; where it is *done* too,
    nothing is left to send, and the source need not be there.
    """

    table_id: str
    source: Source
    ledger: Path | None = None
    holds: tuple[Source, ...] = ()
    decisions: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    approved: Approved | None = None
    check: Check | None = None
    count: bool = False
    shown: Stamps | None = None
    heeds_resume_time: bool = True
    known: bool = False
    done: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.table_id, str) or not self.table_id:
            raise SettingsError("table_id must be a text that is not empty; nothing was sent")

    def is_settled(self, ledger: Ledger) -> bool:
        """Return whether nothing is left to send, by a *ledger* that another run may have gone on with since."""
        is_done = self.done or (self.known and is_complete(ledger.totals, ledger.facts))
        return is_done and not ledger.totals.remaining

    def refuse_unasked_canary(self, settings: Settings) -> None:
        """Raise :class:`SettingsError` where a canary is wanted and there is nobody to ask about it, or none to ask of.

        A check may be given to a job that is *known* from its ledger, which says whether it has a canary.
        """
        records = settings.canary.records
        if records is None and self.check is not None and not self.known:
            raise SettingsError(
                "check: nobody would be asked, because canary.records is not set. Nothing was sent. Set it, or give no "
                "check"
            )
        if records and (self.check is None or self.ledger is None):
            raise SettingsError(
                "canary.records: a canary needs a ledger, so that nothing is sent twice, and a check, which is asked "
                "before the rest is sent. Nothing was sent"
            )


def identity(order: Order, base_url: str, content: str) -> dict[str, str]:
    """Return what makes a job the same at its next run; *content* is the fingerprint of its source, if it has one."""
    known = {
        "table_id": order.table_id,
        "base_url": base_url,
        **{f"source {key}": value for key, value in order.source.identity.items()},
    }
    return {**known, "source content": content} if content else known


def what_is_deleted(order: Order, settings: Settings, content: str, holds_digest: str) -> dict[str, str]:
    """Return all that decides which records *order* deletes, by name; what decides only how fast is not in it."""
    rules = settings.identifiers.get(order.table_id)
    caps = settings.stop
    return {
        **identity(order, settings.base_url, content),
        "holds": holds_digest or "none",
        f"identifiers.{order.table_id}": "none" if rules is None else rules.model_dump_json(),
        "batch.max_id_characters": str(settings.batch.max_id_characters),
        "batch.max_body_bytes": str(settings.batch.max_body_bytes),
        "stop.max_records": "none" if caps.max_records is None else str(caps.max_records),
        "stop.expect": "none" if caps.expect is None else str(caps.expect),
    }


def guards_of(settings: Settings) -> dict[str, Any]:
    """Return what looks after a job and may become stricter after it was approved, and never weaker."""
    return {
        "canary.records": settings.canary.records or None,
        "canary.check_command": list(settings.canary.check_command),
        "holds.max_age_seconds": settings.holds.max_age_seconds,
    }


def weakened(approved: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return a line for each guard that is weaker than it was approved, with both values."""
    weaker = [
        name
        for name, is_weaker in (("canary.records", lt), ("holds.max_age_seconds", gt))
        if approved.get(name) is not None and (now[name] is None or is_weaker(now[name], approved[name]))
    ]
    command = "canary.check_command"
    if approved.get("canary.records") is not None and now[command] != approved.get(command):
        weaker.append(command)
    may = "it may become stricter, and not weaker"
    return [f"{name}: is {_plain(now[name])}, was {_plain(approved.get(name))} in the plan; {may}" for name in weaker]


def _plain(value: Any) -> str:  # noqa: ANN401 - a guard's
    return "none" if value is None or value == [] else str(value)


def differences(approved: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    """Return a line for each thing that is not as it was approved, with both values."""
    return [
        f"{name}: is {now.get(name, 'none')}, was {approved.get(name, 'none')} in the plan"
        for name in sorted({*approved, *now})
        if now.get(name, "none") != approved.get(name, "none")
    ]
