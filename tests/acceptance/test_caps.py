"""Caps: at most so many records, exactly so many, for at most so long."""

from __future__ import annotations

import asyncio
import time

import pytest

from bulkdelete.emulator import Faults
from tests.acceptance.command import TABLE_ID, Command, fates, ids, purge, serving, write


@pytest.fixture
async def emulator():
    async with serving(ids(3_000)) as emulator:
        yield emulator


async def test_max_records_stops_before_the_first_delete_and_holds_over_all_runs(tmp_path, emulator):
    source = write(tmp_path / "ids.txt", ids(3_000))
    refused = await purge(tmp_path, emulator, source, "--max-records", 2_999).run()
    assert (refused.code, refused.report["ended"], emulator.requests) == (3, "max_records", 0)
    assert "3,000 rows to send, and max_records is 2,999" in refused.stderr
    assert refused.report["rows"] == 0
    first = await purge(tmp_path, emulator, source, "--max-records", 3_000, "--limit", 1_500).run()
    assert (first.code, fates(first.report)) == (75, {"acknowledged": 1_500})
    lowered = await purge(tmp_path, emulator, source, "--max-records", 2_000).run()
    assert (lowered.code, lowered.report["ended"], emulator.requests) == (3, "max_records", 2)
    last = await purge(tmp_path, emulator, source, "--max-records", 3_000).run()
    assert (last.code, fates(last.report)) == (0, {"acknowledged": 3_000})


async def test_retries_and_parts_of_a_batch_are_no_further_records(tmp_path, emulator):
    rows = ids(3_000)
    emulator.poison(TABLE_ID, [rows[17]])
    emulator.faults = Faults(script=["50000", "drop_after", "502"])
    (tmp_path / "quick.toml").write_text("[retry]\nfirst_backoff_seconds = 0.01\n")
    words = (write(tmp_path / "ids.txt", rows), "-c", "quick.toml", "--max-records", 3_000, "--expect", 3_000)
    done = await purge(tmp_path, emulator, *words).run()
    assert (done.code, fates(done.report)) == (1, {"acknowledged": 2_999, "rejected": 1})


@pytest.mark.parametrize("expected", [9, 11])
async def test_any_other_number_of_records_than_expected_sends_nothing(tmp_path, emulator, expected):
    source = write(tmp_path / "ids.txt", ids(10))
    refused = await purge(tmp_path, emulator, source, "--expect", expected).run()
    assert (refused.code, refused.report["ended"], emulator.requests) == (3, "unexpected", 0)
    assert f"the source holds 10 rows with a record, and {expected} are expected" in refused.stderr


@pytest.mark.parametrize(("suffix", "between"), [("csv", ","), ("tsv", "\t")])
async def test_what_two_stray_quotes_make_a_single_field_of_is_missed_by_the_number_of_rows(
    tmp_path, emulator, suffix, between
):
    names = ["Zoe", '"Ann', "Bob", 'Cid"', "Dan"]
    lines = [between.join(row) for row in [("name", "record_id"), *zip(names, ids(5), strict=True)]]
    (tmp_path / f"ids.{suffix}").write_text("\n".join(lines))
    refused = await purge(tmp_path, emulator, f"ids.{suffix}", "--expect", 5).run()
    assert (refused.code, emulator.requests) == (3, 0)
    assert "the source holds 3 rows with a record, and 5 are expected" in refused.stderr


async def test_expect_counts_rows_on_hold_and_duplicates_and_no_invalid_row(tmp_path, emulator):
    rows = ids(10)
    source = write(tmp_path / "ids.txt", [*rows, "a b", rows[0], rows[9], "5.4e+17"])
    held = write(tmp_path / "held.txt", rows[:3])
    words = (source, "--holds", held, "--expect", 12, "--max-records", 8)
    first = await purge(tmp_path, emulator, *words, "--limit", 2).run()
    assert first.code == 75, first.stderr
    write(held, rows[:8])  # the list grows; the source is what it was
    last = await purge(tmp_path, emulator, *words).run()
    assert last.code == 1, last.stderr
    assert fates(last.report) == {"acknowledged": 4, "held": 7, "duplicate": 1, "invalid": 2}


async def test_batches_that_a_limit_cuts_elsewhere_do_not_pass_what_was_expected(tmp_path, emulator):
    rows = ids(8)
    source = write(tmp_path / "ids.txt", [*rows[:5], rows[0], *rows[5:]])
    first = await purge(tmp_path, emulator, source, "--expect", 9, "--limit", 5).run()
    assert first.code == 75
    last = await purge(tmp_path, emulator, source, "--expect", 9).run()
    assert last.code == 0, last.stderr
    assert last.report["acknowledged"] == 9


async def test_what_caps_count_does_not_depend_on_where_batches_are_cut(tmp_path, emulator):
    rows = ids(2_000)
    source = write(tmp_path / "ids.txt", [*rows[:500], rows[0], *rows[500:]])
    (tmp_path / "check.toml").write_text('[canary]\nrecords = 500\ncheck_command = ["true"]\n')
    where = ("--table-id", TABLE_ID, "--base-url", emulator.base_url, "--ledger", "purge.db", "-c", "check.toml")
    caps = ("--max-records", 2_000), ("--expect", 2_000)
    said = "2,001 rows to send (1 of them a duplicate in its batch)", "2,001 rows with a record (1 of them a duplicate"
    for (cap, most), told in zip(caps, said, strict=True):
        planned = await Command(tmp_path, "plan", source, *where, cap, most, "-o", "plan.json").run()
        assert planned.code == 3
        assert told in planned.stdout
        applied = await Command(tmp_path, "run", "--plan", "plan.json", "--yes").run()
        assert (applied.code, emulator.requests) == (3, 0)
        assert told in applied.stderr
        (tmp_path / "purge.db").unlink()
    words = (source, *where, "--max-records", 2_001, "--expect", 2_001, "-o", "plan.json")
    planned = await Command(tmp_path, "plan", *words).run()
    assert planned.code == 0, planned.stdout
    assert "max_records 2,001 (2,001 rows to send); expect 2,001 (2,001 rows with a record)" in planned.stdout
    for size, code in ((333, 75), (77, 0)):
        limit = ("--limit", 700) if code else ()
        words = ("run", "--plan", "plan.json", "--yes", "--json", "--batch-size", size, *limit)
        applied = await Command(tmp_path, *words).run()
        assert applied.code == code, applied.stderr
    assert fates(applied.report) == {"acknowledged": 2_001}


async def test_a_run_whose_ledger_holds_more_rejected_rows_than_allowed_sends_nothing(tmp_path, emulator):
    rows = ids(3_000)
    emulator.poison(TABLE_ID, rows[3::10])
    (tmp_path / "small.toml").write_text("[batch]\nsize = 10\n")
    words = (write(tmp_path / "ids.txt", rows), "-c", "small.toml", "--max-failures", 20)
    first = await purge(tmp_path, emulator, *words).run()
    assert (first.code, first.report["ended"]) == (3, "max_failures")
    assert first.report["rejected"] > 20
    asked = emulator.requests
    for _ in range(2):
        again = await purge(tmp_path, emulator, *words).run()
        assert (again.code, again.report["ended"], emulator.requests) == (3, "max_failures", asked)
        assert fates(again.report) == fates(first.report)
        assert "nothing was sent in this run" in again.stderr
        assert "raise --max-failures" in again.stderr
    done = await purge(tmp_path, emulator, *words[:-1], 300).run()
    assert (done.code, fates(done.report)) == (1, {"acknowledged": 2_700, "rejected": 300})
    complete = await purge(tmp_path, emulator, *words).run()
    assert (complete.code, complete.report["ended"]) == (1, "complete")


async def test_rows_that_an_outage_left_unresolved_do_not_keep_the_next_run_from_sending_them(tmp_path, emulator):
    emulator.faults = Faults(internal_error_rate=1.0)
    (tmp_path / "hasty.toml").write_text("[retry]\nmax_attempts = 1\n")
    words = (write(tmp_path / "ids.txt", ids(3_000)), "-c", "hasty.toml", "--max-failures", 20)
    first = await purge(tmp_path, emulator, *words).run()
    assert (first.code, first.report["ended"]) == (3, "max_failures")
    assert first.report["unresolved"] > 20
    emulator.faults = Faults()
    done = await purge(tmp_path, emulator, *words).run()
    assert (done.code, fates(done.report)) == (0, {"acknowledged": 3_000})


async def test_standard_input_is_counted_before_anything_is_sent_and_may_be_corrected(tmp_path, emulator):
    short = await purge(tmp_path, emulator, "-", "--expect", 6).run(stdin="\n".join(ids(5)).encode())
    assert (short.code, emulator.requests) == (3, 0)
    right = await purge(tmp_path, emulator, "-", "--expect", 6).run(stdin="\n".join(ids(6)).encode())
    assert (right.code, right.report["acknowledged"]) == (0, 6), right.stderr


async def test_caps_are_compared_with_what_is_given_now_and_not_with_what_was_refused_before(tmp_path, emulator):
    first, others = "\n".join(ids(3)).encode(), "\n".join(ids(8)[3:]).encode()

    async def given(stdin: bytes, *words: object):
        return await purge(tmp_path, emulator, "-", *words).run(stdin=stdin)

    assert (await given(first, "--expect", 4)).code == 3
    assert (await given(others, "--limit", 1)).code == 75
    wrong = await given(others, "--expect", 3)
    assert (wrong.code, emulator.requests) == (3, 1)
    assert "the source holds 5 rows with a record, and 3 are expected" in wrong.stderr
    right = await given(others, "--expect", 5, "--max-records", 5)
    assert (right.code, fates(right.report)) == (0, {"acknowledged": 5}), right.stderr


@pytest.mark.parametrize("words", [(), ("--limit", 0)])
async def test_an_empty_standard_input_sends_nothing_of_what_was_refused_before(tmp_path, emulator, words):
    short = await purge(tmp_path, emulator, "-", "--expect", 6).run(stdin="\n".join(ids(5)).encode())
    assert (short.code, emulator.requests) == (3, 0)
    empty = await purge(tmp_path, emulator, "-", *words).run()
    assert (empty.code, emulator.requests) == (2, 0)
    assert "holds nothing, and what it held in the run before was refused. Nothing was sent" in empty.stderr
    right = await purge(tmp_path, emulator, "-", "--expect", 6).run(stdin="\n".join(ids(6)).encode())
    assert (right.code, right.report["acknowledged"]) == (0, 6), right.stderr


@pytest.mark.parametrize("words", [(), ("--allow-empty",)])
async def test_a_run_that_ended_before_its_first_batch_goes_on_with_what_came_through_the_pipe(
    tmp_path, emulator, words
):
    emulator.faults = Faults(too_many_requests_rate=1.0, retry_after_seconds=60.0)
    cut = await purge(tmp_path, emulator, "-", "--count", "--max-duration", 1).run(stdin="\n".join(ids(5)).encode())
    assert (cut.code, cut.report["ended"], emulator.requests) == (75, "duration", 1), cut.stderr
    emulator.faults = Faults()
    again = await purge(tmp_path, emulator, "-", "--now", *words).run(stdin=b"")
    assert (again.code, fates(again.report)) == (0, {"acknowledged": 5}), again.stderr


async def test_a_job_that_is_corrected_keeps_the_pause_that_the_api_asked_the_other_for(tmp_path, emulator):
    emulator.faults = Faults(too_many_requests_rate=1.0, retry_after_seconds=60.0)
    cut = await purge(tmp_path, emulator, write(tmp_path / "a", ids(5)), "--count", "--max-duration", 1).run()
    assert (cut.code, emulator.requests) == (75, 1), cut.stderr
    emulator.faults = Faults()
    corrected = await purge(tmp_path, emulator, write(tmp_path / "b", ids(6)), "--max-pause", 10).run()
    assert (corrected.code, corrected.report["ended"], emulator.requests) == (75, "quota", 1), corrected.stderr
    assert "the API asks for a pause of" in corrected.report["reason"]


async def test_standard_input_that_a_limit_of_0_has_kept_is_not_replaced(tmp_path, emulator):
    kept = await purge(tmp_path, emulator, "-", "--limit", 0).run(stdin="\n".join(ids(5)).encode())
    assert (kept.code, kept.report["ended"]) == (75, "limit"), kept.stderr
    other = await purge(tmp_path, emulator, "-").run(stdin="\n".join(ids(6)).encode())
    assert (other.code, emulator.requests) == (2, 0)
    assert "Give the same records in the same order, or none at all" in other.stderr
    right = await purge(tmp_path, emulator, "-").run(stdin=b"")
    assert (right.code, right.report["acknowledged"]) == (0, 5), right.stderr


async def test_a_file_that_a_limit_of_0_has_accepted_may_not_be_changed(tmp_path, emulator):
    source = write(tmp_path / "ids.txt", ids(5))
    assert (await purge(tmp_path, emulator, source, "--limit", 0).run()).code == 75
    other = await purge(tmp_path, emulator, write(tmp_path / "ids.txt", ids(6))).run()
    assert (other.code, emulator.requests) == (2, 0)
    assert "were accepted, and a resume sends them once its file is as it was. Give the job as it was" in other.stderr
    right = await purge(tmp_path, emulator, write(tmp_path / "ids.txt", ids(5))).run()
    assert (right.code, right.report["acknowledged"]) == (0, 5), right.stderr


async def test_an_empty_standard_input_may_be_corrected(tmp_path, emulator):
    assert (await purge(tmp_path, emulator, "-").run(stdin=b"")).code == 2
    right = await purge(tmp_path, emulator, "-").run(stdin="\n".join(ids(6)).encode())
    assert (right.code, right.report["acknowledged"]) == (0, 6), right.stderr


async def test_what_a_job_of_no_records_is_given_later_goes_on_where_it_was(tmp_path, emulator):
    assert (await purge(tmp_path, emulator, "-", "--allow-empty").run(stdin=b"")).code == 0
    rows = "\n".join(ids(6)).encode()
    for settled in (2, 4):
        cut = await purge(tmp_path, emulator, "-", "--limit", 2).run(stdin=rows)
        assert (cut.code, cut.report["acknowledged"]) == (75, settled), cut.stderr
        status = await Command(tmp_path, "status", "purge.db", "--json").run()
        assert (status.report["rows"], status.report["source_rows"]) == (settled, None)
        verified = await Command(tmp_path, "verify", "purge.db").run()
        assert verified.code == 0, verified.everything
    done = await purge(tmp_path, emulator, "-").run(stdin=rows)
    assert (done.code, fates(done.report)) == (0, {"acknowledged": 6}), done.stderr


async def test_the_duration_ends_a_run_that_waits_for_the_api(tmp_path, emulator):
    emulator.faults = Faults(too_many_requests_rate=1.0, retry_after_seconds=300)
    source = write(tmp_path / "ids.txt", ids(3_000))
    began = time.monotonic()
    stopped = await purge(tmp_path, emulator, source, "--max-duration", 1).run()
    assert time.monotonic() - began < 20
    assert (stopped.code, stopped.report["ended"]) == (75, "duration")
    assert "max_duration_seconds, 1, is over" in stopped.stderr
    assert set(fates(stopped.report)) <= {"pending", "unresolved"}
    emulator.faults = Faults()
    done = await purge(tmp_path, emulator, source, "--now").run()
    assert (done.code, done.report["acknowledged"]) == (0, 3_000)


async def test_the_duration_ends_a_run_whose_source_never_ends(tmp_path, emulator):
    async with purge(tmp_path, emulator, "-", "--max-duration", 0.5).started(stdin=b"") as process:
        assert process.stdin is not None
        process.stdin.write(f"{ids(1)[0]}\n".encode())
        assert process.stderr is not None
        async with asyncio.timeout(20):
            assert await process.wait() == 75
            said = (await process.stderr.read()).decode()
    assert "is over; nothing was sent in this run" in said
    assert emulator.requests == 0
