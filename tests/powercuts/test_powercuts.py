"""Whatever a power cut leaves of the ledger's writes, no acknowledged result is lost, and the job can go on."""

from __future__ import annotations

import re
from random import Random

import pytest

from bulkdelete.records import Ended
from tests.campaigning import campaign
from tests.powercuts import copies, histories
from tests.powercuts.campaign import AS_SET, EMPTY, History, images, judge_all, play
from tests.powercuts.disk import Disk
from tests.powercuts.histories import Begin, End
from tests.powercuts.keeping import Keeper

SEED = 1
NUMBERS = range(histories.LARGE - 2, histories.LARGE)
"""The last two of a round of histories, of which one is large."""


def test_no_power_cut_loses_what_is_acknowledged_or_stops_a_resume():
    said = campaign("powercuts", "--seed", SEED, "--jobs", 1, "--history", *NUMBERS)
    images_of_them = sum(map(histories.images_of, NUMBERS))
    assert f"{images_of_them} images of {len(NUMBERS)} histories" in said
    assert int(re.search(r"0 of (\d+) acknowledged operations lost", said)[1]) > images_of_them // len(NUMBERS)


async def test_a_power_cut_while_a_ledger_is_made_leaves_nothing_that_cannot_be_opened(tmp_path):
    history = History([[Begin()], [End(Ended.COMPLETE)]])
    await history.play_one_by_one({}, [EMPTY])
    events = await history.record({}, 0, AS_SET)
    cut = [*images(Disk({}), events, Random(SEED), 100)]
    found = await judge_all(history, cut, Keeper(SEED, 0, tmp_path, AS_SET))
    assert [str(fault) for fault in found.faults] == []
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize(("synchronous", "loses"), [(AS_SET, False), ("normal", True)])
async def test_acknowledged_results_are_lost_without_a_sync_a_commit_and_not_as_it_is_set(tmp_path, synchronous, loses):
    found = await play(Keeper(SEED, 0, tmp_path, synchronous))
    assert bool(found.lost) is loses
    assert any("are lost" in fault.text for fault in found.faults) is loses


async def test_a_copy_that_is_not_synced_before_the_ledger_knows_it_is_noticed(tmp_path):
    made = copies.thought_of(Random(SEED))
    events = await made.record(AS_SET)
    unsynced = [event for event in events if event != ("sync", "a.db.spool.partial")]
    assert len(unsynced) < len(events)
    found = await judge_all(made, [*images(Disk({}), unsynced, Random(SEED), 40)], Keeper(SEED, 0, tmp_path, AS_SET))
    assert any("the ledger knows the copy" in fault.text for fault in found.faults)


async def test_a_large_history_has_its_log_copied_into_the_file_while_a_run_goes_on():
    bursts = histories.begun(SEED, histories.LARGE - 1)
    first_run = bursts[: [isinstance(burst[0], End) for burst in bursts].index(True)]
    events = await History(first_run).record({}, 0, AS_SET)
    assert events.count(("sync", "a.db")) > 1  # the last one is of the closing
