"""A job's outcomes as they come, to whoever reads them: with back-pressure, and nothing left behind."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from bulkdelete.channel import Channel, ChannelClosed
from bulkdelete.errors import CancelledElsewhere
from bulkdelete.records import Ended

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from bulkdelete.accounting import Snapshot
    from bulkdelete.job import Job
    from bulkdelete.records import Outcome
    from bulkdelete.reports import Report

MOST_WAITING: Final = 16
"""So many outcomes wait for their reader; then the job waits, too."""
_UNREAD: Final = "nobody reads its outcomes any more"


class Outcomes:
    """An async iterator over the outcomes of one job, which runs while the ``async with`` block does.

    Each row's fate is given once it is final, and in the ledger where there is one: ``outcome.fate``, for the records
    ``outcome.which``. Together they are the fates of the report, but for rows that an earlier run settled, and for
    what a canary could not resolve, which is sent, and given, again. When the last was read, ``report`` is there, or
    the iteration raises what :meth:`bulkdelete.BulkDeleter.delete` raises.

    Raises:
        RuntimeError: it is entered a second time, or read without being entered.

    Example:
        >>> async with deleter.stream(TABLE_ID, ids) as outcomes:
        ...     async for outcome in outcomes:
        ...         print(outcome.fate, outcomes.snapshot().rows)
        acknowledged 3
        >>> outcomes.report.acknowledged
        3

    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._channel: Channel[Outcome] = Channel(MOST_WAITING)
        self._task: asyncio.Task[None] | None = None
        self._has_told = False
        self._is_cancelled = False

    @property
    def report(self) -> Report | None:
        """The account of every row, once the job has ended, also where it was cancelled; ``None`` before."""
        return self._job.report

    def snapshot(self) -> Snapshot:
        """Return how far the job is."""
        return self._job.snapshot()

    async def __aenter__(self) -> Self:
        if self._task is not None:
            raise RuntimeError("a stream is read once: ask the deleter for another one")
        self._task = asyncio.create_task(self._run(), name="bulkdelete stream")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the job, as cancelling it does, unless it has ended: what is in flight gets the grace to finish."""
        task = self._entered()
        self._channel.drain()
        if not task.done():
            self._job.stop(_UNREAD, Ended.CANCELLED)
            self._is_cancelled = True
            task.cancel()
            await _ended(task)
        if kind is None and not self._has_told and (problem := self._problem_of(task)):
            raise problem

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Outcome:
        task = self._entered()
        with suppress(ChannelClosed):
            return await self._channel.get()
        await asyncio.wait({task})
        self._has_told = True
        raise self._problem_of(task) or StopAsyncIteration

    def _problem_of(self, task: asyncio.Task[None]) -> BaseException | None:
        """Return what ended the job, if it is to be raised: also a cancellation that is not ours."""
        if not task.cancelled():
            return task.exception()
        if self._is_cancelled:
            return None
        elsewhere = CancelledElsewhere("the task of the stream")
        elsewhere.report = self.report
        return elsewhere

    def _entered(self) -> asyncio.Task[None]:
        if self._task is None:
            raise RuntimeError("the job has not begun: async with deleter.stream(...) as outcomes")
        return self._task

    async def _run(self) -> None:
        try:
            await self._job.run(self._deliver)
        finally:
            self._channel.close()

    async def _deliver(self, outcome: Outcome) -> None:
        with suppress(ChannelClosed):  # nobody reads any more
            await self._channel.put(outcome)


async def _ended(task: asyncio.Task[None]) -> None:
    """Wait until *task* has ended, also when cancelled meanwhile, which ends its grace."""
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
            task.cancel()
    if cancelled is not None:
        raise cancelled
