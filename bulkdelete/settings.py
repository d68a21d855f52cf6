"""Every setting of a job: frozen, validated, unknown keys refused, secrets masked. No file is opened here.

The attribute docs are the comments of ``config.example.toml``; a test holds the two equal.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from bulkdelete.checks import check_base_url, check_encoding, check_pattern, listed
from bulkdelete.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_RECORDS_PER_REQUEST = 1000
"""The API's own limit (the API document, first paragraph)."""


CodeMeaning = Literal["invalid", "retry", "unknown", "pause", "too_large", "unauthorized", "fatal"]
BaseUrl = Annotated[str, AfterValidator(check_base_url)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)


class ReadingSettings(_Section):
    """How the rows of files are read."""

    path: Annotated[tuple[str, ...], BeforeValidator(listed)] = ()
    """The files: one, or a list of them, directories and globs such as "ids/*.csv.gz"; "-" is standard input."""
    format: Literal["auto", "text", "csv", "tsv", "jsonl"] = "auto"
    """text (one id a line), csv, tsv or jsonl; auto goes by the name: .csv, .tsv, .jsonl or .ndjson, else text."""
    column: str = ""
    """The column (csv, tsv: name, or number from 1) or field (jsonl) that holds the record_id. Empty: "record_id"."""
    filter_column: str = ""
    """The unique custom column whose value names the record, where there is no record_id; goes out as a filter."""
    delimiter: str = Field(default="", max_length=1)
    """The character between csv fields. Empty: a comma for csv, a tab for tsv."""
    header: bool = True
    """Whether the first csv or tsv line holds the column names. Without a header, columns are numbers."""
    encoding: Annotated[str, AfterValidator(check_encoding)] = "utf-8"
    """How the text is encoded: utf-8, utf-16, latin-1, cp1252 or any other that Python knows."""
    max_line_bytes: int = Field(default=65_536, ge=1024, le=16 * 1024 * 1024)
    """A longer line is set aside as invalid."""
    max_expansion: float = Field(default=250.0, ge=1)
    """A packed file (gzip, bzip2, xz, zstandard) may unpack to so many times its size, or to 64 MiB; else it is
    taken for a decompression bomb and refused."""


class SourceSettings(ReadingSettings):
    """The records to delete, and how they are read."""

    sanity_check: bool = True
    """Whether the first 10,000 ids are looked at before the first delete, and refused when they look like another
    column: all equal, dates, e-mail addresses, row numbers, ids whose digits a spreadsheet has rounded."""


class HoldsSettings(ReadingSettings):
    """Hold lists: records that are never sent, whatever the source says."""

    allow_empty: bool = False
    """Whether a hold list may hold nothing; otherwise an empty one stops the job before anything is sent."""
    max_age_seconds: float | None = Field(default=None, gt=0)
    """A hold list that was last written longer ago stops the job before anything is sent. Unset: any age."""
    sanity_check: bool = True
    """Whether a hold list that looks like another column, or like what a spreadsheet has left of ids, stops the job
    before anything is sent."""


class IdentifierSettings(_Section):
    """What the record ids of one table look like; a row that does not is set aside as invalid."""

    pattern: Annotated[str, AfterValidator(check_pattern)] = ""
    """A regular expression that matches the whole id."""
    lengths: tuple[int, ...] = ()
    """The numbers of characters that an id may have."""
    prefixes: tuple[str, ...] = ()
    """What an id may begin with."""


class BatchSettings(_Section):
    """How records are screened and cut into batches."""

    size: int = Field(default=1000, ge=1, le=MAX_RECORDS_PER_REQUEST)
    """Records in a request; the API takes at most 1000, and its quotas count requests."""
    max_body_bytes: int = Field(default=4 * 1024 * 1024, ge=4096)
    """A request body is at most this large; a batch is cut shorter to fit."""
    max_id_characters: int = Field(default=256, ge=1, le=4096)
    """A longer record_id or filter value is set aside as invalid."""


class HttpSettings(_Section):
    """How the API is called."""

    connect_timeout_seconds: float = Field(default=10.0, gt=0, le=600)
    """How long opening a connection may take."""
    answer_timeout_seconds: float = Field(default=60.0, gt=0, le=3600)
    """How long one attempt may take from its start to the end of its answer."""
    ca_file: str = ""
    """A PEM file with the certificate authorities to trust in place of the system's own."""
    use_environment_proxies: bool = False
    """Whether HTTPS_PROXY and the like are obeyed."""
    keep_cookies: bool = False
    """Whether cookies that the server sets are sent back."""


class RetrySettings(_Section):
    """When an attempt is repeated: code 50000, 5xx, 408, 425 and lost answers."""

    max_attempts: int = Field(default=8, ge=1, le=100)
    """HTTP calls for one batch, the first included. A pause asked for by the API is no attempt."""
    max_elapsed_seconds: float = Field(default=900.0, gt=0)
    """No retry starts after a batch has spent so long in attempts and backoff; pauses do not count."""
    first_backoff_seconds: float = Field(default=0.5, ge=0)
    """The wait before retry n is random between 0 and this times 2^(n-1), as full jitter has it."""
    max_backoff_seconds: float = Field(default=30.0, ge=0)
    """The random wait never exceeds this; a Retry-After of the server may."""


class FlowSettings(_Section):
    """How much happens at once."""

    permits: int = Field(default=16, ge=1, le=1024)
    """Attempts that may be in flight at once."""
    max_pause_seconds: float = Field(default=900.0, ge=0)
    """When the API asks for a longer pause, the job stops with exit code 75 and says when to come back."""
    cancel_grace_seconds: float = Field(default=5.0, ge=0)
    """How long requests in flight may take to finish after the job is cancelled."""


class SplittingSettings(_Section):
    """How far a batch that the API refuses (40000) is split to find the records it refuses."""

    max_requests_per_batch: int = Field(default=1400, ge=1)
    """Requests for the parts of one batch; 1000 refused records out of 1000 take 1336."""
    max_requests_per_job: int = Field(default=2000, ge=0)
    """Requests for parts in one run; or five times the batches of the run, where that is more."""
    stop_when_wholly_wrong: bool = True
    """Whether the job stops when whole batches are refused: the wrong column, table or kind of id."""


class StopSettings(_Section):
    """When a job stops by itself."""

    limit: int | None = Field(default=None, ge=1)
    """Send at most so many records in this run, then stop with exit code 75. Unset: no limit."""
    max_failures: int | None = Field(default=None, ge=0)
    """Stop when more rows than this are rejected or unresolved. Unset: the larger of 100 and 0.1 % of those sent."""
    max_records: int | None = Field(default=None, ge=0)
    """Never send more records than this in the whole life of the job; a source with more stops it before the first
    delete. Unset: no cap."""
    expect: int | None = Field(default=None, ge=0)
    """The source must hold exactly so many records, those on hold included, or nothing is sent. Unset: any number."""
    max_duration_seconds: float | None = Field(default=None, gt=0)
    """Stop after so long in this run, with exit code 75. Unset: no limit."""


class LedgerSettings(_Section):
    """The durable record of every batch."""

    path: str = ""
    """The ledger's file. Empty: ./<source>.<table_id>.bulkdelete.db"""
    synchronous: Literal["full", "normal"] = "full"
    """full survives power cuts; normal survives a killed process, and may repeat batches after a power cut."""


class Settings(_Section):
    """One job. The API key is not part of it: see :class:`ApiKey`."""

    base_url: BaseUrl = "https://altatech.ai"
    """The API's address; it differs by region and for private deployments. http only for this machine."""
    table_id: str = Field(default="", max_length=256)
    """The table to delete from."""
    api_key_file: str = ""
    """A file that holds the API key (the environment variable BULKDELETE_API_KEY goes first). Must not be readable
    by others."""
    api_key_command: tuple[str, ...] = ()
    """A command, as a list of words, that prints the API key."""
    codes: dict[int, CodeMeaning] = Field(default_factory=dict)
    """Other meanings for codes of the API: invalid, retry, unknown, pause, too_large, unauthorized or fatal."""
    identifiers: dict[str, IdentifierSettings] = Field(default_factory=dict)
    """What record ids look like, by table id: pattern (a regular expression for the whole id), lengths, prefixes; as
    in [identifiers.673af861ed69656ac0895b07] and then lengths = [18]. Rows that do not fit are set aside."""
    source: SourceSettings = SourceSettings()
    holds: HoldsSettings = HoldsSettings()
    batch: BatchSettings = BatchSettings()
    http: HttpSettings = HttpSettings()
    retry: RetrySettings = RetrySettings()
    flow: FlowSettings = FlowSettings()
    splitting: SplittingSettings = SplittingSettings()
    stop: StopSettings = StopSettings()
    ledger: LedgerSettings = LedgerSettings()

    @field_validator("codes")
    @classmethod
    def _zero_keeps_its_meaning(cls, codes: dict[int, CodeMeaning]) -> dict[int, CodeMeaning]:
        if 0 in codes:
            raise ValueError("code 0 acknowledges, and nothing else can be made of it")
        return codes

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], where: str = "") -> Settings:
        """Validate *values*, nested as in ``config.example.toml``; *where* names their file in errors.

        Raises:
            SettingsError: naming each wrong key, its value's fault, and the nearest valid name of an unknown one.

        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            lines = [_explain(problem["loc"], problem["type"], problem["msg"]) for problem in error.errors()]
            raise SettingsError("\n".join(f"{where}: {line}" if where else line for line in lines)) from None


def _explain(location: tuple[int | str, ...], kind: str, message: str) -> str:
    name = ".".join(str(part) for part in location)
    if kind != "extra_forbidden":
        return f"{name}: {message.removeprefix('Value error, ')}"
    near = difflib.get_close_matches(str(location[-1]), _names_beside(location), n=1, cutoff=0.4)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"{name} is not a setting{hint}"


def _names_beside(location: tuple[int | str, ...]) -> Iterable[str]:
    fields = Settings.model_fields
    if len(location) == 1:
        return fields
    section = type(getattr(Settings(), str(location[0])))
    return getattr(section, "model_fields", ())


class ApiKey(BaseSettings):
    """The API key as the environment gives it: ``BULKDELETE_API_KEY``; its ``repr`` shows no key."""

    model_config = SettingsConfigDict(env_prefix="BULKDELETE_", extra="ignore", frozen=True)

    api_key: SecretStr | None = None
