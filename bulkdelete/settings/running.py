"""How a job runs: its batches, calls, retries and stops, its canary and its ledger."""

from __future__ import annotations

from typing import Literal, Self, TypedDict

from pydantic import Field, model_validator

from bulkdelete.settings.checks import Concurrency, Section

MAX_RECORDS_PER_REQUEST = 1000
"""The API's own limit (the API document, first paragraph)."""


class BatchSettings(Section, frozen=True):
    """How records are screened and cut into batches.

    Example:
        >>> from bulkdelete.settings import BatchSettings
        >>> settings = Settings(batch=BatchSettings(size=100))
        >>> settings.batch.size, settings.batch.max_body_bytes
        (100, 4194304)

    """

    size: int = Field(default=1000, ge=1, le=MAX_RECORDS_PER_REQUEST)
    """Records in a request; the API takes at most 1000, and its quotas count requests."""
    max_body_bytes: int = Field(default=4 * 1024 * 1024, ge=4096)
    """A request body is at most this large; a batch is cut shorter to fit."""
    max_id_characters: int = Field(default=256, ge=1, le=4096)
    """A longer record_id or filter value is set aside as invalid."""


class HttpSettings(Section, frozen=True):
    """How the API is called.

    Example:
        >>> from bulkdelete.settings import HttpSettings
        >>> settings = Settings(http=HttpSettings(answer_timeout_seconds=10))
        >>> settings.http.answer_timeout_seconds, settings.http.connect_timeout_seconds
        (10.0, 10.0)

    """

    connect_timeout_seconds: float = Field(default=10.0, gt=0, le=600)
    """How long opening a connection may take."""
    answer_timeout_seconds: float = Field(default=60.0, gt=0, le=3600)
    """How long one attempt may take from its start to the end of its answer."""
    ca_file: str = ""
    """A PEM file with the certificate authorities to trust in place of the system's own."""
    use_environment_proxies: bool = False
    """Whether the proxy that HTTPS_PROXY or else ALL_PROXY names is used, except for this machine and NO_PROXY."""
    keep_cookies: bool = False
    """Whether cookies that the server sets are sent back."""


class RetrySettings(Section, frozen=True):
    """When an attempt is repeated: code 50000, 5xx, 408, 425 and lost answers.

    Example:
        >>> from bulkdelete.settings import RetrySettings
        >>> settings = Settings(retry=RetrySettings(max_attempts=3))
        >>> settings.retry.max_attempts, settings.retry.max_elapsed_seconds
        (3, 900.0)

    """

    max_attempts: int = Field(default=8, ge=1, le=100)
    """HTTP calls for one batch, the first included. A pause asked for by the API is no attempt."""
    max_elapsed_seconds: float = Field(default=900.0, gt=0)
    """No retry starts after a batch has spent so long in attempts and backoff; pauses do not count."""
    first_backoff_seconds: float = Field(default=0.5, ge=0)
    """The wait before retry n is random between 0 and this times 2^(n-1), as full jitter has it."""
    max_backoff_seconds: float = Field(default=30.0, ge=0)
    """The random wait never exceeds this; a Retry-After of the server may."""


class FlowSettings(Section, frozen=True):
    """How much happens at once.

    Example:
        >>> from bulkdelete.settings import FlowSettings
        >>> settings = Settings(flow=FlowSettings(max_concurrency=8, requests_per_hour=1000))
        >>> settings.flow.ceiling, settings.flow.quotas
        (8, {'hour': 1000})

    """

    concurrency: Concurrency = "adaptive"
    """Attempts that may be in flight at once: a number, or "adaptive", which finds what the server can take."""
    min_concurrency: int = Field(default=1, ge=1, le=1024)
    """An adaptive limit never goes below this."""
    max_concurrency: int = Field(default=64, ge=1, le=1024)
    """An adaptive limit never goes above this."""
    max_concurrency_per_call: int | None = Field(default=None, ge=1, le=1024)
    """One call of a shared BulkDeleter never has more attempts in flight than this. Unset: as many as there are."""
    requests_per_second: int | None = Field(default=None, ge=1)
    """Never send more requests than this in any second. Unset: no limit. Every combination of the four is kept to."""
    requests_per_minute: int | None = Field(default=None, ge=1)
    """Never send more requests than this in any minute. Unset: no limit."""
    requests_per_hour: int | None = Field(default=None, ge=1)
    """Never send more requests than this in any hour, as the Professional plan has it with 1000. Unset: no limit."""
    requests_per_day: int | None = Field(default=None, ge=1)
    """Never send more requests than this in any 24 hours, as the Free plan has it with 100. Unset: no limit."""
    max_pause_seconds: float = Field(default=900.0, ge=0)
    """When a quota or the API asks for a longer pause, the job stops with exit code 75 and says when to come back."""
    wait: bool = False
    """Whether to stay and wait out pauses of any length instead of stopping with exit code 75."""
    max_outage_seconds: float = Field(default=1800.0, gt=0)
    """When nothing but failures came back for so long, the job stops with exit code 75."""
    cancel_grace_seconds: float = Field(default=5.0, ge=0)
    """How long requests in flight may take to finish after the job is cancelled."""

    @property
    def ceiling(self) -> int:
        """The most attempts that may ever be in flight."""
        return self.max_concurrency if self.concurrency == "adaptive" else self.concurrency

    @property
    def quotas(self) -> dict[str, int]:
        """The requests allowed in each unit of time that has a limit: second, minute, hour, day."""
        limits = {unit: getattr(self, f"requests_per_{unit}") for unit in ("second", "minute", "hour", "day")}
        return {unit: limit for unit, limit in limits.items() if limit is not None}

    @model_validator(mode="after")
    def _floor_is_below_ceiling(self) -> Self:
        if self.min_concurrency > self.max_concurrency:
            raise ValueError(
                f"min_concurrency, {self.min_concurrency}, is above max_concurrency, {self.max_concurrency}"
            )
        return self


class SplittingSettings(Section, frozen=True):
    """How far a batch that the API refuses (40000) is split to find the records it refuses.

    Example:
        >>> from bulkdelete.settings import SplittingSettings
        >>> settings = Settings(splitting=SplittingSettings(max_requests_per_batch=100))
        >>> settings.splitting.max_requests_per_batch, settings.splitting.stop_when_wholly_wrong
        (100, True)

    """

    max_requests_per_batch: int = Field(default=1400, ge=1)
    """Requests for the parts of one batch; 1000 refused records out of 1000 take 1336."""
    max_requests_per_job: int = Field(default=2000, ge=0)
    """Requests for parts in one run; or five times the batches of the run, where that is more."""
    stop_when_wholly_wrong: bool = True
    """Whether the job stops when whole batches are refused: the wrong column, table or kind of id."""


class StopSettings(Section, frozen=True):
    """When a job stops by itself.

    Example:
        >>> from bulkdelete.settings import StopSettings
        >>> settings = Settings(stop=StopSettings(max_records=150_000))
        >>> settings.stop.max_records, settings.stop.limit
        (150000, None)

    """

    limit: int | None = Field(default=None, ge=0)
    """Send at most so many records in this run, then stop with exit code 75. 0 sends none: what can be read only once
    is copied beside the ledger, which takes no other records from then on, and a later run sends them. Unset: no
    limit."""
    max_failures: int | None = Field(default=None, ge=0)
    """Stop when more rows than this are rejected or unresolved. Unset: the larger of 100 and 0.1 % of those sent.
    Rows that earlier runs found rejected count: while they are more than this, a run sends nothing."""
    max_records: int | None = Field(default=None, ge=0)
    """Never send more records than this in the whole life of the job; a source with more rows to send stops it before
    the first delete: invalid rows and those on hold do not count, duplicates do. Unset: no cap."""
    expect: int | None = Field(default=None, ge=0)
    """The source must hold exactly so many rows with a record, or nothing is sent: invalid rows do not count, those on
    hold and duplicates do. Records that Python gives may be others when they are sent, or, without a ledger,
    counted only then: the job stops before the row beyond, or ends so because rows are missing. Unset: any number."""
    max_duration_seconds: float | None = Field(default=None, gt=0)
    """Stop after so long in this run, with exit code 75. Unset: no limit."""


class StopOptions(TypedDict, total=False):
    """The fields of :class:`StopSettings`, as the keyword arguments of one call, in place of those of its settings.

    Example:
        >>> from bulkdelete.settings import StopOptions
        >>> caps: StopOptions = {"max_records": 1000, "expect": 2}
        >>> (await deleter.delete(TABLE_ID, ids[:2], **caps)).acknowledged
        2

    """

    limit: int | None
    max_failures: int | None
    max_records: int | None
    expect: int | None
    max_duration_seconds: float | None


class CanarySettings(Section, frozen=True):
    """A few records first, and a look at what came of them before the rest is sent.

    Example:
        >>> from bulkdelete.settings import CanarySettings
        >>> async def look(report):
        ...     return report.canary.rejected == 0
        >>> settings = Settings(canary=CanarySettings(records=2))
        >>> async with BulkDeleter(base_url=api.base_url, api_key=api.api_key, settings=settings) as careful:
        ...     report = await careful.delete(TABLE_ID, ids, ledger="erase.db", check=look)
        >>> report.acknowledged
        3

    """

    records: int | None = Field(default=None, ge=0)
    """Send so many records first, one batch at a time, and go on only when they were approved of; a batch that an
    earlier run cut is sent whole, also where it holds more. Unset: none. 0: none, also where an earlier run of the job
    had one that nobody approved of, without which a run is refused otherwise."""
    check_command: tuple[str, ...] = ()
    """A command, as a list of words, that gets the report as JSON on its standard input; exit code 0 approves. Empty:
    a person at the terminal is asked."""


class LedgerSettings(Section, frozen=True):
    """The durable record of every batch.

    Example:
        >>> from bulkdelete.settings import LedgerSettings
        >>> settings = Settings(ledger=LedgerSettings(synchronous="normal"))
        >>> settings.ledger.synchronous
        'normal'

    """

    path: str = ""
    """The ledger's file. Empty: ./<source>.<table_id>.bulkdelete.db"""
    synchronous: Literal["full", "normal"] = "full"
    """full survives power cuts; normal survives a killed process, and may repeat batches after a power cut."""
