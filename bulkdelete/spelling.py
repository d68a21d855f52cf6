"""Whether ids on hold are spelled as those of a source are: compared as they stand, others would hold nothing back."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from bulkdelete.holds import length_of
from bulkdelete.records import Fate

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from bulkdelete.holds import Holds

_FEWEST_ALIKE: Final = 2
_MOSTLY: Final = 0.9
_OF_ONE_LENGTH: Final = re.compile(r"[0-9a-fA-F-]{12,}")
"""Ids that are not counted up from 1: of those that are, later ones are longer."""
_UUID: Final = re.compile(
    r"(?:urn:uuid:)?[{(]?([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})[)}]?", re.IGNORECASE
)
_DIGITS: Final = re.compile(r"\d+")
_THOUSANDS: Final = re.compile(r"[+-]?\d{1,3}(?:([^\w-]|_)\d{3})(?:\1\d{3})*")


def unlike(held: Holds, ids: Sequence[str]) -> str:
    """Return why what is *held* would hold back nothing of a source that begins with *ids*; an empty string if it may.

    *ids* are none where nobody can look at them before they are sent.
    """
    return _grouped(held, ids) or _in_another_spelling(held, ids) or _of_another_length(held, ids)


def _grouped(held: Holds, ids: Sequence[str]) -> str:
    """A number with other characters among its digits, where ids of the source are plain numbers or nobody knows."""
    if not held.grouped:
        return ""
    forms = set(map(form_of, ids))
    for form, (name, one) in held.grouped.items():
        if form not in forms and (form_of("0") in forms or _THOUSANDS.fullmatch(one)):
            what = "is a number with other characters between its digits or around it"
            said = "no id of the source that could be looked at is written so" if ids else "it is held as it stands"
            return f"the hold list {name}: {one!r} {what}, and {said}"
    return ""


def _in_another_spelling(held: Holds, ids: Sequence[str]) -> str:
    known, lengths = set(ids), {length for _, of_list in held.lengths for length in of_list}
    for one in ids:
        for other in _other_spellings(one, lengths):
            if other not in known and _is_held(held, other) and not _is_held(held, one):
                return f"{other!r} is on hold, and the source has {one!r}, which would not be held back"
    return ""


def _is_held(held: Holds, record_id: str) -> bool:
    fate = held.fate(record_id)
    return fate is not None and fate[0] is Fate.HELD


def _other_spellings(one: str, lengths: Collection[int]) -> Iterator[str]:
    """Yield how else a number, with zeros before it up to one of *lengths*, or an UUID may be written."""
    if one.isdecimal() and one.isascii():
        bare = one.lstrip("0") or "0"
        yield bare
        yield from (bare.zfill(length) for length in lengths if length > len(bare))
    if parts := _UUID.fullmatch(one):
        dashed = "-".join(parts.groups())
        for spelled in (dashed.lower(), dashed.upper()):
            yield from (spelled, spelled.replace("-", ""), f"{{{spelled}}}", f"({spelled})", f"urn:uuid:{spelled}")


def _of_another_length(held: Holds, ids: Sequence[str]) -> str:
    lengths = Counter(map(length_of, ids))
    if not lengths:
        return ""
    [(length, count)] = lengths.most_common(1)
    same = [one for one in ids if length_of(one) == length]
    is_fixed = all(map(_OF_ONE_LENGTH.fullmatch, same))
    if count < _FEWEST_ALIKE or count < len(ids) * (_MOSTLY if is_fixed else 1):
        return ""
    lists = [(f"the hold list {name}: ", of_list) for name, of_list in held.lengths]
    if not is_fixed:
        lists = [("", {each for _, of_list in lists for each in of_list})] if len(held) >= _FEWEST_ALIKE else []
    for where, of_list in lists:
        if len(of_list) == 1 and not of_list & lengths.keys():
            return (
                f"{where}all ids on hold have {max(of_list)} characters, and the first {count:,} ids of the source "
                f"have {length}: none of them would be held back"
            )
    return ""


def form_of(record_id: str) -> str:
    """Return *record_id* with one digit in place of each number in it: ids that are written alike share that."""
    return _DIGITS.sub("0", record_id)
