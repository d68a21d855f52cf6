"""A file that ends within a line: its last id may be a piece of one, which names another record.

A copy that broke off, a part of ``split -b``, or what a producer that was killed has written, ends so. What is left of
a decimal id is told by the ids before it, of which none is so short.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from bulkdelete.records import Filter, Rows
from bulkdelete.sources.defects import defect_of_line
from bulkdelete.sources.lines import Block, Lot

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bulkdelete.records import Item
    from bulkdelete.sources.lines import Lines

_COMPARED_WITH: Final = 100
"""So many rows before the last one say how long ids are, wherever blocks end."""
_LONG: Final = 12
_ENOUGH: Final = 10
"""Fewer ids that are not so long say nothing of one that lacks a digit, as 99 does behind 100."""


class Ending:
    """Watches how one file ends."""

    def __init__(self) -> None:
        self._line = ""
        self._before: deque[Sequence[Item]] = deque()
        self.missing_digits = 0
        """How many digits its last id lacks."""

    def watched(self, blocks: Iterable[Lines]) -> Iterator[Lines]:
        """Yield *blocks*, noting the line that has no end."""
        for block in blocks:
            if isinstance(block, Block) and not block.ended:
                self._line = block.text
            yield block

    def lots(self, lots: Iterable[Lot]) -> Iterator[Lot]:
        """Yield *lots*, made of what was watched; where the last row is a piece of an id, it is a Defect."""
        last: list[Lot] = []
        for lot in lots:
            if self._line:
                last.append(lot)
            else:
                self._note(lot.items)
                yield lot
        yield from last[:-1]
        for lot in last[:-1]:
            self._note(lot.items)
        for lot in last[-1:]:
            self._note(lot.items[:-1])
            yield self._without_a_piece(lot)

    def _note(self, items: Sequence[Item]) -> None:
        self._before.append(items)
        while sum(map(len, self._before)) - len(self._before[0]) >= _COMPARED_WITH:
            self._before.popleft()

    def _without_a_piece(self, lot: Lot) -> Lot:
        item = lot.items[-1]
        digits = _digits(item)
        stands_before = self._line.removesuffix(digits)
        if not digits or stands_before == self._line or stands_before[-1:].isdigit():
            return lot  # it is in quotes, or stands before another field: it is whole
        lengths = [len(_digits(one)) for one in self._compared_with() if type(one) is type(item) and _digits(one)]
        length = min(lengths, default=0)
        alike, missing = length == max(lengths, default=0), length - len(digits)
        few = length < _LONG and len(lengths) < _ENOUGH
        if missing <= 0 or (few and (missing == 1 or not alike)):
            return lot
        self.missing_digits = missing if alike else 0
        what = "ids" if isinstance(item, str) else "values"
        reason = f"the file ends within this line: it has {_counted(digits)}, and the {what} before it {length} or more"
        return Lot([*lot.items[:-1], defect_of_line(reason, self._line)], lot.lines)

    def _compared_with(self) -> list[Item]:
        """Return the rows just before the last one, without the file's first one, which may be the rest of another."""
        before = [one for items in self._before for one in items[-_COMPARED_WITH:]][-_COMPARED_WITH:]
        return before[1:] if 1 < len(before) < _COMPARED_WITH else before


def without_the_rest(rows: Rows, missing_digits: int) -> Rows:
    """Return *rows*, which begin a file, with a Defect for the rest of the id that the file before it ends within."""
    first = _digits(rows.items[0])
    if len(first) != missing_digits or not first:
        return rows
    reason = f"the rest of a line, it seems: it has {_counted(first)}, as many as the last id of the file before lacks"
    return replace(rows, items=[defect_of_line(reason, first), *rows.items[1:]])


def _digits(item: Item) -> str:
    """Return the id, or the filter's value, where it is decimal."""
    named = item.value if isinstance(item, Filter) else item
    return named if isinstance(named, str) and named.isdecimal() and named.isascii() else ""


def _counted(digits: str) -> str:
    return f"{len(digits)} digit{'s' * (len(digits) != 1)}"
