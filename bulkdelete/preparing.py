"""What must be true before a job sends its first batch: holds read, source copied, looked at and counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bulkdelete.copying import copied, spool_of
from bulkdelete.errors import HoldsRefused, PlanRefused, SourceRefused
from bulkdelete.holding import read_holds
from bulkdelete.ledger.facts import HOLDS, SURVEYED
from bulkdelete.orders import differences, what_is_deleted
from bulkdelete.records import Ended
from bulkdelete.sanity import ROWS_LOOKED_AT, looks_wrong
from bulkdelete.screening import Screen
from bulkdelete.sources import first_records
from bulkdelete.surveying import survey

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bulkdelete.holds import Holds
    from bulkdelete.ledger import Ledger
    from bulkdelete.orders import Order
    from bulkdelete.settings import Settings, StopSettings
    from bulkdelete.sources import Source


class CapPassed(Exception):
    """A cap says that nothing may be sent; ``ended`` is which."""

    def __init__(self, ended: Ended, reason: str) -> None:
        super().__init__(reason)
        self.ended = ended


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a run reads and screens away; ``surveyed`` says that its caps were compared with the whole source."""

    table_id: str
    source: Source
    holds: Holds
    screen: Screen
    surveyed: bool


async def prepare(order: Order, settings: Settings, ledger: Ledger, content: str = "") -> Prepared:
    """Return the source of *order*, or its copy beside *ledger*, and the screen that its holds and *settings* make.

    *content* is the source's fingerprint.

    Raises:
        HoldsRefused: a hold list cannot be used.
        SourceRefused: the ids look like another column, or cannot be read.
        PlanRefused: what would be deleted is not what was approved.
        CapPassed: ``max_records`` or ``expect`` does not fit what the source holds.

    """
    table_id, source = order.table_id, order.source
    _refuse_to_forget(order.holds, ledger)
    screen, held = await screen_of(order, settings)
    if order.holds:
        await ledger.remember(HOLDS, held.digest or "empty")
    _compare(order, what_is_deleted(order, settings, content, held.digest))
    if not source.replayable and ledger.path is not None:
        source = await copied(source, ledger, spool_of(ledger.path))
    if source.replayable and not ledger.totals.acknowledged:
        await look(source, settings)
    caps = settings.stop
    surveyed = source.replayable and not (caps.max_records is None and caps.expect is None)
    if surveyed:
        known = ledger.facts.get(SURVEYED)
        records = (await survey(table_id, source, settings.batch, screen)).records if known is None else int(known)
        check_caps(records, caps)
        if known is None:
            await ledger.remember(SURVEYED, str(records))
    return Prepared(table_id, source, held, screen, surveyed)


def _compare(order: Order, now: Mapping[str, str]) -> None:
    different = [] if order.approved is None else differences(order.approved, now)
    if different:
        lines = "\n".join(f"  {line}" for line in different)
        raise PlanRefused(
            f"what would be deleted is not what the plan says:\n{lines}\nNothing was sent. Make everything as it "
            "was, or make a new plan and have it approved"
        )


async def screen_of(order: Order, settings: Settings) -> tuple[Screen, Holds]:
    """Return what screens the rows of *order*, and its hold lists, read whole; raises as :func:`read_holds` does."""
    held = await read_holds(order.holds, settings.holds)
    return Screen(settings.batch.max_id_characters, settings.identifiers.get(order.table_id), held), held


def _refuse_to_forget(holds: Sequence[Source], ledger: Ledger) -> None:
    """Raise :class:`HoldsRefused` where an earlier run had hold lists and this one has none."""
    if ledger.facts.get(HOLDS) and not holds:
        raise HoldsRefused(
            "an earlier run of this job had hold lists, and this one has none. Nothing was sent. Give them again with "
            "--holds; to go on without, give an empty list and --allow-empty-holds"
        )


async def look(source: Source, settings: Settings) -> None:
    """Return if the first ids of *source* look like ids; raise :class:`SourceRefused` where they do not."""
    if not settings.source.sanity_check:
        return
    wrong = looks_wrong(await first_records(source, ROWS_LOOKED_AT))
    if wrong:
        raise SourceRefused(
            f"{source.name}: {wrong}. This does not look like the column of record ids. Nothing was sent. If it is "
            "what you mean, say so with --no-sanity-check (source.sanity_check = false)"
        )


def check_caps(records: int, caps: StopSettings) -> None:
    """Return if a job of so many *records* may begin; raise :class:`CapPassed` where it may not."""
    if caps.expect is not None and records != caps.expect:
        raise CapPassed(
            Ended.UNEXPECTED,
            f"the source holds {records:,} records, and {caps.expect:,} are expected: nothing was sent",
        )
    if caps.max_records is not None and records > caps.max_records:
        raise CapPassed(
            Ended.MAX_RECORDS,
            f"the source holds {records:,} records, and max_records is {caps.max_records:,}: nothing more was sent",
        )
