"""A small call's head start: its only batch is sent at once, and the engine is built where that does not settle it.

Most calls of a service are of a few records, which are acknowledged at once. To build an engine for each, with its
producer, its channel and its workers, takes longer than the request itself. Where anything else than an acknowledgement
comes, or ends the call, the engine is built after all, and its first attempt is the one that was made already.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, TypeVar

from bulkdelete import protocol
from bulkdelete.attempts import Post
from bulkdelete.cases import Part
from bulkdelete.deleter import outcome_of
from bulkdelete.digest import digest_of_joined
from bulkdelete.ledger import Totals
from bulkdelete.records import Batch, Fate, VerdictKind
from bulkdelete.screening import plain_joined
from bulkdelete.sources.iterables import IterableSource
from bulkdelete.stopping import Stop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from bulkdelete.attempts import Attempts
    from bulkdelete.orders import Order
    from bulkdelete.records import Outcome
    from bulkdelete.retry import Attempted
    from bulkdelete.settings import Settings
    from bulkdelete.tally import Tally
    from bulkdelete.telling import JobEvents

T = TypeVar("T")
_NONE_OF_THEM: Final = (None,) * 9


def head_start(
    order: Order, settings: Settings, attempts: Attempts, tally: Tally, events: JobEvents
) -> HeadStart | None:
    """Return the head start of *order*, or ``None`` where anything must be looked at before its first request.

    It has one where its records are in memory, fit into one request and need not be looked at one by one, and nothing
    is to be written down, asked, counted or capped.
    """
    stop = settings.stop
    caps = stop.limit, stop.max_records, stop.expect, stop.max_duration_seconds
    asks = order.ledger, order.approved, order.check, order.shown, settings.canary.records
    if (*caps, *asks) != _NONE_OF_THEM or order.holds or order.count or order.table_id in settings.identifiers:
        return None
    source, batch = order.source, settings.batch
    if not isinstance(source, IterableSource) or not (ids := source.at_once(batch.size)):
        return None
    joined = plain_joined(ids, batch.max_id_characters)
    if joined is None or protocol.most_bytes(order.table_id, joined, len(ids)) > batch.max_body_bytes:
        return None
    post = Post(protocol.encode(order.table_id, ids, joined), records=len(ids), events=events)  # type: ignore[arg-type]  # all are str
    return HeadStart(post, source, (ids, joined), attempts, tally)  # type: ignore[arg-type]  # the same


class HeadStart:
    """The first attempt at all of *source*, made as *post*; those after it go through *attempts*, as if it had.

    *screened* are its ids, and joined by line breaks.

    Whoever has it awaits :meth:`settles`, and where that says no, :meth:`handed_over`.
    """

    def __init__(
        self, post: Post, source: IterableSource, screened: tuple[list[str], bytes], attempts: Attempts, tally: Tally
    ) -> None:
        self._post = post
        self._source = source
        self._ids, self._joined = screened
        self._attempts = attempts
        self._tally = tally
        self._stop = Stop()
        self._heard = asyncio.get_running_loop().create_future()
        self._attempt: asyncio.Task[None] | None = None
        self._problem: BaseException | None = None
        self._cancelled: asyncio.CancelledError | None = None
        self._halt: Callable[[], None] | None = None
        self._taken_over = asyncio.get_running_loop().create_future()

    async def settles(self) -> bool:
        """Make the attempt; return whether every record is acknowledged, and nobody wants the call to end earlier."""
        self._tally.rows = len(self._ids)
        self._attempt = asyncio.create_task(self._made(), name="bulkdelete head start")
        try:
            await self._heard
        except asyncio.CancelledError as cancelled:
            self._cancelled = cancelled
            self._stop.ask()
            return False
        heard = self._post.heard
        if self._problem or self._halt or heard is None or heard.verdict.kind is not VerdictKind.ACKNOWLEDGED:
            return False
        self._source.begin()
        self._tally.batches, self._tally.acknowledged = 1, len(self._ids)
        if self._post.events:
            self._post.events.reached(self._outcome())
        return True

    @property
    def totals(self) -> Totals:
        """Return the counts of the batch that is settled."""
        return Totals(len(self._ids), 1, acknowledged=len(self._ids))

    def _outcome(self) -> Outcome:
        """Return what became of the batch that is settled."""
        every = range(len(self._ids))
        digest = digest_of_joined(self._joined, len(self._ids))
        batch = Batch(0, len(self._ids), self._ids, every, digest, spans=(every,), joined=self._joined)
        part = Part(every, ambiguous=False, attempts=1)
        part.take_in(self._post)
        return outcome_of(batch, part, Fate.ACKNOWLEDGED)

    def halted(self, halt: Callable[[], None]) -> bool:
        """Let the call end soon; *halt* is called once the engine has the attempt. Return whether it will be."""
        if self._taken_over.done():
            return False
        self._halt = self._halt or halt
        self._stop.ask()
        return True

    async def handed_over(self, run: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Await *run*, whose first attempt is this one; a cancellation reaches it only once it has taken that over."""
        running = asyncio.create_task(run(), name="bulkdelete small call")
        is_told = self._cancelled is None
        while not running.done():
            if self._taken_over.done() and not is_told:
                is_told = running.cancel()
            waited_for = {running} if self._taken_over.done() else {running, self._taken_over}
            try:
                await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError as cancelled:
                self._cancelled, is_told = cancelled, False
        if self._cancelled is None:
            return running.result()
        if not running.cancelled():
            running.exception()  # or it would be told of as never looked at
        raise self._cancelled

    async def make(self, post: Post, stop: Stop, tally: Tally) -> Attempted:
        """Return or raise what came of the first attempt, where it is that, as :meth:`Attempts.make` would have."""
        if self._attempt is None or self._taken_over.done():
            return await self._attempts.make(post, stop, tally)
        self._taken_over.set_result(None)
        if self._halt is not None:
            self._halt()
        try:
            await asyncio.wait({self._attempt})
        except asyncio.CancelledError:
            self._attempt.cancel()
            await asyncio.wait({self._attempt})
            raise
        finally:
            post.heard, post.sent, post.calls = self._post.heard, self._post.sent, self._post.calls
        problem, self._problem = self._problem, None
        if problem is not None:
            raise problem
        assert post.heard is not None  # noqa: S101 - an attempt without a problem was heard
        return post.heard

    async def _made(self) -> None:
        try:
            await self._attempts.make(self._post, self._stop, self._tally)
        except (Exception, asyncio.CancelledError) as problem:  # noqa: BLE001 - raised by make, in the engine
            self._problem = problem
        finally:
            if not self._heard.done():
                self._heard.set_result(None)
