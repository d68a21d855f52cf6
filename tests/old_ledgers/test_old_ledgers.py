"""Ledgers that older versions wrote are opened, resumed, verified and reported by this one."""

from __future__ import annotations

import json
import shutil
import time
from typing import TYPE_CHECKING, NamedTuple

import pytest
from yarl import URL

from bulkdelete.emulator import Emulator
from tests.acceptance.command import CANARY_KEY, TABLE_ID, Command, fates
from tests.old_ledgers.making import HERE, KEPT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CLOCK = HERE.parent / "crashes" / "clock.py"
WORDS = ("ids.csv", "--holds", "held.txt", "-c", "purge.toml", "--batch-size", 10, "--concurrency", 1)


class Expected(NamedTuple):
    """What a version's two ledgers hold."""

    finished: dict[str, int]
    interrupted: dict[str, int]
    rows: dict[str, list[int]]
    """The rows that the interrupted one keeps, by fate, unresolved ones too."""


EXPECTED = {
    "schema_2": Expected(
        finished={"acknowledged": 74, "rejected": 2, "invalid": 1, "held": 2, "duplicate": 1},
        interrupted={"acknowledged": 62, "rejected": 1, "invalid": 1, "held": 2, "duplicate": 1, "unresolved": 13},
        rows={
            "rejected": [8],
            "invalid": [3],
            "held": [5, 41],
            "duplicate": [16],
            "unresolved": [*range(23, 33), 51, 52, 53],
        },
    ),
}


@pytest.fixture(params=EXPECTED)
def version(request):
    return request.param


def brought(version: str, name: str, into: Path) -> Path:
    """Return a folder of its own with a copy of what is kept."""
    return shutil.copytree(HERE / version / name, into / name)


def again(folder: Path, base_url: str, *more: object, program: Sequence[object] = ("-m", "bulkdelete")) -> Command:
    """The command that the ledger is of."""
    words = ("--table-id", TABLE_ID, "--base-url", base_url, "--ledger", "purge.db", "--yes", "--json")
    return Command(folder, "run", *WORDS, *words, *more, program=program)


async def status(folder: Path) -> dict[str, object]:
    done = await Command(folder, "status", "purge.db", "--json").run()
    assert done.code == 0, done.everything
    return done.report


async def assert_verified(folder: Path, *words: object) -> None:
    done = await Command(folder, "verify", "purge.db", "--source", "ids.csv", "--json", *words).run()
    assert done.code == 0, done.everything
    assert done.report["source_checked"]


async def failures(folder: Path) -> dict[str, list[int]]:
    done = await Command(folder, "failures", "purge.db", "--source", "ids.csv", "--all").run()
    assert done.code == 0, done.everything
    rows: dict[str, list[int]] = {}
    for line in map(json.loads, done.stdout.splitlines()):
        rows.setdefault(line["fate"], []).append(line["row"])
    return rows


def test_of_this_schema_version_ledgers_are_kept():
    assert KEPT.name in EXPECTED, "make them with python -m tests.old_ledgers, and say here what they hold"
    assert set(EXPECTED) == {path.name for path in HERE.glob("schema_*")}


async def test_a_finished_one_is_verified_reported_and_left_as_it_is(tmp_path, version):
    folder, expected = brought(version, "finished", tmp_path), EXPECTED[version]
    now = await status(folder)
    assert fates(now) == expected.finished
    assert now["remaining"] == 0
    await assert_verified(folder, "--report", "report.json")
    done = await again(folder, str(now["base_url"])).run()  # where nobody listens
    assert done.code == 1, done.everything
    assert fates(done.report) == expected.finished
    assert done.report["requests"] == 0
    assert {fate: len(rows) for fate, rows in (await failures(folder)).items()} == {
        fate: rows for fate, rows in expected.finished.items() if fate != "acknowledged"
    }


async def test_an_interrupted_one_is_verified_and_reported(tmp_path, version):
    folder, expected = brought(version, "interrupted", tmp_path), EXPECTED[version]
    assert fates(await status(folder)) == expected.interrupted
    await assert_verified(folder)
    assert await failures(folder) == expected.rows


async def test_an_interrupted_one_is_gone_on_with_within_the_quota_that_it_spent(tmp_path, version):
    folder, expected = brought(version, "interrupted", tmp_path), EXPECTED[version]
    now = await status(folder)
    url, table = URL(str(now["base_url"])), (folder / "in_the_table.txt").read_text().splitlines()
    assert url.host is not None
    rows = (folder / "ids.csv").read_text().splitlines()[1:]
    stay = sorted(rows[row] for fate in ("invalid", "held", "rejected") for row in expected.rows[fate])
    poisoned = {rows[8], rows[51]}
    async with Emulator(host=url.host, port=url.port or 0, record_requests=True) as emulator:
        emulator.add_key(CANARY_KEY)
        emulator.load(TABLE_ID, table)
        emulator.poison(TABLE_ID, poisoned)
        began = float(now["last_run"]["started_unix_seconds"])
        soon = (CLOCK, began + 60 - time.time())
        waiting = await again(folder, str(url), "--requests-per-day", 5, "--max-pause", 0, program=soon).run()
        assert (waiting.code, emulator.requests) == (75, 0), waiting.everything
        assert waiting.report["ended"] == "quota"
        done = await again(folder, str(url), "--now").run()
        assert done.code == 1, done.everything
        assert fates(done.report) == expected.finished
        asked = {entry["record_id"] for request in emulator.log for entry in request.entries}
        assert asked == {rows[row] for row in expected.rows["unresolved"]}
        assert [*emulator.remaining(TABLE_ID)] == sorted({*stay, *poisoned})
    await assert_verified(folder)
