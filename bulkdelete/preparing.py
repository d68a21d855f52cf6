"""What must be true before a job sends its first batch: holds read, source copied, looked at and counted."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bulkdelete.copying import copied, spool_of
from bulkdelete.errors import HoldsRefused, SourceRefused
from bulkdelete.holding import read_holds
from bulkdelete.ledger.facts import HOLD_LISTS, HOLDS, SURVEYED
from bulkdelete.records import Ended
from bulkdelete.sanity import MOST_ROUNDED_SHARE_OF_A_FILE, ROWS_LOOKED_AT, looks_wrong
from bulkdelete.screening import Screen
from bulkdelete.sources import first_records
from bulkdelete.surveying import survey

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulkdelete.holds import Holds
    from bulkdelete.ledger import Ledger
    from bulkdelete.records import Item
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

    source: Source
    holds: Holds
    screen: Screen
    surveyed: bool


async def prepare(
    table_id: str, source: Source, holds: Sequence[Source], settings: Settings, ledger: Ledger
) -> Prepared:
    """Return *source*, or its copy beside *ledger*, and the screen that *holds* and *settings* make.

    Raises:
        HoldsRefused: a hold list cannot be used.
        SourceRefused: the ids look like another column, or cannot be read.
        CapPassed: ``max_records`` or ``expect`` does not fit what the source holds.

    """
    held = await _held(table_id, holds, settings, ledger)
    screen = Screen(settings.batch.max_id_characters, settings.identifiers.get(table_id), held)
    if not source.replayable and ledger.path is not None:
        source = await copied(source, ledger, spool_of(ledger.path))
    if source.replayable and not ledger.totals.acknowledged:
        await look(source, settings)
    caps = settings.stop
    surveyed = source.replayable and not (caps.max_records is None and caps.expect is None)
    prepared = Prepared(source, held, screen, surveyed)
    if surveyed:
        records, found = await _counted(table_id, prepared, settings, ledger)
        check_caps(records, caps, held=found - records)
    return prepared


async def _counted(table_id: str, prepared: Prepared, settings: Settings, ledger: Ledger) -> tuple[int, int]:
    """Return how many records the source holds to send, and how many with those on hold, as the ledger knows it.

    Lists that grew change what is to send, and not what the source holds: where batches are cut because of them decides
    only which rows are duplicates.
    """
    rules = settings.identifiers.get(table_id)
    plain = [settings.batch.model_dump(mode="json"), None if rules is None else rules.model_dump(mode="json")]
    decided_by = hashlib.sha256(json.dumps(plain).encode()).hexdigest()
    known = json.loads(ledger.facts.get(SURVEYED, "{}")) if ledger.totals.rows else {}
    if known.get("decided_by") != decided_by:
        known = {}
    if known.get("holds") != prepared.holds.digest:
        seen = await survey(table_id, prepared.source, settings.batch, prepared.screen)
        known = {"found": seen.found, **known, "records": seen.records}
    now = {**known, "decided_by": decided_by, "holds": prepared.holds.digest}
    await ledger.remember(SURVEYED, json.dumps(now))
    return known["records"], known["found"]


async def _held(table_id: str, sources: Sequence[Source], settings: Settings, ledger: Ledger) -> Holds:
    """Return what is on hold; the ledger keeps how many hold lists there were, so that no resume forgets one."""
    before = int(ledger.facts.get(HOLD_LISTS, "1" if ledger.facts.get(HOLDS) else "0"))
    if len(sources) < before:
        had = "hold lists" if before > 1 and not sources else f"{before} hold list{'s' * (before > 1)}"
        raise HoldsRefused(
            f"an earlier run of this job had {had}, and this one has {len(sources) or 'none'}. Nothing was sent. Give "
            "each again with --holds; to go on without one, give an empty list in its place and --allow-empty-holds"
        )
    held = await read_holds(sources, settings.holds, settings.identifiers.get(table_id))
    if sources:
        await ledger.remember(HOLDS, held.digest or "empty")
        await ledger.remember(HOLD_LISTS, str(len(sources)))
    return held


async def look(source: Source, settings: Settings) -> None:
    """Return if every file of *source* has its column, and the first ids look like ids.

    Raises:
        SourceRefused: they do not, or a file cannot be read as it should: before anything of another one is sent.

    """
    looked_at = settings.source.sanity_check
    first: list[Item] = []
    for part in source.parts:
        of_part = await first_records(part, ROWS_LOOKED_AT if looked_at else 1)
        first += of_part[: ROWS_LOOKED_AT - len(first)]
        if looked_at and len(source.parts) > 1:
            _refuse_if(looks_wrong(of_part, MOST_ROUNDED_SHARE_OF_A_FILE), part.name)
    if looked_at:
        _refuse_if(looks_wrong(first), source.name)


def _refuse_if(wrong: str, name: str) -> None:
    if wrong:
        raise SourceRefused(
            f"{name}: {wrong}. This does not look like the column of record ids. Nothing was sent. If it is "
            "what you mean, say so with --no-sanity-check (source.sanity_check = false)"
        )


def check_caps(records: int, caps: StopSettings, *, held: int = 0) -> None:
    """Return if a job of so many *records*, and *held* more on hold, may go on; else raise :class:`CapPassed`."""
    found = records + held
    if caps.expect is not None and found != caps.expect:
        those_held = f", {held:,} of them on hold" if held else ""
        raise CapPassed(
            Ended.UNEXPECTED,
            f"the source holds {found:,} records{those_held}, and {caps.expect:,} are expected: nothing was sent in "
            "this run",
        )
    if caps.max_records is not None and records > caps.max_records:
        raise CapPassed(
            Ended.MAX_RECORDS,
            f"the source holds {records:,} records to send, and max_records is {caps.max_records:,}: nothing was sent "
            "in this run",
        )
