"""A kept ledger in a :class:`LedgerFolder`, gone on with from what it holds alone: ``deleter.resume``."""

from __future__ import annotations

import json
import sqlite3
import tomllib
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from yarl import URL

from bulkdelete import BulkDeleter, Filter, LedgerFolder, Settings, open_source
from bulkdelete.emulator import Emulator
from bulkdelete.records import FATES
from tests.acceptance.command import CANARY_KEY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from bulkdelete import KeptLedger, Report
    from bulkdelete.sources import Source


@dataclass(frozen=True)
class Unfinished:
    """A copy of a kept job: its *folder*, what its source gives, which rows of that are *left*, how it must end.

    *now* is how many rows of each fate its ledger holds, *finished* how many it will; *fill* gives an emulator what is
    left in the table. The *files* of its source lay elsewhere when it was made; without any there is a copy of it.
    """

    folder: Path
    items: Sequence[object]
    left: frozenset[int]
    now: dict[str, int]
    finished: dict[str, int]
    fill: Callable[[Emulator], None]
    batch: int
    files: tuple[str, ...] = ()

    @property
    def ledger(self) -> Path:
        return self.folder / "purge.db"


async def look(job: Unfinished) -> KeptLedger:
    """Return what a folder of ledgers says of *job*, and of nothing else in it."""
    (kept,) = await LedgerFolder(job.folder).ledgers()
    return kept


def counts(told: KeptLedger | Report) -> dict[str, int]:
    named = {str(fate): getattr(told, fate) for fate in FATES}
    assert sum(named.values()) == told.rows
    return {name: count for name, count in named.items() if count}


def put_files_back(job: Unfinished) -> None:
    """Let the ledger say that its files lie in its folder, where they are now: it can be read only on one machine."""
    paths = [str(job.folder / name) for name in job.files]
    stored = paths[0] if len(paths) == 1 else json.dumps(paths)
    with closing(sqlite3.connect(job.ledger)) as connection, connection:
        changed = connection.execute("UPDATE job SET value = ? WHERE key = 'source_path'", (stored,))
        assert changed.rowcount == 1


@asynccontextmanager
async def serving(job: Unfinished) -> AsyncIterator[Emulator]:
    """Serve what is left in the table where the job is; at the end exactly the rows that were left were asked for."""
    url = URL((await look(job)).base_url)
    assert url.host is not None
    async with Emulator(host=url.host, port=url.port or 0, record_requests=True) as emulator:
        emulator.add_key(CANARY_KEY)
        job.fill(emulator)
        yield emulator
        asked = {json.dumps(entry) for request in emulator.log for entry in request.entries}
        assert asked == {json.dumps(entry_of(job.items[row])) for row in job.left}


def entry_of(item: object) -> dict[str, object]:
    """Return what stands for *item* in a request."""
    return {"filter": {item.column: item.value}} if isinstance(item, Filter) else {"record_id": item}


async def assert_complete_alone(ledger: Path, finished: dict[str, int]) -> None:
    """Assert that a folder of ledgers knows *ledger* as done, and that its resume reads and sends nothing."""
    (kept,) = await LedgerFolder(ledger.parent).ledgers()
    assert (kept.state, kept.why, counts(kept)) == ("complete", "", finished)
    async with BulkDeleter(base_url=kept.base_url, api_key=CANARY_KEY) as deleter:  # where nobody listens
        report = await deleter.resume(ledger, holds=holds_beside(ledger))
    assert (report.ended, report.requests, counts(report)) == ("complete", 0, finished)


async def assert_resumed_alone(job: Unfinished) -> None:
    kept = await look(job)
    assert kept.state == ("no source" if job.files else "resumable"), kept.why
    assert counts(kept) == job.now
    if job.files:
        put_files_back(job)
    kept = await look(job)
    assert (kept.name, kept.state, kept.why) == ("purge", "resumable", "")
    async with serving(job), BulkDeleter(settings=settings_of(job, kept.base_url), api_key=CANARY_KEY) as deleter:
        report = await deleter.resume(job.ledger, holds=holds_beside(job.ledger), check=approved, limit=None)
    assert (report.ended, counts(report)) == ("complete", job.finished)
    await assert_complete(job)


async def assert_complete(job: Unfinished) -> None:
    kept = await look(job)
    assert (kept.state, kept.last_ended, counts(kept)) == ("complete", "complete", job.finished)
    assert not job.ledger.with_name("purge.db.spool").exists()


def settings_of(job: Unfinished, base_url: str) -> Settings:
    """Return the settings in the job's folder, with what its command was given beside them."""
    there: dict[str, Any] = tomllib.loads((job.folder / "purge.toml").read_text())
    there["flow"] = {**there.get("flow", {}), "concurrency": 1}
    return Settings.from_mapping({**there, "base_url": base_url, "batch": {"size": job.batch}})


def holds_beside(ledger: Path) -> Source | None:
    held = ledger.with_name("held.txt")
    return open_source(held) if held.exists() else None


async def approved(report: Report) -> bool:
    """Stand for whoever is asked about the canary."""
    return report.rows > 0


def lines_of(path: Path) -> list[str]:
    return path.read_text().splitlines()


def left_of(rows: dict[str, list[int]], read: int, count: int) -> frozenset[int]:
    """Return the rows of *count* that a ledger holds no final fate of, which has *read* so many."""
    return frozenset([*rows.get("unresolved", []), *rows.get("pending", []), *range(read, count)])
