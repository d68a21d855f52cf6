"""Asking a job to stop: what waits wakes up, what is in flight finishes, nothing new is sent."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from bulkdelete.errors import CancelledElsewhere

if TYPE_CHECKING:
    from collections.abc import Awaitable

T = TypeVar("T")


class StopAsked(Exception):
    """The job was asked to stop while it waited, or before it sent."""


class Stop:
    """One job's stop: asked once, seen at every wait and before every attempt."""

    def __init__(self) -> None:
        self._asked = False
        self._waiting: dict[asyncio.Future[Any], None] = {}  # in the order of asking
        self._interruptions: dict[asyncio.Timeout, None] = {}

    @property
    def whose(self) -> Stop:
        """The stop of the job itself, by which one job is told from another; it may be heeded by others."""
        return self

    @property
    def asked(self) -> bool:
        """Whether :meth:`ask` was called."""
        return self._asked

    def ask(self) -> None:
        """Ask the job to stop; asking again changes nothing."""
        self._asked = True
        for future in self._waiting:
            if not future.done():
                future.set_exception(StopAsked())
        self._waiting.clear()
        while self._interruptions:
            interruption, _ = self._interruptions.popitem()
            interruption.reschedule(0)

    def wake(self, future: asyncio.Future[Any]) -> None:
        """Let *future* fail with :class:`StopAsked` when the job is asked to stop; :meth:`forget` takes that back."""
        self._waiting[future] = None

    def forget(self, future: asyncio.Future[Any]) -> None:
        """Leave *future* alone from now on."""
        self._waiting.pop(future, None)

    def check(self) -> None:
        """Raise :class:`StopAsked` if the job was asked to stop."""
        if self._asked:
            raise StopAsked

    async def unless_asked(self, work: Awaitable[T]) -> T:
        """Return what *work* gives; cancel it and raise :class:`StopAsked` where the job is asked to stop before."""
        interruption = asyncio.timeout(0 if self.asked else None)
        if not self.asked:  # else it is under way already
            self._interruptions[interruption] = None
        try:
            async with interruption:
                return await work
        except TimeoutError:
            if interruption.expired():
                raise StopAsked from None
            raise
        finally:
            self._interruptions.pop(interruption, None)

    async def sleep(self, seconds: float) -> None:
        """Wait *seconds* of the event loop's time; raise :class:`StopAsked` as soon as the job is asked to stop."""
        await self.unless_asked(asyncio.sleep(seconds))


async def of_a_caller(work: Awaitable[T], what: str) -> T:
    """Return what *work* gives, which is a caller's.

    Raises:
        CancelledElsewhere: *work* was cancelled, and not who awaits it; *what* says what it is.

    """
    try:
        return await work
    except asyncio.CancelledError as cancelled:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise CancelledElsewhere(what) from cancelled
