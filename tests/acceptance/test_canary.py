"""``run --canary N``: N records first, one batch at a time; the rest only when somebody, or a command, says so."""

from __future__ import annotations

import asyncio
import json
import os
import signal

import psutil
import pytest

from bulkdelete.emulator import Faults
from bulkdelete.ledger import read_ledger
from tests.acceptance.command import CANARY_KEY, TABLE_ID, Command, fates, finished, ids, killed, serving, write_csv
from tests.acceptance.terminal import at_terminal


@pytest.fixture
async def emulator():
    async with serving(ids(5_000)) as emulator:
        yield emulator


@pytest.fixture
def folder(tmp_path, emulator):
    write_csv(tmp_path / "ids.csv", ids(5_000))
    configure(tmp_path, emulator, ["sh", "-c", "cat > report.json; cp report.json report.$$.json"])
    return tmp_path


def configure(folder, emulator, check, *, canary=""):
    (folder / "purge.toml").write_text(
        f'base_url = "{emulator.base_url}"\ntable_id = "{TABLE_ID}"\n[source]\npath = "ids.csv"\n'
        f'[ledger]\npath = "purge.db"\n[canary]\ncheck_command = {json.dumps(check)}\n{canary}\n'
    )


def purge(folder, *more) -> Command:
    return Command(folder, "run", "-c", "purge.toml", "--yes", "--json", *more)


def canary_events(folder):
    with read_ledger(folder / "purge.db") as reader:
        return [event.detail for event in reader.events() if event.kind == "canary"]


async def test_a_command_that_approves_gets_the_report_and_lets_the_job_go_on(folder, emulator):
    done = await purge(folder, "--canary", "1500").run()
    assert done.code == 0, done.stderr
    assert fates(done.report) == {"acknowledged": 5_000}
    seen = json.loads((folder / "report.json").read_text())
    assert seen["ended"] == "canary"
    assert seen["acknowledged"] == 1_500
    assert "exit_code" not in seen
    assert [len(request.entries) for request in emulator.log[:3]] == [1_000, 500, 1_000]
    assert emulator.count(TABLE_ID) == 0
    came = {"sent": 1_500, "acknowledged": 1_500, "rejected": 0, "unresolved": 0}
    assert canary_events(folder) == [{"approved": True, **came}]
    assert seen["canary"] == done.report["canary"] == came


async def test_a_command_that_fails_ends_the_job_with_3_and_the_next_run_asks_again_without_sending(folder, emulator):
    configure(folder, emulator, ["false"])
    for _ in range(2):
        done = await purge(folder, "--canary", "1500").run()
        assert done.code == 3, done.stderr
        assert done.report["ended"] == "canary"
        assert emulator.count(TABLE_ID) == 3_500
    assert emulator.requests == 2
    configure(folder, emulator, ["true"])
    done = await purge(folder, "--canary", "1500").run()
    assert done.code == 0, done.stderr
    assert emulator.count(TABLE_ID) == 0
    assert [event["approved"] for event in canary_events(folder)] == [False, False, True]


async def test_once_approved_a_resume_does_not_ask_again(folder, emulator):
    assert (await purge(folder, "--canary", "1000", "--limit", "2000").run()).code == 75
    configure(folder, emulator, ["false"])
    assert (await purge(folder, "--canary", "1000").run()).code == 0
    assert len(canary_events(folder)) == 1


@pytest.mark.parametrize("missing", ["./no-such-command", "no-such-command", "./report.csv"])
async def test_a_command_that_cannot_be_run_is_refused_before_anything_is_sent(folder, emulator, missing):
    (folder / "report.csv").write_text("no program")
    configure(folder, emulator, [missing])
    done = await purge(folder, "--canary", "10").run()
    assert done.code == 2
    assert "cannot be run" in done.stderr
    assert emulator.requests == 0


async def test_a_command_is_taken_from_the_folder_of_the_configuration_also_by_a_plan(folder, emulator, tmp_path):
    configure(folder, emulator, ["./look"], canary="records = 10")
    (folder / "look").write_text("#!/bin/sh\nexit 0\n")
    (folder / "look").chmod(0o700)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    planned = await Command(elsewhere, "plan", "-c", "../purge.toml", "-o", "plan.json").run()
    assert planned.code == 0, planned.stderr
    done = await Command(elsewhere, "run", "--plan", "plan.json", "--yes", "--json").run()
    assert done.code == 0, done.stderr


async def test_the_command_is_not_given_the_key(folder, emulator):
    configure(folder, emulator, ["sh", "-c", 'env > seen; test -z "$BULKDELETE_API_KEY"'])
    done = await purge(folder, "--canary", "10").run()
    assert done.code == 0, done.stderr
    assert CANARY_KEY not in (folder / "seen").read_text()


async def test_a_canary_of_the_whole_source_needs_no_asking(folder, emulator):
    configure(folder, emulator, ["false"])
    done = await purge(folder, "--canary", "5000").run()
    assert done.code == 0, done.stderr
    assert emulator.count(TABLE_ID) == 0


async def test_without_a_terminal_or_a_command_nothing_is_sent(folder, emulator):
    configure(folder, emulator, [])
    done = await purge(folder, "--canary", "10").run()
    assert done.code == 2
    assert "canary.check_command" in done.stderr
    assert emulator.requests == 0
    assert not (folder / "purge.db").exists()


async def test_killed_while_the_command_looks_it_asks_again_and_sends_no_more_before(folder, emulator):
    configure(folder, emulator, ["sh", "-c", "echo $$ > looking; exec sleep 60 >&- 2>&-"])
    async with purge(folder, "--canary", "1500").started() as process:
        await until_there(folder / "looking")
        process.kill()
        os.kill(int((folder / "looking").read_text()), signal.SIGKILL)
        await killed(process)
    assert emulator.count(TABLE_ID) == 3_500
    configure(folder, emulator, ["sh", "-c", "grep -q '\"acknowledged\": 1500'"])
    done = await purge(folder, "--canary", "1500").run()
    assert done.code == 0, done.stderr
    assert fates(done.report) == {"acknowledged": 5_000}


async def test_sigterm_while_the_command_looks_ends_it_and_the_job(folder, emulator):
    configure(folder, emulator, ["sh", "-c", "sleep 60 & echo $! > looking; wait"])
    async with purge(folder, "--canary", "1500").started() as process:
        await until_there(folder / "looking")
        process.send_signal(signal.SIGTERM)
        done = await finished(process)
    assert done.code == 143, done.stderr
    async with asyncio.timeout(30):
        while is_running(int((folder / "looking").read_text())):
            await asyncio.sleep(0.02)
    assert done.report["ended"] == "signal"
    assert emulator.count(TABLE_ID) == 3_500


async def test_a_batch_of_the_canary_that_was_left_unresolved_is_sent_again_after_approval(folder, emulator):
    emulator.faults = Faults(script=["50000", "50000", "ok", "50000", "50000", "ok", "ok"])
    with (folder / "purge.toml").open("a") as file:
        file.write("[retry]\nmax_attempts = 2\nfirst_backoff_seconds = 0\n[stop]\nmax_failures = 1500\n")
    done = await purge(folder, "--canary", "1500").run()
    assert done.code == 0, done.stderr
    assert fates(done.report) == {"acknowledged": 5_000}
    assert json.loads((folder / "report.json").read_text())["unresolved"] == 1_000


@pytest.mark.parametrize(("typed", "code", "left"), [("yes", 0, 0), ("no", 3, 4_000), ("", 3, 4_000)])
async def test_at_a_terminal_a_person_is_shown_the_report_and_asked(folder, emulator, typed, code, left):
    configure(folder, emulator, [])
    words = ("run", "-c", "purge.toml", "--canary", "1000")
    async with at_terminal(Command(folder, *words)) as terminal:
        await terminal.until_shown("Type the table id")
        terminal.type(TABLE_ID)
        await terminal.until_shown("Type yes: ")
        assert "1,000" in terminal.shown
        assert emulator.count(TABLE_ID) == 4_000
        terminal.type(typed)
        ended, printed = await terminal.ended()
    assert ended == code, terminal.shown
    assert emulator.count(TABLE_ID) == left
    assert ("complete" in printed) == (code == 0)


async def test_what_was_typed_before_a_question_answers_neither_it_nor_the_next(folder, emulator):
    configure(folder, emulator, [])
    emulator.faults = Faults(latency_seconds=0.5)
    words = ("run", "-c", "purge.toml", "--canary", "1000")
    async with at_terminal(Command(folder, *words)) as terminal:
        terminal.type(f"{TABLE_ID}\nyes\nyes")
        await terminal.until_shown("Type the table id")
        terminal.type(TABLE_ID)
        async with asyncio.timeout(30):
            while not emulator.requests:
                await asyncio.sleep(0.01)
        terminal.type("yes\nyes\nyes")
        await terminal.until_shown("Type yes: ")
        terminal.type("no")
        ended, _ = await terminal.ended()
    assert ended == 3, terminal.shown
    assert emulator.count(TABLE_ID) == 4_000


def is_running(pid: int) -> bool:
    """Return whether the process is there and not only waiting for whoever has to bury it."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def until_there(path) -> None:
    async with asyncio.timeout(30):
        while not path.exists() or not path.read_text():
            await asyncio.sleep(0.02)
