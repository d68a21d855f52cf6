"""Whatever a power cut leaves of the ledger's writes, no acknowledged result is lost, and the job can go on."""

from __future__ import annotations

from random import Random

import pytest

from bulkdelete.records import Ended
from tests.powercuts import histories
from tests.powercuts.campaign import AS_SET, EMPTY, History, images, judge_all, play
from tests.powercuts.disk import Disk
from tests.powercuts.histories import Begin, End

SEED = 1
HISTORIES = range(histories.LARGE)


@pytest.mark.parametrize("number", HISTORIES)
async def test_no_power_cut_loses_what_is_acknowledged_or_stops_a_resume(number):
    found = await play(SEED, number)
    assert [fault for fault, *_ in found.faults] == []
    assert found.images == histories.images_of(number)
    assert found.acknowledged > found.images


async def test_a_power_cut_while_a_ledger_is_made_leaves_nothing_that_cannot_be_opened():
    history = History([[Begin()], [End(Ended.COMPLETE)]])
    await history.play_one_by_one({}, [EMPTY])
    events = await history.record({}, 0, AS_SET)
    found = await judge_all(history, [*images(Disk({}), events, Random(SEED), 200)])
    assert [fault for fault, *_ in found.faults] == []


async def test_without_a_sync_a_commit_acknowledged_results_are_lost():
    found = await play(SEED, 0, "normal")
    assert found.lost > 0
    assert any("are lost" in fault for fault, *_ in found.faults)


async def test_a_large_history_has_its_log_copied_into_the_file_while_a_run_goes_on():
    bursts = histories.begun(SEED, histories.LARGE - 1)
    first_run = bursts[: [isinstance(burst[0], End) for burst in bursts].index(True)]
    events = await History(first_run).record({}, 0, AS_SET)
    assert events.count(("sync", "a.db")) > 1  # the last one is of the closing
