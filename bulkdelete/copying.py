"""The copy of a source that can be read only once, and that it is the one its ledger knows."""

from __future__ import annotations

import logging
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from bulkdelete.errors import SourceChanged, SourceError, SourceRefused
from bulkdelete.ledger import is_complete
from bulkdelete.ledger.facts import ACCEPTED, REFUSED, SPOOL, SPOOL_BEGUN, SPOOL_RUN
from bulkdelete.records import Ended
from bulkdelete.sources import put_in_place, spooled
from bulkdelete.sources.iterables import IterableSource
from bulkdelete.threads import UNSENT, in_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bulkdelete.ledger import Ledger
    from bulkdelete.sources import Source

T = TypeVar("T")
_log = logging.getLogger(__name__)


class NothingLeft(Exception):
    """The job is complete, its copy is gone by right, and no records were given."""

    ended = Ended.COMPLETE


def spool_of(ledger: str | os.PathLike[str]) -> Path:
    """Return where the copy lies: beside the ledger's own file."""
    real = Path(os.path.realpath(ledger))
    return real.with_name(f"{real.name}.spool")


def beside(ledger: Path, facts: Mapping[str, str]) -> tuple[Path, ...]:
    """Return every name that a copy, whole or not, may have beside *ledger*, which has these *facts*."""
    whole = _whole(spool_of(ledger))
    partial = tuple(path.with_name(f"{path.name}.partial") for path in whole)
    return (*partial, *whole) if _is_ours(facts) else partial


def _whole(path: Path) -> tuple[Path, Path]:
    return path, path.with_name(f"{path.name}.new")


def _is_ours(facts: Mapping[str, str]) -> bool:
    return SPOOL in facts or SPOOL_BEGUN in facts


async def copied(source: Source, ledger: Ledger, path: Path) -> Source:
    """Return a source that can be read again: *source*, or its copy at *path*, which *ledger* knows by its content.

    Where an earlier run made the copy, and the ledger is :func:`bound`, *source* must give the same records once more,
    or none at all, to go on with it. Before, what it gives is taken in place of them, also where that is none; but
    where nothing comes through a pipe, as when the same command is run again, it is the copy that is gone on with.

    Raises:
        SourceChanged: it gives others; the copy is left as it was.
        SourceRefused: what lies in the place of the copy is somebody else's; or it gives none, and the copy is gone,
            or what it gave before was refused by a cap or a plan.
        NothingLeft: it gives none, and the job needs none.
        SourceError: it broke, or could not be copied.

    """
    if source.replayable:
        return source
    await _begin(ledger, path)
    copy = await _copied(source, ledger, path)
    await ledger.remember(SPOOL_RUN, str(ledger.run))
    return copy


def bound(ledger: Ledger) -> bool:
    """Return whether *ledger* holds to its records: a batch of them was cut, or they were accepted.

    Before that its job was refused at most, and may be corrected.
    """
    return bool(ledger.totals.rows) or ACCEPTED in ledger.facts


async def kept_copy(source: Source, ledger: Ledger, path: Path) -> Source:
    """Return a source that reads the copy at *path*, which an earlier run made and *ledger* knows by its content.

    *source* is of the kind that was copied, and is not read.

    Raises:
        SourceRefused: there is no copy.
        SourceChanged: it does not hold what the earlier run was given.

    """
    if not await _blocking(path.exists):
        raise gone(path)
    copy = await spooled(source, path)
    if await copy.fingerprint() != ledger.facts.get(SPOOL):
        raise SourceChanged(
            f"{path} does not hold the records that this job was given: it was changed since. Nothing was sent, and "
            "the ledger is as it was. Make the call again with the same records and this ledger"
        )
    return copy


def gone(path: Path) -> SourceRefused:
    """Return what is said where the copy at *path* is not there."""
    return SourceRefused(
        f"{path}, the copy of the records that this job was given, is gone. Nothing was sent, and the ledger is as it "
        "was. Put it back, or make the call again with the same records and this ledger: what is settled is not sent "
        "again"
    )


async def _begin(ledger: Ledger, path: Path) -> None:
    if _is_ours(ledger.facts):
        return
    for there in await _blocking(lambda: [one for one in _whole(path) if os.path.lexists(one)]):
        raise SourceRefused(
            f"{there}: the copy of what can be read only once must lie here, and this file is not of this ledger; it "
            "is left as it is. Nothing was sent. Give another --ledger, or move this file away; if it was left by a "
            "ledger that is gone, or by an older bulkdelete, remove it"
        )
    await ledger.remember(SPOOL_BEGUN, "yes")


async def _copied(source: Source, ledger: Ledger, path: Path) -> Source:
    known, is_bound = ledger.facts.get(SPOOL), bound(ledger)
    if isinstance(source, IterableSource):
        source.may_be_used_up = is_bound  # as the one that the copy was made of is, given to the same call again
        source.in_one_order = True
    fresh = path if known is None else path.with_name(f"{path.name}.new")
    await _blocking(partial(fresh.unlink, missing_ok=True))
    copy = await spooled(source, fresh)
    content = await copy.fingerprint()
    if known is None:
        await ledger.remember(SPOOL, content)
        return copy
    if content != known and (is_bound or await _is_run_again(source, copy, path)):
        await _blocking(fresh.unlink)
        others = content if copy.size_bytes else ""
        await _blocking(partial(_refuse_others, source.name, others, ledger, path))
        return await spooled(source, path)
    await _blocking(partial(put_in_place, fresh, path))
    if REFUSED in ledger.facts:
        await ledger.forget(REFUSED)
    if content != known:
        await ledger.remember(SPOOL, content)
    return await spooled(source, path)


async def _is_run_again(source: Source, copy: Source, path: Path) -> bool:
    """Return whether nothing comes through a pipe, as when the same command is run again: the copy is what is meant."""
    nothing_came = not copy.size_bytes and not isinstance(source, IterableSource)
    return nothing_came and await _blocking(path.exists)


def _refuse_others(name: str, content: str, ledger: Ledger, path: Path) -> None:
    """Raise where the copy at *path* is not to be gone on with: other *content* came, or it is gone, or was refused."""
    known, is_there = ledger.facts[SPOOL], path.exists()
    if content:
        none = ", or none at all (in Python: resume) to go on with the copy that was made of them" if is_there else ""
        raise SourceChanged(
            f"{name} does not hold the records that the first run with this ledger was given ({content}, was "
            f"{known}). Nothing was sent, and the ledger is as it was. Give the same records in the same order"
            f"{none}, or another ledger"
        )
    if not is_there:
        raise NothingLeft if is_complete(ledger.totals, ledger.facts) else gone(path)
    if REFUSED in ledger.facts and not bound(ledger):
        raise SourceRefused(
            f"{name} holds nothing, and what it held in the run before was refused. Nothing was sent, and the copy of "
            f"that, {path}, is as it was. Give {name} again what is meant, or another ledger"
        )


async def _blocking(call: Callable[[], T]) -> T:
    return await in_thread(call, "look after the copy of the records", SourceError, UNSENT)


def drop_spool(ledger: Ledger) -> None:
    """Remove the copy of a job that is done, where one was made; that it cannot be removed makes no job less done."""
    if ledger.path is None or not _is_ours(ledger.facts):
        return
    spool = spool_of(ledger.path)
    try:
        spool.unlink(missing_ok=True)
    except OSError as error:
        _log.warning(
            "%s, the copy of the records of this job, could not be removed, and stays: %s", spool, error.strerror
        )
