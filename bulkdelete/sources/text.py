"""Plain text: one id a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulkdelete.records import Defect
from bulkdelete.sources.defects import defect_of_line, is_escaped
from bulkdelete.sources.lines import Lot, Part, without_blanks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bulkdelete.records import Item
    from bulkdelete.sources.lines import Lines


def text_lots(undecodable: str, blocks: Iterable[Lines]) -> Iterator[Lot]:
    """Yield the ids of *blocks*; a line that is too long, or does not decode (*undecodable* says so), is a Defect."""
    line = 1
    for block in blocks:
        if isinstance(block, Part):
            continue
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
            yield Lot(kept if block.clean else [_item(text, undecodable) for text in kept], lines)


def _item(text: str, undecodable: str) -> Item:
    return defect_of_line(undecodable, text) if is_escaped(text) else text
