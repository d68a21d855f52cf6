"""``bulkdelete failures``: the rows of a ledger that are not acknowledged, for machines or for people."""

from __future__ import annotations

import asyncio
import csv
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from bulkdelete.cli import once
from bulkdelete.cli.rereading import open_rows
from bulkdelete.cli.waiting import interruptible
from bulkdelete.ledger import read_ledger
from bulkdelete.records import Fate, Filter
from bulkdelete.screening import fault
from bulkdelete.terminal import harmless

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulkdelete.ledger import LedgerReader
    from bulkdelete.records import RowFate

CSV_HEADER: Final = ("row", "fate", "reason", "record (made harmless for spreadsheets)", "file", "line", "code")
_SHOWN: Final = frozenset({Fate.REJECTED, Fate.INVALID})
_RUN_BY_SPREADSHEETS: Final = ("=", "+", "-", "@", "\t", "\r", "\0")
_MOST_OF_A_CELL: Final = 10_000


@click.command("failures", cls=once.Command)
@click.argument("ledger", type=click.Path(path_type=Path))
@click.option("--source", help="Where the source is now, if it was moved; the ids of rows left over are read there.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV for people; it cannot be given to run.")
@click.option("--all", "everything", is_flag=True, help="Include rows that are held or duplicate.")
def command(ledger: Path, source: str | None, *, as_csv: bool, everything: bool) -> None:
    """List the rows of the file LEDGER that are rejected, invalid, unresolved or pending.

    The output is JSON Lines with the ids unchanged, which run takes as a source.
    """
    write = _csv_writer() if as_csv else _write_json
    with read_ledger(ledger) as reader:
        reader.check_whole()
        if reader.running() is not None:
            click.echo("the job is running: what is in flight is listed as unresolved", err=True)
        for row_fate in reader.failures():
            if everything or row_fate.fate in _SHOWN:
                write(row_fate)
        sys.stdout.flush()
        asyncio.run(interruptible(_write_open(reader, source, write)))


async def _write_open(reader: LedgerReader, source: str | None, write: Callable[[RowFate], None]) -> None:
    async for row_fate in open_rows(reader, source):
        write(row_fate)


def as_object(row_fate: RowFate) -> dict[str, Any]:
    """Return *row_fate* as a JSON object that ``run`` reads as the same record.

    What was set aside for another reason than what is wrong with the record itself, such as the excerpt of a line,
    stands under ``text``, and what a hold list kept back under ``not_sent``: nobody can delete it by accident.
    """
    return {
        "row": row_fate.row,
        "fate": row_fate.fate.value,
        "reason": harmless(row_fate.reason),
        **_record(row_fate),
        "file": row_fate.file,
        "line": row_fate.line,
        "code": row_fate.code,
        "request_id": row_fate.request_id or None,
    }


def as_cells(row_fate: RowFate) -> tuple[str, ...]:
    """Return *row_fate* as CSV cells that no spreadsheet runs as a formula."""
    record = row_fate.record
    text = f"{record.column}={record.value}" if isinstance(record, Filter) else record
    text = harmless(text.encode("utf-8", "backslashreplace").decode(), most=_MOST_OF_A_CELL)
    file = harmless(row_fate.file, most=_MOST_OF_A_CELL)
    cells = (row_fate.row, row_fate.fate.value, harmless(row_fate.reason), text, file, row_fate.line)
    return tuple(_inert(cell) for cell in (*cells, row_fate.code))


def _record(row_fate: RowFate) -> dict[str, Any]:
    record = row_fate.record
    is_no_record = row_fate.fate is Fate.INVALID and fault(record, sys.maxsize) != row_fate.reason
    if isinstance(record, Filter):
        plain: dict[str, Any] = {"filter": {record.column: record.value}}
        return {"not_sent": plain} if is_no_record or row_fate.fate is Fate.HELD else plain
    if row_fate.fate is Fate.HELD:
        return {"not_sent": {"record_id": record}}
    return {"text" if is_no_record else "record_id": record}


def _inert(cell: str | int | None) -> str:
    text = "" if cell is None else str(cell).encode("utf-8", "backslashreplace").decode()
    return f"'{text}" if text.startswith(_RUN_BY_SPREADSHEETS) else text


def _write_json(row_fate: RowFate) -> None:
    sys.stdout.write(json.dumps(as_object(row_fate)) + "\n")


def _csv_writer() -> Callable[[RowFate], None]:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(CSV_HEADER)

    def write(row_fate: RowFate) -> None:
        writer.writerow(as_cells(row_fate))

    return write
