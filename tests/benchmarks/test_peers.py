"""Peers beside ours, in small: each deletes what it is given, and a kill leaves what it leaves."""

from __future__ import annotations

import pytest

from benchmarks import peers, peers_killed
from benchmarks.measuring import write_ids
from benchmarks.peering.clients.batches import BATCH
from benchmarks.peering.dialects import DIALECTS
from benchmarks.peering.roster import PEERS
from benchmarks.peering.told import DONE, NOT_DONE, UNKNOWN, Left, by_s5cmd, by_script

BY_NAME = {peer.name: peer for peer in PEERS}
WITHOUT_EXTRAS = [BY_NAME["bulkdelete"], BY_NAME["aiohttp, gather"]]
ROWS = 10 * BATCH
IDS = [str(541_000_000_000_000_000 + row) for row in range(2500)]


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "ids.txt"
    write_ids(path, ROWS)
    return path


def known(states):
    return {name: states.count(state) for name, state in (("unknown", UNKNOWN), ("done", DONE), ("not done", NOT_DONE))}


def test_a_ratio_is_that_of_one_turn(source):
    turns = peers._turns(WITHOUT_EXTRAS, source, 1, times=1)
    told = {(one.case["client"], one.metric): one for one in peers._told(turns, ROWS, 1, {})}
    assert told["bulkdelete", "time beside bulkdelete's"].values == [1.0]
    other = turns[BY_NAME["aiohttp, gather"]][0].ended.peak_mib / turns[BY_NAME["bulkdelete"]][0].ended.peak_mib
    assert told["aiohttp, gather", "memory beside bulkdelete's"].values[0] == other
    assert all(one.values for one in told.values())


def test_a_killed_job_goes_on_and_a_killed_script_begins_anew(source):
    ours, script = (peers_killed.tried(peer, source) for peer in WITHOUT_EXTRAS)
    assert script["unaccounted for after the kill"] >= ROWS - BATCH
    assert ours["unaccounted for at the end"] == script["unaccounted for at the end"] == 0
    assert ours["taken for deleted, and are not"] == script["taken for deleted, and are not"] == 0
    assert ours["left of those not refused"] == 0
    assert script["left of those not refused"] == BATCH - 1


def test_a_log_without_an_end_tells_only_of_failures():
    log = f"batch 2 failed: 503\nrecord {IDS[7]} failed: 400\n"
    assert known(by_script(Left(IDS, [log], None))) == {"unknown": 1999, "done": 0, "not done": 501}
    assert known(by_script(Left(IDS, ["", log + "deleted 1999\n"], None))) == {
        "unknown": 0,
        "done": 1999,
        "not done": 501,
    }


def test_s5cmd_names_each_record_that_was_acknowledged_and_the_command_that_failed():
    logs = [f"rm s3://records/{IDS[0]}\nrm s3://rec", f'ERROR "rm s3://records/{IDS[0]} s3://records/{IDS[1]}": 503\n']
    assert known(by_s5cmd(Left(IDS, logs, None))) == {"unknown": 2498, "done": 1, "not done": 1}


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        ("elasticsearch", b"".join(b'{"delete":{"_id":"%b","_index":"records"}}\n' % key.encode() for key in IDS[:3])),
        ("s3", b"".join(b"<Object><Key>%b</Key></Object>" % key.encode() for key in IDS[:3])),
    ],
)
def test_an_answer_has_a_result_for_each_record(dialect, body):
    one = IDS[1].encode()
    done, refused = DIALECTS[dialect].done(body), DIALECTS[dialect].refused(body, one)
    assert all(done.count(key.encode()) == refused.count(key.encode()) == 1 for key in IDS[:3])
    assert (done.count(b"cannot be deleted"), refused.count(b"cannot be deleted")) == (0, 1)
    assert refused.index(b"cannot be deleted") > refused.index(one)
