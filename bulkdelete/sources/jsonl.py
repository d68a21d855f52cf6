"""JSON Lines: a string, an object with a ``record_id`` or a ``filter``, or the fields that the settings name.

Lines of the simple forms are taken a block at a time without parsing; the form is checked, so that a parser would
give the same.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bulkdelete.nothings import is_no_id
from bulkdelete.records import Defect, Filter
from bulkdelete.sources.defects import defect_of_line, is_escaped, not_in
from bulkdelete.sources.json_values import Twice, Unfit, parsed
from bulkdelete.sources.lines import Lot, Part, without_blanks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bulkdelete.records import Item, Record
    from bulkdelete.settings import ReadingSettings
    from bulkdelete.sources.lines import Block, Lines

RECORD_ID: Final = "record_id"
FILTER: Final = "filter"
_NOT_SIMPLE: Final = re.compile(r'["\\\x00-\x1f]')


@dataclass(frozen=True, slots=True)
class JsonLines:
    """How the objects of a file become items: which fields count, and the simple forms ``(prefix, suffix)``.

    ``undecodable`` is the reason for a line that does not decode.
    """

    column: str
    filter_column: str
    forms: tuple[tuple[str, str], ...]
    undecodable: str

    @classmethod
    def of(cls, settings: ReadingSettings) -> JsonLines:
        """Return the layout that *settings* describe."""
        name = json.dumps(settings.column or RECORD_ID, ensure_ascii=False)
        forms = [('"', '"')] if not settings.column else []
        if not settings.filter_column:
            forms += [(f'{{{name}{colon}"', '"}') for colon in (":", ": ")]
        return cls(settings.column, settings.filter_column, tuple(forms), not_in(settings.encoding))

    def lots(self, blocks: Iterable[Lines]) -> Iterator[Lot]:
        """Yield the items of *blocks*; a line that holds no record is a Defect in its place."""
        line = 1
        for block in blocks:
            if isinstance(block, Part):
                continue
            if isinstance(block, Defect):
                yield Lot([block], range(line, line + 1))
                line += 1
                continue
            simple = self._simple(block)
            if simple is not None:
                yield Lot(simple, range(line, line + len(simple)))
                line += len(simple)
                continue
            texts = block.text.split("\n")
            kept, lines = without_blanks(texts, line)
            line += len(texts)
            if kept:
                yield Lot(list(map(self._item if block.clean else self._item_if_decoded, kept)), lines)

    def _simple(self, block: Block) -> list[str] | None:
        if not block.clean:
            return None
        for prefix, suffix in self.forms:
            if block.text.startswith(prefix):
                values = values_between(prefix, suffix, block.text)
                if values is not None:
                    return values
        return None

    def _item_if_decoded(self, line: str) -> Item:
        return defect_of_line(self.undecodable, line) if is_escaped(line) else self._item(line)

    def _item(self, line: str) -> Item:
        try:
            return self._record(parsed(line))
        except Unfit as why:
            return defect_of_line(str(why), line)

    def _record(self, value: object) -> Record:
        if isinstance(value, dict):
            return self._from_object(value)
        if self.column:
            raise Unfit(f"{_kind(value)}; expected an object with the field {self.column!r}")
        return _record_id(value, "the line")

    def _from_object(self, fields: dict[str, object]) -> Record:
        if isinstance(fields, Twice):
            raise Unfit(f"the object gives the field {fields.name!r} twice")
        name = self.column or RECORD_ID
        if name in fields and not (self.filter_column and _is_none(fields[name])):
            return _record_id(fields[name], f"the field {name!r}")
        if self.filter_column:
            if self.filter_column not in fields:
                raise Unfit(f"neither the field {name!r} nor the field {self.filter_column!r} is there")
            return _filter(self.filter_column, fields[self.filter_column])
        if not self.column and FILTER in fields:
            return _only_filter(fields[FILTER])
        raise Unfit(f"the field {name!r} is missing")


def values_between(prefix: str, suffix: str, text: str) -> list[str] | None:
    """Return the values of the lines of *text* if each is *prefix*, a JSON string without escapes, and *suffix*."""
    if len(text) < len(prefix) + len(suffix) or not text.startswith(prefix) or not text.endswith(suffix):
        return None
    values = text[len(prefix) : len(text) - len(suffix)].split(f"{suffix}\n{prefix}")
    return None if _NOT_SIMPLE.search("".join(values)) else values


def _record_id(value: object, what: str) -> str:
    if isinstance(value, str):
        return value
    if _kind(value) == "a JSON number":
        raise Unfit("a JSON number; quote it, because numbers this large lose digits")
    raise Unfit(f"{what} is {_kind(value)}; a record id is a JSON string")


def _is_none(value: object) -> bool:
    return value is None or (isinstance(value, str) and is_no_id(value))


def _only_filter(value: object) -> Filter:
    if not isinstance(value, dict):
        raise Unfit(f"the filter is {_kind(value)}; expected an object with one column and its value")
    if isinstance(value, Twice):
        raise Unfit(f"the filter gives the column {value.name!r} twice")
    if not value:
        raise Unfit("the filter is empty; it must name one column")
    if len(value) > 1:
        raise Unfit(f"the filter names {len(value)} columns; it must name one")
    [(column, wanted)] = value.items()
    return _filter(column, wanted)


def _filter(column: str, value: object) -> Filter:
    if isinstance(value, str | int | float):
        return Filter(column, value)
    if _kind(value) == "a JSON number":
        raise Unfit(f"the value of {column!r} is a JSON number with more digits than numbers keep; quote it")
    raise Unfit(f"the value of {column!r} is {_kind(value)}; a filter's value is a string, a number or a truth value")


def _kind(value: object) -> str:
    kinds = ((type(None), "null"), (bool, "true or false"), (dict, "an object"), (list, "an array"), (str, "a string"))
    return next((name for kind, name in kinds if isinstance(value, kind)), "a JSON number")
