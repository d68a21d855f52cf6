"""``bulkdelete run`` as its users run it: the installed command, the real emulator, a real ledger."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import stat
import sys

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bulkdelete.emulator import Emulator, Faults, Switches
from tests.acceptance.command import CANARY_KEY, TABLE_ID, Command, fates, finished, ids, purge, serving, write_csv


@pytest.fixture
async def emulator():
    async with serving([]) as emulator:
        yield emulator


async def test_a_purge_deletes_exactly_the_ids_of_the_file_and_says_so(tmp_path, emulator):
    doomed, survivors = ids(2_500), ids(100, first=700_000_000_000_000_000)
    emulator.load(TABLE_ID, doomed + survivors)
    finished = await purge(tmp_path, emulator, write_csv(tmp_path / "ids.csv", doomed)).run()
    assert finished.code == 0, finished.stderr
    assert fates(finished.report) == {"acknowledged": 2_500}
    assert finished.report["batches"] == finished.report["requests"] == 3
    assert finished.report["retries"] == 0
    assert finished.report["elapsed_seconds"] > 0
    assert finished.report["ended"] == "complete"
    assert list(emulator.remaining(TABLE_ID)) == sorted(survivors)


async def test_no_request_holds_more_than_a_thousand_records_or_any_twice(tmp_path, emulator):
    doomed = ids(3_001)
    emulator.load(TABLE_ID, doomed)
    finished = await purge(tmp_path, emulator, write_csv(tmp_path / "ids.csv", doomed)).run()
    assert finished.code == 0
    sizes = [len(request.entries) for request in emulator.log]
    assert max(sizes) <= 1000
    assert sum(sizes) == 3_001


async def test_the_configuration_file_and_the_options_do_the_same(tmp_path, emulator):
    emulator.load(TABLE_ID, ids(1_500))
    write_csv(tmp_path / "ids.csv", ids(1_500))
    (tmp_path / "purge.toml").write_text(
        f'base_url = "{emulator.base_url}"\ntable_id = "{TABLE_ID}"\n'
        '[source]\npath = "ids.csv"\ncolumn = "record_id"\n[ledger]\npath = "purge.db"\n'
    )
    by_file = await Command(tmp_path, "run", "-c", "purge.toml", "--yes", "--json").run()
    assert by_file.code == 0, by_file.stderr
    by_options = await purge(tmp_path, emulator, "ids.csv", "--column", "record_id").run()
    assert by_options.code == 0, by_options.stderr
    assert by_options.report["settled_before"] == 1_500
    assert by_options.report["requests"] == 0


async def test_options_go_before_the_file(tmp_path, emulator):
    emulator.load(TABLE_ID, ids(10))
    write_csv(tmp_path / "ids.csv", ids(10))
    (tmp_path / "purge.toml").write_text(
        'base_url = "http://127.0.0.1:9"\ntable_id = "ffffffffffffffffffffffff"\n[source]\npath = "ids.csv"\n'
    )
    finished = await purge(tmp_path, emulator, "ids.csv", "-c", "purge.toml").run()
    assert finished.code == 0, finished.stderr
    assert emulator.count(TABLE_ID) == 0


async def test_rejected_and_invalid_rows_are_listed_and_can_be_run_again(tmp_path, emulator):
    rows = ids(3_000)
    emulator.load(TABLE_ID, rows)
    emulator.poison(TABLE_ID, [rows[1_234]])
    lines = [*rows[:500], "5.41278230707963e+17", " 541278230707963208", "", rows[0], *rows[500:]]
    finished = await purge(tmp_path, emulator, write_csv(tmp_path / "ids.csv", lines)).run()
    assert finished.code == 1, finished.stderr
    assert fates(finished.report) == {"acknowledged": 2_999, "rejected": 1, "invalid": 2, "duplicate": 1}
    listed = await Command(tmp_path, "failures", "purge.db").run()
    failures = [json.loads(line) for line in listed.stdout.splitlines()]
    assert [(one["row"], one["fate"], one["record_id"]) for one in failures] == [
        (500, "invalid", "5.41278230707963e+17"),
        (501, "invalid", " 541278230707963208"),
        (1_237, "rejected", rows[1_234]),
    ]
    assert failures[0]["line"] == 502
    (tmp_path / "again.jsonl").write_text(listed.stdout)
    words = ("run", "again.jsonl", "--table-id", TABLE_ID, "--base-url", emulator.base_url, "--yes", "--json")
    again = await Command(tmp_path, *words).run()
    assert fates(again.report) == {"rejected": 1, "invalid": 2}


async def test_the_csv_of_failures_is_for_people_and_refused_as_a_source(tmp_path, emulator):
    emulator.load(TABLE_ID, ids(5))
    source = tmp_path / "ids.txt"
    source.write_text("\n".join([*ids(5), "=cmd()|'/C calc'!A0 "]) + "\n")
    assert (await purge(tmp_path, emulator, source).run()).code == 1
    listed = await Command(tmp_path, "failures", "purge.db", "--csv").run()
    assert ",'=cmd()" in listed.stdout or "\"'=cmd()" in listed.stdout
    (tmp_path / "failures.csv").write_text(listed.stdout)
    refused = await purge(tmp_path, emulator, "failures.csv", "--ledger", "other.db").run()
    assert refused.code == 2
    assert "failures" in refused.stderr


async def test_a_limit_that_no_stored_batch_fits_into_needs_a_person_and_says_which_does(tmp_path, emulator):
    emulator.load(TABLE_ID, ids(3_000))
    source = write_csv(tmp_path / "ids.csv", ids(3_000))
    emulator.faults = Faults(script=["403106"])
    left = await purge(tmp_path, emulator, source, "--concurrency", 1).run()
    assert (left.code, left.report["acknowledged"]) == (3, 0), left.stderr
    for count in ((), ("--count",)):
        done = await purge(tmp_path, emulator, source, "--limit", 500, *count).run()
        assert (done.code, done.report["ended"]) == (3, "limit_too_small"), done.stderr
        assert "nothing was sent: the limit of 500 records is too small" in done.report["reason"]
        assert "with a limit of 1000 or more" in done.stderr
        assert emulator.count(TABLE_ID) == 3_000
    done = await purge(tmp_path, emulator, source, "--limit", 1_000).run()
    assert (done.code, done.report["ended"], done.report["acknowledged"]) == (75, "limit", 1_000), done.stderr


async def test_a_limit_ends_the_run_with_75_and_the_next_one_goes_on(tmp_path, emulator):
    emulator.load(TABLE_ID, ids(2_500))
    source = write_csv(tmp_path / "ids.csv", ids(2_500))
    first = await purge(tmp_path, emulator, source, "--limit", 1_200).run()
    assert first.code == 75
    assert first.report["acknowledged"] == 1_200
    assert first.report["ended"] == "limit"
    assert emulator.count(TABLE_ID) == 1_300
    second = await purge(tmp_path, emulator, source).run()
    assert second.code == 0
    assert second.report["acknowledged"] == 2_500
    assert second.report["settled_before"] == 1_200
    assert emulator.count(TABLE_ID) == 0


async def test_the_same_command_on_a_complete_ledger_sends_nothing_and_returns_the_same(tmp_path, emulator):
    emulator.load(TABLE_ID, ids(2_000))
    emulator.poison(TABLE_ID, ids(2_000)[7:8])
    source = write_csv(tmp_path / "ids.csv", ids(2_000))
    first = await purge(tmp_path, emulator, source).run()
    asked = emulator.requests
    second = await purge(tmp_path, emulator, source).run()
    assert first.code == second.code == 1
    assert fates(first.report) == fates(second.report)
    assert emulator.requests == asked


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda rows: rows[1:], id="a row removed at the front"),
        pytest.param(lambda rows: rows[:1_500] + rows[1_501:], id="a row removed in the middle"),
        pytest.param(lambda rows: rows[:-1], id="a row removed at the end"),
        pytest.param(lambda rows: [*rows[:2_999], "541999999999999999", *rows[3_000:]], id="one id changed"),
        pytest.param(lambda rows: [*rows, "541999999999999999"], id="a row added at the end"),
    ],
)
@pytest.mark.parametrize("limit", [2_000, None], ids=["after a part", "after the whole"])
async def test_a_file_changed_between_runs_is_refused_and_nothing_is_sent(tmp_path, emulator, change, limit):
    rows = ids(4_000)
    emulator.load(TABLE_ID, rows)
    source = write_csv(tmp_path / "ids.csv", rows)
    await purge(tmp_path, emulator, source, *(["--limit", limit] if limit else [])).run()
    asked = emulator.requests
    write_csv(source, change(rows))
    refused = await purge(tmp_path, emulator, source).run()
    assert refused.code == 2
    assert "Traceback" not in refused.stderr
    assert emulator.requests == asked


async def test_another_table_on_the_same_ledger_is_refused(tmp_path, emulator):
    emulator.load(TABLE_ID, ids(10))
    source = write_csv(tmp_path / "ids.csv", ids(10))
    await purge(tmp_path, emulator, source).run()
    refused = await purge(tmp_path, emulator, source, "--table-id", "b" * 24).run()
    assert refused.code == 2
    assert TABLE_ID in refused.stderr
    assert "b" * 24 in refused.stderr


async def test_a_wholly_wrong_file_is_stopped_within_thirty_requests(tmp_path, emulator):
    rows = ids(20_000)
    emulator.load(TABLE_ID, rows)
    emulator.poison(TABLE_ID, rows)
    finished = await purge(tmp_path, emulator, write_csv(tmp_path / "ids.csv", rows)).run()
    assert finished.code == 3
    assert finished.report["ended"] == "wholly_wrong"
    assert emulator.requests <= 30
    assert "column" in finished.stderr
    assert fates(finished.report)["rejected"] == 15
    assert emulator.count(TABLE_ID) == 20_000


async def test_a_server_that_deletes_what_it_refuses_and_refuses_what_is_gone_is_no_wrong_file(tmp_path):
    rows = ids(500)
    poisoned = [rows[at] for at in (50, 150, 250)]
    async with Emulator(switches=Switches(unknown_ids="40000", atomicity="partial")) as emulator:
        emulator.add_key(CANARY_KEY)
        emulator.load(TABLE_ID, rows)
        emulator.poison(TABLE_ID, poisoned)
        (tmp_path / "purge.toml").write_text("[batch]\nsize = 100\n[stop]\nmax_failures = 500\n")
        done = await purge(tmp_path, emulator, write_csv(tmp_path / "ids.csv", rows), "-c", "purge.toml").run()
        assert (done.code, done.report["ended"]) == (1, "complete"), done.stderr
        assert list(emulator.remaining(TABLE_ID)) == sorted(poisoned)
    assert fates(done.report).keys() == {"acknowledged", "rejected"}
    listed = await Command(tmp_path, "failures", "purge.db").run()
    rejected = [json.loads(line) for line in listed.stdout.splitlines()]
    assert len(rejected) == done.report["rejected"]
    assert {one["record_id"] for one in rejected if "may already be deleted" not in one["reason"]} <= set(poisoned)


async def test_a_small_file_that_looks_wholly_wrong_is_stopped_with_both_explanations(tmp_path):
    rows = ids(100)
    async with Emulator(switches=Switches(unknown_ids="40000", atomicity="partial")) as emulator:
        emulator.add_key(CANARY_KEY)
        emulator.load(TABLE_ID, rows)
        emulator.poison(TABLE_ID, rows[50:51])
        source = write_csv(tmp_path / "ids.csv", rows)
        stopped = await purge(tmp_path, emulator, source).run()
        assert (stopped.code, stopped.report["ended"]) == (3, "wholly_wrong")
        assert "wrong column" in stopped.stderr
        assert "deletes the good records of a request that it refuses" in stopped.stderr
        assert "splitting.stop_when_wholly_wrong = false" in stopped.stderr
        (tmp_path / "on.toml").write_text("[splitting]\nstop_when_wholly_wrong = false\n")
        done = await purge(tmp_path, emulator, source, "-c", "on.toml").run()
    assert (done.code, fates(done.report)) == (1, {"rejected": 100})


@pytest.mark.parametrize("poisoned", [[0], [4_999, 5_000], list(range(3, 10_000, 271))], ids=["one", "two", "37"])
async def test_poisoned_records_are_found_exactly(tmp_path, emulator, poisoned):
    rows = ids(10_000)
    emulator.load(TABLE_ID, rows)
    emulator.poison(TABLE_ID, [rows[at] for at in poisoned])
    finished = await purge(tmp_path, emulator, write_csv(tmp_path / "ids.csv", rows)).run()
    assert finished.code == 1
    assert fates(finished.report) == {"acknowledged": 10_000 - len(poisoned), "rejected": len(poisoned)}
    assert sorted(emulator.remaining(TABLE_ID)) == sorted(rows[at] for at in poisoned)
    listed = await Command(tmp_path, "failures", "purge.db").run()
    assert [json.loads(line)["row"] for line in listed.stdout.splitlines()] == poisoned


async def test_without_a_terminal_it_needs_yes(tmp_path, emulator):
    emulator.load(TABLE_ID, ids(10))
    write_csv(tmp_path / "ids.csv", ids(10))
    words = ("run", "ids.csv", "--table-id", TABLE_ID, "--base-url", emulator.base_url)
    refused = await Command(tmp_path, *words).run()
    assert refused.code == 2
    assert "--yes" in refused.stderr
    assert emulator.requests == 0


async def test_standard_input_is_a_source_and_resumes_from_its_spool(tmp_path, emulator):
    rows = ids(3_000)
    emulator.load(TABLE_ID, rows)
    everything = "".join(f"{row}\n" for row in rows).encode()
    first = await purge(tmp_path, emulator, "-", "--limit", 1_000).run(stdin=everything)
    assert first.code == 75, first.stderr
    assert (tmp_path / "purge.db.spool").exists()
    second = await purge(tmp_path, emulator, "-").run(stdin=b"")
    assert second.code == 0, second.stderr
    assert second.report["acknowledged"] == 3_000
    assert emulator.count(TABLE_ID) == 0
    assert not (tmp_path / "purge.db.spool").exists()


async def test_an_empty_source_is_refused_unless_allowed(tmp_path, emulator):
    write_csv(tmp_path / "ids.csv", [])
    assert (await purge(tmp_path, emulator, "ids.csv").run()).code == 2
    allowed = await purge(tmp_path, emulator, "ids.csv", "--allow-empty").run()
    assert allowed.code == 0
    assert allowed.report["rows"] == 0


async def test_a_missing_column_lists_the_columns_there_are(tmp_path, emulator):
    (tmp_path / "ids.csv").write_text("customer,email\n1,a@example.com\n")
    refused = await purge(tmp_path, emulator, "ids.csv", "--column", "custmer").run()
    assert refused.code == 2
    assert "customer" in refused.stderr
    assert "email" in refused.stderr
    assert emulator.requests == 0


@pytest.mark.parametrize(
    ("table", "code"), [("a" * 24, 403_106), (TABLE_ID, 403_131)], ids=["no such table", "no permission"]
)
async def test_a_fatal_answer_stops_the_job_and_it_can_be_resumed(tmp_path, emulator, table, code):
    rows = ids(50_000)
    emulator.load(TABLE_ID, rows)
    emulator.add_key("another", tables=[])
    source = write_csv(tmp_path / "ids.csv", rows)
    stopped = await purge(tmp_path, emulator, source, "--table-id", table, key="another").run()
    assert stopped.code == 3
    assert str(code) in stopped.stderr
    assert stopped.report["ended"] == "fatal_answer"
    assert emulator.requests <= 40
    assert stopped.report["acknowledged"] == 0
    if table == TABLE_ID:
        resumed = await purge(tmp_path, emulator, source).run()
        assert resumed.code == 0
        assert resumed.report["acknowledged"] == 50_000


async def test_the_key_file_is_read_again_when_the_key_is_refused(tmp_path):
    async with Emulator(faults=Faults()) as emulator:
        rows = ids(5_000)
        emulator.load(TABLE_ID, rows)
        emulator.add_key("new-key-of-the-hour")
        command_key = tmp_path / "key.sh"
        script = "if [ -e used ]; then echo new-key-of-the-hour; else touch used; echo old; fi"
        command_key.write_text(f"#!/bin/sh\n{script}\n")
        command_key.chmod(0o700)
        (tmp_path / "purge.toml").write_text(f'api_key_command = ["{command_key}"]\n')
        write_csv(tmp_path / "ids.csv", rows)
        finished = await purge(tmp_path, emulator, "ids.csv", "-c", "purge.toml", key=None).run()
        assert finished.code == 0, finished.stderr
        assert emulator.count(TABLE_ID) == 0


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda key: key.write_text(""), "the API key is empty"),
        (lambda key: key.chmod(0o644), "chmod 600"),
        (lambda key: key.unlink(), "cannot be read"),
    ],
    ids=["empty", "open to others", "gone"],
)
async def test_a_key_that_is_lost_while_a_job_runs_is_told_as_what_it_is(tmp_path, emulator, spoil, said):
    rows = ids(3_000)
    emulator.load(TABLE_ID, rows)
    emulator.add_key("old-key")
    emulator.faults = Faults(latency_seconds=0.05)
    (tmp_path / "key").write_text("old-key")
    (tmp_path / "key").chmod(0o600)
    (tmp_path / "purge.toml").write_text('api_key_file = "key"\n[batch]\nsize = 10\n')
    command = purge(tmp_path, emulator, write_csv(tmp_path / "ids.csv", rows), "-c", "purge.toml", key=None)
    async with command.started() as process:
        while emulator.requests < 5:
            await asyncio.sleep(0.01)
        spoil(tmp_path / "key")
        emulator.revoke_key("old-key")
        stopped = await finished(process)
    assert (stopped.code, stopped.report["ended"]) == (3, "fatal_answer")
    assert stopped.report["acknowledged"] >= 10
    assert stopped.report["unresolved"] >= 10
    assert "code 40127" in stopped.stderr
    assert said in stopped.stderr
    assert "othing was sent" not in stopped.everything


async def test_a_key_file_that_others_can_read_is_refused(tmp_path, emulator):
    (tmp_path / "key").write_text(CANARY_KEY)
    (tmp_path / "key").chmod(0o644)
    (tmp_path / "purge.toml").write_text('api_key_file = "key"\n')
    write_csv(tmp_path / "ids.csv", ids(5))
    refused = await purge(tmp_path, emulator, "ids.csv", "-c", "purge.toml", key=None).run()
    assert refused.code in {2, 3}
    assert "chmod 600" in refused.stderr
    assert emulator.requests == 0


async def test_no_key_at_all_is_refused_before_anything(tmp_path, emulator):
    write_csv(tmp_path / "ids.csv", ids(5))
    refused = await purge(tmp_path, emulator, "ids.csv", key=None).run()
    assert refused.code == 2
    assert "BULKDELETE_API_KEY" in refused.stderr


async def test_an_unknown_setting_names_the_nearest(tmp_path, emulator):
    (tmp_path / "purge.toml").write_text("tabel_id = 1\n")
    refused = await Command(tmp_path, "run", "-c", "purge.toml", "--yes").run()
    assert refused.code == 2
    assert "table_id" in refused.stderr


async def test_faults_of_every_kind_end_acknowledged(tmp_path):
    faults = Faults(
        seed=7,
        internal_error_rate=0.1,
        drop_before_rate=0.05,
        drop_after_rate=0.05,
        applied_then_50000_rate=0.05,
        bad_gateway_rate=0.05,
        minute_limit_rate=0.01,
    )
    async with Emulator(faults=faults) as emulator:
        emulator.add_key(CANARY_KEY)
        rows = ids(60_000)
        emulator.load(TABLE_ID, rows)
        (tmp_path / "purge.toml").write_text("[retry]\nfirst_backoff_seconds = 0.01\nmax_attempts = 20\n")
        source = write_csv(tmp_path / "ids.csv", rows)
        finished = await purge(tmp_path, emulator, source, "-c", "purge.toml").run()
        assert finished.code == 0, finished.stderr
        assert fates(finished.report) == {"acknowledged": 60_000}
        assert finished.report["retries"] > 0
        assert emulator.count(TABLE_ID) == 0


async def test_the_ledger_and_its_lock_are_for_their_owner_only(tmp_path, emulator):
    emulator.load(TABLE_ID, ids(10))
    await purge(tmp_path, emulator, write_csv(tmp_path / "ids.csv", ids(10))).run()
    for file in tmp_path.glob("purge.db*"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


async def test_status_tells_of_a_finished_job(tmp_path, emulator):
    emulator.load(TABLE_ID, ids(1_500))
    await purge(tmp_path, emulator, write_csv(tmp_path / "ids.csv", ids(1_500))).run()
    status = await Command(tmp_path, "status", "purge.db").run()
    assert status.code == 0
    assert TABLE_ID in status.stdout
    assert "1,500" in status.stdout or "1500" in status.stdout


async def test_server_messages_cannot_move_the_cursor(tmp_path):
    async with Emulator(faults=Faults()) as emulator:
        emulator.add_key(CANARY_KEY)
        write_csv(tmp_path / "ids.csv", ids(5))
        finished = await purge(tmp_path, emulator, "ids.csv", "--table-id", "\x1b[2Jtable").run()
        assert "\x1b" not in finished.everything


async def test_a_server_that_echoes_the_key_makes_it_appear_nowhere(tmp_path):
    async def echo(request):
        key = request.headers["Authorization"]
        return web.json_response({"code": next(codes), "message": f"bad key {key}"})

    codes = itertools.chain([40000] * 3, [12345] * 3, itertools.repeat(403131))
    app = web.Application()
    app.router.add_post("/v2/database/delete/record", echo)
    async with TestServer(app) as server:
        base_url = f"http://127.0.0.1:{server.port}"
        write_csv(tmp_path / "ids.csv", ids(2))
        words = ("run", "ids.csv", "--table-id", TABLE_ID, "--base-url", base_url, "--ledger", "purge.db", "--yes")
        stopped = await Command(tmp_path, *words).run()
        assert stopped.code in {1, 3}, stopped.everything
        listed = await Command(tmp_path, "failures", "purge.db").run()
        assert CANARY_KEY not in stopped.everything + listed.everything
        for file in tmp_path.glob("purge.db*"):
            assert CANARY_KEY.encode() not in file.read_bytes()


async def test_a_first_line_that_looks_like_a_record_is_not_taken_for_a_header(tmp_path, emulator):
    (tmp_path / "ids.csv").write_text("\n".join(ids(2)) + "\n")
    refused = await purge(tmp_path, emulator, "ids.csv", "--column", 1).run()
    assert refused.code == 2
    assert "--no-header" in refused.stderr
    emulator.load(TABLE_ID, ids(2))
    done = await purge(tmp_path, emulator, "ids.csv", "--column", 1, "--no-header").run()
    assert (done.code, done.report["acknowledged"]) == (0, 2)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ('api_key_file = "/nonexistent"', "the API key file cannot be read"),
        ('api_key_command = ["sh", "-c", "exit 3"]', "ended with exit code 3"),
        ('api_key_command = ["printf", "two\\\\nlines"]', "holds a space"),
        ('api_key_command = ["yes"]', "yes printed more than 16,384 bytes: that is no API key"),
    ],
)
async def test_a_key_that_cannot_be_read_is_one_message_before_anything_is_asked_or_written(
    tmp_path, emulator, setting, said
):
    write_csv(tmp_path / "ids.csv", ids(5_000))
    (tmp_path / "key.toml").write_text(f"{setting}\n")
    refused = await purge(tmp_path, emulator, "ids.csv", "-c", "key.toml", key=None).run()
    assert (refused.code, refused.report["ended"], emulator.requests) == (2, "refused", 0)
    assert said in refused.stderr
    assert "othing was sent" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert "first rows" not in refused.stderr
    assert not (tmp_path / "purge.db").exists()


async def test_a_key_comes_through_a_pipe_and_waiting_for_it_ends_with_a_signal(tmp_path, emulator):
    emulator.load(TABLE_ID, ids(3_000))
    write_csv(tmp_path / "ids.csv", ids(3_000))
    os.mkfifo(tmp_path / "key", 0o600)
    (tmp_path / "key.toml").write_text('api_key_file = "key"\n')
    command = purge(tmp_path, emulator, "ids.csv", "-c", "key.toml", key=None)
    async with command.started() as process:
        writer = await asyncio.to_thread(os.open, tmp_path / "key", os.O_WRONLY)  # it waits for the key
        process.send_signal(signal.SIGINT)
        stopped = await finished(process)
        os.close(writer)
    assert (stopped.code, emulator.requests) == (130, 0)
    assert "Traceback" not in stopped.stderr
    async with command.started() as process:
        await asyncio.to_thread((tmp_path / "key").write_text, CANARY_KEY)
        done = await finished(process)
    assert done.code == 0, done.stderr
    assert emulator.count(TABLE_ID) == 0


async def into_a_full_disk(command):
    """Run *command* with a standard output that takes nothing; return its exit code, and what it said."""
    with open("/dev/full", "w") as full:  # noqa: ASYNC230, PTH123 - a device
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bulkdelete", *command.words),
            cwd=command.folder,
            env=command.env,
            stdout=full,
            stderr=asyncio.subprocess.PIPE,
        )
        said = (await process.communicate())[1].decode()
    assert "Traceback" not in said
    return process.returncode, said


@pytest.mark.parametrize("words", [("failures", "purge.db", "--all"), ("status", "purge.db"), ("verify", "purge.db")])
async def test_an_output_that_cannot_be_written_is_told_without_a_traceback(tmp_path, emulator, words):
    emulator.load(TABLE_ID, ids(10))
    write_csv(tmp_path / "ids.csv", [*ids(10), *ids(10)])
    assert (await purge(tmp_path, emulator, "ids.csv").run()).code == 0
    code, said = await into_a_full_disk(Command(tmp_path, *words))
    assert code == 3
    assert "the output cannot be written: No space left on device" in said


@pytest.mark.parametrize(("rows", "code"), [(ids(10), 3), ([*ids(10), "a b"], 1)])
async def test_a_report_that_cannot_be_printed_is_no_success(tmp_path, emulator, rows, code):
    emulator.load(TABLE_ID, ids(10))
    write_csv(tmp_path / "ids.csv", rows)
    ended, said = await into_a_full_disk(purge(tmp_path, emulator, "ids.csv"))
    assert (ended, emulator.count(TABLE_ID)) == (code, 0)
    assert "the report cannot be printed: No space left on device; the ledger has it" in said
