"""Rows as the ledger keeps them: text as bytes, so that lone surrogates and NULs survive."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bulkdelete.records import Fate, Filter, RowFate

if TYPE_CHECKING:
    from bulkdelete.records import Record


def to_row(row_fate: RowFate) -> tuple[Any, ...]:
    """Return the columns of the table ``row``."""
    column, record = _to_bytes(row_fate.record)
    return (
        row_fate.row,
        row_fate.fate.value,
        clean(row_fate.reason),
        record,
        column,
        clean(row_fate.file),
        row_fate.line,
        row_fate.code,
    )


def from_row(columns: tuple[Any, ...]) -> RowFate:
    """Return what :func:`to_row` was given."""
    row, fate, reason, record, column, file, line, code = columns
    return RowFate(row, Fate(fate), reason, _from_bytes(column, record), file, line, code)


def clean(text: str) -> str:
    """Return *text* as SQLite can hold it: without lone surrogates or NULs."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def _to_bytes(record: Record) -> tuple[bytes | None, bytes]:
    if isinstance(record, Filter):
        return record.column.encode("utf-8", "surrogatepass"), json.dumps(record.value).encode()
    return None, record.encode("utf-8", "surrogatepass")


def _from_bytes(column: bytes | None, record: bytes) -> Record:
    if column is None:
        return record.decode("utf-8", "surrogatepass")
    return Filter(column.decode("utf-8", "surrogatepass"), json.loads(record))
