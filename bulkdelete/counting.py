"""How many records a table holds, as the API counts them: one small request."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from bulkdelete import protocol
from bulkdelete.attempts import Post
from bulkdelete.errors import CredentialsError, LedgerStorageError, OutageTooLong, PauseTooLong
from bulkdelete.ledger.facts import COUNT_AFTER
from bulkdelete.records import VerdictKind

if TYPE_CHECKING:
    from bulkdelete.attempts import Attempts
    from bulkdelete.ledger import Ledger
    from bulkdelete.retry import Attempted, Retry
    from bulkdelete.stopping import Stop
    from bulkdelete.tally import Tally
    from bulkdelete.telling import JobEvents

_log = logging.getLogger(__name__)


async def keep_count(found: int | str, ledger: Ledger, fact: str, table_id: str) -> None:
    """Keep what :func:`total_count` *found* in *ledger*, as *fact*; that there is no count harms no job."""
    if isinstance(found, str):
        _log.warning("the records of table %s were not counted: %r", table_id, found)
    with suppress(LedgerStorageError):  # the engine has seen it too, and says so
        if isinstance(found, int):
            await ledger.remember(fact, str(found))
        await ledger.note(fact, found=found)


async def forget_count(ledger: Ledger) -> str:
    """Let *ledger*, before more is sent, not say any more how many records there are after it; return what it said."""
    counted = ledger.facts.get(COUNT_AFTER, "")
    if counted:
        with suppress(LedgerStorageError):  # the engine sees it too, and says so
            await ledger.remember(COUNT_AFTER, "")
    return counted


async def total_count(attempts: Attempts, retry: Retry, stop: Stop, tally: Tally, events: JobEvents) -> int | str:
    """Return the API's own ``total_count`` of the table that *events* are of, or why there is none.

    Raises:
        StopAsked: the job was asked to stop meanwhile.

    """
    body = protocol.encode_count(events.table_id)

    async def attempt() -> Attempted:
        return await attempts.make(Post(body, protocol.COUNT, events=events), stop, tally)

    try:
        # also what is on its way is broken off: unlike a delete it changes nothing
        last = (await stop.unless_asked(retry.until_settled(attempt, stop.sleep))).last
    except (PauseTooLong, OutageTooLong, CredentialsError) as error:
        return str(error)
    counted = protocol.read_count(last.answer) if last.verdict.kind is VerdictKind.ACKNOWLEDGED else None
    return counted if counted is not None else protocol.advice(last.verdict)
