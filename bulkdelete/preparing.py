"""What must be true before a job sends its first batch: holds read, source copied, looked at and counted."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bulkdelete.copying import copied, kept_copy, spool_of
from bulkdelete.errors import HoldsRefused, PlanRefused, SettingsError, SourceChanged
from bulkdelete.holding import read_holds
from bulkdelete.identities import with_default_column
from bulkdelete.ledger import UnrecordedLedger, open_ledger
from bulkdelete.ledger.facts import (
    CANARY_BEGAN,
    COMPARED,
    HELD_RECORDS,
    HOLD_LISTS,
    HOLDS,
    REFUSED,
    RULES,
    SOURCE_ROWS,
    SURVEYED,
)
from bulkdelete.looking import compare, look
from bulkdelete.orders import differences, guards_of, identity, weakened, what_is_deleted
from bulkdelete.records import Ended
from bulkdelete.screening import Screen
from bulkdelete.sources import before_sending, stamps
from bulkdelete.surveying import Counted, survey
from bulkdelete.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulkdelete.holds import Holds
    from bulkdelete.ledger import Ledger
    from bulkdelete.orders import Approved, Order
    from bulkdelete.settings import IdentifierSettings, Settings, StopSettings
    from bulkdelete.sources import Source
    from bulkdelete.surveying import Survey

_MOST_FILES_NAMED: Final = 10


class CapPassed(Exception):
    """A cap says that nothing may be sent; ``ended`` is which."""

    def __init__(self, ended: Ended, reason: str) -> None:
        super().__init__(reason)
        self.ended = ended


async def opened_ledger(order: Order, settings: Settings, content: str) -> Ledger:
    """Return the ledger of *order*, which keeps nothing where none is asked for; *content* is its source's fingerprint.

    Raises:
        LedgerError: it is locked, is another job's, or cannot be written.

    """
    if order.ledger is None:
        return UnrecordedLedger()
    known_by = identity(order, settings.base_url, content)
    how = {"synchronous": settings.ledger.synchronous, "version": VERSION}
    return await open_ledger(order.ledger, known_by, **how, known=order.known)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a run reads and screens away; ``fixed`` says that no reading of the source gives other rows unnoticed."""

    table_id: str
    source: Source
    holds: Holds
    screen: Screen
    fixed: bool


async def prepare(order: Order, settings: Settings, ledger: Ledger, content: str = "") -> Prepared:
    """Return the source of *order*, or its copy beside *ledger*, and the screen that its holds and *settings* make.

    *content* is the source's fingerprint.

    Raises:
        SourceChanged: a file of the source is not the one that was shown.
        HoldsRefused: a hold list cannot be used.
        SettingsError: an earlier run had rules for the table's ids, and this one has none.
        SourceRefused: the ids look like another column, or cannot be read.
        PlanRefused: what would be deleted is not what was approved.
        CapPassed: ``max_records`` or ``expect`` does not fit what the source holds.
        NothingLeft: the job is complete, and was given no records this time.

    """
    source = order.source
    _refuse_another(order)
    await _forget_what_was_read_before(ledger)
    _refuse_to_forget(order.holds, ledger)
    rules = settings.identifiers.get(order.table_id)
    _refuse_to_forget_rules(order.table_id, rules, ledger)
    if rules is not None and any(vars(rules).values()):
        await ledger.remember(RULES, rules.model_dump_json())
    screen, held = await screen_of(order, settings)
    held_before = ledger.facts.get(HELD_RECORDS, "0")
    if order.holds:
        _refuse_to_release(held, settings, ledger)
        await _keep_holds(order, held, ledger)
    if order.approved is not None:
        now = what_is_deleted(order, settings, content, held.digest)
        weaker = weakened(order.approved.guards, guards_of(settings))
        approved = with_default_column(order.approved.what, "source ")
        _refuse_what_differs([*differences(approved, now), *weaker])
    if not source.replayable and ledger.path is not None:
        source = await (kept_copy if order.known else copied)(source, ledger, spool_of(ledger.path))
    if source.replayable and not ledger.totals.acknowledged:
        await look(source, settings)
    try:
        await compare(held, source, settings, rules)
    except HoldsRefused:
        await ledger.remember(HELD_RECORDS, held_before)
        raise
    caps = settings.stop
    fixed = source.replayable and (bool(content) or source is not order.source)
    prepared = Prepared(order.table_id, source, held, screen, fixed)
    try:
        seen = None if order.approved is None else await _compare_counts(order.approved, prepared, settings, ledger)
        if source.replayable and not (caps.max_records is None and caps.expect is None):
            check_caps(await _counted(prepared, settings, ledger, seen), caps)
    except (PlanRefused, CapPassed):
        await ledger.remember(REFUSED, "yes")
        raise
    _release(order, settings, held, ledger)
    return prepared


def _refuse_another(order: Order) -> None:
    """Raise :class:`SourceChanged` where what was read since is not what was shown to whoever confirmed it."""
    if order.shown is None:
        return
    now = stamps(order.source)
    if changed := [path for path, stamp in order.shown.items() if now.get(path) != stamp]:
        raise SourceChanged(
            f"{', '.join(changed[:_MOST_FILES_NAMED])} is not the file any more that was shown: it was written to or "
            "replaced before the job began. Nothing was sent. Look at it, and run the same command again"
        )


async def _forget_what_was_read_before(ledger: Ledger) -> None:
    """Forget what earlier runs learnt of their source, unless *ledger* holds rows of it: it may have been another one.

    That it had no rows never says anything of one that has some.
    """
    learnt = set() if ledger.totals.rows else {SURVEYED, COMPARED}
    if ledger.facts.get(SOURCE_ROWS) == "0":
        learnt.add(SOURCE_ROWS)
    for fact in learnt & {*ledger.facts}:
        await ledger.forget(fact)


async def _compare_counts(approved: Approved, prepared: Prepared, settings: Settings, ledger: Ledger) -> Survey | None:
    """Return if the source, screened as this run does it, holds what the plan counted; else raise.

    That nothing which decides has changed should mean the same. But it is the counts that somebody approved, so they
    are made again, as the plan made them: with its batch size, on which the duplicates depend. The survey is returned.
    """
    key = f"{approved.digest} {VERSION}"
    if ledger.facts.get(COMPARED) == key:
        return None
    batch = settings.batch.model_copy(update={"size": approved.batch_size})
    with before_sending():
        seen = await survey(prepared.table_id, prepared.source, batch, prepared.screen)
    _refuse_what_differs(differences(approved.counts, {name: getattr(seen, name) for name in approved.counts}))
    await ledger.remember(COMPARED, key)
    return seen


def _refuse_what_differs(different: Sequence[str]) -> None:
    if different:
        lines = "\n".join(f"  {line}" for line in different)
        raise PlanRefused(
            f"what would be deleted is not what the plan says:\n{lines}\nNothing was sent. Make everything as it "
            "was, or make a new plan and have it approved"
        )


async def screen_of(order: Order, settings: Settings) -> tuple[Screen, Holds]:
    """Return what screens the rows of *order*, and its hold lists, read whole; raises as :func:`read_holds` does."""
    rules = settings.identifiers.get(order.table_id)
    held = await read_holds(order.holds, settings.holds, rules)
    return Screen(settings.batch.max_id_characters, rules, held), held


async def _counted(prepared: Prepared, settings: Settings, ledger: Ledger, seen: Survey | None = None) -> Counted:
    """Return what the source holds, as the ledger knows it.

    Lists that grew change what is to send, and not what the source holds, where that is fixed; any other is counted
    anew. *seen* is a survey that was made just now.
    """
    rules = settings.identifiers.get(prepared.table_id)
    batch = settings.batch.model_dump(mode="json", exclude={"size"})
    plain = [batch, None if rules is None else rules.model_dump(mode="json")]
    decided_by = hashlib.sha256(json.dumps(plain).encode()).hexdigest()
    known = json.loads(ledger.facts.get(SURVEYED, "{}")) if prepared.fixed else {}
    if known.get("decided_by") != decided_by:
        known = {}
    if known.get("holds") != prepared.holds.digest:
        with before_sending():
            seen = seen or await survey(prepared.table_id, prepared.source, settings.batch, prepared.screen)
        counted = seen.counted
        known = {"found": counted.found, **known, "to_send": counted.to_send, "duplicate": counted.duplicate}
    now = {**known, "decided_by": decided_by, "holds": prepared.holds.digest}
    await ledger.remember(SURVEYED, json.dumps(now))
    return Counted(known["found"], known["to_send"], known["duplicate"])


def _refuse_to_forget(holds: Sequence[Source], ledger: Ledger) -> None:
    """Raise :class:`HoldsRefused` where an earlier run had more hold lists: no resume forgets one."""
    before = int(ledger.facts.get(HOLD_LISTS, "1" if ledger.facts.get(HOLDS) else "0"))
    if len(holds) < before:
        had = "hold lists" if before > 1 and not holds else f"{before} hold list{'s' * (before > 1)}"
        raise HoldsRefused(
            f"an earlier run of this job had {had}, and this one has {len(holds) or 'none'}. Nothing was sent. Give "
            "each again with --holds (in Python: settings.holds, or holds=); to go on without one, give an empty list "
            "in its place, --allow-empty-holds and --holds-may-shrink"
        )


def _refuse_to_forget_rules(table_id: str, rules: IdentifierSettings | None, ledger: Ledger) -> None:
    """Raise :class:`SettingsError` where an earlier run had rules that this one lacks: what they set aside is sent."""
    if rules is None and ledger.facts.get(RULES):
        raise SettingsError(
            f"an earlier run of this job had rules for its ids, and this one has none, identifiers.{table_id}: what "
            "does not fit them would be sent. Nothing was sent. Give the configuration again (in Python: "
            "settings.identifiers); to go on without rules, give that section empty"
        )


def _refuse_to_release(held: Holds, settings: Settings, ledger: Ledger) -> None:
    """Raise :class:`HoldsRefused` where the lists of an earlier run held more: what they lost would be sent.

    It is the number of different records that is compared: one lost and another gained is not seen.
    """
    before = int(ledger.facts.get(HELD_RECORDS, "0"))
    if len(held) < before and not settings.holds.may_shrink:
        raise HoldsRefused(
            f"the hold lists held {before:,} records back in the run before, and hold {len(held):,} now: what is gone "
            "from them would be sent. Nothing was sent. Give the lists as they were, or longer; if it is what you "
            "mean, say so with --holds-may-shrink"
        )


async def _keep_holds(order: Order, held: Holds, ledger: Ledger) -> None:
    """Let later runs have as many lists, which hold as many records back; lists that a plan refuses do not count."""
    is_approved = order.approved is None or order.approved.what.get("holds") == (held.digest or "none")
    most_held = max(len(held) if is_approved else 0, int(ledger.facts.get(HELD_RECORDS, "0")))
    await ledger.remember(HELD_RECORDS, str(most_held))
    await ledger.remember(HOLDS, held.digest or "empty")
    await ledger.remember(HOLD_LISTS, str(len(order.holds)))


def _release(order: Order, settings: Settings, held: Holds, ledger: Ledger) -> None:
    """Let go of what looked after the job in earlier runs, and does not in this one, once it sends something."""
    rules = settings.identifiers.get(order.table_id)
    if order.holds:
        ledger.release(HELD_RECORDS, str(len(held)))
    if rules is not None and not any(vars(rules).values()):
        ledger.release(RULES, "")
    if not settings.canary.records and ledger.facts.get(CANARY_BEGAN):
        ledger.release(CANARY_BEGAN, "")


def check_caps(counted: Counted, caps: StopSettings) -> None:
    """Return if a job whose source holds what was *counted* may go on; else raise :class:`CapPassed`."""
    found, to_send, twice = counted.found, counted.to_send, counted.duplicate
    held, duplicates, nothing = "", "", "nothing was sent in this run"
    if found > to_send:
        held = f"{found - to_send:,} of them on hold"
    if twice:
        duplicates = f"{twice:,} of them {'a duplicate in its' if twice == 1 else 'duplicates in their'} batch"
        nothing += ". Duplicates count: whether one is sent depends on where batches are cut"
    if caps.expect is not None and found != caps.expect:
        rows = f"{found:,} rows with a record{_in_brackets(held, duplicates)}"
        raise CapPassed(Ended.UNEXPECTED, f"the source holds {rows}, and {caps.expect:,} are expected: {nothing}")
    if caps.max_records is not None and to_send > caps.max_records:
        rows = f"{to_send:,} rows to send{_in_brackets(duplicates)}"
        raise CapPassed(
            Ended.MAX_RECORDS, f"the source holds {rows}, and max_records is {caps.max_records:,}: {nothing}"
        )


def _in_brackets(*parts: str) -> str:
    said = ", ".join(filter(None, parts))
    return f" ({said})" if said else ""
