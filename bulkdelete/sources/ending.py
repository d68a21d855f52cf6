"""A file that was cut within a line: what is left of an id there is no record, because it names another record.

A copy that broke off, a part of ``split -b``, or what a producer that was killed has written, ends so; the part after
it begins so. Which ids are pieces, others tell: of decimal ids, none of those around is so short; of any other kind,
all of them have one length.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from bulkdelete.nothings import COLUMN_NAMES
from bulkdelete.records import Filter, Rows
from bulkdelete.sources.defects import defect_of_line
from bulkdelete.sources.lines import Block, Lot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from bulkdelete.records import Item
    from bulkdelete.sources.lines import Lines

_COMPARED_WITH: Final = 100
"""So many rows before the last one, or behind the first one, say how long ids are, wherever blocks end."""
_ENOUGH_ALIKE: Final = 3
"""Fewer ids that are no numbers, and happen to be equally long, say nothing of a shorter one, unless they are long."""
_LONG: Final = 16
"""So long are ids that machines make: one tells how long the others are, and they do not count up from one digit."""
_ENDS_WITHIN: Final = "the file ends within this line: "
_A_REST: Final = "the rest of a line, it seems: "
_OF_A_WORD: Final = re.compile(r"[^\W_]")
_OF_RANDOM_SIGNS: Final = re.compile(r"[\w+/=-]+")
"""What base64, and ids made like it, are written with."""


class Ending:
    """Watches how one file begins and ends.

    *before* has watched the file before it in its source. *among_pieces* says that of these files one that is not the
    last ends within a line: so each of them may begin with the rest of a line, in whatever order they are read.
    """

    def __init__(self, before: Ending | None = None, *, among_pieces: bool = False) -> None:
        self._line = ""
        self._first_line: str | None = None
        self._rows: deque[Sequence[Item]] = deque()
        self._of_others: list[Item] = [] if before is None else before.last_rows()
        self._piece_before = "" if before is None else before.piece
        self._piece = ""
        self._may_be_a_piece = False
        self.begins_with_a_rest: bool = False
        self.among_pieces: bool = among_pieces or (before is not None and before.is_followed_by_pieces)

    @property
    def is_followed_by_pieces(self) -> bool:
        """Whether a file after this one may begin with the rest of a line."""
        return self.among_pieces or self._line != ""

    @property
    def piece(self) -> str:
        """What an id at the end of this file was cut to, or at the end of the one before it where this has no rows."""
        return self._piece if self._rows else self._piece_before

    def without_a_piece(self, rows: Rows) -> Rows:
        """Return *rows*, the last of this file, where the one after it begins with the rest of a line."""
        if not self._may_be_a_piece:
            return rows
        defect = defect_of_line(f"{_ENDS_WITHIN}the next file begins with the rest of it", self._line)
        return Rows(rows.first_row, [*rows.items[:-1], defect], rows.file, rows.lines)

    def watched(self, blocks: Iterable[Lines]) -> Iterator[Lines]:
        """Yield *blocks*, noting the first line, and the last one where it has no end."""
        for block in blocks:
            if self._first_line is None:
                self._first_line = block.text.partition("\n")[0]
            if isinstance(block, Block) and not block.ended:
                self._line = block.text
            yield block

    def lots(self, lots: Iterator[Lot]) -> Iterator[Lot]:
        """Yield *lots*, made of what was watched; where the first or last row is a piece of an id, it is a Defect."""
        last: list[Lot] = []
        for lot in self._without_a_rest(lots) if self.among_pieces else lots:
            if self._line:
                last.append(lot)
            else:
                self._note(lot.items)
                yield lot
        for lot in last[:-1]:
            self._note(lot.items)
            yield lot
        for lot in last[-1:]:
            self._note(lot.items[:-1])
            yield self._without_a_piece(lot)

    def _note(self, items: Sequence[Item]) -> None:
        self._rows.append(items)
        while sum(map(len, self._rows)) - len(self._rows[0]) >= _COMPARED_WITH:
            self._rows.popleft()

    def _without_a_rest(self, lots: Iterator[Lot]) -> Iterator[Lot]:
        begun: list[Lot] = []
        for lot in lots:
            begun.append(lot)
            if sum(len(one.items) for one in begun) > _COMPARED_WITH:
                break
        for lot in begun[:1]:
            behind = [item for one in begun for item in one.items[: _COMPARED_WITH + 1]][1:]
            last = len(behind) - bool(self._line)  # the last row may be a piece itself
            begun[0] = self._begun_whole(lot, [*self._of_others, *behind[: min(last, _COMPARED_WITH)]])
        yield from begun
        yield from lots

    def _begun_whole(self, lot: Lot, around: Sequence[Item]) -> Lot:
        item, line = lot.items[0], self._first_line or ""
        named = _named(item)
        if not named or not line.startswith(named) or line[len(named) :][:1].isalnum():
            return lot  # it stands behind another field, or not in the first line: it is whole
        rest, others = named.rstrip('"'), _like(item, around)
        if length := _length_lacked(rest, others, str.endswith):
            why = f"it has {_counted(rest)}, and the {_kind(item)} around it {length} or more"
        elif self._piece_before and len(self._piece_before + rest) in {*map(len, others)}:
            why = f"the file before it ends with {self._piece_before}"
        else:
            return lot
        self.begins_with_a_rest = True
        return Lot([defect_of_line(_A_REST + why, line), *lot.items[1:]], lot.lines)

    def _without_a_piece(self, lot: Lot) -> Lot:
        item = lot.items[-1]
        named = _named(item)
        stands_before = self._line.removesuffix(named)
        if not named or stands_before == self._line or stands_before[-1:].isalnum():
            return lot  # it is in quotes, or stands before another field: it is whole
        if not (length := self._length_lacked(item)):
            self._may_be_a_piece = True
            return lot
        self._piece = named
        what = _kind(item)
        reason = f"{_ENDS_WITHIN}it has {_counted(named)}, and the {what} before it {length} or more"
        return Lot([*lot.items[:-1], defect_of_line(reason, self._line)], lot.lines)

    def _length_lacked(self, item: Item) -> int:
        """Return the length of the rows just before the last one that *item* is too short for; 0 where it is not.

        The file's first row may be the rest of another's last one. Of a file that comes first, or alone, that is known
        of long ids only: short ones count up from one digit.
        """
        before = [one for items in self._rows for one in items[-_COMPARED_WITH:]][-_COMPARED_WITH:]
        whole = before[1:] if len(before) < _COMPARED_WITH else before
        named = _named(item)
        if self.among_pieces and self._of_others:
            return _length_lacked(named, _like(item, [*self._of_others, *whole]), str.startswith)
        if length := _length_lacked(named, _like(item, before), str.startswith):
            return length
        length = _length_lacked(named, _like(item, whole), str.startswith)
        return length if length >= _LONG else 0

    def last_rows(self) -> list[Item]:
        """Return the last rows so far that have a line end, of this file and of those before it."""
        own = [one for items in self._rows for one in items[-_COMPARED_WITH:]]
        return [*self._of_others, *own][-_COMPARED_WITH:]


def is_of_a_cut(reason: str) -> bool:
    """Return whether a row is set aside for this *reason* because its line was cut."""
    return reason.startswith((_ENDS_WITHIN, _A_REST))


def _named(item: Item) -> str:
    """Return the id, or the filter's value where it is a text."""
    named = item.value if isinstance(item, Filter) else item
    return named if isinstance(named, str) else ""


def _like(item: Item, others: Sequence[Item]) -> list[str]:
    """Return what those of *others* are called that name records as *item* does; the name of a column is no record."""
    alike = [named for one in others if type(one) is type(item) and (named := _named(one))]
    return [named for named in alike if named.lower() not in COLUMN_NAMES]


def _length_lacked(named: str, others: Sequence[str], lies_in: Callable[[str, str], bool]) -> int:
    """Return the length of *others* that *named* is too short for, as a piece is; 0 where nothing shows that.

    *lies_in* says whether the second text stands where a piece does in the first one: at the beginning or at the end.
    """
    shapes = Counter(map(_shape, others))
    numbers = [len(one) for one in others if _is_decimal(one)]
    length = 0
    if (usual := _shape_of_nearly_all(shapes)) and lies_in(usual, _shape(named)) and _shape(named) not in shapes:
        length = len(usual)
    elif _is_decimal(named) and numbers:
        length = min(numbers)
    elif len(others) > len(numbers) and len(others) >= _ENOUGH_ALIKE and len({*map(len, others)}) == 1:
        is_a_piece = any(lies_in(shape, _shape(named)) for shape in shapes)
        length = len(others[0]) * (is_a_piece or _have_signs_anywhere(named, others, shapes))
    return length if len(named) < length else 0


def _shape_of_nearly_all(shapes: Counter[str]) -> str:
    """Return which of *shapes* is long, and that of all but a tenth, or of all but one where there are more so."""
    shape, count = max(shapes.items(), key=itemgetter(1), default=("", 0))
    odd = shapes.total() - count
    return shape if len(shape) >= _LONG and odd < count and odd <= max(1, shapes.total() // 10) else ""


def _have_signs_anywhere(named: str, others: Sequence[str], shapes: Counter[str]) -> bool:
    """Return whether *others* are long, and all have signs in any order: of these, length alone tells a piece."""
    is_random = len(shapes) > 1 and len(others[0]) >= _LONG
    return is_random and all(map(_OF_RANDOM_SIGNS.fullmatch, (named, *others)))


def _shape(named: str) -> str:
    """Return *named* with all letters and digits alike, but not the signs between them."""
    return _OF_A_WORD.sub("x", named)


def _is_decimal(named: str) -> bool:
    return named.isdecimal() and named.isascii()


def _kind(item: Item) -> str:
    return "ids" if isinstance(item, str) else "values"


def _counted(named: str) -> str:
    return f"{len(named)} {'digit' if _is_decimal(named) else 'character'}{'s' * (len(named) != 1)}"
