"""Ledgers of calls, pipes and several files that older versions wrote go on, by every door, in this one."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from bulkdelete import BulkDeleter
from tests.acceptance.command import CANARY_KEY, TABLE_ID, Command, fates
from tests.old_ledgers.alone import (
    Unfinished,
    assert_complete,
    assert_resumed_alone,
    left_of,
    lines_of,
    look,
    put_files_back,
    serving,
)
from tests.old_ledgers.calls import CALLS, FILES, ITEMS, NEVER_NAMED, POISONED, RECORDS, WORDS, fill, settings_of
from tests.old_ledgers.test_old_ledgers import brought, status, told

if TYPE_CHECKING:
    from pathlib import Path

VERSION = 2
ROWS: dict[str, dict[str, list[int]]] = {
    "iterable": {"rejected": [15], "invalid": [5], "duplicate": [14], "unresolved": [17, *range(30, 38)]},
    "piped": {"unresolved": [8, 9, 10, 11]},
    "files": {"unresolved": [14, 15]},
}
"""The rows of every fate that a ledger has not acknowledged."""
ACKNOWLEDGED = {"iterable": 26, "piped": 8, "files": 22}
FINISHED = {
    "iterable": {"acknowledged": 37, "rejected": 1, "invalid": 1, "duplicate": 1},
    "piped": {"acknowledged": 39, "rejected": 1},
    "files": {"acknowledged": 39, "rejected": 1},
}
RUNS = {"iterable": (None, ["resume"]), "piped": ("limit", []), "files": ("limit", ["resume"])}
"""How the last run ended, and which of its events say that it had its records from the ledger."""


def a_copy(name: str, into: Path) -> Unfinished:
    folder = brought(VERSION, name, into)
    now = {"acknowledged": ACKNOWLEDGED[name], **{fate: len(rows) for fate, rows in ROWS[name].items()}}
    return Unfinished(
        folder,
        ITEMS if name == "iterable" else RECORDS,
        left_of(ROWS[name], sum(now.values()), len(RECORDS)),
        now,
        FINISHED[name],
        lambda emulator: fill(emulator, lines_of(folder / "in_the_table.txt")),
        batch=4,
        files=tuple(FILES) if name == "files" else (),
    )


@pytest.mark.parametrize("name", CALLS)
def test_it_goes_on_from_its_copy_or_its_files_by_a_resume_and_by_the_same_call_again(tmp_path, name):
    asyncio.run(assert_resumed_alone(a_copy(name, tmp_path / "resumed")))
    job = a_copy(name, tmp_path / "again")
    assert (job.folder / "purge.db.spool").exists() is (name != "files")
    now = status(job.folder)
    assert fates(now) == job.now
    ended, by_themselves = RUNS[name]
    assert now["last_run"]["ended"] == ended
    last = [event for event in events(job) if event["run"] == (1 if name == "piped" else 2)]
    assert [event["kind"] for event in last if event["kind"] == "resume"] == by_themselves
    assert_verified(job)
    if job.files:
        put_files_back(job)
    assert failures(job) == ROWS[name]
    asyncio.run(assert_goes_on_again(name, job))
    assert_verified(job, *(() if name == "iterable" else ("--report", job.folder / "report.json")))
    assert {fate: len(rows) for fate, rows in failures(job).items()} == {
        fate: count for fate, count in FINISHED[name].items() if fate != "acknowledged"
    }


async def assert_goes_on_again(name: str, job: Unfinished) -> None:
    base_url = (await look(job)).base_url
    async with serving(job) as emulator:
        if name == "iterable":
            async with BulkDeleter(settings=settings_of(base_url), api_key=CANARY_KEY) as deleter:
                report = await deleter.delete(TABLE_ID, iter(ITEMS), ledger=job.ledger)
            assert report.ended == "complete"
        else:
            words = (*WORDS[name], "--table-id", TABLE_ID, "--base-url", base_url, "--ledger", "purge.db")
            done = await Command(job.folder, "run", *words, "--yes", "--json").run(b"")  # an empty pipe: from its copy
            assert (done.code, fates(done.report)) == (1, job.finished), done.everything
            (job.folder / "report.json").write_text(done.stdout)
        rows = {POISONED, *(NEVER_NAMED if name == "iterable" else ())}
        assert {*emulator.remaining(TABLE_ID)} == {RECORDS[row] for row in rows}
    await assert_complete(job)


def events(job: Unfinished) -> list[dict[str, Any]]:
    return [json.loads(line) for line in told(job.folder, "status", "--json", "--events").splitlines()]


def assert_verified(job: Unfinished, *words: object) -> None:
    sources = [word for file in job.files for word in ("--source", job.folder / file)]
    found = json.loads(told(job.folder, "verify", "--json", *sources, *words))
    assert found["source_checked"] is bool(sources)


def failures(job: Unfinished) -> dict[str, list[int]]:
    """Return the rows that are not acknowledged; those that are left are read from the copy, or from the files."""
    rows: dict[str, list[int]] = {}
    for line in map(json.loads, told(job.folder, "failures", "--all").splitlines()):
        rows.setdefault(line["fate"], []).append(line["row"])
        item = line.get("filter") or line.get("record_id") or line.get("text") or line.get("not_sent")
        assert item == shown(job.items[line["row"]]), line
    return rows


def shown(item: Any) -> object:
    return item if isinstance(item, str) else {item.column: item.value} if hasattr(item, "column") else str(item)
