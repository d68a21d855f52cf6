"""Hostile files at the command: each is read or refused with words; no crash, no hang, no flood of memory."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest

from bulkdelete.cli import plan_files
from bulkdelete.errors import PlanRefused
from bulkdelete.planning import Plan
from bulkdelete.sources.json_values import Unfit, parsed
from tests.acceptance.command import TABLE_ID, Command, fates, ids, purge, serving, write_csv
from tests.acceptance.measuring import measured
from tests.unit import sound_ledger

MOST_KIBIBYTES = 200 * 1024
LEADING_BACK = Path(__file__).parents[1] / "fuzzing" / "corpus" / "ledger" / "rows_lead_back.db"


@pytest.fixture
async def emulator():
    async with serving(ids(500)) as emulator:
        yield emulator


async def refused(command, *, stdin=None):
    """Run *command*; return what it said, which is a refusal and no fault."""
    done = await command.run(stdin)
    assert done.code == 2, done.everything
    assert "fault of bulkdelete" not in done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


CONFIGURATIONS = {
    "an array in arrays": ("a = " + "[" * 5000, "too deeply nested"),
    "a table in tables": (".".join("a" * 3000) + " = 1", "too deeply nested"),
    "a number of 5000 digits": ("[batch]\nsize = " + "9" * 5000, "too many digits"),
    "a pattern that repeats too often": ("[identifiers.a]\npattern = 'a{99999999999}'", "is no regular expression"),
    "a pattern in brackets": (f"[identifiers.a]\npattern = '{'(' * 3000}{')' * 3000}'", "too deeply nested for a reg"),
    "a NUL in a path": ('[source]\npath = "a\\u0000b"', "cannot be read"),
}


@pytest.mark.parametrize("kind", CONFIGURATIONS)
async def test_a_hostile_configuration_is_refused(tmp_path, emulator, kind):
    text, said = CONFIGURATIONS[kind]
    (tmp_path / "purge.toml").write_text(text)
    words = ("ids.csv",) if "path" not in kind else ()
    write_csv(tmp_path / "ids.csv", ids(5))
    assert said in await refused(purge(tmp_path, emulator, *words, "-c", "purge.toml"))
    assert emulator.requests == 0


@pytest.mark.parametrize("more", [(), ("--no-header",)], ids=["with a header", "without one"])
async def test_a_column_of_5000_digits_is_no_column(tmp_path, emulator, more):
    write_csv(tmp_path / "ids.csv", ids(5))
    assert "column" in await refused(purge(tmp_path, emulator, "ids.csv", "--column", "9" * 5000, *more))


async def test_a_plan_with_lists_in_lists_is_refused_however_deep(tmp_path, emulator):
    write_csv(tmp_path / "ids.csv", ids(5))
    words = ("ids.csv", "--table-id", TABLE_ID, "--base-url", emulator.base_url)
    assert (await Command(tmp_path, "plan", *words, "-o", "plan.json").run()).code == 0
    made = Plan.from_json((tmp_path / "plan.json").read_bytes(), "plan.json")
    text = made.model_copy(update={"samples": ["@"]}).as_json()
    for depth in (*range(500, 1000, 4), 100_000):
        (tmp_path / "plan.json").write_text(text.replace('"@"', "[" * depth + "]" * depth))
        with pytest.raises(PlanRefused):
            plan_files.read(str(tmp_path / "plan.json"))
    assert "plan.json" in await refused(purge(tmp_path, emulator, "ids.csv", "--plan", "plan.json"))
    assert emulator.requests == 0


async def test_surrogates_that_a_codec_lets_through_set_their_line_aside(tmp_path, emulator):
    (tmp_path / "ids.txt").write_bytes(f"{ids(1)[0]}\n+2H0-\n{ids(2)[1]}\n".encode())
    done = await purge(tmp_path, emulator, "ids.txt", "--encoding", "utf-7").run()
    assert (done.code, fates(done.report)) == (1, {"acknowledged": 2, "invalid": 1}), done.everything


CHANGED = {
    "a number of rows that is none": "UPDATE job SET value = '2x' WHERE key = 'source_rows'",
    "a fact that is no text": "UPDATE job SET value = 5 WHERE key = 'source_path'",
    "a fact that is not UTF-8": "UPDATE job SET value = x'ff' WHERE key = 'source_path'",
    "a message that is not UTF-8": "UPDATE batch SET message = x'ff'",
    "a time that no calendar has": "UPDATE run SET started_ms = 9223372036854775807",
    "a fate that nobody knows": "UPDATE row SET fate = 'x'",
    "ranges that lead back": "UPDATE batch SET end_row = -5, state = 3",
}


@pytest.mark.parametrize("kind", CHANGED)
async def test_a_ledger_with_a_value_that_none_holds_is_damaged_and_no_fault(tmp_path, kind):
    await sound_ledger.make(tmp_path)
    sound_ledger.damage(tmp_path / "a.db", CHANGED[kind])
    said = []
    for word in ("status", "failures", "verify"):
        done = await Command(tmp_path, word, "a.db").run()
        assert "Traceback" not in done.stderr, (word, done.stderr)
        assert done.code in {0, 2, 3}, (word, done.everything)
        said.append(done.everything)
    assert "damaged" in said[0] + said[1] or "do not hold" in said[2] or "does not hold" in said[2], said


async def test_a_ledger_whose_pages_lead_back_ends_the_reading(tmp_path):
    await sound_ledger.make(tmp_path)
    shutil.copy(LEADING_BACK, tmp_path / "torn.db")
    done = await Command(tmp_path, "verify", "torn.db", "--source", "ids.csv").run()
    assert done.code in {2, 3}, done.everything
    assert "Traceback" not in done.stderr


def test_a_line_of_brackets_and_quotes_that_do_not_end_costs_no_more_than_its_length():
    began = time.process_time()
    with pytest.raises(Unfit, match="invalid JSON"):
        parsed("[]" * 450 + '\\"' * 500_000)  # a megabyte: a look back from each quote takes hours
    assert time.process_time() - began < 5


@pytest.mark.parametrize("line", ['a","', 'a","x', '"", "'], ids=["open at every end", "and malformed", "even"])
async def test_a_csv_with_a_quote_open_at_every_line_s_end_costs_no_more_than_its_length(tmp_path, emulator, line):
    (tmp_path / "ids.csv").write_text(f"record_id,b\n{ids(1)[0]},b\n" + f"{line}\n" * 50_000)
    done, usage = await measured(purge(tmp_path, emulator, "ids.csv"))
    assert (done.code, done.report["acknowledged"]) == (1, 1), done.everything
    assert done.report["invalid"] > 40_000
    assert usage.cpu_seconds < 10
    assert usage.kibibytes < MOST_KIBIBYTES


async def test_a_csv_with_a_stray_quote_is_set_aside_from_there_on_line_by_line_in_bounds(tmp_path, emulator):
    first, *rest = ids(100_001)
    (tmp_path / "ids.csv").write_text(f'record_id,b\n{first},b\n1,"' + "".join(f"\n{one},b" for one in rest))
    done, usage = await measured(purge(tmp_path, emulator, "ids.csv"))
    assert (done.code, fates(done.report)) == (1, {"acknowledged": 1, "invalid": 100_001}), done.everything
    assert usage.cpu_seconds < 20
    assert usage.kibibytes < MOST_KIBIBYTES
    listed = (await Command(tmp_path, "failures", "purge.db").run()).stdout.splitlines()
    last = json.loads(listed[-1])
    assert (last["line"], last["text"], len(listed)) == (100_003, f"{rest[-1]},b", 100_001)
    assert last["reason"] == "part of the row that begins on line 3: more than 65536 bytes, over several lines"
