"""How files are read, what is on hold, and what ids of a table look like."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from bulkdelete.settings.checks import Encoding, Pattern, Section, listed


class ReadingSettings(Section, frozen=True):
    r"""How the rows of files are read.

    Example:
        >>> from pathlib import Path
        >>> from bulkdelete.settings import ReadingSettings
        >>> _ = Path("ids.tsv").write_text("541278230707963208\tAnn")
        >>> source = open_source("ids.tsv", ReadingSettings(column="1", header=False))
        >>> (await deleter.delete(TABLE_ID, source)).acknowledged
        1

    """

    path: Annotated[tuple[str, ...], BeforeValidator(listed)] = ()
    """The files: one, or a list of them, directories and globs such as "ids/*.csv.gz"; "-" is standard input."""
    format: Literal["auto", "text", "csv", "tsv", "jsonl"] = "auto"
    """text (one id a line), csv, tsv or jsonl; auto goes by the name: .csv, .tsv, .jsonl or .ndjson, else text, and
    refuses .json."""
    column: str = ""
    """The column (csv, tsv: name, or number from 1) or field (jsonl) that holds the record_id. Empty: "record_id"."""
    filter_column: str = ""
    """The unique custom column whose value names the record, where there is no record_id; goes out as a filter."""
    delimiter: str = Field(default="", max_length=1)
    """The character between csv fields. Empty: a comma for csv, a tab for tsv."""
    header: bool = True
    """Whether the first csv or tsv line holds the column names. Without a header, columns are numbers."""
    encoding: Encoding = "utf-8"
    """How the text is encoded: utf-8, utf-16, latin-1, cp1252 or any other that Python knows."""
    max_line_bytes: int = Field(default=65_536, ge=1024, le=16 * 1024 * 1024)
    """A longer line is set aside as invalid, and so is a longer csv or tsv row with all of its lines."""
    max_expansion: float = Field(default=250.0, ge=1)
    """A packed file (gzip, bzip2, xz, zstandard) may unpack to so many times its size, or to 64 MiB; else it is
    taken for a decompression bomb and refused."""
    sanity_check: bool = True
    """Whether a first line, or files, that make a column's number doubtful are refused."""


class SourceSettings(ReadingSettings, frozen=True):
    r"""The records to delete, and how they are read.

    Example:
        >>> from pathlib import Path
        >>> from bulkdelete.settings import SourceSettings
        >>> _ = Path("ids.txt").write_text("id\n541278230707963208\n")
        >>> source = open_source("ids.txt", SourceSettings(format="csv", column="id"))
        >>> (await deleter.delete(TABLE_ID, source)).acknowledged
        1

    """

    sanity_check: bool = True
    """Whether the first 10,000 records are looked at before the first delete, and refused when they look like another
    column (all equal, dates, e-mail addresses, row numbers, ids that a spreadsheet has rounded, or a floating-point
    number) or like another format (ids in quotes, JSON, several fields); and whether a column is refused where the
    first line looks like a record, and its number where files name that column differently."""


class HoldsSettings(ReadingSettings, frozen=True):
    """Hold lists: records that are never sent, whatever the source says.

    Example:
        >>> from pathlib import Path
        >>> from bulkdelete.settings import HoldsSettings
        >>> _ = Path("legal-hold.txt").write_text(ids[0])
        >>> settings = Settings(holds=HoldsSettings(path=("legal-hold.txt",), max_age_seconds=86_400))
        >>> async with BulkDeleter(base_url=api.base_url, api_key=api.api_key, settings=settings) as careful:
        ...     report = await careful.delete(TABLE_ID, ids)
        >>> report.acknowledged, report.held
        (2, 1)

    """

    allow_empty: bool = False
    """Whether a hold list may hold nothing; otherwise an empty one stops the job before anything is sent."""
    may_shrink: bool = False
    """Whether the lists may hold fewer different records than in the run before; otherwise that stops the job before
    anything is sent. A list that lost one record and gained another is not noticed."""
    max_age_seconds: float | None = Field(default=None, gt=0)
    """A hold list that was last written longer ago, or more than a minute in the future, stops the job before anything
    is sent. Unset: any age."""
    sanity_check: bool = True
    """Whether a hold list that looks like another column or format, or like what a spreadsheet has left of ids, stops
    the job before anything is sent: also ids in quotes, several in a cell, numbers with other characters between their
    digits, and ids that are written in another way than those of the source, or are all of another length; and so with
    values of filters."""


class IdentifierSettings(Section, frozen=True):
    """What the record ids of one table look like; a row that does not is set aside as invalid.

    Example:
        >>> from bulkdelete.settings import IdentifierSettings
        >>> settings = Settings(identifiers={TABLE_ID: IdentifierSettings(lengths=(18,), prefixes=("54",))})
        >>> async with BulkDeleter(base_url=api.base_url, api_key=api.api_key, settings=settings) as careful:
        ...     report = await careful.delete(TABLE_ID, [*ids, "1"])
        >>> report.acknowledged, report.invalid
        (3, 1)

    """

    pattern: Pattern = ""
    """A regular expression that matches the whole id. One that backtracks for ever, as (a+)+ may, is not stopped."""
    lengths: tuple[int, ...] = ()
    """The numbers of characters that an id may have."""
    prefixes: tuple[str, ...] = ()
    """What an id may begin with."""
