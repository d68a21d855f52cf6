"""A small call's head start: its only batch is sent at once, and the engine is built where that does not settle it.

Most calls of a service are of a few records, which are acknowledged at once. To build an engine for each, with its
producer, its channel and its workers, takes longer than the request itself. Where anything else than an acknowledgement
comes, or ends the call, the engine is built after all, and its first attempt is the one that was made already.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from bulkdelete import protocol
from bulkdelete.attempts import Post
from bulkdelete.cases import Part
from bulkdelete.digest import digest_of_joined
from bulkdelete.errors import BulkDeleteError
from bulkdelete.ledger import Totals
from bulkdelete.outcomes import outcome_of
from bulkdelete.records import Batch, Ended, Fate, VerdictKind
from bulkdelete.screening import plain_joined
from bulkdelete.sources.iterables import IterableSource
from bulkdelete.stopping import Stop, StopAsked

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulkdelete.attempts import Attempts
    from bulkdelete.orders import Order
    from bulkdelete.records import Outcome
    from bulkdelete.retry import Attempted
    from bulkdelete.settings import Settings
    from bulkdelete.tally import Tally
    from bulkdelete.telling import JobEvents

_log = logging.getLogger(__name__)
_NONE_OF_THEM: Final = (None,) * 9


def head_start(
    order: Order, settings: Settings, attempts: Attempts, tally: Tally, events: JobEvents
) -> HeadStart | None:
    """Return the head start of *order*, or ``None`` where anything must be looked at before its first request.

    It has one where its records are in memory, fit into one request and need not be looked at one by one, and nothing
    is to be written down, asked, counted or capped.
    """
    source, batch = order.source, settings.batch
    if not isinstance(source, IterableSource) or _is_more_than_sent(order, settings):
        return None
    ids = source.at_once(batch.size)
    joined = plain_joined(ids, batch.max_id_characters) if ids else None
    if not ids or joined is None:
        return None
    try:
        if protocol.most_bytes(order.table_id, joined, len(ids)) > batch.max_body_bytes:
            return None
        body = protocol.encode(order.table_id, ids, joined)
    except ValueError:  # a table's name that no body can hold: the engine meets it too, and accounts for it
        return None
    source.begin()
    return HeadStart(Post(body, records=len(ids), events=events), ids, joined, attempts, tally)


def _is_more_than_sent(order: Order, settings: Settings) -> bool:
    stop = settings.stop
    caps = stop.limit, stop.max_records, stop.expect, stop.max_duration_seconds
    asks = order.ledger, order.approved, order.check, order.shown, settings.canary.records or None
    has_any = (*caps, *asks) != _NONE_OF_THEM
    return has_any or bool(order.holds) or order.count or order.table_id in settings.identifiers


class HeadStart:
    """The first attempt at *ids*, *joined* by line breaks, sent as *post*; those after it go through *attempts*.

    Whoever awaits :meth:`settles`, which begins it, and is told that it does not has the engine go on from it, on its
    ``source``.
    """

    attempt: asyncio.Task[None]
    """What whoever goes on from it has to await, or to cancel."""

    def __init__(self, post: Post, ids: list[str], joined: bytes, attempts: Attempts, tally: Tally) -> None:
        self._post = post
        self._ids = ids
        self._joined = joined
        self._attempts = attempts
        self._tally = tally
        self._stop = Stop()
        self._heard = asyncio.get_running_loop().create_future()
        self._is_given = False
        self._problem: BaseException | None = None
        self._cancelled: asyncio.CancelledError | None = None
        self._ended: tuple[Ended, str] | None = None
        self._requests = 0
        """Those of the attempt, once it has ended in a way that tells whether one of them left."""
        self._is_settled = False
        tally.rows = len(ids)

    @property
    def source(self) -> IterableSource:
        """The records, as they were when they were sent."""
        return IterableSource(self._ids)

    @property
    def totals(self) -> Totals:
        """The counts of the batch, where it is settled."""
        return Totals(len(self._ids), 1, acknowledged=len(self._ids))

    @property
    def ending(self) -> tuple[Ended, str]:
        """How the call ended whose batch is settled, and why."""
        if self._cancelled is not None:
            return Ended.CANCELLED, "the awaiting task was cancelled"
        return self._ended or (Ended.COMPLETE, "")

    async def settles(self) -> bool:
        """Make the attempt; return whether every record is acknowledged, and told of.

        Where it is cancelled it returns at once, and :meth:`raise_if_cancelled` raises.
        """
        self.attempt = asyncio.create_task(self._made(), name="bulkdelete head start")
        self.attempt.add_done_callback(self._hear)  # it may be cancelled before it begins
        try:
            await self._heard
        except asyncio.CancelledError as cancelled:
            self._cancelled = cancelled
            self._stop.ask()
        except BaseException:  # the coroutine is closed, and nobody will go on from here
            self.attempt.cancel()
            raise
        return self._is_settled

    def halt(self, ended: Ended, reason: str) -> None:
        """Let the call end soon: what is in flight finishes. The first reason given stays."""
        self._ended = self._ended or (ended, reason)
        self._stop.ask()

    def befall(self, halt: Callable[[Ended, str], None]) -> None:
        """Let what ended the call so far *halt* the engine that is to go on; a cancellation is still to be raised."""
        if self._ended is not None or self._cancelled is not None:
            halt(*(self._ended or self.ending))

    @property
    def is_unsent(self) -> bool:
        """Whether certainly nothing has left, or will, by what is known when the attempt has ended.

        Requests that came after it are not known of here.
        """
        return not self._post.sent and self._tally.requests == self._requests

    def raise_if_cancelled(self) -> None:
        """Raise the cancellation that came meanwhile, if one did."""
        cancelled, self._cancelled = self._cancelled, None
        try:
            if cancelled is not None:
                raise cancelled
        finally:
            del cancelled  # or it and its traceback would keep each other in memory

    async def make(self, post: Post, stop: Stop, tally: Tally) -> Attempted:
        """Return or raise what came of the attempt, where it is asked for first; see :meth:`Attempts.make`."""
        if not self._is_given:
            self._is_given = True
            try:
                if not self.attempt.done():
                    await asyncio.wait({self.attempt})
            finally:
                post.heard, post.sent, post.calls = self._post.heard, self._post.sent, self._post.calls
            problem, self._problem = self._problem, None
            if problem is not None:
                raise problem
            if not self.attempt.cancelled():
                return self._heard_of(post)
        return await self._attempts.make(post, stop, tally)  # also where the attempt was cancelled before it began

    def _heard_of(self, post: Post) -> Attempted:
        broken = self.attempt.exception()
        if broken is not None or post.heard is None:  # such as a SystemExit: nobody knows what came of the request
            raise asyncio.CancelledError from broken
        return post.heard

    async def _made(self) -> None:
        try:
            if self._heard.cancelled():
                self._stop.ask()
            attempted = await self._attempts.make(self._post, self._stop, self._tally)
            self._requests = self._tally.requests
            if attempted.verdict.kind is VerdictKind.ACKNOWLEDGED and not self._heard.done():
                self._settle()
        except asyncio.CancelledError as cancelled:
            self._problem = cancelled
            raise
        except Exception as problem:  # noqa: BLE001 - make raises it, in the engine
            self._problem = problem
            if isinstance(problem, (StopAsked, BulkDeleteError)):  # of another, nobody knows when it came
                self._requests = self._tally.requests
        finally:
            self._hear()

    def _hear(self, _: object = None) -> None:
        if not self._heard.done():
            self._heard.set_result(None)

    def _settle(self) -> None:
        self._tally.batches, self._tally.acknowledged = 1, len(self._ids)
        self._is_settled = True
        _log.debug("rows %d to %d are acknowledged", 0, len(self._ids) - 1)
        if self._post.events:
            self._post.events.reached(self._outcome())

    def _outcome(self) -> Outcome:
        every = range(len(self._ids))
        digest = digest_of_joined(self._joined, len(self._ids))
        batch = Batch(0, len(self._ids), self._ids, every, digest, spans=(every,), joined=self._joined)
        part = Part(every, ambiguous=False, attempts=1)
        part.take_in(self._post)
        return outcome_of(batch, part, Fate.ACKNOWLEDGED)
