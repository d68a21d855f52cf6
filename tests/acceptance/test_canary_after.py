"""``run --canary N`` on a ledger that earlier runs left: something is sent first, and the question tells what."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
from contextlib import closing

import pytest

from bulkdelete.emulator import Faults
from bulkdelete.ledger import read_ledger
from tests.acceptance.command import TABLE_ID, Command, fates, finished, ids, killed, serving, write_csv

NOTHING_COMES = Faults(drop_before_rate=1.0)
APPROVES = "cat > seen.json"
REFUSES = "cat > seen.json; false"


@pytest.fixture
async def emulator():
    async with serving(ids(3_500)) as emulator:
        yield emulator


@pytest.fixture
def folder(tmp_path, emulator):
    write_csv(tmp_path / "ids.csv", ids(3_500))
    configure(tmp_path, emulator, APPROVES)
    return tmp_path


def configure(folder, emulator, check):
    plain = (
        f'base_url = "{emulator.base_url}"\ntable_id = "{TABLE_ID}"\n[source]\npath = "ids.csv"\n'
        '[ledger]\npath = "purge.db"\n'
        "[retry]\nmax_attempts = 1\nfirst_backoff_seconds = 0\n[stop]\nmax_failures = 10000\n"
        "[splitting]\nstop_when_wholly_wrong = false\n"
    )
    (folder / "plain.toml").write_text(plain)
    (folder / "purge.toml").write_text(f'{plain}[canary]\ncheck_command = ["sh", "-c", {json.dumps(check)}]\n')


def purge(folder, *more) -> Command:
    config = "purge.toml" if "--canary" in more else "plain.toml"
    return Command(folder, "run", "-c", config, "--yes", "--json", *more)


async def until_requests(emulator):
    async with asyncio.timeout(30):
        while not emulator.requests:
            await asyncio.sleep(0.01)


def seen(folder):
    return json.loads((folder / "seen.json").read_text())


def approvals(folder):
    with read_ledger(folder / "purge.db") as reader:
        return [event.detail["approved"] for event in reader.events() if event.kind == "canary"]


async def left_by_an_outage(folder, emulator):
    """Let a run without a canary leave everything unresolved; return how many requests that took."""
    emulator.faults = NOTHING_COMES
    done = await purge(folder).run()
    assert (done.code, fates(done.report)) == (75, {"unresolved": 3_500}), done.stderr
    emulator.faults = Faults()
    return emulator.requests


async def test_after_an_outage_one_batch_goes_before_anybody_is_asked_and_the_question_tells_of_it(folder, emulator):
    configure(folder, emulator, REFUSES)
    before = await left_by_an_outage(folder, emulator)
    done = await purge(folder, "--canary", "10").run()
    assert (done.code, done.report["ended"]) == (3, "canary"), done.stderr
    assert emulator.requests == before + 1
    assert emulator.count(TABLE_ID) == 2_500
    told = seen(folder)
    assert told["canary"] == {"sent": 1_000, "acknowledged": 1_000, "rejected": 0, "unresolved": 0}
    assert told["requests"] == 1
    assert "1,000 records were sent in the canary (1,000 acknowledged, 0 rejected, 0 unresolved)" in told["reason"]
    assert "another 2,500 are unresolved" in told["reason"]
    assert "or a batch that an earlier run cut, is whole" in told["reason"]


async def test_what_a_refused_canary_sent_is_asked_about_again_and_only_then_the_rest_is_sent(folder, emulator):
    configure(folder, emulator, REFUSES)
    before = await left_by_an_outage(folder, emulator)
    await purge(folder, "--canary", "10").run()
    configure(folder, emulator, f"{APPROVES}; grep -q '\"sent\": 1000' seen.json")
    done = await purge(folder, "--canary", "10").run()
    assert done.code == 0, done.stderr
    assert fates(done.report) == {"acknowledged": 3_500}
    assert emulator.requests == before + 1 + 3
    assert approvals(folder) == [False, True]


async def test_batches_of_earlier_runs_go_until_the_canary_has_its_number(folder, emulator):
    configure(folder, emulator, REFUSES)
    await left_by_an_outage(folder, emulator)
    done = await purge(folder, "--canary", "1200").run()
    assert done.code == 3, done.stderr
    assert seen(folder)["canary"]["sent"] == 2_000
    assert emulator.count(TABLE_ID) == 1_500


async def test_a_run_that_was_killed_leaves_a_canary_something_to_send_too(folder, emulator):
    configure(folder, emulator, REFUSES)
    emulator.faults = Faults(latency_seconds=30)
    async with purge(folder).started() as process:
        await until_requests(emulator)
        await killed(process)
    emulator.faults = Faults()
    emulator.load(TABLE_ID, ids(3_500))
    done = await purge(folder, "--canary", "100").run()
    assert done.code == 3, done.stderr
    assert seen(folder)["canary"] == {"sent": 1_000, "acknowledged": 1_000, "rejected": 0, "unresolved": 0}
    assert emulator.count(TABLE_ID) == 2_500


async def test_records_that_a_run_without_a_canary_sent_are_none_of_the_canary(folder, emulator):
    configure(folder, emulator, REFUSES)
    assert (await purge(folder, "--limit", "2000").run()).code == 75
    done = await purge(folder, "--canary", "10").run()
    assert done.code == 3, done.stderr
    assert seen(folder)["canary"] == {"sent": 10, "acknowledged": 10, "rejected": 0, "unresolved": 0}
    assert "earlier runs had 2,000 acknowledged" in seen(folder)["reason"]
    assert emulator.count(TABLE_ID) == 1_490


async def test_a_run_without_a_canary_between_two_makes_the_second_a_new_one(folder, emulator):
    configure(folder, emulator, REFUSES)
    assert (await purge(folder, "--canary", "20").run()).code == 3
    forgetful = await purge(folder, "--limit", "500").run()
    assert (forgetful.code, emulator.count(TABLE_ID)) == (2, 3_480)
    assert "--canary 0" in forgetful.stderr
    assert (await purge(folder, "--canary", "0", "--limit", "500").run()).code == 75
    assert (await purge(folder, "--canary", "20").run()).code == 3
    assert seen(folder)["canary"]["sent"] == 20
    assert emulator.count(TABLE_ID) == 3_500 - 540


async def test_an_interrupted_canary_that_is_lowered_still_sends_the_batch_that_it_began(folder, emulator):
    configure(folder, emulator, REFUSES)
    emulator.faults = Faults(latency_seconds=30)
    async with purge(folder, "--canary", "1000").started() as process:
        await until_requests(emulator)
        await killed(process)
    emulator.faults = Faults()
    done = await purge(folder, "--canary", "10").run()
    assert done.code == 3, done.stderr
    assert seen(folder)["canary"]["sent"] == 1_000
    assert seen(folder)["requests"] == 1


async def test_a_canary_without_any_answer_is_not_asked_about_and_the_next_run_sends_it_again(folder, emulator):
    await left_by_an_outage(folder, emulator)
    emulator.faults = NOTHING_COMES
    done = await purge(folder, "--canary", "10").run()
    assert done.code == 75, done.stderr
    assert done.report["ended"] == "outage"
    assert "nobody was asked" in done.report["reason"]
    assert not (folder / "seen.json").exists()
    assert fates(done.report) == {"unresolved": 3_500}
    emulator.faults = Faults()
    done = await purge(folder, "--canary", "10").run()
    assert done.code == 0, done.stderr
    assert seen(folder)["canary"]["acknowledged"] == 1_000
    assert approvals(folder) == [True]


async def test_a_canary_that_the_api_rejects_is_told_of_as_rejected(folder, emulator):
    configure(folder, emulator, REFUSES)
    emulator.poison(TABLE_ID, ids(3))
    done = await purge(folder, "--canary", "3").run()
    assert done.code == 3, done.stderr
    assert seen(folder)["canary"] == {"sent": 3, "acknowledged": 0, "rejected": 3, "unresolved": 0}


async def test_a_limit_binds_a_canary_too_and_its_batch_is_sent_by_a_run_whose_limit_it_fits_into(folder, emulator):
    before = await left_by_an_outage(folder, emulator)
    done = await purge(folder, "--canary", "10", "--limit", "500").run()
    assert (done.code, done.report["ended"]) == (3, "limit_too_small"), done.stderr
    assert "holds 1000 records" in done.report["reason"]
    assert emulator.requests == before
    done = await purge(folder, "--canary", "10", "--limit", "2000").run()
    assert (done.code, done.report["ended"]) == (75, "limit"), done.stderr
    assert (seen(folder)["canary"]["sent"], emulator.requests) == (1_000, before + 2)


async def test_a_cap_holds_while_the_canary_is_sent(folder, emulator):
    done = await purge(folder, "--canary", "1500", "--max-records", "100").run()
    assert (done.code, done.report["ended"]) == (3, "max_records"), done.stderr
    assert emulator.requests == 0
    assert not (folder / "seen.json").exists()


async def test_a_canary_larger_than_what_is_left_needs_no_asking(folder, emulator):
    configure(folder, emulator, REFUSES)
    await left_by_an_outage(folder, emulator)
    done = await purge(folder, "--canary", "5000").run()
    assert done.code == 0, done.stderr
    assert emulator.count(TABLE_ID) == 0
    assert not (folder / "seen.json").exists()


async def test_what_a_report_says_of_its_canary_is_verified_too(folder, emulator):
    done = await purge(folder, "--canary", "1200").run()
    assert done.code == 0, done.stderr
    words = ("verify", "purge.db", "--report", "report.json", "--json")
    (folder / "report.json").write_text(done.stdout)
    assert (await Command(folder, *words).run()).code == 0
    changed = {**done.report, "canary": {**done.report["canary"], "rejected": 1}}
    (folder / "report.json").write_text(json.dumps(changed))
    verified = await Command(folder, *words).run()
    assert verified.code == 3
    assert verified.report["problem_count"] == 1
    assert "the report says canary" in verified.report["problems"][0]


async def test_an_approval_of_fewer_records_than_a_later_run_wants_to_see_does_not_stand_for_it(folder, emulator):
    assert (await purge(folder, "--canary", "5", "--limit", "10").run()).code == 75
    configure(folder, emulator, REFUSES)
    for why in ("an earlier canary, of 5, was approved, but none of 100", ""):
        done = await purge(folder, "--canary", "100").run()
        assert (done.code, done.report["ended"]) == (3, "canary"), done.stderr
        assert seen(folder)["canary"] == {"sent": 100, "acknowledged": 100, "rejected": 0, "unresolved": 0}
        assert why in seen(folder)["reason"]
        assert emulator.count(TABLE_ID) == 3_400
    configure(folder, emulator, APPROVES)
    assert (await purge(folder, "--canary", "100", "--limit", "1").run()).code == 75
    configure(folder, emulator, REFUSES)
    done = await purge(folder, "--canary", "50").run()
    assert done.code == 0, done.stderr
    assert approvals(folder) == [True, False, False, True]


async def test_what_was_sent_once_a_smaller_canary_was_approved_is_asked_about_before_anything_more_is(
    folder, emulator
):
    assert (await purge(folder, "--canary", "5", "--limit", "700").run()).code == 75
    configure(folder, emulator, REFUSES)
    before = emulator.requests
    done = await purge(folder, "--canary", "100").run()
    assert done.code == 3, done.stderr
    assert (seen(folder)["canary"]["sent"], emulator.requests) == (700, before)
    assert "what was sent once that was approved" in seen(folder)["reason"]


async def test_a_canary_that_was_refused_takes_a_smaller_one_s_approval_back(folder, emulator):
    assert (await purge(folder, "--canary", "5", "--limit", "10").run()).code == 75
    configure(folder, emulator, REFUSES)
    assert (await purge(folder, "--canary", "100").run()).code == 3
    done = await purge(folder, "--canary", "5").run()
    assert (done.code, emulator.count(TABLE_ID)) == (3, 3_400), done.stderr


async def test_a_larger_canary_that_was_stopped_while_it_was_looked_at_is_not_forgotten(folder, emulator):
    assert (await purge(folder, "--canary", "5", "--limit", "10").run()).code == 75
    configure(folder, emulator, "cat > seen.json; mv seen.json looking.json; sleep 60")
    async with purge(folder, "--canary", "100").started() as process:
        async with asyncio.timeout(30):
            while not (folder / "looking.json").exists():
                await asyncio.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        assert (await finished(process)).code == 143
    forgetful = await purge(folder).run()
    assert (forgetful.code, emulator.count(TABLE_ID)) == (2, 3_400), forgetful.stderr
    assert "--canary 0" in forgetful.stderr
    configure(folder, emulator, APPROVES)
    done = await purge(folder, "--canary", "100").run()
    assert (done.code, fates(done.report)) == (0, {"acknowledged": 3_500}), done.stderr


async def test_after_a_run_without_a_canary_a_larger_one_than_was_approved_begins_anew(folder, emulator):
    assert (await purge(folder, "--canary", "5", "--limit", "10").run()).code == 75
    assert (await purge(folder, "--limit", "500").run()).code == 75
    configure(folder, emulator, REFUSES)
    done = await purge(folder, "--canary", "100").run()
    assert (done.code, seen(folder)["canary"]["sent"]) == (3, 100), done.stderr
    assert emulator.count(TABLE_ID) == 3_500 - 610


@pytest.mark.parametrize(("records", "code", "asked"), [(200, 0, 1), (201, 3, 2)])
async def test_an_approval_that_an_earlier_version_kept_counts_by_its_number(folder, emulator, records, code, asked):
    assert (await purge(folder, "--canary", "200", "--limit", "210").run()).code == 75
    with closing(sqlite3.connect(folder / "purge.db", isolation_level=None)) as ledger:
        ledger.execute("UPDATE job SET value = '200' WHERE key = 'canary'")
    configure(folder, emulator, REFUSES)
    done = await purge(folder, "--canary", records).run()
    assert done.code == code, done.stderr
    assert len(approvals(folder)) == asked
