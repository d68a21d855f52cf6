"""Who keeps what was spent for a later process: how much leaves that no ledger holds, and when nothing does."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from bulkdelete.limiter.kept import LEAST_WAIT_SECONDS, loaded
from bulkdelete.quotas import SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulkdelete.limiter.kept import QuotaDoor
    from bulkdelete.settings import FlowSettings

SMALL_ALLOWANCE: Final = 16
SHARE_OF_A_LIMIT: Final = 0.01
AHEAD_SECONDS: Final = 3.0
"""A quota is used in full where what it lets leave in so long may leave unkept: connections and disks are slow."""
LEAST_REST_SECONDS: Final = 1.0
WAKE_SECONDS: Final = 0.25
"""So long before its end a rest is over for who keeps, so that what leaves then need not wait for the disk."""


def allowance_of(settings: FlowSettings) -> int:
    """Return how many requests may leave that are in no ledger: so many count after a kill, whatever was sent."""
    quotas = settings.quotas.items()
    shares = (int(limit * max(SHARE_OF_A_LIMIT, AHEAD_SECONDS / SECONDS[unit])) for unit, limit in quotas)
    return max(1, min([max(SMALL_ALLOWANCE, settings.ceiling), *shares]))


class Keepers:
    """All who keep what is spent behind *door*; *idle_seconds* tells how long certainly nothing leaves from a time on.

    While nothing does for a while, each ledger says so, and a process that is killed meanwhile leaves nothing unknown.
    Before anything leaves after that, as *let_go* has it then, each of them says that it may.
    """

    def __init__(
        self,
        settings: FlowSettings,
        door: QuotaDoor,
        idle_seconds: Callable[[float], float],
        let_go: Callable[[], object],
    ) -> None:
        self.has_quotas = bool(settings.quotas)
        self._allowance = allowance_of(settings)
        self._door = door
        self._idle_seconds = idle_seconds
        self._let_go = let_go
        self._news = asyncio.Event()
        self._all: set[Keeper] = set()
        self._senders: set[Keeper] = set()
        self._at_rest: set[Keeper] = set()
        """Whose ledger says, or may say, that nothing leaves."""
        self._kept: dict[str, Any] | None = None
        """The last snapshot that became durable, of those by which something may leave."""
        self._last_number = self._void_number = 0

    def open(self, spent: str | None, *, heeds_told: bool) -> Keeper:
        """Return a new one, whose ledger holds what earlier processes had *spent*."""
        quotas = self._door.quotas
        quotas.keep(self._allowance)
        if spent is not None:
            now = self._door.moment(asyncio.get_running_loop().time())
            quotas.take_in(loaded(spent), now, heeds_told=heeds_told)
        keeper = Keeper(self)
        self._all.add(keeper)
        self._senders.add(keeper)
        self._kept, self._void_number = None, self._last_number
        self.wake()
        return keeper

    def wake(self) -> None:
        """Let all look whether there is anything new to keep."""
        self._news.set()
        self._news = asyncio.Event()

    def nothing_is_in_flight(self, now: float) -> None:
        """Take note of it: with a pause, a rest begins."""
        if self.has_quotas and self._idle_seconds(now) >= LEAST_REST_SECONDS:
            self.wake()

    def snapshot(self, keeper: Keeper, *, clean: bool) -> dict[str, Any]:
        """Return what *keeper* is to write; *clean*: its job sends no more."""
        now = asyncio.get_running_loop().time()
        nobody_sends = not (self._senders and self.has_quotas)  # without any, each ledger answers for its own job
        rests = self.has_quotas and self._idle_seconds(now) >= LEAST_REST_SECONDS
        snapshot = self._door.snapshot(now, clean=rests or (clean and nobody_sends))
        self._last_number = snapshot["number"]
        if snapshot["clean"]:
            self._void_number = self._last_number
            self._at_rest.add(keeper)
        return snapshot

    def is_kept(self, keeper: Keeper, snapshot: dict[str, Any]) -> None:
        """Take note that *snapshot* of *keeper* is durable."""
        if not snapshot["clean"]:
            self._at_rest.discard(keeper)
            self._kept = snapshot
            self._go_on()

    def sends_no_more(self, keeper: Keeper) -> None:
        """Take note that the job of *keeper* sends no more."""
        self._senders.discard(keeper)

    def ends(self, keeper: Keeper) -> None:
        """Take note that *keeper* keeps nothing any more."""
        self._all.discard(keeper)
        self._at_rest.discard(keeper)
        if not self._all:
            self._door.quotas.keep(None)
        self._go_on()
        self.wake()

    async def until_news(self, snapshot: dict[str, Any]) -> None:
        """Return when there is more to keep than *snapshot*."""
        while (seconds := self._seconds_until_news(snapshot)) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(None if seconds == float("inf") else max(seconds, LEAST_WAIT_SECONDS)):
                    await self._news.wait()

    def _seconds_until_news(self, snapshot: dict[str, Any]) -> float:
        now = asyncio.get_running_loop().time()
        if self._door.quotas.left_so_far > snapshot["requests"] or self._door.is_paused_beyond(snapshot, now):
            return 0.0
        if not self.has_quotas:
            return float("inf")
        idle_seconds = self._idle_seconds(now)
        if snapshot["clean"]:
            return idle_seconds - WAKE_SECONDS
        is_void = snapshot["number"] <= self._void_number
        return 0.0 if is_void or idle_seconds >= LEAST_REST_SECONDS else float("inf")

    def _go_on(self) -> None:
        if self._kept is not None and not self._at_rest:
            self._door.quotas.saved(self._kept)
        self._let_go()


class Keeper:
    """One ledger that keeps what all have spent: until it :meth:`ends`, little leaves that it does not hold."""

    def __init__(self, keepers: Keepers) -> None:
        self._keepers = keepers

    def spent_so_far(self, *, clean: bool = False) -> dict[str, Any]:
        """Return what was spent of the quotas, and a pause, to be kept; *clean*: whoever keeps it sends no more."""
        return self._keepers.snapshot(self, clean=clean)

    def keep(self, snapshot: dict[str, Any]) -> None:
        """Take note that *snapshot* is durable."""
        self._keepers.is_kept(self, snapshot)

    async def until_spent(self, snapshot: dict[str, Any]) -> None:
        """Return when something was spent that *snapshot* lacks, or a pause begins, or is nearly over."""
        await self._keepers.until_news(snapshot)

    def sends_no_more(self) -> None:
        """Take note that its job only keeps what was spent from here on."""
        self._keepers.sends_no_more(self)

    def ends(self) -> None:
        """Take note that it keeps nothing any more."""
        self._keepers.ends(self)
