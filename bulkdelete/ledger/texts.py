"""Text as the ledger keeps it: as text, or as bytes where SQLite cannot hold it, so that every character survives."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from bulkdelete.records import Fate, Filter, RowFate

if TYPE_CHECKING:
    from bulkdelete.records import Record

_INT64: Final = range(-(2**63), 2**63)


def kept(text: str) -> str | bytes:
    """Return *text*, or its bytes where it holds lone surrogates (no UTF-8) or NULs (where SQL functions stop)."""
    if text.isprintable() and text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
    return text.encode() if "\0" in text else text


def given(stored: str | bytes) -> str:
    """Return what :func:`kept` was given."""
    if not isinstance(stored, str | bytes):
        raise TypeError(f"a text is {stored!r}, which is none")
    return stored if isinstance(stored, str) else stored.decode("utf-8", "surrogatepass")


def clean(text: str) -> str:
    """Return *text* for people only: with lone surrogates and NULs written as escapes."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def int64(code: int | None) -> int | None:
    """Return *code*, or ``None`` where SQLite has no room for it: a server may answer any number."""
    return code if code is None or code in _INT64 else None


def to_row(row_fate: RowFate) -> tuple[Any, ...]:
    """Return the columns of the table ``row``."""
    column, record = _columns(row_fate.record)
    return (
        row_fate.row,
        row_fate.fate.value,
        kept(row_fate.reason),
        record,
        column,
        kept(row_fate.file),
        row_fate.line,
        int64(row_fate.code),
        kept(row_fate.request_id) or None,
    )


def from_row(columns: tuple[Any, ...]) -> RowFate:
    """Return what :func:`to_row` was given."""
    row, fate, reason, record, column, file, line, code, request_id = columns
    return RowFate(
        row, Fate(fate), given(reason), _record(column, record), given(file), line, code, given(request_id or "")
    )


def same_record(one: Record, other: Record) -> bool:
    """Return whether the ledger keeps both in the same way."""
    return _columns(one) == _columns(other)


def _columns(record: Record) -> tuple[str | bytes | None, str | bytes]:
    if isinstance(record, Filter):
        return kept(str(record.column)), json.dumps(record.value, default=repr)
    return None, kept(record)


def _record(column: str | bytes | None, record: str | bytes) -> Record:
    return given(record) if column is None else Filter(given(column), json.loads(record))
