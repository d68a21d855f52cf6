"""How many records a table holds, as the API counts them: one small request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulkdelete import protocol
from bulkdelete.attempts import Post
from bulkdelete.errors import CredentialsError, PauseTooLong
from bulkdelete.records import VerdictKind

if TYPE_CHECKING:
    from bulkdelete.attempts import Attempts
    from bulkdelete.retry import Attempted, Retry
    from bulkdelete.stopping import Stop
    from bulkdelete.tally import Tally
    from bulkdelete.telling import JobEvents


async def total_count(attempts: Attempts, retry: Retry, stop: Stop, tally: Tally, events: JobEvents) -> int | str:
    """Return the API's own ``total_count`` of the table that *events* are of, or why there is none.

    Raises:
        StopAsked: the job was asked to stop meanwhile.

    """
    body = protocol.encode_count(events.table_id)

    async def attempt() -> Attempted:
        return await attempts.make(Post(body, protocol.COUNT, events=events), stop, tally)

    try:
        last = (await retry.until_settled(attempt, stop.sleep)).last
    except (PauseTooLong, CredentialsError) as error:
        return str(error)
    counted = protocol.read_count(last.answer) if last.verdict.kind is VerdictKind.ACKNOWLEDGED else None
    return counted if counted is not None else protocol.advice(last.verdict)
