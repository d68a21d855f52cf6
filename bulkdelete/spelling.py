"""Whether what is on hold is spelled as in a source: compared as it stands, all else would hold nothing back."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from bulkdelete.holds import BY_ID, length_of, named_by
from bulkdelete.records import Fate, Filter
from bulkdelete.unclear import (
    UUID,
    address_in,
    case_of,
    folded,
    form_of,
    glued,
    is_around_an_address,
    is_bare_address,
    is_long_number,
    pieces_of,
    roundings_of,
    shape_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from bulkdelete.holds import Holds
    from bulkdelete.records import Record

_FEWEST_ALIKE: Final = 2
_MOSTLY: Final = 0.9
_MOST_TO_ROUND: Final = 20
_FAR_APART: Final = 10_000
_WORD: Final = re.compile(r"[^\W_]+")
_FEWEST_OF_A_STYLE: Final = 10
_FEWEST_TO_JUDGE: Final = 3
_LONG_AND_MADE_BY_CHANCE: Final = 12
_LONG: Final = 8
_LETTER_AND_DIGIT: Final = re.compile(r"[^\W\d_][^\n]*\d|\d[^\n]*[^\W\d_]")
_OF_ONE_LENGTH: Final = re.compile(r"[0-9a-fA-F-]{12,}")
"""Ids that are not counted up from 1: of those that are, later ones are longer."""
_ENDS_IN_HEX: Final = re.compile(r"(|0[xX]|.*[^0-9a-zA-Z](?:0[xX])?)([0-9a-fA-F]{8,})")
"""A hexadecimal number, and what may stand before it."""
_THOUSANDS: Final = re.compile(r"[+-]?\d{1,3}(?:([^\w-]|_)\d{3})(?:\1\d{3})*")


def unlike(held: Holds, records: Sequence[Record], lengths: Collection[int] = ()) -> str:
    """Return why what is *held* would hold back nothing of a source that begins with *records*; nothing if it may.

    Ids are compared with ids, and the values of filters with those of the same column. *records* are none where nobody
    can look at them before they are sent. Ids of the table may have any of *lengths*, if there are some.
    """
    ways: dict[str, list[str]] = {BY_ID: [], **{way: [] for listed in held.lists for way in listed.lengths}}
    for way, text in map(named_by, records):
        ways.setdefault(way, []).append(text)
    found = (
        _glued(held, way, texts, () if way else lengths)
        or _grouped(held, way, texts)
        or _around_an_address(held, way, texts)
        or _in_another_spelling(held, way, texts)
        or _with_something_around(held, way, texts)
        or _rounded(held, way, texts)
        or _in_another_style(held, way, texts)
        or _of_another_length(held, way, texts, () if way else lengths)
        for way, texts in ways.items()
    )
    return next(filter(None, found), "")


def _grouped(held: Holds, way: str, texts: Sequence[str]) -> str:
    """A number with other characters among its digits, where those of the source are plain or nobody knows."""
    if not held.grouped:
        return ""
    forms = set(map(form_of, texts))
    for (way_of_one, form), (name, one) in held.grouped.items():
        is_number = form_of("0") in forms or _THOUSANDS.fullmatch(one) or (way == BY_ID and is_long_number(one))
        if way_of_one == way and is_number and form not in forms:
            what = "is a number with other characters than 0 to 9 between its digits, around it or in their place"
            no = f"no {_what(way)} of the source that could be looked at is written so"
            return f"the hold list {name}: {one!r} {what}, and {no if texts else 'it is held as it stands'}"
    return ""


def _glued(held: Holds, way: str, texts: Sequence[str], allowed: Collection[int]) -> str:
    """An id that is as long as several of its list, where the source has none of that length."""
    known = {*map(length_of, texts), *allowed}
    for listed in held.lists:
        first = listed.first.get(way, {})
        texts_of = {length: text for length, (_, text) in first.items()}
        one = glued(texts_of, listed.lengths.get(way, {}), way or listed.header)
        if one and length_of(one) not in known:
            return (
                f"{first[length_of(one)][0]}: {one!r} looks like two {_what(way)}s, or one and the name of a "
                "column, without a line break between them, as where files were joined of which one does not end its "
                "last line, and is held as one: give each a row of its own"
            )
    return ""


def _around_an_address(held: Holds, way: str, texts: Sequence[str]) -> str:
    """A value that holds an address and more, where those of the source are addresses, or nobody knows."""
    if not way or sum(map(is_bare_address, texts)) < _MOSTLY * len(texts):
        return ""
    known = set(texts)
    for one, where in [odd for listed in held.lists for odd in listed.odd.get(way, {}).items()]:
        if one not in known and is_around_an_address(one, way):
            return (
                f"{where}: {one!r} is an address with something around it, or several, and is held as it stands: give "
                "each address alone, in a row of its own"
            )
    return ""


def _with_something_around(held: Holds, way: str, texts: Sequence[str]) -> str:
    """An id that is one of the source and something else, as none of the source's is."""
    odd = {} if way else {one: where for listed in held.lists for one, where in listed.odd.get(way, {}).items()}
    known = set(texts) if odd else set()
    shapes = {_WORD.sub("x", one) for one in known}
    for one, where in odd.items():
        if known and _WORD.sub("x", one) not in shapes:
            for piece in known.intersection(pieces_of(one)):
                if not _is_held(held, way, piece):
                    missed = f"the source has {piece!r}, which would not be held back"
                    return f"{where}: {one!r} is on hold, and {missed}: give the id alone"
    return ""


def _rounded(held: Holds, way: str, texts: Sequence[str]) -> str:
    """A few ids, of which each that is none of the source's is what a spreadsheet, or a float, makes of one of them."""
    known = set(texts)
    if way or len(held) > _MOST_TO_ROUND or _are_dense(known):
        return ""
    lost = {other: one for one in known for other in roundings_of(one) if other not in known}
    lost = {other: one for other, one in lost.items() if _is_held(held, way, other)}
    if len(lost) < _FEWEST_ALIKE or len(lost) < len(held) - sum(_is_held(held, way, one) for one in known):
        return ""
    other = min(lost)
    made = "what a spreadsheet, or a floating-point number, makes of one"
    return f"{other!r} is on hold, which is {made}: the source has {lost[other]!r}, which would not be held back"


def _are_dense(ids: Collection[str]) -> bool:
    """Return whether numbers among *ids* lie so close together that one may be taken for another one's rounding."""
    numbers = sorted(int(one) for one in ids if one.isdecimal())
    close = sum(later - one < _FAR_APART for one, later in pairwise(numbers))
    return close > (1 - _MOSTLY) * len(numbers)


def _in_another_spelling(held: Holds, way: str, texts: Sequence[str]) -> str:
    known = set(texts)
    case_of_others = _other_case(texts)
    lengths = {length for listed in held.lists for length in listed.lengths.get(way, ())}
    for one in texts if lengths else ():
        for other in (case_of_others(one), *_other_spellings(one, lengths, held.of_both_cases)):
            if other not in known and _is_held(held, way, other) and not _is_held(held, way, one):
                where = f" for {way!r}" if way else ""
                return f"{other!r} is on hold, and the source has {one!r}{where}, which would not be held back"
    return ""


def _other_case(texts: Sequence[str]) -> Callable[[str], str]:
    """Return what puts an id in the other case, where the letters of all *texts* are of one; and else leaves it."""
    case = case_of("\n".join(texts))
    return {"small": str.upper, "large": str.lower}.get(case, str)


def _in_another_style(held: Holds, way: str, texts: Sequence[str]) -> str:
    """A whole list that is written as no id of the source is, also where those that it holds were not looked at."""
    if len(texts) < _FEWEST_OF_A_STYLE:
        return ""
    case = case_of("\n".join(texts))
    shapes = Counter(map(shape_of, filter(_LETTER_AND_DIGIT.search, texts)))
    for listed in held.lists:
        first = listed.first.get(way, {}).values()
        alike = [place for place, one in first if len(one) >= _LONG and shapes[shape_of(one)] >= _FEWEST_OF_A_STYLE]
        how = ""
        if alike and {case, *listed.cases.get(way, ())} == {"small", "large"}:
            how = f"the letters of its {_what(way)}s are {'capitals' if case == 'small' else 'small'}"
        elif zeros := _other_zeros([one for _, one in first], texts):
            how = f"its {_what(way)}s have {zeros} before them"
        if how:
            return f"the hold list {listed.name}: {how}, and of the first {len(texts):,} of the source no one is so"
    return ""


def _other_zeros(first: Sequence[str], texts: Sequence[str]) -> str:
    """Return which zeros stand before numbers of a list, and before none of *texts*: numbers filled up to one length.

    *first* is the first one of each length.
    """
    if not first or not all(one.isdecimal() for one in (*first, *texts)):
        return ""
    lengths = {*map(len, texts)}
    if not any(one.startswith("0") for one in texts):
        return "zeros" if len(lengths) > 1 and len(first) == 1 and first[0].startswith("0") else ""
    is_bare = len(lengths) == 1 and all(len(one) < len(texts[0]) and not one.startswith("0") for one in first)
    return "no zeros" if is_bare else ""


def _is_held(held: Holds, way: str, text: str) -> bool:
    fate = held.fate(Filter(way, text) if way else text)
    return fate is not None and fate[0] is Fate.HELD


def _what(way: str) -> str:
    return "value" if way else "id"


def _other_spellings(one: str, lengths: Collection[int], of_both_cases: Mapping[str, str]) -> Iterator[str]:
    """Yield how else a number, with zeros before it up to one of *lengths*, a hexadecimal id or an UUID may be written.

    Of the letters any may be large or small, as on hold in the ids *of_both_cases*.
    """
    if form := folded(one):
        yield from (one.lower(), one.upper(), of_both_cases.get(form, one))
    if parts := _ENDS_IN_HEX.fullmatch(one):
        yield from (parts[1] + parts[2].lower(), parts[1] + parts[2].upper())
    if one.isdecimal() and one.isascii():
        bare = one.lstrip("0") or "0"
        yield bare
        yield from (bare.zfill(length) for length in lengths if length > len(bare))
    if parts := UUID.fullmatch(one):
        dashed = "-".join(parts.groups())
        for spelled in (dashed.lower(), dashed.upper()):
            yield from (spelled, spelled.replace("-", ""), f"{{{spelled}}}", f"({spelled})", f"urn:uuid:{spelled}")
    if address := address_in(one):
        yield address


def _of_another_length(held: Holds, way: str, texts: Sequence[str], allowed: Collection[int]) -> str:
    lengths = Counter(map(length_of, texts))
    if not lengths:
        return ""
    [(length, count)] = lengths.most_common(1)
    same = [one for one in texts if length_of(one) == length]
    is_fixed = all(map(_OF_ONE_LENGTH.fullmatch, same))
    is_long = is_fixed or _are_made_by_chance(same)
    if count < _FEWEST_ALIKE or count < len(texts) * (_MOSTLY if is_long else 1):
        return ""
    if way and not is_fixed:
        return ""  # names and addresses are of any length
    lists = [(f"the hold list {listed.name}: ", listed.lengths.get(way, Counter[int]())) for listed in held.lists]
    if not is_fixed:
        whole = sum((of_list for _, of_list in lists), Counter[int]())
        lists = [one for one in lists if is_long and one[1].total() >= _FEWEST_TO_JUDGE]
        lists += [("", whole)] * (len(held) >= _FEWEST_ALIKE)
    called = f"values of {way!r}" if way else "ids"
    for where, of_list in lists:
        if len(of_list) == 1 and not of_list.keys() & lengths.keys() and not {*of_list, length} <= {*allowed}:
            both = f"lengths = {sorted({*of_list, length})} in its section of [identifiers]"
            advice = "" if way else f"; if ids of the table have both lengths, say so with {both}"
            return (
                f"{where}all {called} on hold have {max(of_list)} characters, and the first {count:,} {_what(way)}s of "
                f"the source have {length}: none of these would be held back{advice}"
            )
    return ""


def _are_made_by_chance(ids: Sequence[str]) -> bool:
    """Return whether *ids* of one length differ in more than numbers that are counted up, of which later are longer."""
    forms = {*map(form_of, ids)} if len(ids[0]) >= _LONG_AND_MADE_BY_CHANCE else set()
    return len(ids) >= _FEWEST_OF_A_STYLE and 2 * len(forms) >= len(ids)
