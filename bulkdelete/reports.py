"""What a job ends in: the account of its rows, as one value."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from bulkdelete.errors import RecordsFailed
from bulkdelete.records import FATES, Ended

if TYPE_CHECKING:
    from bulkdelete.records import RowFate


@dataclass(frozen=True, slots=True)
class CanaryCounts:
    """How many records the canary sent, and what came of them: the three add up to ``sent``.

    Example:
        >>> from bulkdelete.settings import CanarySettings
        >>> async def look(report):
        ...     print(report.canary)
        ...     return report.canary.rejected == 0
        >>> settings = Settings(canary=CanarySettings(records=2))
        >>> async with BulkDeleter(base_url=api.base_url, api_key=api.api_key, settings=settings) as careful:
        ...     report = await careful.delete(TABLE_ID, ids, ledger="erase.db", check=look)
        CanaryCounts(sent=2, acknowledged=2, rejected=0, unresolved=0)

    """

    sent: int
    acknowledged: int
    rejected: int
    unresolved: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The account of one job, over all its runs.

    The seven fates count rows and add up to ``rows``. ``requests``, ``retries`` and ``elapsed_seconds`` are those of
    this run; ``settled_before`` are the rows that earlier runs had settled. ``ledger_digest`` stands for everything
    that the ledger held when run ``ledger_run`` had ended; it is empty where that could not be written, or the call was
    cancelled. ``failures`` are the first rows, at most 1000, that this run found invalid, duplicate or rejected.
    ``resume_at_unix_seconds`` is set when the API asked to come back later. ``total_count_before`` and ``_after`` are
    the records that the API counted in the table before the job's first run and after this one, where it was asked to;
    whoever else writes to the table changes them too. ``canary`` is what came of the canary, where this run had one.

    Example:
        >>> report = await deleter.delete(TABLE_ID, [*ids, "two words"])
        >>> report.rows, report.acknowledged, report.invalid, report.remaining, report.balanced
        (4, 3, 1, 0, True)
        >>> report.as_dict()["ended"]
        'complete'
        >>> report.raise_for_failures()
        Traceback (most recent call last):
            ...
        bulkdelete.errors.RecordsFailed: of 4 rows 3 are acknowledged, ...

    """

    table_id: str
    rows: int = 0
    acknowledged: int = 0
    rejected: int = 0
    invalid: int = 0
    held: int = 0
    duplicate: int = 0
    unresolved: int = 0
    pending: int = 0
    batches: int = 0
    requests: int = 0
    retries: int = 0
    elapsed_seconds: float = 0.0
    ended: Ended = Ended.COMPLETE
    reason: str = ""
    settled_before: int = 0
    ledger: str | None = None
    ledger_run: int | None = None
    ledger_digest: str = ""
    resume_at_unix_seconds: float | None = None
    total_count_before: int | None = None
    total_count_after: int | None = None
    canary: CanaryCounts | None = None
    failures: tuple[RowFate, ...] = field(default=(), repr=False)

    @property
    def balanced(self) -> bool:
        """Whether the fates add up to the rows read, and none is less than 0."""
        fates: list[int] = [getattr(self, fate) for fate in FATES]
        return self.rows == sum(fates) and min(fates) >= 0

    @property
    def remaining(self) -> int:
        """Rows that running again may still settle."""
        return self.unresolved + self.pending

    def as_dict(self) -> dict[str, Any]:
        """The report as plain values, without ``failures``; the keys are the field names."""
        return {key: value for key, value in asdict(self).items() if key != "failures"} | {"ended": self.ended.value}

    def raise_for_failures(self) -> None:
        """Raise :class:`RecordsFailed` unless every row is acknowledged, held or duplicate and the job is complete."""
        if self.ended is Ended.COMPLETE and not (self.rejected or self.invalid or self.remaining):
            return
        error = RecordsFailed(
            f"of {self.rows} rows {self.acknowledged} are acknowledged, {self.rejected} rejected, "
            f"{self.invalid} invalid, {self.unresolved} unresolved and {self.pending} pending; "
            f"the job ended: {self.ended.value} {self.reason}".strip()
        )
        error.report = self
        raise error
