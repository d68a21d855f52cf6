"""Columns as they are called: whether the first line names them, and, by their numbers, all files alike."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final, NamedTuple

from bulkdelete.errors import SourceRefused
from bulkdelete.sources.headings import is_a_record, is_made_of_words, is_unlike_a_name, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulkdelete.settings import ReadingSettings

_MOST_DIGITS: Final = 9


def number_of(column: str) -> int:
    """Return the number of a column; 0 where *column* is none, or one that no file has."""
    is_number = column.isdecimal() and column.isascii() and len(column) <= _MOST_DIGITS
    return int(column) if is_number else 0


class Called(NamedTuple):
    """A column that was called by its name, or by its *number* (else 0), and *at* which place of *header* it stands."""

    header: Sequence[str]
    at: int
    number: int
    is_filter: bool

    @property
    def name(self) -> str:
        """Its name in the first line."""
        return self.header[self.at]

    def check_is_no_record(self, where: str, row: Sequence[str], *, alone: bool) -> None:
        """Raise :class:`SourceRefused` where its name looks like a record; *row* is the first one below, if any.

        The only line of a file that is *alone* may be a record wherever it is not made of words.
        """
        below = row[self.at] if row else ""
        looks_so = is_a_record(self.name, below)
        if looks_so or (self.number and self._is_unlike_a_name(row, alone=alone)):
            after = f"and the row after it {shown(below)}" if row else "and no row comes after it"
            raise SourceRefused(
                f"{where}: the first line holds {shown(self.name)} where a column's name would stand, {after}: it "
                f"looks like a record. Nothing was sent. If the file has no header, {self._without_a_header()}; if "
                f"that is the column's name, {self._with_its_name(looks_so=looks_so)}"
            )

    def _is_unlike_a_name(self, row: Sequence[str], *, alone: bool) -> bool:
        return is_unlike_a_name(self.at, self.header, row) or (alone and not row and not is_made_of_words(self.name))

    def _with_its_name(self, *, looks_so: bool) -> str:
        """Return how to say that it is its name; what *looks_so* like a record is refused by its name, too."""
        if not self.number:
            return "say so with --no-sanity-check"
        if looks_so:
            return "give it instead of the number, with --no-sanity-check"
        is_short = self.name.isprintable() and shown(self.name) == repr(self.name)
        name = shlex.quote(self.name) if is_short else "NAME"
        return f"give it instead of the number, as in --{'filter-' * self.is_filter}column {name}"

    def _without_a_header(self) -> str:
        if self.is_filter:
            return "give it one: a filter needs the column's name"
        return f"say so with --no-header and --column {self.at + 1}"


def called_in(header: Sequence[str], settings: ReadingSettings) -> list[Called]:
    """Return the columns of *header* that *settings* call by a name or a number."""
    called = []
    for column, is_filter in ((settings.column, False), (settings.filter_column, True)):
        number = number_of(column)
        at = header.index(column) if column in header else number - 1
        if 0 <= at < len(header):
            called.append(Called(header, at, number if at == number - 1 else 0, is_filter))
    return called


class Names:
    """What the files that are read by the same settings call the columns that are called by number."""

    def __init__(self) -> None:
        self._names: dict[int, tuple[str, str]] = {}
        self.widths = Widths()

    def check(self, where: str, column: Called) -> None:
        """Raise :class:`SourceRefused` where another file calls that column otherwise than *where* does."""
        other, name = self._names.setdefault(column.number, (where, column.name))
        if name.strip().casefold() != column.name.strip().casefold():
            raise SourceRefused(
                f"column {column.number} is called {name!r} in {other}, and {column.name!r} in {where}: it holds other "
                f"things. Nothing was sent. Give its name with --{'filter-' * column.is_filter}column NAME, or "
                "call it the same in every file, if it holds the same; --no-sanity-check would take both as they are, "
                "and switch off every other look at what the files hold"
            )


class Widths:
    """How many fields the rows of each file of a source have, in the order of the files, as far as they were read."""

    def __init__(self) -> None:
        self._fields: dict[str, int] = {}

    def expect(self, where: str) -> None:
        """Note that the file *where* comes next."""
        self._fields.setdefault(where, 0)

    @property
    def are_of_one_file(self) -> bool:
        """Whether the source is a single file."""
        return len(self._fields) == 1

    def first(self, where: str, fields: int) -> tuple[str, int]:
        """Return the first file that has rows, and their fields; *where* has rows of that many *fields*."""
        self._fields[where] = fields
        return next(((file, width) for file, width in self._fields.items() if width), (where, 0))
