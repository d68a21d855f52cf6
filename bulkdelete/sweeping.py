"""One sweep of a job: its source read from the first row, what is finished passed over, what is open sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bulkdelete.batching import Batcher
from bulkdelete.engine import Engine
from bulkdelete.ledger.facts import SOURCE_ROWS
from bulkdelete.merging import Bounds, Merge
from bulkdelete.records import Ended

if TYPE_CHECKING:
    from bulkdelete.deleter import Deleter
    from bulkdelete.engine import Crew
    from bulkdelete.ledger import Ledger
    from bulkdelete.preparing import Prepared
    from bulkdelete.settings import Settings
    from bulkdelete.state import State


@dataclass(frozen=True, slots=True)
class Means:
    """What a sweep is made with."""

    settings: Settings
    prepared: Prepared
    ledger: Ledger
    state: State
    deleter: Deleter


class Sweep:
    """Most jobs are one sweep; a canary is another before it, which ends when *enough* records were sent.

    *limit* ends either after so many. *crew* sends the batches.
    """

    def __init__(self, means: Means, limit: int | None, crew: Crew, *, enough: int | None = None) -> None:
        self._stop_settings = stop = means.settings.stop
        self._prepared = means.prepared
        self._state = means.state
        rows = means.ledger.facts.get(SOURCE_ROWS)
        self._merge = Merge(
            Batcher(means.prepared.table_id, means.settings.batch, means.prepared.screen, means.state.cap),
            means.ledger.ranges(),
            Bounds(limit, enough, stop.max_records, None if means.prepared.surveyed else stop.expect),
            source_rows=int(rows) if rows is not None and means.ledger.totals.rows else None,
        )
        self.engine = Engine(means.deleter, means.ledger, means.state, crew, max_failures=stop.max_failures)

    @property
    def read_to_end(self) -> bool:
        """Whether every row of the source was read."""
        return self._merge.read_to_end

    @property
    def sent(self) -> int:
        """How many records were given to be sent."""
        return self._merge.sent

    @property
    def had_enough(self) -> bool:
        """Whether it ended because enough records were sent, with others left, and for nothing else."""
        return self._merge.had_enough and self.engine.ended is Ended.COMPLETE

    async def run(self, cancel_grace_seconds: float) -> None:
        """Send what is open; afterwards the engine says how it ended, but for what :meth:`judge` adds."""
        await self.engine.run(self._merge.batches(self._prepared.source.blocks()), cancel_grace_seconds)

    def judge(self) -> None:
        """Say why the batches ended where they did."""
        merge, stop, engine = self._merge, self._stop_settings, self.engine
        if merge.over_cap and stop.expect is not None and merge.found > stop.expect:
            more = f"more rows with a record than the {stop.expect:,} expected"
            engine.halt(Ended.UNEXPECTED, f"the source holds {more}, and nothing more was sent")
        elif merge.over_cap:
            engine.halt(Ended.MAX_RECORDS, f"max_records, {stop.max_records:,}, is reached, and nothing more was sent")
        elif merge.limited:
            engine.halt(Ended.LIMIT, f"the limit of {stop.limit} records in this run was reached{merge.limit_note}")
        elif merge.read_to_end and not self._prepared.surveyed and stop.expect not in {None, merge.found}:
            what = f"the source held {merge.found:,} rows with a record, and {stop.expect:,} were expected"
            engine.halt(Ended.UNEXPECTED, what)
        elif not (merge.read_to_end or self._state.stop.asked or engine.problem):
            engine.halt(Ended.FAULT, "the source was not read to its end, and nobody said why")
