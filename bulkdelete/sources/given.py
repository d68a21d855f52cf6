"""What Python code gives as rows -> items; nothing that it can give is a crash."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from bulkdelete.records import Defect, Filter
from bulkdelete.sources.defects import FINGERPRINT_BYTES, MOST_EXCERPT_CHARACTERS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bulkdelete.records import Item

_INT64: Final = range(-(2**63), 2**64)


def as_items(block: list[Any]) -> list[Item]:
    """Return *block* as items: plain strings and sound filters as they are, anything else as a Defect."""
    return block if are_strings(block) else list(map(_item, block))


def are_strings(block: Iterable[Any]) -> bool:
    """Return whether *block* holds plain strings alone, none of another class that is one too."""
    kinds = [*map(type, block)]
    return kinds.count(str) == len(kinds)


def _item(given: object) -> Item:
    if type(given) is str:
        return given
    if isinstance(given, str):
        return str.__str__(given)
    if isinstance(given, Filter):
        return _sound(given)
    kind = type(given).__name__
    article = "an" if kind[:1].lower() in "aeiou" else "a"
    return _defect(f"{article} {kind}; ids are strings: pass a str, or a Filter", given)


def _sound(given: Filter) -> Item:
    column, value = _plain(given.column), _plain(given.value)
    if type(column) is not str:
        return _defect(f"a filter whose column is of type {type(column).__name__}; it is a str", given)
    if type(value) is int and value not in _INT64:
        return _defect("a filter whose number is too large for JSON; quote it", given)
    if type(value) in {str, int, float, bool}:
        return Filter(column, value)  # type: ignore[arg-type]  # the types are those just listed
    return _defect(f"a filter whose value is of type {type(value).__name__}; it is a str, int, float or bool", given)


def _plain(value: object) -> object:
    return str.__str__(value) if isinstance(value, str) else value


def _defect(reason: str, given: object) -> Defect:
    try:
        shown = repr(given)
    except Exception:  # noqa: BLE001 - a repr of anybody's may raise anything, and the row still counts
        shown = f"<{type(given).__name__}>"
    raw = f"{type(given).__name__}:{shown}".encode("utf-8", "surrogatepass")
    return Defect(reason, shown[:MOST_EXCERPT_CHARACTERS], hashlib.sha256(raw).digest()[:FINGERPRINT_BYTES])
