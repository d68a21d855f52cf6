"""Columns that are called by their numbers: whether the first line names them, and all files alike."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from bulkdelete.errors import SourceRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulkdelete.settings import ReadingSettings

_MOST_DIGITS: Final = 9
_LETTER: Final = re.compile(r"[^\W\d_]")
_DIGIT: Final = re.compile(r"\d")
_AT: Final = "@"


def number_of(column: str) -> int:
    """Return the number of a column; 0 where *column* is none, or one that no file has."""
    is_number = column.isdecimal() and column.isascii() and len(column) <= _MOST_DIGITS
    return int(column) if is_number else 0


class Called(NamedTuple):
    """A column that was called by its *number*, and its *name* in the first line."""

    number: int
    name: str
    is_filter: bool

    def check_is_no_record(self, where: str, row: Sequence[str]) -> None:
        """Raise :class:`SourceRefused` where its name looks like its cell in *row*, the first one after the header."""
        name, below = self.name, row[self.number - 1]
        if not (_DIGIT.search(name) or _AT in name):
            return
        if _shape(name) == _shape(below) or (_AT in name and _AT in below):
            no_header = "give it one: a filter needs the column's name" if self.is_filter else "say so with --no-header"
            raise SourceRefused(
                f"{where}: the first line holds {name!r} where a column's name would stand, and the row after it "
                f"{below!r}: it looks like a record. Nothing was sent. If the file has no header, {no_header}; if that "
                "is the column's name, give it instead of the number, or say so with --no-sanity-check"
            )


def called_by_number(header: Sequence[str], settings: ReadingSettings) -> list[Called]:
    """Return the columns that *settings* call by their numbers in *header*."""
    called = ((number_of(settings.column), False), (number_of(settings.filter_column), True))
    return [Called(number, header[number - 1], is_filter) for number, is_filter in called if 1 <= number <= len(header)]


class Names:
    """What the files of one source call the columns that are called by number."""

    def __init__(self) -> None:
        self._names: dict[int, tuple[str, str]] = {}

    def check(self, where: str, column: Called) -> None:
        """Raise :class:`SourceRefused` where another file calls that column otherwise than *where* does."""
        other, name = self._names.setdefault(column.number, (where, column.name))
        if name.strip().casefold() != column.name.strip().casefold():
            raise SourceRefused(
                f"column {column.number} is called {name!r} in {other}, and {column.name!r} in {where}: it holds other "
                f"things. Nothing was sent. Give its name with --{'filter-' * column.is_filter}column NAME, or "
                "give the files one by one; if they are meant, say so with --no-sanity-check"
            )


def _shape(cell: str) -> str:
    return _DIGIT.sub("9", _LETTER.sub("a", cell))
