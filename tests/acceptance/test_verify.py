"""``bulkdelete verify`` as its users run it: after a purge, after damage, after a kill and the same command again."""

from __future__ import annotations

import asyncio
import gzip
import json
import sqlite3
from contextlib import closing

import pytest

from bulkdelete.emulator import Emulator, Faults
from tests.acceptance.command import CANARY_KEY, TABLE_ID, Command, finished, ids, killed, write_csv

ROWS = 20_000


@pytest.fixture
async def emulator():
    async with Emulator(faults=Faults(latency_seconds=0.02)) as emulator:
        emulator.add_key(CANARY_KEY)
        emulator.load(TABLE_ID, ids(ROWS))
        yield emulator


def purge(folder, emulator, *words):
    job = ("--table-id", TABLE_ID, "--base-url", emulator.base_url, "--ledger", "purge.db", "--concurrency", 4, "--yes")
    return Command(folder, "run", *words, *job, "--json")


async def verify(folder, *words):
    done = await Command(folder, "verify", "purge.db", *words, "--json", key=None).run()
    return done.code, done.report


async def test_a_purge_is_verified_alone_with_its_source_and_with_its_report(tmp_path, emulator):
    rows = ids(ROWS)
    emulator.poison(TABLE_ID, [rows[7_777]])
    write_csv(tmp_path / "ids.csv", [*rows[:100], "not an id", *rows[100:]])
    done = await purge(tmp_path, emulator, "ids.csv").run()
    assert done.code == 1, done.stderr
    (tmp_path / "report.json").write_text(done.stdout)
    code, found = await verify(tmp_path)
    assert (code, found["source_checked"], found["as_reported"]) == (0, False, None)
    code, found = await verify(tmp_path, "--source", "ids.csv", "--report", "report.json")
    assert (code, found["source_checked"], found["as_reported"]) == (0, True, True)
    assert found["ledger_digest"] == done.report["ledger_digest"]
    assert (found["rows"], found["acknowledged"], found["rejected"], found["invalid"]) == (20_001, 19_999, 1, 1)
    text = await Command(tmp_path, "verify", "purge.db", "--digest", done.report["ledger_digest"]).run()
    assert text.code == 0
    assert "everything holds" in text.stdout


async def test_a_row_that_was_changed_in_the_ledger_is_found_with_the_source(tmp_path, emulator):
    rows = ids(ROWS)
    emulator.poison(TABLE_ID, [rows[7_777]])
    write_csv(tmp_path / "ids.csv", ["5.41e+17", rows[0], *rows])
    (tmp_path / "holds.txt").write_text(f"{rows[40]}\n")
    done = await purge(tmp_path, emulator, "ids.csv", "--holds", "holds.txt").run()
    assert [done.report[fate] for fate in ("invalid", "duplicate", "held", "rejected")] == [1, 1, 1, 1], done.stderr
    (tmp_path / "moved.csv").write_bytes((tmp_path / "ids.csv").read_bytes())
    for source in ("ids.csv", "moved.csv"):
        code, found = await verify(tmp_path, "--source", source)
        assert code == 0, found
    with closing(sqlite3.connect(tmp_path / "purge.db")) as ledger, ledger:
        ledger.execute("UPDATE row SET record = record || 'x' WHERE row = 0")
        ledger.execute("UPDATE row SET file = 'other.csv' WHERE fate = 'held'")
    code, found = await verify(tmp_path, "--source", "ids.csv")
    assert (code, found["problem_count"]) == (3, 2)
    assert "row 0: the ledger keeps 5.41e+17x as invalid, and the source holds 5.41e+17 there" in found["problems"]
    assert (
        "row 42: the ledger has it in line 44 of other.csv, and the source in line 44 of ids.csv" in found["problems"]
    )


@pytest.mark.parametrize("more", [(), ("--limit", "5000"), ("--max-records", "1"), ("--count",)])
async def test_a_report_whose_numbers_were_changed_is_found(tmp_path, emulator, more):
    write_csv(tmp_path / "ids.csv", ids(ROWS))
    done = await purge(tmp_path, emulator, "ids.csv", *more).run()
    (tmp_path / "report.json").write_text(done.stdout)
    code, found = await verify(tmp_path, "--report", "report.json")
    assert code == 0, found
    (tmp_path / "report.json").write_text(json.dumps({**done.report, "acknowledged": 999_999}))
    code, found = await verify(tmp_path, "--report", "report.json")
    assert (code, found["problem_count"], found["as_reported"]) == (3, 1, True)
    held = f"{done.report['acknowledged']:,}"
    assert f"says acknowledged 999,999, and the ledger {held}: the report was changed" in found["problems"][0]


async def test_one_changed_byte_of_the_file_is_found(tmp_path, emulator):
    write_csv(tmp_path / "ids.csv", ids(ROWS))
    done = await purge(tmp_path, emulator, "ids.csv").run()
    with closing(sqlite3.connect(tmp_path / "purge.db")) as ledger:
        (digest,) = ledger.execute("SELECT digest FROM batch WHERE first_row = 3000").fetchone()
    raw = bytearray((tmp_path / "purge.db").read_bytes())
    assert raw.count(digest) == 1
    raw[raw.index(digest)] ^= 1
    (tmp_path / "purge.db").write_bytes(raw)
    code, found = await verify(tmp_path, "--digest", done.report["ledger_digest"])
    assert (code, found["as_reported"]) == (3, False)
    assert found["problem_count"] == 1
    code, found = await verify(tmp_path, "--source", "ids.csv")
    assert code == 3
    assert "rows 3000 to 3999 of the source are not those that the ledger holds" in found["problems"][0]


async def test_a_report_outlived_by_another_run_names_that_run(tmp_path, emulator):
    write_csv(tmp_path / "ids.csv", ids(ROWS))
    first = await purge(tmp_path, emulator, "ids.csv", "--limit", 5_000).run()
    assert first.code == 75
    (tmp_path / "first.json").write_text(first.stdout)
    assert (await verify(tmp_path, "--report", "first.json", "--source", "ids.csv"))[0] == 0
    second = await purge(tmp_path, emulator, "ids.csv").run()
    assert (second.code, second.report["ledger_run"]) == (0, 2)
    code, found = await verify(tmp_path, "--report", "first.json")
    assert code == 3
    assert "a later run changes it by right: run 2 began" in found["problems"][0]
    assert (await verify(tmp_path, "--digest", second.report["ledger_digest"]))[0] == 0


async def test_after_a_kill_and_after_the_same_command_again_the_ledger_is_sound(tmp_path, emulator):
    write_csv(tmp_path / "ids.csv", ids(ROWS))
    async with purge(tmp_path, emulator, "ids.csv").started() as process:
        async with asyncio.timeout(30):
            while emulator.requests < 6:
                await asyncio.sleep(0.002)
        emulator.faults = Faults(latency_seconds=20.0)
        busy = await Command(tmp_path, "verify", "purge.db").run()
        await killed(process)
    assert busy.code == 75, busy.everything
    assert str(process.pid) in busy.stderr
    emulator.faults = Faults()
    code, found = await verify(tmp_path, "--source", "ids.csv")
    assert code == 0, found
    assert found["unresolved"] > 0
    resumed = await purge(tmp_path, emulator, "ids.csv").run()
    assert resumed.code == 0, resumed.stderr
    code, found = await verify(tmp_path, "--source", "ids.csv", "--digest", resumed.report["ledger_digest"])
    assert (code, found["runs"], found["acknowledged"]) == (0, 2, ROWS)


async def test_several_files_of_any_kind_are_read_again_together(tmp_path, emulator):
    folder = tmp_path / "parts"
    folder.mkdir()
    (folder / "1.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in ids(ROWS)[:1_500]))
    (folder / "2.jsonl.gz").write_bytes(gzip.compress("".join(f'"{one}"\n' for one in ids(ROWS)[1_500:2_700]).encode()))
    assert (await purge(tmp_path, emulator, "parts").run()).code == 0
    assert (await verify(tmp_path, "--source", "parts"))[0] == 0
    one_by_one = ("--source", "parts/1.jsonl", "--source", "parts/2.jsonl.gz")
    assert (await verify(tmp_path, *one_by_one))[0] == 0
    code, found = await verify(tmp_path, *one_by_one[2:], *one_by_one[:2])
    assert code == 3
    assert "the source's files" in found["problems"][0]


async def test_what_came_from_standard_input_is_compared_with_a_file_of_the_same_content(tmp_path, emulator):
    rows = "".join(f"{one}\n" for one in ids(2_500))
    async with purge(tmp_path, emulator, "-").started(stdin=b"") as process:
        done = await finished(process, rows.encode())
    assert done.code == 0, done.stderr
    (tmp_path / "ids.txt").write_text(rows)
    assert (await verify(tmp_path, "--source", "ids.txt"))[0] == 0
    (tmp_path / "ids.txt").write_text(rows.replace("\n", "\r\n"))
    code, found = await verify(tmp_path, "--source", "ids.txt")
    assert (code, found["problem_count"]) == (3, 1)
    assert "the source's content" in found["problems"][0]
