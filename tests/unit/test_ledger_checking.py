"""Whatever is damaged in a ledger, checking says what and where; and it finds no fault with a sound one."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulkdelete.ledger import Findings, Totals, read_ledger
from tests.properties import often
from tests.unit.sound_ledger import damage, make
from tests.unit.test_ledger import columns_of
from tests.unit.test_ledger_model import played, step

ROW = "INSERT INTO row (row, fate, reason, record, file)"
WITHOUT_PENDING = (
    "DROP INDEX open_batch; CREATE INDEX open_batch ON batch (first_row) WHERE state IN (0, 3); "
    "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, '3)', '3, 4)') WHERE name = 'open_batch'"
)
DAMAGES = [
    (WITHOUT_PENDING, "SQLite finds the file damaged: row 4 missing from index open_batch"),
    ("UPDATE batch SET first_row = 1, records = 3 WHERE first_row = 0", "the ranges begin at row 1, and not at row 0"),
    ("DELETE FROM batch WHERE first_row = 14", "rows 14 to 17 are in no batch: there is a gap"),
    ("UPDATE batch SET end_row = 5, records = 5 WHERE first_row = 0", "rows 4 to 9: the range overlaps the one before"),
    ("UPDATE batch SET end_row = 14 WHERE first_row = 14", "the batch at row 14 ends before row 14: it has no rows"),
    ("UPDATE batch SET records = 3 WHERE first_row = 14", "rows 14 to 17: 3 records, 0 invalid, 0 held and 0 dup"),
    ("UPDATE batch SET records = 5, held = -1 WHERE first_row = 14", "rows 14 to 17: 5 records, 0 invalid, -1 held"),
    ("UPDATE batch SET end_row = 2000021 WHERE first_row = 21", "rows 21 to 2000020: no batch spans 2,000,000 rows"),
    ("UPDATE batch SET digest = x'00' WHERE first_row = 0", "rows 0 to 3: its digest has 1 bytes, and not 16"),
    ("UPDATE batch SET ambiguous = 2 WHERE first_row = 0", "rows 0 to 3: attempts 1 or ambiguous 2 cannot be"),
    ("UPDATE batch SET attempts = -1 WHERE first_row = 0", "rows 0 to 3: attempts -1 or ambiguous 1 cannot be"),
    ("UPDATE batch SET state = 9 WHERE first_row = 0", "rows 0 to 3: 9 is no state of a batch"),
    ("UPDATE batch SET state = 9 WHERE first_row = 0", "the fates add up to 19 rows, and the ranges hold 23"),
    (
        "UPDATE batch SET state = 1 WHERE first_row = 10",
        "rows 10 to 13: the batch is acknowledged as a whole, and has p",
    ),
    (
        "UPDATE batch SET state = 1 WHERE first_row = 21",
        "rows 21 to 22: the batch is acknowledged as a whole, and has n",
    ),
    (
        "UPDATE batch SET state = 2 WHERE first_row = 14",
        "rows 14 to 17: the batch is settled, and its parts hold 0 of 4",
    ),
    ("DELETE FROM part WHERE first_row = 4", "rows 4 to 9: the batch is settled, and its parts hold 1 of 3"),
    ("UPDATE batch SET state = 0 WHERE first_row = 4", "rows 4 to 9: the batch is open, and its parts hold 3 of 3"),
    ("UPDATE batch SET state = 3 WHERE first_row = 4", "rows 4 to 9: the batch is unresolved, and its parts hold 3 of"),
    ("UPDATE batch SET state = 4 WHERE first_row = 4", "rows 4 to 9: the batch is pending, and its parts hold 3 of 3"),
    ("UPDATE part SET end_row = 15 WHERE first_row = 10", "rows 10 to 14: the part does not lie inside one batch"),
    ("UPDATE part SET end_row = 10 WHERE first_row = 10", "rows 10 to 9: the part does not lie inside one batch"),
    ("INSERT INTO part VALUES (11, 13, 2, 'acknowledged')", "rows 11 to 12: the part overlaps the one before it"),
    ("INSERT INTO part VALUES (23, 24, 1, 'acknowledged')", "row 23: the part lies in no batch"),
    ("INSERT INTO part VALUES (-2, 0, 2, 'acknowledged')", "rows -2 to -1: the part lies in no batch"),
    ("UPDATE part SET fate = 'pending' WHERE first_row = 10", "rows 10 to 11: 'pending' is no fate of a part"),
    (
        "UPDATE part SET records = 1 WHERE first_row = 10",
        "rows 10 to 11: the part is said to hold 1 records, and has 2",
    ),
    ("UPDATE part SET records = 5 WHERE first_row = 4", "rows 4 to 8: the part is said to hold 5 records, and has 2"),
    (
        "UPDATE part SET fate = 'rejected' WHERE first_row = 10",
        "rows 10 to 11: the part is rejected, and is not a sing",
    ),
    ("UPDATE part SET fate = 'rejected' WHERE first_row = 10", "row 10: it is a rejected part, and no reason is kept"),
    ("UPDATE part SET fate = 'acknowledged' WHERE first_row = 9", "row 9: it is kept as rejected, and no part of its"),
    ("DELETE FROM row WHERE row = 9", "row 9: it is a rejected part, and no reason is kept of it"),
    ("DELETE FROM row WHERE row = 9", "rejected: 1 by the counts of batches and parts, and 0 gone through row by row"),
    (f"{ROW} VALUES (1, 'rejected', '', '', '')", "row 1: it is kept as rejected, and no part of its batch is"),
    (f"{ROW} VALUES (1, 'held', '', '', '')", "rows 0 to 3: 0 of its rows are counted as held, and 1 are kept"),
    (f"{ROW} VALUES (23, 'held', '', '', '')", "row 23: it is kept as 'held', and lies in no batch"),
    ("UPDATE row SET fate = 'lost' WHERE row = 6", "row 6: 'lost' is no fate of a row that is kept"),
    ("UPDATE row SET fate = 'pending' WHERE row = 6", "row 6: 'pending' is no fate of a row that is kept"),
    ("DELETE FROM row WHERE row = 5", "rows 4 to 9: 1 of its rows are counted as invalid, and 0 are kept"),
    ("UPDATE row SET fate = 'held' WHERE row = 7", "rows 4 to 9: 1 of its rows are counted as duplicate, and 0"),
    ("UPDATE row SET reason = x'ff' WHERE row = 6", "row 6: what is kept of it cannot be read"),
    ("UPDATE row SET reason = 5 WHERE row = 6", "row 6: what is kept of it cannot be read"),
    (
        "UPDATE row SET filter_column = 'c', record = 'no' WHERE row = 6",
        "row 6: what is kept of it cannot be read",
    ),
    ("UPDATE row SET fate = CAST(x'ff' AS TEXT) WHERE row = 6", "the batches cannot be read to the end"),
    ("UPDATE job SET value = '24' WHERE key = 'source_rows'", "source_rows 24, and the ranges end before row 23"),
    ("UPDATE job SET value = 'all' WHERE key = 'source_rows'", "source_rows all, and the ranges end before row 23"),
    ("UPDATE job SET value = x'ff' WHERE key = 'source_path'", "the fact source_path cannot be read"),
    ("UPDATE job SET value = 5 WHERE key = 'source_path'", "the fact source_path cannot be read"),
    ("DELETE FROM job WHERE key = 'identity.table_id'", "does not say which job it is of: identity.table_id missing"),
    ("UPDATE run SET ended = 'bored' WHERE id = 2", "run 2: 'bored' is no way to end"),
    ("UPDATE run SET ended_ms = NULL WHERE id = 2", "run 2: it has half an end"),
    ("UPDATE run SET retries = NULL WHERE id = 2", "run 2: it has half an end"),
    ("UPDATE run SET requests = 3 WHERE id = 1", "run 1: it has half an end"),
    ("UPDATE run SET retries = -1 WHERE id = 2", "run 2: 5 requests and -1 retries cannot be"),
    ("UPDATE run SET ended_ms = 0 WHERE id = 2", "run 2: it ended more than a day before it began"),
    ("DELETE FROM run WHERE id = 1", "run 1 is missing"),
    ("DELETE FROM run", "no run is on record"),
    ("UPDATE event SET run = 9", "event 1 belongs to run 9, which is not on record"),
    ("UPDATE event SET detail = '{'", "event 1: its detail is no JSON object"),
    ("UPDATE event SET detail = '[]'", "event 1: its detail is no JSON object"),
    ("DROP TABLE event", "the table event should have the columns id, at_ms, run, kind, detail; it has none"),
    ("DROP TABLE part", "the batches cannot be read to the end: no such table: part"),
    ("ALTER TABLE part ADD COLUMN note ANY", "the table part should have the columns first_row, end_row, records, fat"),
    ("CREATE TRIGGER t AFTER UPDATE ON batch BEGIN DELETE FROM row; END", "the file holds the trigger t, which no led"),
]


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> bytes:
    folder = tmp_path_factory.mktemp("sound")
    asyncio.run(make(folder))
    return (folder / "a.db").read_bytes()


@pytest.fixture
def path(tmp_path, sound) -> Path:
    (tmp_path / "a.db").write_bytes(sound)
    return tmp_path / "a.db"


def checked(path: Path) -> Findings:
    with read_ledger(path) as reader:
        return reader.check()


def test_a_sound_ledger_has_no_problems_and_everything_is_counted(path):
    found = checked(path)
    assert found.problems.shown == []
    assert found.totals == Totals(
        rows=23, batches=6, acknowledged=8, rejected=1, invalid=3, held=1, duplicate=1, unresolved=5, pending=4
    )
    assert [run.ended for run in found.runs] == ["signal", None]
    assert found.facts["source_rows"] == "23"


@pytest.mark.parametrize(("sql", "said"), DAMAGES, ids=[f"{sql} | {said[:40]}" for sql, said in DAMAGES])
def test_what_was_changed_behind_its_back_is_found_and_said(path, sql, said):
    damage(path, sql)
    assert any(said in problem for problem in checked(path).problems.shown), checked(path).problems.shown


async def test_a_ledger_of_the_first_version_is_checked_too(path):
    damage(path, "DROP TABLE event; PRAGMA user_version = 1")
    found = await asyncio.to_thread(checked, path)
    assert found.problems.shown == []
    assert found.digest.startswith("sha256:")


@pytest.mark.parametrize("table", ["batch", "part", "row", "run", "job", "event", "open_batch"])
def test_a_damaged_page_is_a_problem_and_the_rest_is_checked_all_the_same(path, table):
    ((page,),) = columns_of(path, f"SELECT rootpage FROM sqlite_schema WHERE name = '{table}'")
    raw = bytearray(path.read_bytes())
    raw[(page - 1) * 4096 : page * 4096] = b"\xa5" * 4096
    path.write_bytes(raw)
    found = checked(path)
    told = ("SQLite finds the file damaged", "the file cannot be read to the end")
    assert found.problems.shown[0].startswith(told)
    assert bool(found.runs) == (table != "run")
    assert bool(found.facts) == (table != "job")


def test_of_many_problems_the_first_hundred_are_kept_and_all_are_counted(path):
    damage(
        path,
        "WITH RECURSIVE n (i) AS (SELECT 23 UNION ALL SELECT i + 1 FROM n WHERE i < 322) "
        "INSERT INTO batch (first_row, end_row, records, invalid, held, duplicate, digest, state, changed_ms) "
        "SELECT i, i + 1, 1, 0, 0, 0, zeroblob(16), 7, 0 FROM n",
    )
    problems = checked(path).problems
    assert len(problems.shown) == 100
    assert problems.count >= 300


def test_a_range_that_claims_a_huge_number_of_rows_costs_no_memory(path):
    damage(path, f"UPDATE batch SET end_row = {2**62} WHERE first_row = 21; {ROW} VALUES (5000000, 'held', '', '', '')")
    said = checked(path).problems.shown
    assert any(f"rows 21 to {2**62 - 1}: no batch spans" in problem for problem in said)
    assert any("row 5000000: it is kept as 'held', and lies in no batch" in problem for problem in said)


@settings(max_examples=often(60))
@given(st.lists(step, max_size=40))
def test_whatever_the_ledgers_own_writer_wrote_is_sound_and_has_the_digest_that_it_closed_with(steps):
    with tempfile.TemporaryDirectory() as folder:
        model = asyncio.run(played(Path(folder) / "a.db", steps))
        found = checked(Path(folder) / "a.db")
    assert found.problems.shown == []
    assert found.totals == model.totals()
    assert found.digest == model.digest
