"""Batches and parts of them -> outcomes, and the log's lines of them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from bulkdelete.records import Fate, Outcome, RowFate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bulkdelete.cases import Part
    from bulkdelete.records import Batch

_log = logging.getLogger(__name__)


def outcome_of(batch: Batch, part: Part, fate: Fate, reason: str = "", *, failed: bool = False) -> Outcome:
    """Return that *part* of *batch* has this *fate*, for this *reason* and what the API said last."""
    verdict = part.last.verdict if part.last is not None else None
    said = verdict.message if verdict is not None else ""
    message = "; ".join(filter(None, (said, reason) if fate is Fate.REJECTED else (reason, said)))
    row_fate = None
    if fate is Fate.REJECTED:
        row, record = batch.rows[part.span.start], batch.records[part.span.start]
        code, request_id = (None, "") if part.last is None else (part.last.verdict.code, part.last.request_id)
        row_fate = RowFate(row, fate, message, record, code=code, request_id=request_id)
    return Outcome(
        batch,
        batch.rows[part.span.start],
        batch.rows[part.span.stop - 1] + 1,
        len(part.span),
        fate,
        whole=len(part.span) == len(batch.records),
        attempts=part.attempts,
        code=verdict.code if verdict is not None else None,
        message=message,
        http_status=verdict.http_status if verdict is not None else None,
        request_id=part.last.request_id if part.last is not None else "",
        ambiguous=part.ambiguous,
        failed=failed,
        row_fate=row_fate,
    )


def never_sent(batch: Batch) -> Iterator[Outcome]:
    """Yield an outcome for each row that was set aside when *batch* was cut."""
    for one in batch.set_aside:
        yield Outcome(batch, one.row, one.row + 1, 1, one.fate, whole=False, row_fate=one)


def not_sent(batch: Batch) -> list[Outcome]:
    """Return what became of *batch*, which is not sent; what was before comes first: so it is at no time pending."""
    is_left = batch.sent or batch.ambiguous
    return [
        Outcome(
            batch,
            batch.rows[span.start],
            batch.rows[span.stop - 1] + 1,
            len(span),
            Fate.UNRESOLVED if is_left and span not in batch.unsent else Fate.PENDING,
            whole=len(span) == len(batch.records),
            ambiguous=batch.ambiguous and span not in batch.unsent,
        )
        for span in sorted(batch.spans, key=batch.unsent.__contains__)
    ]


def log_outcome(outcome: Outcome) -> None:
    """Log *outcome*: what is not acknowledged by its rows; its ids at DEBUG only."""
    rows = outcome.first_row, outcome.end_row - 1
    if outcome.fate is Fate.ACKNOWLEDGED:
        _log.debug("rows %d to %d are acknowledged", *rows)
        return
    told = outcome.fate.value, outcome.code, outcome.http_status, outcome.request_id
    level = logging.WARNING if outcome.failed and outcome.fate is not Fate.REJECTED else logging.INFO
    _log.log(level, "rows %d to %d are %s (code %s, HTTP %s, request %s)", *rows, *told)
    _log.debug("request %s: the API said %r", outcome.request_id, outcome.message)  # which may name ids
    if outcome.row_fate is not None:
        _log.debug("row %d is %r", outcome.first_row, outcome.row_fate.record)
