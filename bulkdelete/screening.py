"""What is never sent: rows that cannot be a record. Whole batches are checked at once; rows only where one is bad."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final

from bulkdelete.holds import UNSEEN, Holds
from bulkdelete.ids import Ids
from bulkdelete.nothings import COLUMN_NAMES, NO_IDS, NO_VALUES, is_no_id
from bulkdelete.records import Fate, Filter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulkdelete.records import Item, Record
    from bulkdelete.settings import IdentifierSettings

_NOT_IN_AN_ID: Final = re.compile(rf"[\s\x00-\x1f\x7f-\x9f\ud800-\udfff{UNSEEN}]")
_NOT_IN_A_VALUE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]|^\s|\s\Z")
_LOST: Final = r"[+-]?\d+(?:[.,]\d*(?:[eE][+-]?\d+)?|[eE][+-]\d+)"
_LOST_DIGITS: Final = re.compile(_LOST)
_LOST_DIGITS_IN_A_VALUE: Final = re.compile(r"[+-]?(?:\d{16,}[.,]0*|\d(?:[.,]\d*)?[eE][+-]?\d{2,})")
_WORDS: Final = sorted({*NO_IDS, *COLUMN_NAMES})
_FIRST_LETTERS: Final = "".join(sorted({re.escape(word[0]) for word in _WORDS}))
_A_WORD: Final = rf"(?=[{_FIRST_LETTERS}])(?:{'|'.join(map(re.escape, _WORDS))})"
_SUSPECT_LINE: Final = re.compile(rf"\n(?:{_LOST}|{_A_WORD})(?=\n|\Z)", re.IGNORECASE)
_PRINTABLE: Final = bytes(range(0x21, 0x7F))
_DIGITS: Final = b"0123456789"
_INT64: Final = range(-(2**63), 2**64)
_EXACT_UP_TO: Final = 2.0**53
_MOST_COLUMN_CHARACTERS: Final = 256


class Screen:
    """What a job screens away: what can be no record, what does not look like an id of the table, what is on hold."""

    def __init__(
        self, most_characters: int, identifiers: IdentifierSettings | None = None, holds: Holds | None = None
    ) -> None:
        self._most_characters = most_characters
        self._identifiers = identifiers
        self._pattern = re.compile(identifiers.pattern) if identifiers is not None and identifiers.pattern else None
        self._holds = holds or Holds()

    def plain_joined(self, items: Sequence[Item]) -> bytes | None:
        """Return the ids joined by line breaks if every one is to be sent: a look at all of them at once.

        ``None`` says only that the rows must be looked at one by one.
        """
        joined = plain_joined(items, self._most_characters)
        if joined is None or not self._holds.spare_none_of(joined):
            return None
        if self._identifiers is not None and any(map(self._misfit, items)):  # type: ignore[arg-type]  # all are str
            return None
        return joined

    def fate(self, record: Record) -> tuple[Fate, str] | None:
        """Return the fate and the reason of a record that is never sent; ``None`` for one that may be."""
        reason = fault(record, self._most_characters)
        if not reason and self._identifiers is not None and isinstance(record, str):
            reason = self._misfit(record)
        return (Fate.INVALID, reason) if reason else self._holds.fate(record)

    def _misfit(self, record_id: str) -> str:
        rules = self._identifiers
        if rules is None:
            return ""
        if rules.lengths and len(record_id) not in rules.lengths:
            return f"{len(record_id)} characters; ids of this table have {' or '.join(map(str, rules.lengths))}"
        if rules.prefixes and not record_id.startswith(rules.prefixes):
            return f"ids of this table begin with {' or '.join(map(repr, rules.prefixes))}"
        if self._pattern is not None and not self._pattern.fullmatch(record_id):
            return f"ids of this table match {rules.pattern}"
        return ""


def plain_joined(items: Sequence[Item], most_characters: int) -> bytes | None:
    """Return the ids joined by line breaks if every one is valid and none occurs twice: a look at all of them at once.

    ``None`` says only that the rows must be looked at one by one, as those outside ASCII always are.
    """
    if isinstance(items, Ids):
        return items.joined if items.length <= most_characters and items.are_different else None
    try:
        joined = "\n".join(items)  # type: ignore[arg-type]  # what is no str raises TypeError, which is the test
        encoded = joined.encode()
    except (TypeError, UnicodeEncodeError):
        return None
    different = set(items)
    if len(different) != len(items) or "" in different or not _fit(items, encoded, most_characters):
        return None
    breaks = b"\n" * (len(items) - 1)
    if encoded.translate(None, _DIGITS) == breaks:
        return encoded
    if encoded.translate(None, _PRINTABLE) != breaks or _SUSPECT_LINE.search("\n" + joined):
        return None
    return encoded


def _fit(items: Sequence[Item], encoded: bytes, most_characters: int) -> bool:
    """Return whether no item is too long; ids of one length, the common case, are seen by where the breaks stand."""
    length = len(items[0])  # type: ignore[arg-type]  # all are str here
    if len(encoded) == len(items) * (length + 1) - 1 and encoded[length :: length + 1] == b"\n" * (len(items) - 1):
        return length <= most_characters
    return max(map(len, items)) <= most_characters  # type: ignore[arg-type]  # all are str here


def fault(record: Record, most_characters: int) -> str:
    """Return why *record* cannot be sent, or an empty string."""
    return _filter_fault(record, most_characters) if isinstance(record, Filter) else _id_fault(record, most_characters)


def identity(record: Record) -> object:
    """Return what two rows share when they name the same record (``1``, ``True`` and ``1.0`` do not)."""
    return record if isinstance(record, str) else (record.column, type(record.value), record.value)


def _id_fault(record_id: str, most_characters: int) -> str:
    if not record_id:
        return "empty"
    if len(record_id) > most_characters:
        return f"longer than {most_characters} characters"
    if _NOT_IN_AN_ID.search(record_id):
        return "holds a space, a control or invisible character, or a lone surrogate"
    if _LOST_DIGITS.fullmatch(record_id):
        return "a number with a point or an exponent: its digits are lost, and it may name another record"
    if record_id.lower() in COLUMN_NAMES:
        return f"{record_id!r} is the name of a column, and no id"
    return f"{record_id!r} is no id" if is_no_id(record_id) else ""


def _filter_fault(record: Filter, most_characters: int) -> str:
    column = record.column
    if not isinstance(column, str) or not column or len(column) > _MOST_COLUMN_CHARACTERS:
        return "the filter names no column"
    if _NOT_IN_A_VALUE.search(column):
        return "the filter's column holds a control character or surrounding spaces"
    value = record.value
    if isinstance(value, str):
        return _value_fault(value, most_characters)
    return _number_fault(value)


def _number_fault(value: float) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return "the filter's value is no number"
    if isinstance(value, float) and abs(value) >= _EXACT_UP_TO:
        return "a number that lost its digits on the way through a float: it may name another record; quote it"
    if isinstance(value, int) and value not in _INT64:
        return "the filter's number is too large for JSON; quote it"
    return "" if isinstance(value, int | float) else "the filter's value is neither text, number nor truth value"


def _value_fault(value: str, most_characters: int) -> str:
    if not value:
        return "empty"
    if len(value) > most_characters:
        return f"longer than {most_characters} characters"
    if _NOT_IN_A_VALUE.search(value):
        return "holds a control character, a lone surrogate or surrounding spaces"
    if value.lower() in NO_VALUES:
        return f"{value!r} is no value"
    if _LOST_DIGITS_IN_A_VALUE.fullmatch(value):
        return "a number with an exponent or a needless point: its digits are lost, and it may name another record"
    return ""
