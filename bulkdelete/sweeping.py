"""The sweeps of a job: its source read from the first row, what is finished passed over, what is open sent."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bulkdelete.batching import Batcher
from bulkdelete.engine import Crew, Engine
from bulkdelete.ledger.facts import SOURCE_ROWS
from bulkdelete.merging import Bounds, Merge
from bulkdelete.records import Ended
from bulkdelete.stopping import Stop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bulkdelete.deleter import Deleter
    from bulkdelete.errors import LedgerError
    from bulkdelete.head_start import HeadStart
    from bulkdelete.ledger import Ledger
    from bulkdelete.limiter import Limiter
    from bulkdelete.preparing import Prepared
    from bulkdelete.settings import FlowSettings, Settings
    from bulkdelete.state import State

_MOST_WAITING: Final = 16
"""So many are made durable together where answers come at once; after a crash each that waited is in doubt."""


@dataclass(frozen=True, slots=True)
class Means:
    """What a sweep is made with."""

    settings: Settings
    prepared: Prepared
    ledger: Ledger
    state: State
    deleter: Deleter


def crew_of(flow: FlowSettings, limiter: Limiter) -> Crew:
    """Return who sends: some more than may be on the wire, so that somebody is always ready to."""
    most = 2 * flow.ceiling if flow.max_concurrency_per_call is None else flow.max_concurrency_per_call
    return Crew(lambda: min(2 * limiter.limit + 8, most), min(_MOST_WAITING, flow.ceiling, most))


class Sweep:
    """Most jobs are one sweep; a canary is another before it, which ends when *enough* records were sent.

    *limit* ends either after so many. *crew* sends the batches.
    """

    def __init__(self, means: Means, limit: int | None, crew: Crew, *, enough: int | None = None) -> None:
        self._stop_settings = stop = means.settings.stop
        self._limit = limit
        self._expected = None if means.prepared.fixed else stop.expect
        self._prepared = means.prepared
        self._state = means.state
        rows = means.ledger.facts.get(SOURCE_ROWS)
        self._merge = Merge(
            Batcher(means.prepared.table_id, means.settings.batch, means.prepared.screen, means.state.cap),
            means.ledger.ranges(),
            Bounds(limit, enough, stop.max_records, self._expected),
            source_rows=int(rows) if rows is not None else None,
        )
        self.engine = Engine(means.deleter, means.ledger, means.state, crew, max_failures=stop.max_failures)

    @property
    def read_to_end(self) -> bool:
        """Whether every row of the source was read, and none that was expected is missing."""
        return self._merge.read_to_end and not self._falls_short

    @property
    def sent(self) -> int:
        """How many records were given to be sent."""
        return self._merge.sent

    @property
    def had_enough(self) -> bool:
        """Whether it ended because enough records were sent, with others left, and for nothing else."""
        return self._merge.had_enough and self.engine.ended is Ended.COMPLETE

    @property
    def _limit_is_too_small(self) -> bool:
        """Whether no run with this limit ever goes on beyond what this one sent; a limit of 0 is meant so."""
        return bool(self._merge.limit_note and 0 != self._limit == self._stop_settings.limit)

    @property
    def _falls_short(self) -> bool:
        """Whether the source was read to its end, and fewer rows with a record than expected were there."""
        return self._merge.read_to_end and self._expected not in {None, self._merge.found}

    @property
    def _was_counted(self) -> str:
        """What is said of a source that does not hold any more what it was counted to hold before anything was sent."""
        if self._prepared.fixed or not self._prepared.source.replayable:
            return ""
        return f"; it held {self._expected:,} when it was counted: it gives others each time it is read"

    async def run(self, cancel_grace_seconds: float, begun: HeadStart | None = None) -> None:
        """Send what is open; afterwards the engine says how it ended, but for what :meth:`judge` adds."""
        await self.engine.run(self._merge.batches(self._prepared.source.blocks()), cancel_grace_seconds, begun)

    def judge(self) -> None:
        """Say why the batches ended where they did."""
        merge, stop, engine = self._merge, self._stop_settings, self.engine
        if merge.over_cap and stop.expect is not None and merge.found > stop.expect:
            more = f"more rows with a record than the {stop.expect:,} expected"
            engine.halt(Ended.UNEXPECTED, f"the source holds {more}, and nothing more was sent{self._was_counted}")
        elif merge.over_cap:
            engine.halt(Ended.MAX_RECORDS, f"max_records, {stop.max_records:,}, is reached, and nothing more was sent")
        elif self._limit_is_too_small:
            nothing = "" if merge.sent else "nothing was sent: "
            why = f"{nothing}the limit of {stop.limit} records is too small{merge.limit_note}"
            engine.halt(Ended.LIMIT_TOO_SMALL, why)
        elif merge.limited:
            engine.halt(Ended.LIMIT, f"the limit of {stop.limit} records in this run was reached{merge.limit_note}")
        elif self._falls_short:
            what = f"the source held {merge.found:,} rows with a record, and {stop.expect:,} were expected"
            engine.halt(Ended.UNEXPECTED, f"{what}{self._was_counted}")
        elif not (merge.read_to_end or self._state.stop.asked or engine.problem):
            engine.halt(Ended.FAULT, "the source was not read to its end, and nobody said why")


class Sweeps:
    """Runs the sweeps of a job one after another; whichever runs, or comes next, can be ended."""

    def __init__(self, stop: Stop, cancel_grace_seconds: float) -> None:
        self._stop = stop
        self._grace_seconds = cancel_grace_seconds
        self._engine: Engine | None = None
        self.head_start: HeadStart | None = None
        """What makes the first attempt of the only sweep before that is there, if anything does."""
        self.ended_early: tuple[Ended, str] | None = None
        """Who ended it before the first sweep, if anybody did."""
        self.afterwards = Stop()
        """Asked where somebody ends the job after its last sweep, which has ended as it has."""
        self._is_over = False

    @property
    def waits_for(self) -> str:
        """What the sweep that runs waits for: see :attr:`Engine.waits_for`."""
        return "" if self._engine is None else self._engine.waits_for

    async def run(self, sweep: Sweep) -> Sweep:
        """Run *sweep*, unless the one before it, or somebody before any, ended the job; return it."""
        before, self._engine = self._engine, sweep.engine
        if self.ended_early is not None:
            sweep.engine.halt(*self.ended_early)
        elif before is not None and before.ended is not Ended.COMPLETE:
            sweep.engine.halt(before.ended, before.reason, before.problem)
        await sweep.run(self._grace_seconds, self.head_start)
        return sweep

    def judge(self, last: Sweep) -> Sweep:
        """Let *last* say how the job ended; return it. Whoever ends the job from then on changes nothing of that."""
        last.judge()
        self._is_over = True
        return last

    def halt(self, ended: Ended, reason: str, problem: Exception | None = None) -> None:
        """Let the job end soon: what is in flight finishes. The first reason given stays."""
        if self._is_over:
            self.afterwards.ask()
            return
        if self.head_start is not None:
            self.head_start.halt(ended, reason)
        if self._engine is not None:
            self._engine.halt(ended, reason, problem)
        elif self.head_start is None and self.ended_early is None:
            self.ended_early = (ended, reason)
            self._stop.ask()

    def fail(self, error: LedgerError) -> None:
        """Let the job end soon, because its ledger can be written no more."""
        self.halt(Ended.STORAGE, str(error), error)

    @contextmanager
    def for_at_most(self, seconds: float | None) -> Iterator[None]:
        """While entered, the job may go on for so many *seconds*; ``None`` is for ever."""
        if seconds is None:
            yield
            return
        reason = f"max_duration_seconds, {seconds:g}, is over"
        timer = asyncio.get_running_loop().call_later(seconds, self.halt, Ended.DURATION, reason)
        try:
            yield
        finally:
            timer.cancel()

    @property
    def why_cancelled(self) -> tuple[Ended, str]:
        """How a job ended that was cancelled."""
        engine = self._engine
        ended, reason = self.ended_early or (Ended.COMPLETE, "") if engine is None else (engine.ended, engine.reason)
        return Ended.CANCELLED, reason if ended is Ended.CANCELLED else "the awaiting task was cancelled"
