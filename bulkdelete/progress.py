"""How far a job is, in words: for a log, for nowhere, or for the live line; each follows a job until cancelled.

Everything goes to stderr. What cannot be known is not shown: there is an ETA only when it is known about how many rows
the source has. Counts are read from snapshots, because a rate needs them at chosen moments, however few events there
are; what should not wait for the next moment, a pause or an outage, is told by the job's events.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import deque
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Final, Protocol

from bulkdelete.events import OutageBegan, OutageEnded, PauseBegan
from bulkdelete.sources import ESTIMATED_BY_BYTES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from bulkdelete.accounting import Snapshot
    from bulkdelete.events import Event
    from bulkdelete.job import Job
    from bulkdelete.sources import Source

LINE_SECONDS: Final = 10.0
"""How often a plain line is written."""
RATE_SECONDS: Final = 5.0
"""Over how long the rate is taken."""
LONG_PAUSE_SECONDS: Final = 10.0
"""A pause of so many seconds is shown at once."""


_LIMITED_BY: Final = {
    "server": "limited by the server, {limit} at once",
    "pause": "paused until {until}: the API asks for it",
    "resume": "paused until {until}: the API, or a quota, wants nothing before",
    "quota": "limited by the quota until {until}",
    "outage": "outage: nothing but failures comes back, single batches are tried",
    "retries": "limited by retries",
    "source": "limited by the source",
    "ledger": "limited by the ledger",
}
_BY_FAILURES: Final = frozenset({"outage", "retries"})


class Progress(Protocol):
    """Where a person sees how far a job is."""

    async def follow(self, job: Job, expected: Expected) -> None:
        """Show *job* until cancelled."""
        ...

    def say(self, line: str) -> None:
        """Show one line beside the progress, whatever else is hidden."""
        ...

    def hidden(self) -> AbstractContextManager[None]:
        """While entered, show nothing: somebody is asked something."""
        ...


class Expected:
    """How many rows the job will have: *total_rows*, where an earlier run or a plan told, or else about as many.

    That is *estimated_rows*, as was said before the first delete, until more of *source* is read than that saw.
    """

    def __init__(
        self, source: Source | None = None, *, total_rows: int | None = None, estimated_rows: int | None = None
    ) -> None:
        self._source = source
        self._total_rows = total_rows
        self._estimated_rows = estimated_rows

    def rows(self, rows_taken: int) -> int | None:
        """Return the rows expected in all, or ``None`` where nobody can know yet; *rows_taken* there are at least."""
        if self._total_rows is not None:
            return self._total_rows
        expected = self._by_reading()
        return None if expected is None else max(rows_taken, expected)

    def _by_reading(self) -> int | None:
        source, estimated = self._source, self._estimated_rows
        if source is None or not source.size_bytes or not source.position_bytes:
            return estimated
        if estimated is not None and source.position_bytes <= ESTIMATED_BY_BYTES:
            return estimated
        return round(source.rows_read * source.size_bytes / source.position_bytes)


class Pace:
    """The rate over the last :data:`RATE_SECONDS`, and whether attempts were repeated in that time."""

    def __init__(self) -> None:
        self._seen: deque[Snapshot] = deque()

    def take(self, now: Snapshot) -> None:
        """Take note of a snapshot."""
        self._seen.append(now)
        while len(self._seen) > 2 and now.elapsed_seconds - self._seen[1].elapsed_seconds > RATE_SECONDS:  # noqa: PLR2004 - one beyond the window stays
            self._seen.popleft()

    @property
    def rows_per_second(self) -> float:
        """Rows this job settled a second, lately."""
        if not self._seen:
            return 0.0
        first, last = self._seen[0], self._seen[-1]
        seconds = last.elapsed_seconds - first.elapsed_seconds
        rows = (last.settled - last.settled_before) - (first.settled - first.settled_before)
        return max(0.0, rows / seconds) if seconds > 0 else 0.0

    @property
    def retrying(self) -> bool:
        """Whether retries came up lately."""
        return bool(self._seen) and self._seen[-1].retries > self._seen[0].retries


class Silent:
    """Shows no progress."""

    is_hidden = False

    async def follow(self, job: Job, expected: Expected) -> None:
        """Show nothing."""

    def say(self, line: str) -> None:
        """Write *line* to stderr."""
        print(line, file=sys.stderr, flush=True)  # noqa: T201 - stderr is the place for talk

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Show nothing meanwhile."""
        self.is_hidden = True
        try:
            yield
        finally:
            self.is_hidden = False


class Lines(Silent):
    """Writes a plain line now and then, for logs."""

    def __init__(self, every_seconds: float = LINE_SECONDS) -> None:
        super().__init__()
        self._every_seconds = every_seconds

    async def follow(self, job: Job, expected: Expected) -> None:
        """Write a line on *job* every few seconds, and when there is news."""
        pace = Pace()
        pace.take(job.snapshot())
        with news_of(job) as news:
            while True:
                await until(news, self._every_seconds)
                now = job.snapshot()
                pace.take(now)
                if not self.is_hidden:
                    self.tell(now, told(job, now, pace, expected))

    def tell(self, now: Snapshot, said: list[str]) -> None:  # noqa: ARG002 - those who log it want it
        """Say how far the job is."""
        self.say(", ".join(said))


@asynccontextmanager
async def following(progress: Progress, job: Job, expected: Expected) -> AsyncIterator[None]:
    """While entered, *progress* follows *job*; what goes wrong in drawing harms nobody."""
    task = asyncio.create_task(progress.follow(job, expected), name="bulkdelete progress")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@contextmanager
def news_of(job: Job) -> Iterator[asyncio.Event]:
    """While entered, what is given is set whenever *job* tells what should be shown at once."""
    news = asyncio.Event()

    def take(event: Event) -> None:
        is_long = isinstance(event, PauseBegan) and not event.before_seconds and event.seconds >= LONG_PAUSE_SECONDS
        if is_long or isinstance(event, OutageBegan | OutageEnded):
            news.set()

    unsubscribe = job.subscribe(take)
    try:
        yield news
    finally:
        unsubscribe()


async def until(news: asyncio.Event, seconds: float) -> None:
    """Return when there is *news*, and after so many *seconds* in any case."""
    timer = asyncio.get_running_loop().call_later(seconds, news.set)
    try:
        await news.wait()
    finally:
        timer.cancel()
    news.clear()


def told(job: Job, now: Snapshot, pace: Pace, expected: Expected) -> list[str]:
    """Return what there is to say about *job*, which is as *now* says."""
    rows = expected.rows(now.rows)
    return phrases(now, pace, rows, 0.0 if rows is None else job.quota_seconds(rows - now.settled))


def phrases(now: Snapshot, pace: Pace, expected_rows: int | None, quota_seconds: float = 0.0) -> list[str]:
    """Return what there is to say about *now*, the most important first; the rest takes *quota_seconds* at least."""
    of_all = f" of about {expected_rows:,}" if expected_rows else ""
    said = [
        f"{now.settled:,}{of_all} rows settled",
        f"{pace.rows_per_second:,.0f} records/s",
        f"{now.in_flight} in flight",
        f"{now.retries:,} retries",
    ]
    if now.failed:
        said.append(f"{now.failed:,} failed")
    rate = pace.rows_per_second
    if expected_rows and (quota_seconds or (rate and not now.pause_seconds)):
        left = (expected_rows - now.settled) / rate if rate else 0.0
        said.append(f"ETA {_clock(max(left, quota_seconds, now.pause_seconds))}")
    why = why_it_waits(now, pace)
    return [*said, why] if why else said


def why_it_waits(now: Snapshot, pace: Pace) -> str:
    """Return what limits the job *now*; empty where nobody can say."""
    if not now.requests and not now.in_flight and not now.pause_seconds:
        return "comparing the source with the ledger" if now.settled_before else "starting"
    failure = f"; the last failure: {now.last_failure}" if now.last_failure else ""
    if now.limited_by in _LIMITED_BY:
        said = _LIMITED_BY[now.limited_by].format(until=_moment(now.pause_seconds), limit=now.limit)
        return said + failure if now.limited_by in _BY_FAILURES else said
    return f"retrying{failure}" if pace.retrying else ""


def _moment(seconds: float) -> str:
    """Return when so many *seconds* are over, with the day where that is another than today."""
    now = time.time()
    today, then = time.localtime(now), time.localtime(now + seconds)
    return time.strftime("%H:%M:%S" if then[:3] == today[:3] else "%Y-%m-%d %H:%M:%S", then)


def _clock(seconds: float) -> str:
    minutes, whole = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{whole:02}"
