"""What is written of a batch: its intent, and its outcomes. Each write changes exactly the one row it must."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bulkdelete.errors import LedgerError
from bulkdelete.ledger import schema, texts
from bulkdelete.ledger.runs import now_ms
from bulkdelete.records import Fate

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from bulkdelete.records import Batch, Outcome

MOST_MESSAGE_CHARACTERS: Final = 300

_INTEND: Final = (
    "INSERT INTO batch (first_row, end_row, records, invalid, held, duplicate, digest, state, changed_ms) "
    "SELECT ?, ?, ?, ?, ?, ?, ?, ?, ? "
    "WHERE ? = coalesce((SELECT end_row FROM batch ORDER BY first_row DESC LIMIT 1), 0)"
)
_ANSWERED: Final = "UPDATE batch SET changed_ms = ?, attempts = attempts + ?, ambiguous = max(ambiguous, ?), "
_PARTS_OF_IT: Final = "FROM part WHERE part.first_row >= batch.first_row AND part.first_row < batch.end_row"
_INTEND_AGAIN: Final = (
    f"UPDATE batch SET state = iif(records - ? = coalesce((SELECT sum(records) {_PARTS_OF_IT}), 0), 2, 0), "  # noqa: S608 - constants
    "records = records - ?, invalid = invalid + ?, held = held + ?, changed_ms = ?, ambiguous = max(ambiguous, ?) "
    "WHERE first_row = ? AND end_row = ? AND digest = ? AND state IN (0, 3, 4)"
)
_IS_OPEN: Final = "WHERE first_row = ? AND state IN (0, 3, 4)"
_ACKNOWLEDGE: Final = (
    f"{_ANSWERED} state = 1, code = NULL, http_status = NULL, request_id = NULL, message = NULL "
    f"{_IS_OPEN} AND NOT EXISTS (SELECT 1 {_PARTS_OF_IT})"
)
_SETTLE: Final = (
    f"{_ANSWERED} state = CASE records WHEN (SELECT sum(records) {_PARTS_OF_IT}) THEN 2 ELSE state END "
    f"{_IS_OPEN} AND records >= (SELECT sum(records) {_PARTS_OF_IT})"
)
_LAST_ANSWER: Final = (
    "code = coalesce(?, code), http_status = coalesce(?, http_status), request_id = coalesce(?, request_id), "
    "message = coalesce(?, message)"
)
_LEAVE_UNRESOLVED: Final = f"{_ANSWERED} state = 3, {_LAST_ANSWER} {_IS_OPEN}"
_LEAVE_PENDING: Final = (
    f"{_ANSWERED} state = iif(state = 3, 3, 4), code = iif(state = 3, code, coalesce(?, code)), "
    "http_status = iif(state = 3, http_status, coalesce(?, http_status)), "
    "request_id = iif(state = 3, request_id, coalesce(?, request_id)), "
    f"message = iif(state = 3, message, coalesce(?, message)) {_IS_OPEN}"
)
_ADD_PART: Final = "INSERT INTO part VALUES (?, ?, ?, ?)"
_ADD_ROW: Final = "INSERT INTO row VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_REMEMBER: Final = "INSERT INTO job VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"


def add_batch(batch: Batch, connection: sqlite3.Connection) -> None:
    """Write the intent of a new batch, and its rows that are never sent."""
    records, set_aside = len(batch.records), batch.set_aside
    if records + len(set_aside) != batch.end_row - batch.first_row:
        raise LedgerError(
            f"the batch of rows {batch.first_row} to {batch.end_row - 1} has {records} records and {len(set_aside)} "
            "rows set aside: they do not add up, a fault of bulkdelete. Nothing of it was sent"
        )
    counts = (0, 0, 0)
    if set_aside:
        fates = [row_fate.fate for row_fate in set_aside]
        counts = (fates.count(Fate.INVALID), fates.count(Fate.HELD), fates.count(Fate.DUPLICATE))
        connection.executemany(_ADD_ROW, map(texts.to_row, set_aside))
    state = schema.OPEN if records else schema.SETTLED
    values = (batch.first_row, batch.end_row, records, *counts, batch.digest, state, now_ms(), batch.first_row)
    _change_one(connection, _INTEND, values, batch)


def reopen_batch(batch: Batch, connection: sqlite3.Connection) -> None:
    """Write the intent of a batch that the ledger holds and that is not finished, and what of it is never sent now."""
    kept_back = [row_fate.fate for row_fate in batch.set_aside]
    counts = (len(kept_back), len(kept_back), kept_back.count(Fate.INVALID), kept_back.count(Fate.HELD))
    connection.executemany(_ADD_ROW, map(texts.to_row, batch.set_aside))
    values = (*counts, now_ms(), int(batch.ambiguous), batch.first_row, batch.end_row, batch.digest)
    _change_one(connection, _INTEND_AGAIN, values, batch)


def add_outcome_and_facts(outcome: Outcome, changed: Mapping[str, str], connection: sqlite3.Connection) -> None:
    """Write what became of a batch, or of a part of one, and the facts that are *changed* by that."""
    add_outcome(outcome, connection)
    for key, value in changed.items():
        remember(key, value, connection)


def add_outcome(outcome: Outcome, connection: sqlite3.Connection) -> None:
    """Write what became of a batch, or of a part of one."""
    batch = outcome.batch
    first = (now_ms(), outcome.attempts, int(outcome.ambiguous))
    if outcome.fate in {Fate.UNRESOLVED, Fate.PENDING}:
        sql = _LEAVE_UNRESOLVED if outcome.fate is Fate.UNRESOLVED else _LEAVE_PENDING
        _change_one(connection, sql, (*first, *_last_answer(outcome), batch.first_row), batch)
    elif outcome.whole and outcome.fate is Fate.ACKNOWLEDGED:
        _change_one(connection, _ACKNOWLEDGE, (*first, batch.first_row), batch)
    else:
        _add_part(connection, outcome)
        _change_one(connection, _SETTLE, (*first, batch.first_row), batch)


def remember(key: str, value: str, connection: sqlite3.Connection) -> None:
    """Write a fact of the job."""
    connection.execute(_REMEMBER, (key, texts.kept(value)))


def forget(key: str, connection: sqlite3.Connection) -> None:
    """Remove a fact of the job."""
    connection.execute("DELETE FROM job WHERE key = ?", (key,))


def facts(connection: sqlite3.Connection) -> dict[str, str]:
    """Return the facts of the job, its identity under ``identity.*``."""
    return {key: texts.given(value) for key, value in connection.execute("SELECT key, value FROM job")}


def _add_part(connection: sqlite3.Connection, outcome: Outcome) -> None:
    part = (outcome.first_row, outcome.end_row, outcome.records, outcome.fate.value)
    connection.execute(_ADD_PART, part)
    if outcome.fate is Fate.REJECTED:
        if outcome.row_fate is None:
            raise LedgerError(f"row {outcome.first_row} is rejected without a reason: a fault of bulkdelete")
        connection.execute(_ADD_ROW, texts.to_row(outcome.row_fate))


def _last_answer(outcome: Outcome) -> tuple[Any, ...]:
    message = texts.kept(outcome.message[:MOST_MESSAGE_CHARACTERS])
    return (texts.int64(outcome.code), outcome.http_status, texts.kept(outcome.request_id) or None, message or None)


def _change_one(connection: sqlite3.Connection, sql: str, values: tuple[Any, ...], batch: Batch) -> None:
    changed = connection.execute(sql, values).rowcount
    if changed != 1:
        raise LedgerError(
            f"the ledger does not hold the batch of rows {batch.first_row} to {batch.end_row - 1} in a state that this "
            f"write fits ({sql.split(' (', maxsplit=1)[0][:40]} ... changed {changed} rows): a fault of bulkdelete. "
            "Nothing more was sent, and what the ledger holds is sound"
        )
