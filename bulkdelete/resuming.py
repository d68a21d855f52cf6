"""What a ledger is told of its job, and knows: whether anything is left, its source, the order to go on with."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from bulkdelete.copying import gone, spool_of
from bulkdelete.errors import LedgerMismatch, LedgerStorageError, SourceError, SourceRefused
from bulkdelete.identities import with_default_column
from bulkdelete.ledger import without_a_trace
from bulkdelete.ledger.facts import ACCEPTED, SOURCE_PATH, SOURCE_ROWS, SPOOL, SPOOL_RUN
from bulkdelete.orders import Order
from bulkdelete.records import Ended
from bulkdelete.settings import Settings, SourceSettings, StopOptions, StopSettings
from bulkdelete.sources import from_iterable, open_source
from bulkdelete.threads import UNSENT, in_thread

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncGenerator, Mapping, Sequence
    from pathlib import Path

    from bulkdelete.ledger import Ledger, LedgerReader, RunRow, Totals
    from bulkdelete.orders import Check
    from bulkdelete.records import Rows
    from bulkdelete.sources import Source

RESUMES: Final = "resume"
"""The kind of event that stands for a run which was given no records: it has them from the ledger."""
_IDENTITY: Final = "identity."
_OF_SOURCE: Final = f"{_IDENTITY}source "
_FORMATS: Final = ("text", "csv", "tsv", "jsonl")
_COPIED: Final = "iterable"


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger at *path* says of its job, at one moment.

    *given* is the last run that was given its records; where *kept_none*, it was only to keep them, and ended before it
    did. *stop* are the caps of the last run of all.
    """

    path: Path
    facts: Mapping[str, str]
    totals: Totals
    last: RunRow | None
    given: int | None
    kept_none: bool
    stop: StopOptions

    @property
    def source_rows(self) -> int | None:
        """How many rows the source has; ``None`` before it was read to its end."""
        rows = self.facts.get(SOURCE_ROWS)
        return None if rows is None else int(rows)

    @property
    def is_bound(self) -> bool:
        """Whether the ledger holds to its records: a batch of them was cut, or they were accepted."""
        return bool(self.totals.rows) or ACCEPTED in self.facts

    @property
    def is_anybodys(self) -> bool:
        """Whether it says nothing of its job: a process died while it made the ledger."""
        return not any(key.startswith(_IDENTITY) for key in self.facts)

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to send. Of no rows, only a run that came to its end can know that."""
        if self.totals.remaining or self.source_rows != self.totals.rows:
            return False
        return bool(self.totals.rows) or (self.last is not None and self.last.ended == Ended.COMPLETE)


def known_of(reader: LedgerReader) -> Known:
    """Return what a ledger says of its job."""
    reader.check_if_small()
    facts, totals, runs, events = reader.facts, reader.totals(), reader.runs(), reader.events()
    with reader.reading_values():
        began = [event for event in events if event.kind == "settings"]
        caps = began[-1].detail["stop"] if began else {}
        stop = StopOptions(**{name: caps[name] for name in StopSettings.model_fields if name in caps})  # type: ignore[typeddict-item]  # they are its keys
        by_themselves = {event.run for event in events if event.kind == RESUMES}
        given = max((event.run for event in began if event.run not in by_themselves), default=None)
        to_keep = any(event.run == given and event.detail["stop"].get("limit") == 0 for event in began)
        kept_none = to_keep and not any(run.id == given and run.ended == Ended.LIMIT for run in runs)
        known = Known(reader.path, facts, totals, next(iter(runs), None), given, kept_none, stop)
        _ = known.source_rows, _paths(facts), facts[f"{_IDENTITY}table_id"] if began else ""
    return known


async def resumed(
    ledger: Path, settings: Settings, holds: tuple[Source, ...] = (), check: Check | None = None
) -> tuple[Order, StopOptions]:
    """Return the order that goes on with the job of *ledger*, and the caps that its last run had.

    Raises:
        LedgerMismatch: there is no ledger, or its job is at another base URL than that of *settings*.
        LedgerStorageError: it cannot be read.
        SourceRefused: what is left cannot be read again; the message says what to do.

    """
    read = partial(_resumed, ledger, settings, holds, check)
    return await in_thread(read, f"read the ledger {ledger}", LedgerStorageError, UNSENT)


def _resumed(
    ledger: Path, settings: Settings, holds: tuple[Source, ...], check: Check | None
) -> tuple[Order, StopOptions]:
    known = without_a_trace(ledger, known_of)
    if known.is_anybodys:
        raise _never_kept(known)
    base_url = known.facts.get(f"{_IDENTITY}base_url", "")
    if base_url != settings.base_url:
        raise LedgerMismatch(
            f"{ledger}: the job of this ledger is at {base_url or 'no base URL'}, and this deleter is for "
            f"{settings.base_url}. Nothing was sent, and the ledger is as it was. Resume it with a BulkDeleter for that"
        )
    source = Settled(known.facts) if known.is_done else source_left(known, settings.source.max_expansion)
    table_id = known.facts[f"{_IDENTITY}table_id"]
    decisions = ((RESUMES, {"source": source.name}),)
    order = Order(table_id, source, ledger, holds, decisions, check=check, known=True, done=known.is_done)
    if known.stop.get("limit") == 0:  # that run was only to keep the records
        del known.stop["limit"]
    return order, known.stop


def source_left(known: Known, max_expansion: float | None = None) -> Source:
    """Return the source of a job that is not done: its files, or what stands for its copy.

    Raises:
        SourceRefused: it is not there any more, or the records were never kept.

    """
    facts = known.facts
    try:
        if SOURCE_PATH in facts and (known.is_bound or not known.kept_none):
            return open_again(facts, max_expansion=max_expansion)
        _refuse_what_is_not_kept(facts)
        was_given_them = SPOOL in facts and facts.get(SPOOL_RUN) == str(known.given) and not known.kept_none
        if known.is_bound or was_given_them:
            if not spool_of(known.path).exists():
                raise gone(spool_of(known.path))
            return read_once(facts)
    except SourceError as error:
        raise SourceRefused(
            f"{known.path}: the source of this job cannot be read again: {error}. To go on, put it back as it was, or "
            "make the call again with the same records and this ledger; nothing that is settled is sent again"
        ) from error
    raise _never_kept(known)


def _never_kept(known: Known) -> SourceRefused:
    return SourceRefused(
        f"{known.path}: nothing of this job was ever sent, and its records are not kept: the call ended before they "
        "were copied whole, or accepted. Make the call again with its records and this ledger: that sends nothing twice"
    )


def _refuse_what_is_not_kept(facts: Mapping[str, str]) -> None:
    if not _is_kept(facts):
        raise SourceError("the records came from a function, or a source, of Python's, which no ledger keeps")


def _is_kept(facts: Mapping[str, str]) -> bool:
    return is_of_files(facts) or facts.get(f"{_OF_SOURCE}kind", _COPIED) == _COPIED


def is_of_files(facts: Mapping[str, str]) -> bool:
    """Return whether the records of the job with *facts* came from files, or from standard input."""
    return facts.get(f"{_OF_SOURCE}kind") in _FORMATS


def open_again(
    facts: Mapping[str, str], given: str | Sequence[str] | None = None, max_expansion: float | None = None
) -> Source:
    """Return the source of the job with *facts*, read as it was then; *given* is where it is now, if it was moved.

    Raises:
        SourceRefused: it is not there.
        SourceError: the job was given records from Python.

    """
    return open_source(given or _paths(facts), _settings(facts, max_expansion))


def read_once(facts: Mapping[str, str]) -> Source:
    """Return a source of the kind that the job copied, which holds nothing itself."""
    return open_source("-", _settings(facts)) if is_of_files(facts) else from_iterable(())


async def note_beginning(order: Order, settings: Settings, ledger: Ledger) -> None:
    """Write down what a run of *order* began with."""
    if ledger.path is None:
        return
    for kind, detail in order.decisions:
        await ledger.note(kind, **detail)
    await ledger.note("settings", **settings.without_places_of_the_key())
    if ACCEPTED not in ledger.facts:  # what was accepted is where it was, unless this run may go on with it
        await note_place(order, ledger)


async def note_place(order: Order, ledger: Ledger) -> None:
    """Write down where the files of *order* are."""
    if order.source.replayable and order.source.paths:
        await ledger.remember(SOURCE_PATH, _stored(order.source.paths))


def accept(ledger: Ledger) -> asyncio.Future[None] | None:
    """Let *ledger* hold to its records, which were to be kept and not sent, from when what is returned is done.

    Of a function none are kept.
    """
    if not _is_kept(ledger.facts):
        return None
    ledger.write_releases()
    return ledger.remember(ACCEPTED, "yes")


def _stored(paths: tuple[str, ...]) -> str:
    absolute = [os.path.abspath(path) for path in paths]  # noqa: PTH100 - asks no disk
    return absolute[0] if len(absolute) == 1 else json.dumps(absolute)


def _paths(facts: Mapping[str, str]) -> str | list[str]:
    stored = facts.get(SOURCE_PATH, "")
    if not stored.startswith("["):  # one absolute path
        return stored
    return [os.fspath(path) for path in json.loads(stored)]


def _settings(facts: Mapping[str, str], max_expansion: float | None = None) -> SourceSettings:
    if not is_of_files(facts):
        raise SourceError("the records came from Python and not from a file")
    names = {name: name for name in SourceSettings.model_fields} | {"format": "kind"}
    kept: dict[str, Any] = {"sanity_check": False} | {
        name: facts[_OF_SOURCE + key] for name, key in names.items() if _OF_SOURCE + key in facts and name != "path"
    }
    if max_expansion is not None:
        kept["max_expansion"] = max_expansion
    return Settings.from_mapping({"source": kept}).source


class Settled:
    """Stands for the source of a job that has nothing left, which need not be there any more."""

    name = "a source that is settled"
    paths = ()
    files = ()
    replayable = False
    size_bytes = None
    position_bytes = 0
    rows_read = 0

    def __init__(self, facts: Mapping[str, str]) -> None:
        of_source = {key.removeprefix(_OF_SOURCE): value for key, value in facts.items() if key.startswith(_OF_SOURCE)}
        self._content = of_source.pop("content", "")
        self.identity: Mapping[str, str] = with_default_column(of_source)

    @property
    def parts(self) -> tuple[Settled]:
        """Itself."""
        return (self,)

    def blocks(self) -> AsyncGenerator[Rows, None]:
        """Yield nothing.

        Raises:
            SourceError: always.

        """
        raise SourceError("the ledger was changed while it was looked at. Nothing was sent. Resume it again")

    async def fingerprint(self) -> str:
        """Return the fingerprint that the source had."""
        return self._content
