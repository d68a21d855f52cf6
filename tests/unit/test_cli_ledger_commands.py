"""``status`` and ``failures`` on a real ledger, without any server."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from bulkdelete.cli.commands import group
from bulkdelete.digest import digest
from bulkdelete.ledger import open_ledger
from bulkdelete.records import Batch, Ended, Fate, Filter, Outcome, RowFate
from bulkdelete.screening import fault
from bulkdelete.sources import from_iterable, spooled

IDS = [str(541_278_230_707_963_208 + number) for number in range(10)]
IDENTITY = {
    "table_id": "673af861ed69656ac0895b07",
    "base_url": "http://127.0.0.1:8080",
    "source kind": "csv",
    "source column": "record_id",
    "source delimiter": ",",
    "source header": "true",
    "source filter_column": "",
    "source max_line_bytes": "65536",
}


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "ids.csv"
    path.write_text("record_id\n" + "\n".join(IDS) + "\n")
    return path


@pytest.fixture
def ledger(tmp_path, source):
    """Rows 0-3: one rejected, one invalid, one duplicate, one acknowledged; 4-6 unresolved; 7-9 pending."""
    asyncio.run(write(tmp_path / "purge.db", source))
    return tmp_path / "purge.db"


async def write(path, source):
    ledger = await open_ledger(path, IDENTITY, version="0")
    await ledger.remember("source_path", str(source))
    aside = (
        RowFate(1, Fate.INVALID, fault("=2+5 \ud800", 256), "=2+5 \ud800", str(source), 3),
        RowFate(2, Fate.DUPLICATE, "as row 0", IDS[2], str(source), 4),
    )
    first = Batch(0, 4, [IDS[0], IDS[3]], [0, 3], digest(IDS[:4]), aside, (range(2),))
    second = Batch(4, 7, IDS[4:7], range(4, 7), digest(IDS[4:7]), (), (range(3),))
    third = Batch(7, 10, IDS[7:], range(7, 10), digest(IDS[7:]), (), (range(3),))
    for batch in (first, second, third):
        await ledger.intend(batch)
    refused = RowFate(0, Fate.REJECTED, "invalid \x1b[31mparameters", Filter("email", "a@b.c"), str(source), 2, 40000)
    await ledger.record(Outcome(first, 0, 1, 1, Fate.REJECTED, whole=False, row_fate=refused))
    await ledger.record(Outcome(first, 3, 4, 1, Fate.ACKNOWLEDGED, whole=False))
    await ledger.record(Outcome(second, 4, 7, 3, Fate.UNRESOLVED, whole=True, **FAILED))
    await ledger.record(Outcome(third, 7, 10, 3, Fate.PENDING, whole=True))
    await ledger.close(Ended.SIGNAL, "SIGINT received", 5, 2)


FAILED = {"code": 50000, "message": "internal error", "request_id": "a1-7"}


def run(*words):
    return CliRunner().invoke(group, [str(word) for word in words])


def failures(*words):
    result = run("failures", *words)
    return result, [json.loads(line) for line in result.stdout.splitlines()]


def test_failures_are_json_lines_with_ids_unchanged_and_left_over_rows_read_again(ledger, source):
    result, rows = failures(ledger)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.isascii()
    assert rows[0] == {
        "row": 0,
        "fate": "rejected",
        "reason": "invalid parameters",
        "filter": {"email": "a@b.c"},
        "file": str(source),
        "line": 2,
        "code": 40000,
        "request_id": None,
    }
    assert rows[1]["record_id"] == "=2+5 \ud800"
    assert [(row["row"], row["fate"], row["record_id"], row["line"]) for row in rows[2:]] == [
        *((number, "unresolved", IDS[number], number + 2) for number in (4, 5, 6)),
        *((number, "pending", IDS[number], number + 2) for number in (7, 8, 9)),
    ]
    assert [(row["code"], row["request_id"]) for row in rows[2:]] == [(50000, "a1-7")] * 3 + [(None, None)] * 3


def test_duplicates_are_listed_when_all_are_asked_for(ledger):
    assert [row["row"] for row in failures(ledger, "--all")[1]] == [0, 1, 2, 4, 5, 6, 7, 8, 9]


def test_the_csv_for_people_holds_nothing_a_spreadsheet_runs(ledger):
    rows = list(csv.reader(io.StringIO(run("failures", ledger, "--csv").stdout)))
    assert ",".join(rows[0]) == "row,fate,reason,record (made harmless for spreadsheets),file,line,code"
    assert rows[1][3] == "email=a@b.c"
    assert rows[2][3] == "'=2+5 \\ud800"
    assert len(rows) == 9


def test_a_source_that_is_gone_is_named_by_its_ranges_after_the_other_rows(ledger, source):
    source.unlink()
    result, rows = failures(ledger)
    assert result.exit_code == 2
    assert [row["row"] for row in rows] == [0, 1]
    assert "4..7" in result.stderr
    assert "7..10" in result.stderr
    assert "--source" in result.stderr


def test_a_source_that_was_moved_is_read_where_it_is(ledger, source):
    moved = source.rename(source.with_name("moved.data"))
    assert [row["row"] for row in failures(ledger, "--source", moved)[1]] == [0, 1, 4, 5, 6, 7, 8, 9]


def test_a_source_that_has_changed_is_refused(ledger, source):
    source.write_text(source.read_text().replace(IDS[5], "541278230707960000"))
    result, rows = failures(ledger)
    assert result.exit_code == 2
    assert [row["row"] for row in rows] == [0, 1]
    assert "rows 4 to 6" in result.stderr


def test_a_source_that_became_shorter_is_refused(ledger, source):
    source.write_text("record_id\n" + "\n".join(IDS[:8]) + "\n")
    result, rows = failures(ledger)
    assert result.exit_code == 2
    assert [row["row"] for row in rows] == [0, 1, 4, 5, 6]


@pytest.mark.parametrize("text", ["541278230707963208", '"Ann" Smith,541278230707963208', ""])
def test_what_was_no_record_cannot_be_deleted_by_running_its_excerpt(tmp_path, source, text):
    async def write_defect():
        ledger = await open_ledger(tmp_path / "purge.db", IDENTITY, version="0")
        aside = (RowFate(0, Fate.INVALID, "what is wrong", text, "x", 1),)
        await ledger.intend(Batch(0, 1, [], [], digest([]), aside))
        await ledger.close(Ended.COMPLETE)

    asyncio.run(write_defect())
    (row,) = failures(tmp_path / "purge.db")[1]
    assert row["text"] == text
    assert "record_id" not in row


@pytest.mark.parametrize(
    "words", [("status", "gone.db"), ("verify", "gone.db"), ("plan", "gone.csv", "--table-id", "t")]
)
def test_with_json_a_refusal_is_one_object_too(words, tmp_path):
    command = [sys.executable, "-m", "bulkdelete", *words, "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    refusal = json.loads(done.stdout)
    assert (refusal["ended"], refusal["exit_code"], done.returncode) == ("refused", 2, 2)
    assert words[1] in refusal["reason"]
    assert words[1] in done.stderr


def test_status_tells_everything_as_text_and_as_json(ledger):
    result = run("status", ledger)
    assert result.exit_code == 0, result.stderr
    for told in ("673af861ed69656ac0895b07", "http://127.0.0.1:8080", "not running", "SIGINT received", "6 rows"):
        assert told in result.stdout
    status = json.loads(run("status", ledger, "--json").stdout)
    assert {name: status[name] for name in ("rows", "acknowledged", "rejected", "unresolved", "pending")} == {
        "rows": 10,
        "acknowledged": 1,
        "rejected": 1,
        "unresolved": 3,
        "pending": 3,
    }
    assert status["remaining"] == 6
    assert status["running_pid"] is None
    assert status["last_run"]["ended"] == "signal"
    assert status["last_run"]["requests"] == 5
    assert status["ledger_bytes"] > 0


async def test_status_tells_of_a_running_job(tmp_path, source):
    ledger = await open_ledger(tmp_path / "purge.db", IDENTITY, version="0")
    try:
        result = await asyncio.to_thread(run, "status", tmp_path / "purge.db")
    finally:
        await ledger.close(Ended.COMPLETE)
    assert f"running now, process {os.getpid()}" in result.stdout


@pytest.mark.parametrize("command", ["status", "failures"])
def test_what_is_no_ledger_is_refused(tmp_path, command):
    (tmp_path / "notes.txt").write_text("this is no ledger at all\n" * 100)
    for name in ("notes.txt", "missing.db"):
        result = run(command, tmp_path / name)
        assert result.exit_code == 2
        assert "Traceback" not in result.stderr
        assert name in result.stderr


@pytest.mark.parametrize("kind", ["text", "iterable"])
async def test_what_could_be_read_only_once_is_read_again_from_its_spool(tmp_path, kind):
    spool = tmp_path / "purge.db.spool"
    if kind == "text":
        spool.write_text("\n".join(IDS))
    else:
        await spooled(from_iterable(IDS), spool)
    ledger = await open_ledger(tmp_path / "purge.db", {"source kind": kind}, version="0")
    await ledger.intend(Batch(0, 10, IDS, range(10), digest(IDS), (), (range(10),)))
    await ledger.close(Ended.SIGNAL)
    rows = (await asyncio.to_thread(failures, tmp_path / "purge.db"))[1]
    assert [row["record_id"] for row in rows] == IDS


async def test_rows_that_came_from_python_and_are_gone_are_named(tmp_path):
    ledger = await open_ledger(tmp_path / "purge.db", {"source kind": "iterable"}, version="0")
    await ledger.intend(Batch(0, 10, IDS, range(10), digest(IDS), (), (range(10),)))
    await ledger.close(Ended.SIGNAL)
    result = await asyncio.to_thread(run, "failures", tmp_path / "purge.db")
    assert result.exit_code == 2
    assert "from Python" in result.stderr
    assert "0..10" in result.stderr
    assert "Make the call again with the same records and this ledger" in result.stderr
    assert "--source" not in result.stderr


def test_a_fault_of_ours_shows_its_traceback_and_needs_a_person(tmp_path, monkeypatch):
    monkeypatch.setattr("bulkdelete.cli.status.read_ledger", int)
    result = run("status", "no number at all")
    assert result.exit_code == 3
    assert "Traceback" in result.stderr
    assert "a fault of bulkdelete itself (TypeError)" in result.stderr


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "there is too little memory: let the process have more, and run the same command again"),
        (RuntimeError("can't start new thread"), "there are too few threads (can't start new thread): let the process"),
    ],
)
def test_what_the_machine_lacks_is_no_fault_of_ours(tmp_path, monkeypatch, error, words):
    def lacks(_):
        raise error

    monkeypatch.setattr("bulkdelete.cli.status.read_ledger", lacks)
    result = run("status", tmp_path / "purge.db")
    assert result.exit_code == 3
    assert result.stderr.startswith(f"bulkdelete: {words}")
    assert "What a ledger held before is still in it" in result.stderr
