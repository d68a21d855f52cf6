"""Any sequence of intents, outcomes, ends and kills: the ledger says what a plain model says, and it adds up."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from bulkdelete.ledger import Totals, open_ledger, read_ledger
from bulkdelete.records import Batch, Ended, Fate
from tests.properties import often
from tests.unit.test_ledger import IDENTITY, SET_ASIDE, batch_of, outcome, stored

if TYPE_CHECKING:
    from bulkdelete.ledger import DurableLedger

FINAL = (Fate.ACKNOWLEDGED, Fate.REJECTED)
LEFT = (Fate.UNRESOLVED, Fate.PENDING)
step = st.one_of(
    st.tuples(st.just("intend"), st.text("rrrihd", min_size=1, max_size=8)),
    st.tuples(st.just("outcome"), st.tuples(st.integers(0, 99), st.integers(1, 8), st.sampled_from(Fate))),
    st.tuples(st.just("whole"), st.tuples(st.integers(0, 99), st.sampled_from(Fate))),
    st.tuples(st.just("reopen"), st.sampled_from([Ended.COMPLETE, None])),
)


class Model:
    """What the ledger should hold: the fate of each settled row, and what is left of each open batch."""

    def __init__(self) -> None:
        self.rows = 0
        self.batches = 0
        self.fates: dict[int, Fate] = {}
        self.open: dict[int, Batch] = {}
        self.left_as: dict[int, Fate] = {}
        self.digest = ""

    def intend(self, batch: Batch) -> None:
        self.rows = batch.end_row
        self.batches += 1
        self.fates |= {row.row: row.fate for row in batch.set_aside}
        if batch.records:
            self.open[batch.first_row] = batch

    def settle(self, batch: Batch, span: range, fate: Fate) -> None:
        if fate in LEFT:
            wins = Fate.UNRESOLVED if self.left_as.get(batch.first_row) is Fate.UNRESOLVED else fate
            self.left_as[batch.first_row] = wins
            return
        self.fates |= {batch.rows[index]: fate for index in span}
        if not self.unsettled(batch):
            del self.open[batch.first_row]
            self.left_as.pop(batch.first_row, None)

    def unsettled(self, batch: Batch) -> list[int]:
        return [index for index, row in enumerate(batch.rows) if row not in self.fates]

    def totals(self) -> Totals:
        counts = Counter(self.fates.values())
        for batch in self.open.values():
            counts[self.left_as.get(batch.first_row, Fate.UNRESOLVED)] += len(self.unsettled(batch))
        return Totals(self.rows, self.batches, **{fate.value: counts[fate] for fate in Fate})


@settings(deadline=None, max_examples=often(80))
@given(st.lists(step, max_size=40))
def test_the_ledger_agrees_with_a_model_and_adds_up(steps):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.db"
        model = asyncio.run(played(path, steps))
        with read_ledger(path) as reader:
            assert reader.totals() == model.totals()
            assert [row.row for row in reader.failures()] == sorted(
                row for row, fate in model.fates.items() if fate is not Fate.ACKNOWLEDGED
            )
            assert [found.first_row for found, *_ in reader.open_ranges()] == sorted(model.open)


async def played(path: Path, steps: list) -> Model:
    model = Model()
    ledger = await open_ledger(path, IDENTITY)
    for kind, argument in steps:
        if kind == "intend":
            batch = batch_of(model.rows, argument)
            model.intend(batch)
            await ledger.intend(batch)
        elif kind == "reopen":
            ledger = await _reopened(path, ledger, model, argument)
        elif model.open:
            await _play_outcome(ledger, model, argument)
        await _compare(ledger, model)
    model.digest = await ledger.close(Ended.COMPLETE)
    return model


async def _play_outcome(ledger: DurableLedger, model: Model, argument: tuple) -> None:
    which, *most, fate = argument
    batch = list(model.open.values())[which % len(model.open)]
    left = model.unsettled(batch)
    fate = fate if fate in (*FINAL, *LEFT) else Fate.ACKNOWLEDGED
    span = range(left[0], left[0] + 1)
    if fate is not Fate.REJECTED:
        while span.stop - span.start < (most or [99])[0] and span.stop in left:
            span = range(span.start, span.stop + 1)
    model.settle(batch, span, fate)
    await ledger.record(outcome(batch, fate, span))


async def _reopened(path: Path, ledger: DurableLedger, model: Model, ended: Ended | None) -> DurableLedger:
    await ledger.close(ended)
    ledger = await open_ledger(path, IDENTITY)
    assert ledger.totals == model.totals()
    for found in await stored(ledger):
        assert found.finished == (found.first_row not in model.open)
        if not found.finished:
            batch = model.open[found.first_row]
            settled = {row for part in found.settled for row in part}
            assert [i for i, row in enumerate(batch.rows) if row not in settled] == model.unsettled(batch)
            assert found.set_aside_rows == {row.row for row in batch.set_aside}
            assert found.ambiguous or found.first_row in model.left_as
            again = replace(batch, stored=True, ambiguous=found.ambiguous, set_aside=())
            model.open[found.first_row] = replace(batch, stored=True)
            model.left_as.pop(found.first_row, None)
            await ledger.intend(again)
    return ledger


async def _compare(ledger: DurableLedger, model: Model) -> None:
    counted = await ledger.count()
    assert counted == model.totals()
    rows, _, *fates = counted
    assert rows == sum(fates)


def test_the_model_knows_every_kind_of_row():
    assert set(SET_ASIDE.values()) | {*FINAL, *LEFT} == set(Fate)
