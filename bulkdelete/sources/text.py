"""Plain text: one id a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulkdelete.records import Defect
from bulkdelete.sources.defects import NOT_UTF8, defect_of_line, is_escaped
from bulkdelete.sources.lines import Lot, without_blanks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bulkdelete.records import Item
    from bulkdelete.sources.lines import Block


def text_lots(blocks: Iterable[Block | Defect]) -> Iterator[Lot]:
    """Yield the ids of *blocks*; a line that is not UTF-8, or too long, is a Defect in its place."""
    line = 1
    for block in blocks:
        if isinstance(block, Defect):
            yield Lot([block], range(line, line + 1))
            line += 1
            continue
        if block.ids is not None:
            yield Lot(block.ids, range(line, line + len(block.ids)))
            line += len(block.ids)
            continue
        ids = block.text.split("\n")
        kept, lines = without_blanks(ids, line)
        line += len(ids)
        if kept:
            yield Lot(kept if block.clean else [_item(text) for text in kept], lines)


def _item(text: str) -> Item:
    return defect_of_line(NOT_UTF8, text) if is_escaped(text) else text
