"""Quotas: what was spent, what may be spent now, and what a later process has to know of it."""

from __future__ import annotations

import logging
import secrets
import sys
from typing import TYPE_CHECKING, Any, Final

from bulkdelete.quotas import snapshots
from bulkdelete.quotas.taken import Taken, latest
from bulkdelete.quotas.telling import Telling, Told
from bulkdelete.quotas.windows import BEYOND_EVERY_LIMIT, SECONDS, UNLIMITED, Moment, Window

if TYPE_CHECKING:
    from collections.abc import Mapping

_log = logging.getLogger(__name__)
WHILE_SAVING_SECONDS: Final = 0.05
"""What :meth:`Quotas.wait_seconds` says while only :meth:`Quotas.saved` can let a request leave."""
_LONGEST_DAY: Final = "day"
_LONGEST_TOLD_SECONDS: Final = 366 * 86_400.0


class Quotas:
    """*limits* (requests by "second", "minute", "hour" and "day"), and the limits that the server's answers tell of.

    No window of such a length, wherever it begins, ever holds more requests than its limit, counted when
    :meth:`left` says that they leave, and from :meth:`spend` until then; where nothing takes long to leave, at least
    1 / (1 + 1/128 + 10 ms) of a limit can be used.

    After a crash, what left since the last durable snapshot is unknown; at most *allowance* requests do, because
    none leaves before a first snapshot is durable (:meth:`saved`), nor while ``unsaved`` has reached *allowance*.
    ``None``: nothing is kept for a later process, and nothing waits for a snapshot.

    Without *limits* nothing waits either, and what leaves is counted, for later processes, by the next snapshot and as
    of then. After a crash every limit of a later process is used up, because any number may have left.

    Raises:
        ValueError: a window or a number that cannot be.

    """

    def __init__(self, limits: Mapping[str, int], allowance: int | None) -> None:
        if not set(limits) <= set(SECONDS) or any(limit < 1 for limit in limits.values()):
            raise ValueError(f"limits are at least 1, by {', '.join(SECONDS)}: {dict(limits)}")
        if allowance is not None and allowance < 1:
            raise ValueError("without an allowance of at least 1 no request could ever leave")
        self._allowance = allowance
        self._most_unsaved = sys.maxsize if allowance is None or not limits else allowance
        counted = {**limits} or dict.fromkeys(SECONDS, UNLIMITED)
        counted.setdefault(_LONGEST_DAY, UNLIMITED)  # a limit that only a later run sets counts what this one spent
        self._windows = {unit: Window(SECONDS[unit], limit) for unit, limit in counted.items()}
        self._counting = tuple(self._windows.values()) if limits else ()
        self._leaving: set[int] = set()
        self._telling = Telling()
        self._now = float("-inf")
        self._offset = 0.0
        self._origin = secrets.token_hex(8)
        self._taken: dict[str, Taken] = {}
        self._requests = 0
        self._counted = 0
        self._snapshots = 0
        self._void_snapshots = 0
        self.unsaved = allowance or 0
        """Requests that no durable snapshot holds; *allowance* while there is none that a crash may leave behind."""

    @property
    def left_so_far(self) -> int:
        """Requests that this process counted and that are not leaving any more: what a snapshot tells of."""
        return self._requests - len(self._leaving) if self._counting else self._counted

    @classmethod
    def restored(
        cls,
        limits: Mapping[str, int],
        allowance: int | None,
        snapshot: object,
        now: Moment,
        *,
        heeds_told: bool = True,
    ) -> Quotas:
        """Return the quotas as *snapshot* left them, in a new process.

        What may have left after it counts as spent *now*, unless it was the last one of a clean stop; so does what
        it dates into the future. A snapshot that cannot be read counts as every window full, now. Limits may have
        changed; a limit that is new counts what the day holds. Between two processes only the wall clock can be
        asked: one that was set back makes what was spent count longer, one set forward meanwhile cannot be seen.
        """
        quotas = cls(limits, allowance)
        quotas.take_in(snapshot, now, heeds_told=heeds_told)
        return quotas

    def take_in(self, snapshot: object, now: Moment, *, heeds_told: bool = True) -> None:
        """Count what *snapshot* says was spent as well, as :meth:`restored` does; without *heeds_told*, only that.

        Nothing counts twice that this object has written or taken in already, from another snapshot of one process.
        """
        self._look(now)
        try:
            kept = snapshots.read(snapshot)
        except ValueError as error:
            _log.warning("%s; every quota counts as used up", error)
            self._fill()
        else:
            if kept.origin != self._origin:
                self._take_in(kept, heeds_told=heeds_told)

    def wait_seconds(self, now: Moment) -> float:
        """Return 0.0 where one more request may leave now, else in how many seconds it is worth asking again.

        That is enough where nothing else leaves, ends or is saved meanwhile; an answer, or a snapshot that is saved,
        may let a request leave sooner.
        """
        at = self._look(now)
        wait = self._telling.wait_seconds(at)
        leaving = len(self._leaving)
        for window in self._counting:
            if window.spent + leaving >= window.limit:
                wait = max(wait, window.wait_seconds(at, leaving))
        return wait if self.unsaved < self._most_unsaved else max(wait, WHILE_SAVING_SECONDS)

    def spend(self, now: Moment) -> int:
        """Count one request that leaves at any time from now on; return its number, for :meth:`left`."""
        self._look(now)
        number = self._telling.sent()
        if self._counting:
            self._leaving.add(number)
        self._requests += 1
        self.unsaved += 1
        return number

    def is_leaving(self, number: int) -> bool:
        """Return whether it would be news to :meth:`left` that request *number* leaves."""
        return number in self._leaving

    def left(self, number: int, now: Moment) -> bool:
        """Note that request *number* leaves now; return whether that is news, of which a snapshot should tell."""
        if number not in self._leaving:
            return False
        self._leaving.remove(number)
        at = self._look(now)
        for window in self._counting:
            window.add(at, self._offset)
        return True

    def ended(self, number: int, told: Told | None, now: Moment, *, left: bool = True) -> None:
        """Note that request *number* ended: its answer *told* of a limit, or it did not, or it was given up.

        To be said of every request once, whatever became of it; one that is never said to have ended is taken to be
        in flight for ever. Of ``told.remaining`` requests until the reset, those in flight and those that ended
        without a word on it may have been used. A request that ended before another was sent is taken to have been
        counted by the server before that one, and one that certainly never *left* not at all; our own limits count it,
        as one that leaves now.
        """
        self.left(number, now)
        self._telling.ended(number, told, self._look(now), left=left)

    def keep(self, allowance: int | None) -> None:
        """Let only *allowance* requests leave that no durable snapshot holds; ``None``: nobody keeps any more.

        Without limits, what left while nobody kept is not for later processes to know of.
        """
        if self._allowance is None:
            self._counted = self._requests - self._telling.in_flight
        self._allowance = allowance
        self._most_unsaved = sys.maxsize if allowance is None or not self._counting else allowance
        self.unsaved = max(self.unsaved, allowance or 0)

    def snapshot(self, *, clean: bool = False, paused_until: float = 0.0) -> dict[str, Any]:
        """Return what was spent, as plain JSON values: at most 130 pairs of a Unix time and a count for each window.

        To a later process a pause, *paused_until* a Unix time, is a limit of which nothing remains until then. With
        *clean* it is the last one of this process: no request leaves after it, until a newer one is saved. What
        is leaving is in none, as if it were to leave after it.
        """
        self._snapshots += 1
        clean = clean and not self._leaving
        if clean:
            self._void_snapshots = self._snapshots
            self.unsaved = max(self.unsaved, self._allowance or 0)
        if not self._counting:
            self._count_without_limits(self._requests - (0 if clean else self._telling.in_flight))
        kept = snapshots.Kept(
            self._allowance if self._counting else BEYOND_EVERY_LIMIT,
            clean,
            {unit: self._parts(window) for unit, window in self._windows.items()},
            [
                (promise.reset, self._unix(promise.ends), self._telling.left(promise), promise.limit or 0)
                for promise in self._telling.promises
                if promise.ends > self._now
            ]
            + ([(paused_until, paused_until, 0, 0)] if paused_until > 0 else []),
            self._origin,
            self.left_so_far,
            self._snapshots,
        )
        return snapshots.write(kept)

    def saved(self, snapshot: Mapping[str, Any]) -> None:
        """Note that *snapshot*, one of this object's, is durable, and that a crash leaves it or a newer one behind."""
        if snapshot["number"] > self._void_snapshots:
            self._void_snapshots = snapshot["number"]
            self.unsaved = self._requests - snapshot["requests"]

    def releases(self, unit: str, now: Moment) -> list[tuple[float, int]]:
        """Return what counts in the window *unit* now: in how many seconds so many requests stop counting, in order.

        Of a window without a limit, what the day holds is returned, as far as it lies in the window.
        """
        at, seconds = self._look(now), SECONDS[unit]
        parts = (self._windows.get(unit) or self._windows[_LONGEST_DAY]).parts(at)
        counting = [(left + seconds - at, requests) for left, requests in parts if left + seconds > at]
        return [*counting, (float(seconds), len(self._leaving))] if self._leaving else counting

    def told_seconds(self, requests: int, now: Moment) -> float:
        """Return for how many seconds, at least, the server's word keeps the last of *requests* back.

        What it allows returns with each window, as far as it told how much that is and how long a window takes.
        """
        return self._telling.last_leaves_seconds(requests, self._look(now))

    def _look(self, now: Moment) -> float:
        at = now.monotonic
        if at < self._now:
            return self._now
        self._now = at
        self._offset = now.unix - at
        return at

    def _parts(self, window: Window) -> list[tuple[float, int]]:
        return [(self._unix(at), requests) for at, requests in window.parts(self._now)]

    def _unix(self, at: float) -> float:
        return round(at + self._offset, 4)

    def _fill(self) -> None:
        for window in self._windows.values():
            limit = window.limit if window.limit < UNLIMITED else BEYOND_EVERY_LIMIT
            window.add(self._now, self._offset, limit)

    def _count_without_limits(self, requests: int) -> None:
        """Count, of all *requests*, those that are not counted yet, as if they left now."""
        if requests > self._counted:
            for window in self._windows.values():
                window.add(self._now, self._offset, requests - self._counted)
            self._counted = requests

    def _take_in(self, kept: snapshots.Kept, *, heeds_told: bool) -> None:
        if kept.allowance is None and not kept.clean and kept.spent:
            _log.warning("nobody knows what was sent since the quotas were last written; they count as used up")
            self._fill()
            return
        taken = self._taken.get(kept.origin) or Taken()
        taken.hear(kept)
        unknown = 0 if kept.clean or taken.is_all_known else kept.allowance or 0
        if self._counting and unknown >= BEYOND_EVERY_LIMIT:
            _log.warning("a run without quotas was killed, and nobody knows what it sent; they count as used up")
        news = kept.requests - taken.requests if kept.origin in self._taken else sys.maxsize
        if taken.is_all_known:
            self._take_back(taken)
        added = max(0, unknown - taken.unknown)
        taken.requests = max(taken.requests, kept.requests)
        taken.unknown += added
        taken.counted += [(self._now, added)] if added else []
        if kept.origin:
            self._taken[kept.origin] = taken
        most = 0
        for unit, window in self._windows.items():
            parts = latest(kept.spent.get(unit, kept.spent.get(_LONGEST_DAY, [])), news)
            dated = [(min(unix - self._offset, self._now), requests) for unix, requests in parts]
            window.take_in([*dated, (self._now, added)] if added else dated, self._offset)
            window.forget(self._now)
            most = max(most, added + sum(requests for _, requests in dated))
        self._counted += most
        self._requests += most  # of which a later process knows then that they are no news
        self.unsaved += most
        untold = unknown if unknown < BEYOND_EVERY_LIMIT else self._allowance or 0  # the API counts, and refuses
        for reset, unix, left, limit in kept.told if heeds_told else ():
            ends = min(unix - self._offset, self._now + _LONGEST_TOLD_SECONDS)
            told = Told(max(0, left - untold), limit or None, reset, ends - self._now, dated=False)
            self._telling.restore(told, ends)

    def _take_back(self, taken: Taken) -> None:
        """Count no more what was taken to have left, perhaps: the process that ended cleanly knew of all that did.

        ``left_so_far`` stays as it is: what earlier snapshots of this object tell of is no news in later ones.
        """
        for at, requests in taken.counted:
            for window in self._windows.values():
                window.take_back(at, requests, self._now)
        taken.counted.clear()
        taken.unknown = 0
