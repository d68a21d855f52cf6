"""Ledgers that older versions wrote are opened, resumed, verified and reported by this one."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from click.testing import CliRunner
from yarl import URL

from bulkdelete.cli.commands import group
from bulkdelete.emulator import Emulator
from bulkdelete.ledger import open_ledger
from bulkdelete.ledger.schema import SCHEMA_VERSION
from bulkdelete.records import Ended
from tests.acceptance.command import CANARY_KEY, TABLE_ID, Command, fates
from tests.old_ledgers.alone import Unfinished, assert_complete_alone, assert_resumed_alone, left_of, lines_of
from tests.old_ledgers.making import HERE, JOBS, KEPT, jobs_of, kept_of, words_of
from tests.unit.test_ledger import IDENTITY

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.acceptance.command import Finished

CLOCK = HERE.parent / "crashes" / "clock.py"
UNFINISHED = [name for name in JOBS if name != "finished"]


class Expected(NamedTuple):
    """What a kept ledger of an unfinished job holds."""

    acknowledged: int
    rows: dict[str, list[int]]
    """The rows of every other fate."""


FINISHED = {
    1: {"acknowledged": 76, "rejected": 2, "invalid": 1, "duplicate": 1},
    2: {"acknowledged": 74, "rejected": 2, "invalid": 1, "held": 2, "duplicate": 1},
}
EXPECTED = {
    (1, "interrupted"): Expected(
        acknowledged=51,
        rows={"rejected": [8], "invalid": [3], "duplicate": [16], "unresolved": [*range(44, 52), *range(62, 80)]},
    ),
    (1, "stopped"): Expected(
        acknowledged=15,
        rows={
            "invalid": [3],
            "duplicate": [16],
            "unresolved": [*range(6, 11), *range(22, 32)],
            "pending": [*range(32, 62)],
        },
    ),
    (2, "interrupted"): Expected(
        acknowledged=62,
        rows={
            "rejected": [8],
            "invalid": [3],
            "held": [5, 41],
            "duplicate": [16],
            "unresolved": [*range(23, 33), 51, 52, 53],
        },
    ),
    (2, "stopped"): Expected(
        acknowledged=29,
        rows={
            "rejected": [8],
            "invalid": [3],
            "held": [5, 41],
            "duplicate": [16],
            "unresolved": [*range(33, 41), *range(42, 54)],
            "pending": [*range(54, 80)],
        },
    ),
}


def brought(version: int, name: str, into: Path) -> Path:
    """Return a folder of its own with a copy of what is kept."""
    return shutil.copytree(kept_of(version) / name, into / name)


def told(folder: Path, command: str, *words: object) -> str:
    """Return what *command* of the ledger in *folder* prints; it must end with 0."""
    done = CliRunner().invoke(group, [command, str(folder / "purge.db"), *map(str, words)])
    assert done.exit_code == 0, (done.output, done.exception)
    return done.stdout


def status(folder: Path) -> dict[str, Any]:
    return json.loads(told(folder, "status", "--json"))


def assert_verified(folder: Path, *words: object) -> None:
    assert json.loads(told(folder, "verify", "--source", folder / "ids.csv", "--json", *words))["source_checked"]


def failures(folder: Path) -> dict[str, list[int]]:
    rows: dict[str, list[int]] = {}
    for line in map(json.loads, told(folder, "failures", "--source", folder / "ids.csv", "--all").splitlines()):
        rows.setdefault(line["fate"], []).append(line["row"])
    return rows


async def again(
    version: int, folder: Path, base_url: str, *more: object, program: Sequence[object] = ("-m", "bulkdelete")
) -> Finished:
    """Run the command that the ledger is of."""
    words = ("--table-id", TABLE_ID, "--base-url", base_url, "--ledger", "purge.db", "--yes", "--json")
    return await Command(folder, "run", *words_of(version), *words, *more, program=program).run()


def schema_of(path: Path) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        asked = ("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name",)
        return [
            row
            for sql in (*asked, "PRAGMA user_version", "PRAGMA application_id")
            for row in connection.execute(sql).fetchall()
        ]


def new_ledger(folder: Path) -> Path:
    async def make() -> None:
        await (await open_ledger(folder / "new.db", IDENTITY)).close(Ended.COMPLETE)

    asyncio.run(make())
    return folder / "new.db"


def test_ledgers_are_kept_of_every_schema_version_up_to_this_one():
    how = "make them with python -m tests.old_ledgers, and say here what they hold"
    assert KEPT.exists(), how
    versions = range(1, SCHEMA_VERSION + 1)
    assert {path.name for path in HERE.glob("schema_*")} == {f"schema_{version}" for version in versions}
    assert {*FINISHED} == {*versions}, how
    assert {*EXPECTED} == {(version, name) for version in versions for name in UNFINISHED}, how
    for version in versions:
        assert {path.name for path in kept_of(version).iterdir()} == {*jobs_of(version)}
        with closing(sqlite3.connect(f"file:{kept_of(version)}/finished/purge.db?immutable=1", uri=True)) as kept:
            assert kept.execute("PRAGMA user_version").fetchone() == (version,)


def test_this_code_makes_ledgers_of_the_schema_that_is_kept_of_its_version(tmp_path):
    folder = brought(SCHEMA_VERSION, "finished", tmp_path)
    how = "a schema that changes is another version: raise it, say how to upgrade, and keep ledgers of it"
    assert schema_of(new_ledger(tmp_path)) == schema_of(folder / "purge.db"), how


@pytest.mark.parametrize("version", FINISHED)
def test_a_finished_one_is_verified_reported_and_left_as_it_is(tmp_path, version):
    folder, expected = brought(version, "finished", tmp_path), FINISHED[version]
    now = status(folder)
    assert fates(now) == expected
    assert now["remaining"] == 0
    assert_verified(folder, *(("--report", folder / "report.json") if version > 1 else ()))
    alone = brought(version, "finished", tmp_path / "alone")
    (alone / "ids.csv").unlink()
    asyncio.run(assert_complete_alone(alone / "purge.db", expected))
    done = asyncio.run(again(version, folder, str(now["base_url"])))  # where nobody listens
    assert done.code == 1, done.everything
    assert fates(done.report) == expected
    assert done.report["requests"] == 0
    assert {fate: len(rows) for fate, rows in failures(folder).items()} == {
        fate: rows for fate, rows in expected.items() if fate != "acknowledged"
    }
    assert schema_of(folder / "purge.db") == schema_of(new_ledger(tmp_path))


@pytest.mark.parametrize(("version", "name"), EXPECTED)
def test_an_unfinished_one_is_verified_reported_and_gone_on_with_within_the_quota_that_it_spent(
    tmp_path, version, name
):
    folder, expected = brought(version, name, tmp_path), EXPECTED[version, name]
    now = status(folder)
    counts = {fate: len(rows) for fate, rows in expected.rows.items()}
    assert fates(now) == {"acknowledged": expected.acknowledged, **counts}
    assert_verified(folder)
    assert failures(folder) == expected.rows
    asyncio.run(assert_gone_on_with(version, folder, now, expected))
    assert_verified(folder)
    assert schema_of(folder / "purge.db") == schema_of(new_ledger(tmp_path))
    asyncio.run(assert_resumed_alone(a_copy(version, name, tmp_path / "alone")))


def a_copy(version: int, name: str, into: Path) -> Unfinished:
    folder, expected = brought(version, name, into), EXPECTED[version, name]
    now = {"acknowledged": expected.acknowledged, **{fate: len(rows) for fate, rows in expected.rows.items()}}
    rows = lines_of(folder / "ids.csv")[1:]

    def fill(emulator: Emulator) -> None:
        emulator.load(TABLE_ID, lines_of(folder / "in_the_table.txt"))
        emulator.poison(TABLE_ID, [rows[8], rows[51]])

    left = left_of(expected.rows, sum(now.values()), len(rows))
    return Unfinished(folder, rows, left, now, FINISHED[version], fill, batch=10, files=("ids.csv",))


async def assert_gone_on_with(version: int, folder: Path, now: dict[str, Any], expected: Expected) -> None:
    url, table = URL(str(now["base_url"])), (folder / "in_the_table.txt").read_text().splitlines()
    assert url.host is not None
    rows = (folder / "ids.csv").read_text().splitlines()[1:]
    poisoned = {rows[8], rows[51]}
    never_sent = {rows[row] for fate in ("invalid", "held") for row in expected.rows.get(fate, [])}
    left = {row for fate in ("unresolved", "pending") for row in expected.rows.get(fate, [])}
    left |= {*range(now["rows"], len(rows))}
    async with Emulator(host=url.host, port=url.port or 0, record_requests=True) as emulator:
        emulator.add_key(CANARY_KEY)
        emulator.load(TABLE_ID, table)
        emulator.poison(TABLE_ID, poisoned)
        soon = (CLOCK, float(now["last_run"]["started_unix_seconds"]) + 60 - time.time())
        less = ("--requests-per-day", 5, "--max-pause", 0)
        waiting = await again(version, folder, str(url), *less, program=soon)
        assert (waiting.code, emulator.requests) == (75, 0), waiting.everything
        assert waiting.report["ended"] == "quota"
        done = await again(version, folder, str(url), "--now")
        assert done.code == 1, done.everything
        assert fates(done.report) == FINISHED[version]
        asked = {entry["record_id"] for request in emulator.log for entry in request.entries}
        assert asked == {rows[row] for row in left}
        assert {*emulator.remaining(TABLE_ID)} == never_sent | poisoned
