"""Whether a cell of a hold list may be something else than the one record that it is held as.

What is on hold is compared as it stands: what a spreadsheet wraps around an id, or several ids in one cell, hold back
nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

QUOTES: Final = "\"'`\u00b4\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb\u2039\u203a\uff02\uff07"
_OF_A_WRAPPING: Final = re.compile(rf"[={QUOTES}]")
_WRAPPED: Final = re.compile(rf"^=|^[{QUOTES}]|[{QUOTES}]$", re.MULTILINE)
_BETWEEN: Final = re.compile(r"[,;|]")
_SHORT_ID: Final = r"(?=[^,;|\n]{6}|[^,;|\n]*\d)[^,;|\n]+"
_SEVERAL: Final = re.compile(
    rf"^(?:\d+(?:[,;|]\d+)+|[^,;|\n]{{6,}}(?:[,;|][^,;|\n]{{6,}})+|{_SHORT_ID}(?:[,;]{_SHORT_ID})+)$", re.MULTILINE
)
"""Short pieces are ids where each holds a digit; around | they may be what names where an id is from: auth0|5f7c."""
_OF_A_VALUE: Final = re.compile(r"[^\s\d@]*[\d@]\S*")
"""What several values in one cell are taken to be: names and streets have spaces, or neither a digit nor this sign."""
_BARE_ADDRESS: Final = re.compile(r"""[^\s@<>()\[\]{},;:|"]+@[^\s@<>()\[\]{},;:|"/]*[^\s@<>()\[\]{},;:|"/.]""")
_NUMBER_OR_ADDRESS: Final = re.compile(r"\d+|[^\s@]+@\S+")
_ADDRESS: Final = re.compile(r"(?:mailto:|[^\n@<]*<)([^\s@<>]+@[^\s@<>]+)>?", re.IGNORECASE)
_OF_SIGNS: Final = re.compile(r"^(?:\d|_|[^\w\n])+[LlNn]?$", re.MULTILINE)
_GROUPED_DIGITS: Final = 5
"""A shorter number may be a code such as 12-34."""
_SPELLED_DIGITS: Final = 15
_UUID_OF_DIGITS: Final = re.compile(r"\{?\d{8}-(?:\d{4}-){3}\d{12}\}?")
_NAMES_OF_IDS: Final = ("_id", "recordid")
_LONG_CHARACTERS: Final = 12
_MOSTLY: Final = 0.9
UUID: Final = re.compile(
    r"(?:urn:uuid:)?[{(]?([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})[)}]?", re.IGNORECASE
)
_HEX: Final = re.compile(r"[0-9a-f]{16,}", re.IGNORECASE)
_OF_BOTH_CASES: Final = re.compile(r"^(?=[^\n]*[a-f])(?=[^\n]*[A-F])[^\n]{16,}$", re.MULTILINE)
_DIGITS: Final = re.compile(r"[0-9]+")
_OTHER_DIGITS: Final = re.compile(r"[^\D0-9]+")
_LONG_NUMBER: Final = re.compile(r"[1-9][0-9]{16,19}")
_DIGITS_KEPT: Final = 15
_SEQUENCES: Final = 4096
"""Ids that end in a sequence of so many may be exact where that is 0."""
_SIGN: Final = re.compile(r"[\W_]")
_MOST_CUTS: Final = 30
_FEWEST_OF_A_PIECE: Final = 6
"""A shorter one may be a number by chance: a year, or what is counted."""
_ALPHANUMERIC: Final = re.compile(r"[^\W_]")
_WRAPPERS: Final = re.compile(r"[(<\[]")
_IN_WRAPPERS: Final = re.compile(r"^\w*[(<\[][^\n]*[)>\]]$", re.MULTILINE)


def unclear_ids(ids: str, header: str = "") -> str:
    """Return why what *ids*, joined by line breaks, should hold back is not clear; an empty string where it is.

    *header* is what their column is called.
    """
    if quoted := _in_quotes(ids):
        return quoted
    if _BETWEEN.search(ids) and _SEVERAL.search(ids):
        return _several("id")
    if _is_glued_to(header, ids):
        return (
            f"it begins or ends with the name of its column, {header}, and is held as it stands: end the last line of "
            "each file before they are joined; if it is an id, say so with --no-holds-sanity-check"
        )
    if _WRAPPERS.search(ids) and _IN_WRAPPERS.search(ids):
        return (
            "it is a number with other characters between its digits or around it, and is held as it stands: write "
            "ids as the API does; if it is one, say so with --no-holds-sanity-check"
        )
    return ""


def unclear_value(value: str) -> str:
    """Return why what a filter by this *value* should hold back is not clear; an empty string where it is."""
    if quoted := _in_quotes(value):
        return quoted
    pieces = [piece.strip() for piece in _BETWEEN.split(value)]
    alike = _NUMBER_OR_ADDRESS if "|" in value else _OF_A_VALUE
    if any(pieces) and len(pieces) > 1 and all(not one or alike.fullmatch(one) or address_in(one) for one in pieces):
        return _several("value")
    if address_in(value):
        return (
            "it is an address with something around it, and is held as it stands: write the address alone; if it is "
            "what you mean, say so with --no-holds-sanity-check"
        )
    return ""


def address_in(value: str) -> str:
    """Return the e-mail address that *value* is with something around it; an empty string where it is none."""
    found = _ADDRESS.fullmatch(value)
    return found[1] if found else ""


def is_bare_address(value: str) -> bool:
    """Return whether *value* is an e-mail address and nothing else."""
    return _BARE_ADDRESS.fullmatch(value) is not None


def is_around_an_address(value: str, header: str) -> bool:
    """Return whether *value* holds an e-mail address and something else, such as a *header* without a line break."""
    if is_bare_address(value):
        before = value.removesuffix(header)
        return "." in value and before != value and not before.endswith((".", "@", "-"))
    return _BARE_ADDRESS.search(value) is not None


def with_signs(ids: str) -> Iterator[str]:
    """Yield those of *ids*, joined by line breaks, that are numbers with other characters than 0 to 9 in them."""
    for found in _OF_SIGNS.finditer(ids):
        one = found[0]
        is_plain = one.isdecimal() and one.isascii()
        if not is_plain and _digits_in(one) >= _GROUPED_DIGITS and not _UUID_OF_DIGITS.fullmatch(one):
            yield one


def is_long_number(one: str) -> bool:
    """Return whether *one*, a number with other characters, is an id, whatever those of the source look like."""
    return _digits_in(one) >= _SPELLED_DIGITS


def _digits_in(one: str) -> int:
    return sum(map(str.isdigit, one))


def glued(first: Mapping[int, str], counts: Mapping[int, int], header: str) -> str:
    """Return what of a list may be two of it, as where a line break is missing; an empty string where nothing is.

    The list is one of long ids, or values, that are alike; *counts* tells how many have each length, and *first* which
    is the first of these. *header* may stand above them, and be what follows one without a line break.
    """
    length = max(counts, key=lambda each: (counts[each], -each), default=0)
    if length < _LONG_CHARACTERS or length not in first:
        return ""
    several = [each for each in first if each > length and _is_made_of(first[each], first[length], header)]
    doubtful = sum(counts[each] for each in several)
    is_of_one_length = counts[length] + doubtful >= _MOSTLY * sum(counts.values())
    return first[min(several)] if several and is_of_one_length and doubtful <= counts[length] else ""


def _is_glued_to(header: str, ids: str) -> bool:
    """Return whether one of *ids* has a *header* before or behind it that is no word as an id may hold."""
    if header not in ids or not header.lower().endswith(_NAMES_OF_IDS):
        return False
    name = re.escape(header)
    return re.search(rf"^(?:[^\n]+{name}|{name}[^\n]+)$", ids, re.MULTILINE) is not None


def _is_made_of(one: str, other: str, header: str) -> bool:
    """Return whether *one* is several pieces that look like *other*, or such a piece and a *header* behind it."""
    bare = one.removesuffix(header)
    pieces = [bare[start : start + len(other)] for start in range(0, len(bare), len(other))]
    return one != other and all(shape_of(piece) == shape_of(other) for piece in pieces)


def case_of(text: str) -> str:
    """Return whether the letters of *text* are small, large or both; an empty string where there are none."""
    if text.islower() or text.isupper():
        return "small" if text.islower() else "large"
    return "both" if text.lower() != text.upper() else ""


def shape_of(one: str) -> str:
    """Return *one* with the same character in place of each letter and digit; numbers have a shape of their own."""
    return _ALPHANUMERIC.sub("x", one) if not one.isdecimal() else "0" * len(one)


def of_both_cases(ids: str) -> Iterator[tuple[str, str]]:
    """Yield those of *ids*, joined by line breaks, that are hexadecimal with small and large letters, each folded."""
    for found in _OF_BOTH_CASES.finditer(ids):
        if form := folded(found[0]):
            yield form, found[0]


def folded(one: str) -> str:
    """Return what hexadecimal ids share that differ in case alone, or UUIDs; an empty string for any other."""
    if parts := UUID.fullmatch(one):
        return "".join(parts.groups()).lower()
    return one.lower() if _HEX.fullmatch(one) else ""


def pieces_of(one: str) -> Iterator[str]:
    """Yield what stands between other characters than letters and digits in *one*, and may be an id itself."""
    cuts = [0, *(cut for found in _SIGN.finditer(one) for cut in found.span()), len(one)]
    if len(cuts) > _MOST_CUTS:
        return
    for at, start in enumerate(cuts):
        for end in cuts[at + 1 :]:
            piece = one[start:end]
            if _FEWEST_OF_A_PIECE <= len(piece) < len(one) and _DIGITS.search(piece):
                yield piece


def roundings_of(one: str) -> Iterator[str]:
    """Yield what a spreadsheet, which keeps 15 digits, and floating-point numbers make of a long number *one*."""
    if not _LONG_NUMBER.fullmatch(one):
        return
    exact = int(float(one))
    shortest = repr(float(one)).partition("e")[0].replace(".", "")
    yield from (one[:_DIGITS_KEPT].ljust(len(one), "0"), shortest.ljust(len(one), "0"))
    if exact % _SEQUENCES:
        yield str(exact)


def form_of(record_id: str) -> str:
    """Return *record_id* with one digit in place of each number in it: ids that are written alike share that."""
    form = _DIGITS.sub("0", record_id)
    return form if form.isascii() else _OTHER_DIGITS.sub("\u0660", form)


def _several(name: str) -> str:
    several = f"it looks like several {name}s in one cell, and is held as one: give each a row of its own"
    return f"{several}; if it is one {name}, say so with --no-holds-sanity-check"


def _in_quotes(text: str) -> str:
    if not (_OF_A_WRAPPING.search(text) and _WRAPPED.search(text)):
        return ""
    wrapped = "it stands in quotes, or begins with =, as spreadsheets write cells, and is held as it stands"
    return f"{wrapped}; if that is what you mean, say so with --no-holds-sanity-check"
