"""Files that were joined: the header of another one among the rows, after which the columns may stand elsewhere."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from bulkdelete.nothings import is_no_id
from bulkdelete.sources.headings import NAMES, folded, is_surely_an_id
from bulkdelete.sources.quoting import QUOTE

if TYPE_CHECKING:
    from collections.abc import Sequence

_LOOKED_AT: Final = 20
"""So many values of a column say what the others look like."""
_LONG: Final = 16
_FEWEST_CHARACTERS: Final = 6
"""So long are names that no value ends with by chance."""
_MARK: Final = "\ufeff"
"""Begins a file that a spreadsheet has written, also where another file stands before it."""
_DIGIT: Final = re.compile(r"\d")
_NO_DIGITS: Final = bytes({*range(256)}.difference(b"\n0123456789"))
_NO_LETTER: Final = re.compile(r"[\W_]+")
_FIRST_NUMBERS: Final = ("0", "1")
"""With one of them begins a column of row numbers, to which pandas and R give no name."""


def as_name(cell: str) -> str:
    """Return *cell* as names of columns are compared, where a whole file may begin with it."""
    if _MARK in cell or QUOTE in cell:
        cell = cell.removeprefix(_MARK).strip().strip(QUOTE)
    return folded(cell)


def _is_called(fields: Sequence[str], name: str) -> bool:
    """Return whether one of *fields* is the *name* of a column, also where it is written as another tool does."""
    letters = _NO_LETTER.sub("", name)
    return any(named == name or _NO_LETTER.sub("", named) == letters != "" for named in map(as_name, fields))


class Joints:
    """Watches the rows under *header* for one that has the columns at the places *wanted* elsewhere: they are *lost*.

    A row that has a wanted column's name in another cell is such a header if the cell in its place is a name, too, of
    *names*. Where rows are *looked_at*, it may have any name, which is unlike the values before it.
    """

    def __init__(
        self, header: Sequence[str] = (), wanted: Sequence[int | None] = (), *, looked_at: bool = False
    ) -> None:
        self.names = frozenset(map(folded, header)) | (NAMES if looked_at else frozenset())
        self.lost = False
        self._fields = len(header)
        places = (at for at in wanted if at is not None)
        self._wanted = {at: folded(header[at]) for at in places if header[at].strip() and not header[at].isdecimal()}
        self._before = {at: _Before() for at in self._wanted if looked_at and len(header) > 1}

    def begin_with(self, fields: Sequence[str], at: int) -> bool:
        """Return whether *fields*, a row that goes by the cell *at* that place, are a header that has it elsewhere.

        Else the cell is one of those that the next ones are compared with.
        """
        before = self._before.get(at)
        if as_name(fields[at]) in self.names or (before is not None and before.are_unlike(fields[at])):
            self.lost = self._have_it_elsewhere(fields)
        if before is not None and not self.lost:
            self._note(before, fields, at)
        return self.lost

    def look_at_joint(self, fields: Sequence[str]) -> None:
        """Look at a row of other *fields* than the header: the last one of a file without an end, and a header."""
        if len(fields) != 2 * self._fields - 1:  # one cell is both
            return
        both, *names = map(as_name, fields[self._fields - 1 :])
        for at, name in self._wanted.items():
            if at and names[at - 1] == name:
                continue
            is_known = both.endswith(tuple(filter(None, self.names))) if at == 0 else names[at - 1] in self.names
            is_joined = at > 0 and both.endswith(name) and (is_known or len(name) >= _FEWEST_CHARACTERS)
            if name in names or is_joined:
                self.lost = self.lost or is_known or at in self._before

    def are_none_in(self, cells: Sequence[str], at: int, *, decimal: bool) -> bool:
        """Return whether nothing in *cells*, the values *at* that place, can be of a header, as far as is known."""
        before = self._before.get(at)
        if not decimal and not self.names.isdisjoint(map(str.casefold, map(str.strip, cells))):
            return False
        if before is None:
            return True
        if before.suspect is not None or not all(cells):
            return False
        if decimal:
            before.note(cells)
        return decimal or before.have_none_unlike_them(cells)

    def _have_it_elsewhere(self, fields: Sequence[str]) -> bool:
        for at, name in self._wanted.items():
            cell = fields[at]
            named = as_name(cell)
            is_unlike = at in self._before and self._before[at].are_unlike(cell)
            if named != name and (named in self.names or is_unlike) and _is_called(fields, name):
                return True
            if named != name and not is_no_id(cell):
                return False  # it is a value, by which the row goes
        return False

    def _note(self, before: _Before, fields: Sequence[str], at: int) -> None:
        """Note the cell *at* that place; where that may be a name, or none that columns have, the next one tells."""
        cell, name = fields[at], self._wanted[at]
        if as_name(cell) == name or (cell and is_no_id(cell)):
            return
        may_be_first = not (before.count or cell.isdecimal())
        if before.suspect is None and (may_be_first or not cell) and _is_called(fields, name):
            before.suspect = cell
        elif cell:
            self.lost = before.are_shown_by(cell)
            before.note([cell])


class _Before:
    """What the first *cells* of a column have in common, where they have it all."""

    def __init__(self, cells: Sequence[str] = ()) -> None:
        self.count = 0
        self.suspect: str | None = None
        self._are_decimal = self._have_digits = self._are_addresses = True
        self._length = 0
        self.note(cells)

    def note(self, cells: Sequence[str]) -> None:
        """Note *cells*, unless enough are known."""
        for cell in cells[: _LOOKED_AT - self.count]:
            self._length = len(cell) if self._length == len(cell) or not self.count else 0
            self._are_decimal = self._are_decimal and cell.isdecimal()
            self._have_digits = self._have_digits and _DIGIT.search(cell) is not None
            self._are_addresses = self._are_addresses and "@" in cell
            self.count += 1

    def are_shown_by(self, cell: str) -> bool:
        """Return whether what was suspected of being a name is one, above *cell*; nothing is suspected any more."""
        suspect, self.suspect = self.suspect, None
        if suspect:
            self.note([suspect])
            return (cell.isdecimal() or len(cell) >= _LONG) and _Before([cell]).are_unlike(suspect)
        return suspect == "" and cell in _FIRST_NUMBERS

    def are_unlike(self, cell: str) -> bool:
        """Return whether *cell* lacks what all of them have, and is no id in itself."""
        if not self.count or cell.isdecimal() or is_no_id(cell) or is_surely_an_id(cell):
            return False
        if self._length >= _LONG and len(cell) == self._length:
            return False
        return (
            self._are_decimal
            or (self._have_digits and not _DIGIT.search(cell))
            or (self._are_addresses and "@" not in cell)
            or self._length >= _LONG > len(cell)
        )

    def have_none_unlike_them(self, cells: Sequence[str]) -> bool:
        """Return whether none of *cells* lacks what all of them have: at once, for many cells."""
        if self.count < _LOOKED_AT:
            return False
        if self._are_decimal:
            return "".join(cells).isdecimal()
        if self._length >= _LONG and {*map(len, cells)} == {self._length}:
            return True
        return (
            (not self._have_digits or _have_all_digits(cells))
            and (not self._are_addresses or all("@" in cell for cell in cells))
            and (self._length < _LONG or min(map(len, cells)) >= _LONG)
        )


def _have_all_digits(cells: Sequence[str]) -> bool:
    """Return whether each of *cells* has a digit; false also where one has a line break, and should be looked at."""
    lines = "\n".join(["", *cells, ""]).encode(errors="ignore").translate(None, _NO_DIGITS)
    return b"\n\n" not in lines
