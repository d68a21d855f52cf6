"""``--log-format`` and ``--log-level``: what is said on stderr, for people and for machines."""

from __future__ import annotations

import json

import pytest

from bulkdelete.emulator import Emulator, Faults
from tests.acceptance.command import CANARY_KEY, TABLE_ID, Command, ids, write_csv


@pytest.fixture
async def emulator():
    async with Emulator() as emulator:
        emulator.add_key(CANARY_KEY)
        emulator.load(TABLE_ID, ids(2_500))
        emulator.poison(TABLE_ID, ids(2_500)[1_234:1_235])
        emulator.faults = Faults(script=["50000", "429"])
        yield emulator


def purge(folder, emulator, *more) -> Command:
    write_csv(folder / "ids.csv", ids(2_500))
    words = ("run", "ids.csv", "--table-id", TABLE_ID, "--base-url", emulator.base_url, "--ledger", "purge.db")
    return Command(folder, *words, "--yes", *more)


async def test_as_json_every_line_on_stderr_is_an_object_with_time_level_and_message(tmp_path, emulator):
    done = await purge(tmp_path, emulator, "--log-format", "json", "--json").run()
    assert done.code == 1
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)
    assert lines[0]["message"].startswith("the event loop is ")
    assert lines[1]["message"] == "about to delete"
    assert lines[1]["table"] == TABLE_ID
    messages = "\n".join(line["message"] for line in lines)
    assert "the API asks for a pause" in messages
    assert "retry (code 50000, HTTP 200)" in messages
    assert "Internal system error" not in messages  # a message may name ids
    assert "rows 1234 to 1234 are rejected (code 40000" in messages
    assert "the job ended: complete" in messages
    assert CANARY_KEY not in done.everything


async def test_a_refusal_is_a_line_of_json_too(tmp_path, emulator):
    done = await purge(tmp_path, emulator, "--log-format", "json", "--expect", "7").run()
    assert done.code == 3
    assert "7 are expected" in json.loads(done.stderr.splitlines()[-1])["message"]


async def test_ids_are_logged_at_debug_only(tmp_path, emulator):
    rejected = ids(2_500)[1_234]
    done = await purge(tmp_path, emulator, "--log-level", "info").run()
    assert done.code == 1
    assert "INFO bulkdelete.outcomes: rows 1234 to 1234 are rejected" in done.stderr
    assert done.stderr.count("INFO bulkdelete.loops: the event loop is ") == 1
    assert rejected not in done.stderr
    write_csv(tmp_path / "ids.csv", ids(2_500))
    (tmp_path / "purge.db").unlink()
    again = await purge(tmp_path, emulator, "--log-level", "debug").run()
    assert rejected in again.stderr
    assert "the API said" in again.stderr


async def test_by_default_people_see_no_log_of_what_goes_well(tmp_path, emulator):
    emulator.faults = Faults()
    done = await purge(tmp_path, emulator).run()
    assert " INFO " not in done.stderr
    assert " DEBUG " not in done.stderr


def refusals(emulator):
    table = ("--table-id", TABLE_ID, "--base-url", emulator.base_url)
    yield "plan", "gone.csv", *table
    yield "plan", "ids.csv", *table, "--quota", "many"
    yield "plan", "ids.csv", *table, "--no-such-option"
    yield "plan", "ids.csv", *table, "--permits", "many"
    yield "run", "ids.csv", *table, "--canary", "x"
    yield "run", "ids.csv", *table, "--log-level", "loud"
    yield "run", "-c"


async def test_every_refusal_is_json_where_that_is_asked_for_also_before_the_command_begins(tmp_path, emulator):
    write_csv(tmp_path / "ids.csv", ids(10))
    for words in refusals(emulator):
        for log in (("--log-format", "json"), ("--log-format=json",)):
            done = await Command(tmp_path, *words[:1], "--json", *log, *words[1:]).run()
            assert done.code == 2, words
            lines = [json.loads(line) for line in done.stderr.splitlines()]
            assert lines, words
            assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)
            refused = json.loads(done.stdout)
            assert (refused["ended"], refused["exit_code"]) == ("refused", 2)
            assert refused["reason"]


async def test_what_the_check_command_says_is_logged_line_by_line(tmp_path, emulator):
    emulator.faults = Faults()
    check = ["sh", "-c", "echo seen; echo odd >&2; printf last"]
    (tmp_path / "check.toml").write_text(f"[canary]\nrecords = 10\ncheck_command = {json.dumps(check)}\n")
    done = await purge(tmp_path, emulator, "-c", "check.toml", "--log-format", "json").run()
    assert done.code == 1, done.stderr
    messages = [json.loads(line)["message"] for line in done.stderr.splitlines()]
    assert {f"canary.check_command: {said}" for said in ("seen", "odd", "last")} <= set(messages)
