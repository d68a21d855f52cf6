"""The private form of spooled items: JSON Lines that give back exactly the same items, Defects too.

An id is a JSON string, a filter ``[column, value]``, a Defect ``[reason, text, fingerprint, 0]``; all of it ASCII.
"""

from __future__ import annotations

import json
from json.encoder import encode_basestring_ascii
from typing import TYPE_CHECKING

from bulkdelete.errors import SourceError
from bulkdelete.records import Defect, Filter
from bulkdelete.sources.jsonl import values_between
from bulkdelete.sources.lines import Block, Lot

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bulkdelete.records import Item
    from bulkdelete.sources.lines import Lines


def spool_lines(items: Sequence[Item]) -> bytes:
    """Return *items* in the private form, each line with its end."""
    try:
        lines = list(map(encode_basestring_ascii, items))  # type: ignore[arg-type]  # what is no str raises TypeError
    except TypeError:
        lines = list(map(_line, items))
    return "".join([f"{line}\n" for line in lines]).encode("ascii")


def spooled_lots(blocks: Iterable[Lines]) -> Iterator[Lot]:
    """Yield the items that :func:`spool_lines` wrote.

    Raises:
        SourceError: it did not write these lines.

    """
    for block in blocks:
        if not isinstance(block, Block):
            raise _damaged()
        ids = values_between('"', '"', block.text)
        yield Lot(list(map(_item, block.text.split("\n"))) if ids is None else ids, ())


def _line(item: Item) -> str:
    if isinstance(item, Defect):
        return json.dumps([item.reason, item.text, item.fingerprint.hex(), 0])
    return json.dumps([item.column, item.value] if isinstance(item, Filter) else item)


def _item(line: str) -> Item:
    try:
        match json.loads(line):
            case str(record_id):
                return record_id
            case [str(column), (str() | bool() | int() | float()) as value]:
                return Filter(column, value)
            case [str(reason), str(text), str(fingerprint), 0]:
                return Defect(reason, text, bytes.fromhex(fingerprint))
    except (ValueError, RecursionError):
        pass
    raise _damaged()


def _damaged() -> SourceError:
    return SourceError(
        "the spool beside the ledger is damaged: a line in it is not one that bulkdelete wrote. Nothing after it was "
        "taken. Start a new ledger with the records that are left"
    )
