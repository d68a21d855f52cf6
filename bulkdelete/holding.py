"""Hold lists -> :class:`Holds`: read whole before the first batch, and closed: what cannot be read stops the job."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Collection, Mapping
from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING, Final

from bulkdelete.errors import HoldsRefused, SourceError, SourceRefused
from bulkdelete.holds import Holds
from bulkdelete.ids import Ids
from bulkdelete.noting import note, place_of
from bulkdelete.records import Defect
from bulkdelete.sanity import MOST_ROUNDED_SHARE, MOST_ROUNDED_SHARE_OF_A_FILE, ROWS_LOOKED_AT, looks_wrong
from bulkdelete.screening import Screen
from bulkdelete.sources import is_of_a_cut, is_source, open_each, parts_of, passed_over, source_of
from bulkdelete.sources.numbered import number_of
from bulkdelete.unclear import unclear_ids, unclear_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from bulkdelete.records import Item, Record, Rows
    from bulkdelete.settings import HoldsSettings, IdentifierSettings
    from bulkdelete.sources import Records, Source

_LONGEST_ID_CHARACTERS: Final = 4096
_LONGEST_EXCERPT: Final = 80
_MOST_FILES: Final = 100
"""Of so few records given in Python each is looked at, whether it is the name of a file."""
_NAME_OF_IDS: Final = "record_id"
_MOST_CLOCK_SKEW_SECONDS: Final = 60
"""A file server's clock may be so far ahead of ours."""
_NOT_IN_A_LINE: Final = re.compile(r"""[,;|"']""")
_MEND_THE_LIST: Final = "Give the list whole, in one file, or, if no id was cut, end the last line of each file"
_OPTIONS: Final = (
    (re.compile(r"--(column|filter-column|format)\b"), r"--holds-\1"),
    (re.compile(r"--delimiter (\S+)"), r"delimiter = \1 in [holds] of the configuration"),
    (re.compile(r"--encoding (\S+)"), r"encoding = \1 in [holds] of the configuration"),
    (re.compile(r"--no-sanity-check\b"), "--no-holds-sanity-check"),
    (re.compile(r"--no-header\b"), "header = false in [holds] of the configuration"),
    (re.compile(r"\bsource\.max_expansion\b"), "holds.max_expansion"),
    (re.compile(r"\bthe path of the source\b"), "its path"),
    (re.compile(r" from there on\. Give the source as it was.*"), ". Run the same command again when it is whole"),
)
"""What the errors of sources name, and what it is called for hold lists."""


async def read_holds(
    sources: Iterable[Source],
    settings: HoldsSettings,
    identifiers: IdentifierSettings | None = None,
    wall_clock: Callable[[], float] = time.time,
) -> Holds:
    """Return what *sources* hold back; *identifiers* say what ids of the table look like.

    Of several files, each is a list of its own, and judged as if it were given alone.

    Raises:
        HoldsRefused: one of them cannot be read to its end, is empty without ``allow_empty``, is older than
            ``max_age_seconds``, holds a row that can be no record, or does not look like a list of ids of the table.

    """
    holds = Holds()
    for source in sources:
        first: list[Item] = []
        with _explaining():
            parts = await parts_of(source)
        for part, blocks_of in parts:
            _check_age(part, settings.max_age_seconds, wall_clock())
            reading = _Reading(part, holds, identifiers, looks_closely=settings.sanity_check)
            with _explaining():
                async with aclosing(blocks_of()) as blocks:
                    async for rows in blocks:
                        reading.take(rows)
            reading.judge(settings, MOST_ROUNDED_SHARE_OF_A_FILE if len(source.parts) > 1 else MOST_ROUNDED_SHARE)
            first += reading.first[: ROWS_LOOKED_AT - len(first)]
        if settings.sanity_check and len(source.parts) > 1:
            _refuse_if(looks_wrong(first), source.name)
    return holds


def hold_sources(settings: HoldsSettings, records: Records | None = None) -> tuple[Source, ...]:
    """Return the hold lists that *settings* name, each of its own kind, and one of *records*, where there are any.

    Raises:
        HoldsRefused: a path is none, or is a directory of which something would not be read; or what *records* would
            give are names of files or of columns.

    """
    _refuse_names(records)
    given = () if records is None else (source_of(records),)
    for path in (*settings.path, *(source.name for source in given if source.paths)):
        _refuse_unread(path)
    try:
        return (*open_each(settings.path, settings), *given)
    except SourceRefused as refused:
        raise unreadable(refused) from None


def _refuse_names(records: object) -> None:
    """Return where what *records* holds may be records; raise :class:`HoldsRefused` for names of what holds them."""
    columns = [*records] if isinstance(records, Mapping) and all(map(_is_a_column, records.values())) else []
    if columns or (hasattr(records, "columns") and not is_source(records)):
        raise HoldsRefused(
            f"holds= is an object of type {type(records).__name__} that holds columns: their names would be taken for "
            "records. Nothing was sent. Pass the records of one column, as a list"
        )
    if isinstance(records, list | tuple | set | frozenset) and len(records) <= _MOST_FILES:
        for one in records:
            if isinstance(one, str) and os.path.isfile(one):  # noqa: PTH113 - is no error for a name that is too long
                raise HoldsRefused(
                    f"holds= has {one!r}, which is the name of a file, and would be taken for a record. Nothing was "
                    "sent. Pass open_source(path) for the records in it"
                )


def _is_a_column(values: object) -> bool:
    return isinstance(values, Collection) and not isinstance(values, str | bytes)


def _refuse_unread(path: str) -> None:
    if unread := passed_over(path):
        raise HoldsRefused(
            f"the hold list {path} is a directory, where {', '.join(unread)} would not be read, because of the "
            "name. Nothing was sent. Rename that, or name each file"
        )


def unreadable(error: SourceError) -> HoldsRefused:
    """Return *error* as what is said of a hold list."""
    said = _of_holds(str(error))
    end = "" if "Nothing was sent" in said else ". Nothing was sent"
    return HoldsRefused(f"the hold list cannot be read: {said}{end}")


@contextmanager
def _explaining() -> Iterator[None]:
    try:
        yield
    except SourceError as error:
        raise unreadable(error) from error


def _of_holds(said: str) -> str:
    """Return what was *said* of a source with what its options are called for hold lists."""
    for pattern, words in _OPTIONS:
        said = pattern.sub(words, said)
    return said


class _Reading:
    """The reading of one hold list into *holds*; ``first`` are its first rows."""

    def __init__(
        self, source: Source, holds: Holds, identifiers: IdentifierSettings | None, *, looks_closely: bool
    ) -> None:
        self._name = source.name
        self._looks_closely = looks_closely
        self._read_as = source.identity
        self._lines_are_ids = source.identity.get("kind") == "text"
        self._holds = holds
        self._screen = Screen(_LONGEST_ID_CHARACTERS)
        self._of_the_table = Screen(_LONGEST_ID_CHARACTERS, identifiers)
        self._has_rules = identifiers is not None
        self._rows = 0
        self._fits = False
        self._misfit: HoldsRefused | None = None
        self.first: list[Item] = []
        column = source.identity.get("column", "")
        self._header = _NAME_OF_IDS if number_of(column) else column or _NAME_OF_IDS
        holds.begin_list(source.name, self._header)

    def take(self, rows: Rows) -> None:
        """Hold back the records of *rows*; a row that is none may stand for a record that must not be deleted."""
        items = rows.items
        self._rows += len(items)
        self.first.extend(items[: ROWS_LOOKED_AT - len(self.first)])
        joined = self._screen.plain_joined(items) if items else None
        if joined is not None and (isinstance(items, Ids) or not self._unlike_ids(joined.decode())):
            self._holds.add_joined(joined)
        else:
            self._holds.add([self._checked(item, rows, index) for index, item in enumerate(items)])
        if self._looks_closely and items:
            note(self._holds, rows)
        if self._has_rules and self._looks_closely and items:
            self._look_for_misfits(rows)

    def _look_for_misfits(self, rows: Rows) -> None:
        """Keep what is to say of the first id that cannot be one of the table: perhaps two, or one with more to it."""
        if self._of_the_table.plain_joined(rows.items) is not None:
            self._fits = True
            return
        for index, item in enumerate(rows.items):
            if not isinstance(item, str):
                continue
            if not (found := self._of_the_table.fate(item)):
                self._fits = True
            elif self._misfit is None:
                no = f"{item[:_LONGEST_EXCERPT]!r} is no id of this table, as [identifiers] describes them: {found[1]}"
                self._misfit = self._unclear(f"{no}; if it is meant, say so with --no-holds-sanity-check", rows, index)

    def judge(self, settings: HoldsSettings, most_rounded: float) -> None:
        """Return if the list, which was read to its end, is what it must be; *most_rounded* may end as rounded ids do.

        Of many small files some hold several such ids by chance: these are looked at all together, too.
        """
        if not self._rows and not settings.allow_empty:
            raise HoldsRefused(f"the hold list {self._name} is empty{self._but_for_a_header()}--allow-empty-holds")
        if not settings.sanity_check:
            return
        wrong = looks_wrong(self.first, most_rounded)
        if self._misfit is not None and not self._fits:
            wrong = "none of its ids looks like one of this table, as [identifiers] describes them"
        _refuse_if(wrong, self._name)
        if self._misfit is not None:
            raise self._misfit

    def _but_for_a_header(self) -> str:
        read_as = self._read_as
        number = next(filter(number_of, (read_as.get("column", ""), read_as.get("filter_column", ""))), "")
        if read_as.get("header") != "yes" or not number:
            return ". Nothing was sent. If that is meant, say so with "
        return (
            ": its first line is taken for the names of its columns. Nothing was sent. If that line is a record, say "
            f"so with header = false in [holds] of the configuration and --holds-column {number}; if nothing is on "
            "hold, say so with "
        )

    def _checked(self, item: Item, rows: Rows, index: int) -> Record:
        if isinstance(item, Defect):
            raise self._unclear(_of_holds(item.reason), rows, index)
        if never := self._screen.fate(item):
            raise self._unclear(never[1], rows, index)
        if isinstance(item, str):
            why = self._unlike_ids(item)
        else:
            why = unclear_value(item.value) if self._looks_closely and isinstance(item.value, str) else ""
        if why:
            raise self._unclear(why, rows, index)
        return item

    def _unlike_ids(self, ids: str) -> str:
        """Return why what *ids*, joined by line breaks, should hold back is not clear; an empty string where it is."""
        if not self._looks_closely:
            return ""
        if self._lines_are_ids and _NOT_IN_A_LINE.search(ids):
            cut = "it holds a quote, or what stands between fields, and a line of text is one id"
            csv = "if it is a csv, say so with --holds-format csv"
            return f"{cut}; {csv}; if the whole line is one id, say so with --no-holds-sanity-check"
        return unclear_ids(ids, self._header)

    def _unclear(self, fault: str, rows: Rows, index: int) -> HoldsRefused:
        mend = _MEND_THE_LIST if is_of_a_cut(fault) else "Mend that row"
        return HoldsRefused(
            f"the hold list {rows.file or self._name}, {place_of(rows, index)}: {fault}. What it should hold back is "
            f"not clear. Nothing was sent. {mend}, and run the same command again"
        )


def _refuse_if(wrong: str, name: str) -> None:
    if wrong:
        raise HoldsRefused(
            f"the hold list {name}: {wrong}. This does not look like a list of record ids, and would hold back "
            "nothing that is meant. Nothing was sent. Give the list as it was made, or say which column holds the ids "
            "with --holds-column; if it is what you mean, say so with --no-holds-sanity-check"
        )


def _check_age(source: Source, max_age_seconds: float | None, now: float) -> None:
    if max_age_seconds is None:
        return
    if not source.replayable or not source.files:
        raise HoldsRefused(f"the hold list {source.name} has no age, and one is asked for. Nothing was sent")
    try:
        ages = [now - os.stat(path).st_mtime for path in source.files]  # noqa: PTH116 - names as given
    except OSError as error:
        raise HoldsRefused(f"the hold list cannot be read: {source.name}: {error.strerror}. Nothing was sent") from None
    if min(ages) < -_MOST_CLOCK_SKEW_SECONDS:
        raise HoldsRefused(
            f"the hold list {source.name} was last written {-min(ages):.0f} s in the future, by this machine's clock, "
            "so that its age is not known. Nothing was sent. Set the clock that is wrong, or make the list anew"
        )
    if max(ages) > max_age_seconds:
        raise HoldsRefused(
            f"the hold list {source.name} was last written {max(ages):.0f} s ago; holds.max_age_seconds is "
            f"{max_age_seconds:.0f}. Nothing was sent. Make it anew"
        )
