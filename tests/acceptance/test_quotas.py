"""Quotas and far resets, at the installed command: when to come back, how, and how to stay instead."""

from __future__ import annotations

import asyncio
import re
import signal
import time
from contextlib import suppress

import psutil
import pytest

from bulkdelete.emulator import Faults, Switches
from tests.acceptance.command import TABLE_ID, Command, fates, finished, ids, serving, write_csv


@pytest.fixture
async def emulator():
    async with serving(ids(5_000)) as emulator:
        yield emulator


def purge(folder, emulator, *more) -> Command:
    write_csv(folder / "ids.csv", ids(5_000))
    words = ("run", "ids.csv", "--table-id", TABLE_ID, "--base-url", emulator.base_url, "--ledger", "purge.db")
    return Command(folder, *words, "--yes", *more)


async def test_a_quota_that_is_used_up_says_when_and_how_to_go_on(tmp_path, emulator):
    emulator.switches = Switches(requests_per_hour=3)
    done = await purge(tmp_path, emulator, "--json", "--max-pause", "0").run()
    assert done.code == 75, done.stderr
    report = done.report
    assert report["ended"] == "quota"
    assert fates(report)["acknowledged"] == 3_000
    assert report["resume_at_unix_seconds"] > time.time()
    assert report["resume_in_words"].startswith("in ")
    assert report["resume_command"].startswith("sleep ")
    assert " && bulkdelete run ids.csv" in report["resume_command"]
    again = await purge(tmp_path, emulator, "--max-pause", "0").run()
    assert again.code == 75
    assert "come back" in again.stdout
    assert "&& bulkdelete run" in again.stdout
    assert emulator.requests == 3
    emulator.switches = Switches()
    now = await purge(tmp_path, emulator, "--now").run()
    assert now.code == 0, now.stderr
    assert emulator.count(TABLE_ID) == 0
    done = await purge(tmp_path, emulator, "--json").run()
    assert (done.code, done.report["ended"]) == (0, "complete"), done.stderr


KILLED_ONCE_AN_ACKNOWLEDGEMENT_IS_ON_DISK = """
import os, signal, sys
from bulkdelete import engine
from bulkdelete.cli import main
engine.log_outcome = lambda outcome: os.kill(os.getpid(), signal.SIGKILL)
sys.exit(main())
"""


@pytest.mark.parametrize("ends", ["limit", "kill", "kill at once"])
async def test_a_time_to_come_back_is_out_of_date_once_a_request_was_acknowledged_after_it(tmp_path, emulator, ends):
    words = ("--batch-size", "100", "--json")
    emulator.faults = Faults(script=["429"], retry_after_seconds=3_600)
    far = await purge(tmp_path, emulator, *words).run()
    assert (far.code, far.report["acknowledged"], far.report["ended"]) == (75, 0, "quota"), far.stderr
    nothing = await purge(tmp_path, emulator, *words, "--now", "--limit", "0").run()
    assert (nothing.code, nothing.report["requests"]) == (75, 0), nothing.stderr
    again = await purge(tmp_path, emulator, *words).run()
    assert (again.report["ended"], again.report["requests"]) == ("quota", 0), again.stderr
    if ends == "limit":
        now = await purge(tmp_path, emulator, *words, "--now", "--limit", "300").run()
        assert (now.code, now.report["acknowledged"]) == (75, 300), now.stderr
    elif ends == "kill at once":
        program = "-c", KILLED_ONCE_AN_ACKNOWLEDGEMENT_IS_ON_DISK
        killed = await Command(tmp_path, *purge(tmp_path, emulator, *words, "--now").words, program=program).run()
        assert (killed.code, emulator.count(TABLE_ID) < 5_000) == (-signal.SIGKILL, True), killed.stderr
    else:
        emulator.faults = Faults(latency_seconds=0.2)
        async with purge(tmp_path, emulator, *words, "--now").started() as process:
            while emulator.answers.get(0, 0) < 3:
                await asyncio.sleep(0.02)
            await asyncio.sleep(0.1)
            process.send_signal(signal.SIGKILL)
            await process.wait()
        emulator.faults = Faults()
    status = await Command(tmp_path, "status", "purge.db").run()
    assert "come back" not in status.stdout
    done = await purge(tmp_path, emulator, *words).run()
    assert (done.code, done.report["ended"]) == (0, "complete"), done.stderr
    assert emulator.count(TABLE_ID) == 0


async def test_our_own_quota_holds_over_a_kill(tmp_path, emulator):
    emulator.faults = Faults(latency_seconds=0.2)
    words = ("--requests-per-hour", "100", "--batch-size", "25", "--max-pause", "0", "--json")
    for _ in range(3):
        async with purge(tmp_path, emulator, *words).started() as process:
            await asyncio.sleep(1.2)
            with suppress(ProcessLookupError):  # what may have been sent counts, and a later run may end by itself
                process.send_signal(signal.SIGKILL)
            await process.wait()
    done = await purge(tmp_path, emulator, *words).run()
    assert done.code == 75, done.stderr
    assert emulator.requests <= 100


async def killed_after(seconds: float, command: Command) -> None:
    async with command.started() as process:
        await asyncio.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        await process.wait()


async def test_a_kill_costs_a_small_share_of_a_quota_and_none_where_the_run_waited_for_it(tmp_path, emulator):
    emulator.faults = Faults(latency_seconds=0.2)
    small = ("--batch-size", "10", "--json", "--concurrency", "1")
    for _ in range(4):
        await killed_after(2.5, purge(tmp_path, emulator, *small, "--requests-per-day", "100"))
    before = emulator.requests
    done = await purge(tmp_path, emulator, *small, "--requests-per-day", "100", "--max-pause", "0").run()
    assert (done.code, done.report["ended"]) == (75, "quota"), done.stderr
    assert before >= 4
    assert 100 - 4 <= before + done.report["requests"] == emulator.requests <= 100
    for _ in range(4):
        await killed_after(2.5, purge(tmp_path, emulator, *small, "--requests-per-day", "100", "--wait"))
    more = await purge(tmp_path, emulator, *small, "--requests-per-day", "110", "--max-pause", "0", "--now").run()
    assert (more.report["ended"], more.report["requests"]) == ("quota", 10), more.stderr


async def test_a_run_without_a_quota_or_with_another_forgets_nothing_that_was_spent(tmp_path, emulator):
    day, small = ("--requests-per-day", "40", "--max-pause", "0"), ("--batch-size", "10")
    first = await purge(tmp_path, emulator, *small, *day, "--limit", "400").run()
    assert first.code == 75, first.stderr
    for between in (("--limit", "0"), ("--requests-per-hour", "1000", "--limit", "0"), ("--max-records", "1"), ()):
        if between:
            await purge(tmp_path, emulator, *small, *between).run()
        again = await purge(tmp_path, emulator, *small, *day, "--json").run()
        assert (again.code, again.report["ended"], again.report["requests"]) == (75, "quota", 0), between
    assert emulator.requests == 40


async def test_the_requests_that_count_the_table_count_too(tmp_path, emulator):
    words = ("--requests-per-day", "40", "--max-pause", "0", "--batch-size", "10", "--count", "--json")
    for limit, requests in (("100", 1 + 10 + 1), ("270", 27 + 1), ("100", 0)):
        before = emulator.requests
        done = await purge(tmp_path, emulator, *words, "--limit", limit).run()
        assert done.code == 75, done.stderr
        assert emulator.requests - before == requests
    assert done.report["total_count_after"] == 5_000 - 370


async def test_what_a_run_without_a_quota_sends_counts_for_a_later_one(tmp_path, emulator):
    day, small = ("--requests-per-day", "40", "--max-pause", "0"), ("--batch-size", "10", "--json")
    for limit in ("100", "200"):
        assert (await purge(tmp_path, emulator, *small, "--limit", limit).run()).code == 75
    assert emulator.requests == 30
    done = await purge(tmp_path, emulator, *small, *day).run()
    assert (done.code, done.report["ended"], done.report["requests"]) == (75, "quota", 10), done.stderr
    assert emulator.requests == 40


async def test_a_run_without_a_quota_that_is_killed_leaves_every_quota_used_up(tmp_path, emulator):
    emulator.faults = Faults(latency_seconds=0.2)
    async with purge(tmp_path, emulator, "--batch-size", "25", "--json").started() as process:
        while not emulator.requests:
            await asyncio.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        await process.wait()
    await asyncio.sleep(0.5)
    before = emulator.requests
    done = await purge(tmp_path, emulator, "--requests-per-day", "100000", "--max-pause", "0", "--json").run()
    assert (done.code, done.report["ended"], done.report["requests"]) == (75, "quota", 0), done.stderr
    assert "a run without quotas was killed" in done.stderr
    assert emulator.requests == before


async def test_wait_stays_through_a_pause_of_any_length_and_does_nothing_meanwhile(tmp_path, emulator):
    emulator.faults = Faults(script=["ok", "429"], retry_after_seconds=4)
    async with purge(tmp_path, emulator, "--json", "--max-pause", "1", "--wait").started() as process:
        while emulator.requests < 2:
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
        watched = psutil.Process(process.pid)
        before = sum(watched.cpu_times()[:2])
        await asyncio.sleep(2.5)
        used = sum(watched.cpu_times()[:2]) - before
        done = await finished(process)
    assert done.code == 0, done.stderr
    assert used <= 0.1
    assert done.report["elapsed_seconds"] >= 4


async def test_a_signal_ends_the_waiting(tmp_path, emulator):
    emulator.faults = Faults(script=["429"], retry_after_seconds=3_000)
    async with purge(tmp_path, emulator, "--json", "--wait").started() as process:
        while emulator.requests < 1:
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        done = await finished(process)
    assert done.code == 143


@pytest.mark.parametrize("quota", [(), ("--requests-per-second", 1000)])
@pytest.mark.parametrize("ending", ["SIGTERM", "SIGKILL", "max duration"])
async def test_a_pause_that_the_api_asked_for_outlives_the_run_that_heard_of_it(tmp_path, emulator, ending, quota):
    emulator.faults = Faults(script=["ok", "429"], retry_after_seconds=600)
    small = ("--json", "--batch-size", 100, *quota)
    most = ("--max-duration", 3) if ending == "max duration" else ()
    async with purge(tmp_path, emulator, *small, *most).started() as process:
        while emulator.requests < 2:
            await asyncio.sleep(0.05)
        if not most:
            await asyncio.sleep(1)
            process.send_signal(signal.Signals[ending])
        stdout, stderr = await process.communicate()
    assert (stdout == b"") == (ending == "SIGKILL"), stderr
    before = emulator.requests
    again = await purge(tmp_path, emulator, *small, "--max-duration", 2).run()
    assert (again.code, again.report["ended"], again.report["requests"]) == (75, "duration", 0), again.stderr
    shorter = await purge(tmp_path, emulator, *small, "--max-pause", 60).run()
    assert (shorter.code, shorter.report["ended"], shorter.report["requests"]) == (75, "quota", 0), shorter.stderr
    assert 500 < shorter.report["resume_at_unix_seconds"] - time.time() < 640
    assert shorter.report["reason"].startswith("the API asks for a pause of ") or quota
    assert emulator.requests == before
    now = await purge(tmp_path, emulator, *small, "--now").run()
    assert (now.code, fates(now.report)) == (0, {"acknowledged": 5_000}), now.stderr


async def test_the_first_lines_hold_a_forecast(tmp_path, emulator):
    done = await purge(tmp_path, emulator, "--requests-per-hour", "1000").run()
    assert done.code == 0
    forecast = next(line for line in done.stderr.splitlines() if "forecast" in line)
    assert "5,000 rows" in forecast
    assert "5 requests" in forecast


def forecast_of(done) -> str:
    return next(line for line in done.stderr.splitlines() if line.lstrip().startswith("forecast"))


async def test_the_forecast_of_a_resume_is_for_what_is_left_and_knows_what_the_quota_has_spent(tmp_path, emulator):
    quota = ("--requests-per-hour", "3", "--max-pause", "0")
    first = await purge(tmp_path, emulator, *quota).run()
    assert first.code == 75, first.stderr
    assert "about 5,000 rows in 5 requests" in forecast_of(first)
    again = await purge(tmp_path, emulator, *quota).run()
    assert again.code == 75, again.stderr
    assert re.search(r"about 2,000 rows left in 2 requests; (59 min|1 h 0 min)", forecast_of(again))
    free = await purge(tmp_path, emulator, "--now").run()
    assert free.code == 0, free.stderr
    assert "about 2,000 rows left in 2 requests; no quota is set" in forecast_of(free)
    complete = await purge(tmp_path, emulator, "--now").run()
    assert complete.code == 0, complete.stderr
    assert "forecast" not in complete.stderr


async def test_the_forecast_of_a_resume_heeds_what_the_api_told_of_its_limits_but_for_now(tmp_path, emulator):
    emulator.switches = Switches(requests_per_hour=3)
    assert (await purge(tmp_path, emulator, "--max-pause", "0").run()).code == 75
    heeded = forecast_of(await purge(tmp_path, emulator, "--max-pause", "0").run())
    assert "about 2,000 rows left in 2 requests; " in heeded
    assert heeded.endswith(" at least by the quotas")
    emulator.switches = Switches()
    assert forecast_of(await purge(tmp_path, emulator, "--now").run()).endswith("; no quota is set")


async def test_the_forecast_of_a_resume_counts_the_told_limit_again_each_window(tmp_path, emulator):
    emulator.switches = Switches(requests_per_hour=3)
    words = ("--batch-size", "100", "--max-pause", "0")
    first = await purge(tmp_path, emulator, *words, "--json").run()
    assert first.code == 75, first.stderr
    forecast = forecast_of(await purge(tmp_path, emulator, *words).run())
    until_reset = first.report["resume_at_unix_seconds"] - time.time()
    assert "in 47 requests; " in forecast
    units = {"h": 3600, "min": 60, "s": 1}
    said = sum(float(number) * units[unit] for number, unit in re.findall(r"([\d.]+) (h|min|s)\b", forecast))
    assert 16 * (until_reset - 1) - 60 <= said <= 16 * 3600
