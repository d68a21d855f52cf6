"""How large a body may be: what the settings allow, or less since the API refused one as too large."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from bulkdelete.stopping import Stop

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable

    from bulkdelete.stopping import T

LEAST_BYTES: Final = 4096
_ENOUGH_IN_A_ROW: Final = 5


class Outgrown(Exception):
    """A body that waited to be sent is larger than one may be by now; it was not sent."""


class BodyCap:
    """The most bytes of a body, which only become fewer; what waits with more is woken up."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.proven_bytes: int | None = None
        """What it was lowered to when something was acknowledged last, and so was not refused for something else."""
        self._is_lowered = False
        self._in_a_row = 0
        self._single_in_a_row = 0
        self._waiting: dict[asyncio.Future[Any], int] = {}

    def take_over(self, kept: str | None) -> None:
        """Begin where an earlier process was, which *kept* what was proven."""
        with suppress(ValueError):
            if kept is not None:
                self.proven_bytes = max(LEAST_BYTES, int(kept))
                self.most_bytes = min(self.most_bytes, self.proven_bytes)

    def acknowledged(self) -> None:
        """Take note that the API took a body."""
        self._in_a_row = self._single_in_a_row = 0
        if self._is_lowered:
            self.proven_bytes = self.most_bytes

    @property
    def is_in_doubt(self) -> bool:
        """Whether so many were refused in a row that it may not be for their size: single records tell."""
        return self._in_a_row >= _ENOUGH_IN_A_ROW

    @property
    def refuses_single_records(self) -> bool:
        """Whether even single records that are small were refused in a row: it is not for their size."""
        return self._single_in_a_row >= _ENOUGH_IN_A_ROW

    def refused(self, body_bytes: int, *, is_single: bool) -> None:
        """Let bodies be at most half as large as one that was too large, and never so small that nothing fits."""
        self._in_a_row += 1
        self._single_in_a_row += is_single and body_bytes <= LEAST_BYTES
        self._is_lowered = True
        self.most_bytes = max(LEAST_BYTES, min(self.most_bytes, body_bytes // 2))
        for future, waiting_bytes in list(self._waiting.items()):
            if waiting_bytes > self.most_bytes:
                del self._waiting[future]
                if not future.done():
                    future.set_exception(Outgrown())

    def heeded_by(self, stop: Stop, body_bytes: int) -> Stop:
        """Return *stop* for a body of so many bytes: what it wakes or checks fails also once that is too large."""
        return _OrOutgrown(stop, self, body_bytes)

    def check(self, body_bytes: int) -> None:
        """Raise :class:`Outgrown` where a body of so many bytes is too large."""
        if body_bytes > self.most_bytes:
            raise Outgrown

    def wake(self, future: asyncio.Future[Any], body_bytes: int) -> None:
        """Let *future* fail with :class:`Outgrown` when so many bytes become too many; :meth:`forget` undoes it."""
        self._waiting[future] = body_bytes

    def forget(self, future: asyncio.Future[Any]) -> None:
        """Leave *future* alone from now on."""
        self._waiting.pop(future, None)


class _OrOutgrown(Stop):
    """A job's stop, which ends a wait also where the body that waits has become too large."""

    def __init__(self, stop: Stop, cap: BodyCap, body_bytes: int) -> None:
        self._stop, self._cap, self._body_bytes = stop, cap, body_bytes

    @property
    def whose(self) -> Stop:
        return self._stop.whose

    @property
    def asked(self) -> bool:
        return self._stop.asked

    def ask(self) -> None:
        self._stop.ask()

    def wake(self, future: asyncio.Future[Any]) -> None:
        self._stop.wake(future)
        self._cap.wake(future, self._body_bytes)

    def forget(self, future: asyncio.Future[Any]) -> None:
        self._stop.forget(future)
        self._cap.forget(future)

    def check(self) -> None:
        self._stop.check()
        self._cap.check(self._body_bytes)

    async def unless_asked(self, work: Awaitable[T]) -> T:
        return await self._stop.unless_asked(work)

    async def sleep(self, seconds: float) -> None:
        await self._stop.sleep(seconds)
