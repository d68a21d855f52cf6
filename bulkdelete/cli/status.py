"""``bulkdelete status``: what a ledger says about its job, also while the job runs."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bulkdelete.cli import once, reporting
from bulkdelete.ledger import read_ledger
from bulkdelete.ledger.facts import RESUME_AT, SOURCE_PATH, SOURCE_ROWS
from bulkdelete.records import FATES
from bulkdelete.terminal import harmless

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bulkdelete.ledger import LedgerReader


@click.command("status", cls=once.Command)
@click.argument("ledger", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--events", is_flag=True, help="Print what was decided and what each run began with, as JSON Lines.")
def command(ledger: Path, *, as_json: bool, events: bool) -> None:
    """Say what the file LEDGER holds about its job: how far it is, and whether it runs now."""
    with read_ledger(ledger) as reader:
        reader.check_if_small()
        if events:
            click.echo("".join(f"{json.dumps(asdict(event))}\n" for event in reader.events()), nl=False)
            return
        with reader.reading_values():
            status = _status(ledger, reader)
            told = json.dumps(status) if as_json else "\n".join(_lines(status))
    click.echo(told)


def _status(ledger: Path, reader: LedgerReader) -> dict[str, Any]:
    totals, facts = reader.totals(), reader.facts
    source_rows, resume_at = facts.get(SOURCE_ROWS), facts.get(RESUME_AT)
    return {
        "ledger": str(ledger),
        "ledger_bytes": reader.size_bytes,
        "table_id": facts.get("identity.table_id", ""),
        "base_url": facts.get("identity.base_url", ""),
        "source_path": facts.get(SOURCE_PATH, ""),
        "source_rows": None if source_rows is None else int(source_rows),
        **reporting.totals_as_dict(totals),
        "batches": totals.batches,
        "remaining": totals.unresolved + totals.pending,
        "running_pid": reader.running(),
        "resume_at_unix_seconds": float(resume_at or 0) or None,
        "last_run": _last_run(reader),
    }


def _last_run(reader: LedgerReader) -> dict[str, Any] | None:
    run = next(iter(reader.runs()), None)
    if run is None:
        return None
    return {
        "started_unix_seconds": run.started_ms / 1000,
        "ended_unix_seconds": None if run.ended_ms is None else run.ended_ms / 1000,
        "ended": run.ended,
        "reason": harmless(run.reason or "", most=1000),
        "pid": run.pid,
        "host": run.host,
        "user": run.user,
        "version": run.version,
        "requests": run.requests,
        "retries": run.retries,
    }


def _lines(status: dict[str, Any]) -> Iterator[str]:
    pid = status["running_pid"]
    yield _line("job", "not running" if pid is None else f"running now, process {pid or 'unknown'}")
    yield _line("table", status["table_id"])
    yield _line("base URL", status["base_url"])
    yield _line("source", status["source_path"])
    yield _line("rows", f"{status['rows']:,} read{_of_all(status)}")
    for fate in FATES:
        yield _line(f"  {fate}", f"{status[fate]:,}")
    yield _line("batches", f"{status['batches']:,}")
    yield _line("remaining", _remaining(status))
    if status["resume_at_unix_seconds"] is not None:
        yield _line("come back", reporting.when(status["resume_at_unix_seconds"], time.time()))
    if status["last_run"] is not None:
        yield _line("last run", _told(status["last_run"], running=pid is not None))
    yield _line("ledger", f"{status['ledger']}, {status['ledger_bytes']:,} bytes")


def _line(name: str, text: str) -> str:
    return f"{name:<16}{harmless(text, most=4096)}".rstrip()


def _of_all(status: dict[str, Any]) -> str:
    return "" if status["source_rows"] is None else f", of {status['source_rows']:,} in the source"


def _remaining(status: dict[str, Any]) -> str:
    unread = ", and what was not read yet" if status["source_rows"] is None else ""
    return f"{status['remaining']:,} rows{unread}"


def _told(run: dict[str, Any], *, running: bool) -> str:
    began = _local(run["started_unix_seconds"])
    told = f"{began}, {run['requests'] or 0:,} requests"
    if run["ended_unix_seconds"] is not None:
        reason = f" ({run['reason']})" if run["reason"] else ""
        return f"{told}, ended {_local(run['ended_unix_seconds'])}: {run['ended']}{reason}"
    return f"began {began}" if running else f"{told}, did not end in order: it was killed, or the machine went down"


def _local(unix_seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(unix_seconds))
