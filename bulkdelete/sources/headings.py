"""Whether a cell of the first line is a column's name, or a record of a file that has no header.

Ids may be of any kind. Who is refused has an option to give; a record that is taken for a name is not held, where it
should be.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST_CHARACTERS: Final = 60
_LONG_AS_IDS: Final = 16
_SHORT: Final = 6
_SAME_BEGINNING: Final = 3
_LETTERS_OF_A_WORD: Final = 3
_MOST_DIGITS_OF_A_NAME: Final = 4
_FEWEST_DIGITS_OF_AN_ID: Final = 5
_ID: Final = re.compile(
    r"""\s*=?["'`]?(?:\d{5,}|(?=.*\d)[0-9a-fA-F-]{16,}|[+-]?\d+(?:[.,]\d*)?[eE][+-]?\d+)["'`]?\s*"""
)
"""A long number, a hex one, or what a spreadsheet has made of one."""
_NUMBER_OR_ADDRESS: Final = re.compile(r"""\s*["'`]?(?:[+-]?[\d.,]*\d|[^\s@]+@[^\s@]+)["'`]?\s*""")
_VALUES: Final = tuple(
    map(
        re.compile,
        (
            r"\s*\d{4}-\d\d-\d\d(?:[T ].*)?|\s*\d\d?([./])\d\d?\1\d{4}(?: .*)?",
            r"\s*[^\s@]+@[^\s@]+\s*",
            r"\s*(?:https?|ftps?|s3|gs)://\S+\s*",
            r"\s*urn:\S+\s*",
            r"\s*(?=.*\d)(?:\d{16,}|[0-9a-fA-F-]{32,})\s*",
        ),
    )
)
"""Dates, addresses and long ids: what no column is called, one beside another and above another."""
_LETTERS: Final = re.compile(r"[^\W\d_]+")
_DIGITS: Final = re.compile(r"\d+")
_WORD: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_WORDS: Final = frozenset(
    re.findall(
        r"\w+",
        "account address city client code col column contact country count customer date description email entry field "
        "guid hash id ids index item key line mail member name no nr num number order phone record ref reference row "
        "sha sku status street time token total type uid unnamed user uuid value version year zip",
    )
)
NAMES: Final = frozenset({*_WORDS, *(f"{word}_id" for word in _WORDS)})
"""What columns are often called, folded."""


def folded(cell: str) -> str:
    """Return *cell* as names of columns are compared."""
    return "_".join(cell.casefold().split())


def shown(cell: str) -> str:
    """Return *cell* as errors show it."""
    return repr(cell if len(cell) <= _MOST_CHARACTERS else cell[:_MOST_CHARACTERS] + "...")


def is_surely_an_id(cell: str) -> bool:
    """Return whether *cell* looks like an id wherever it stands."""
    return len(cell) <= _MOST_CHARACTERS and _ID.fullmatch(cell) is not None


def is_a_record(cell: str, below: str) -> bool:
    """Return whether *cell* looks like a record, or like the cell *below* it."""
    if is_surely_an_id(cell) or (len(cell) <= _MOST_CHARACTERS and _NUMBER_OR_ADDRESS.fullmatch(cell)):
        return True
    if not _DIGITS.search(cell):
        return _are_long_ids(cell, below) and not _is_surely_a_name(cell)
    begins_alike = len(cell) >= _SAME_BEGINNING and cell[:_SAME_BEGINNING] == below[:_SAME_BEGINNING]
    return begins_alike or _shape(cell) == _shape(below) or _are_long_ids(cell, below)


def is_unlike_a_name(at: int, header: Sequence[str], row: Sequence[str]) -> bool:
    """Return whether the cell *at* that place of *header* holds a digit, or may be a short id, and no name.

    Or it begins as the one below it does, or stands in one line with a date or an address, as *row*, the first one
    below, does. That has no cells where there is none.
    """
    cell, below = header[at], row[at] if row else ""
    if not _may_be_a_name(cell) and any(map(_are_values, header, row or header)):
        return True
    may_be_one = not _may_be_a_name(cell) and (_DIGITS.search(cell) or _are_short_ids(cell, below))
    if not (may_be_one or _begin_alike(cell, below)):
        return False
    if _is_long_number(below) and len(below) != len(cell) and _LETTERS.search(cell):
        return False
    return not any(_names_what_is_below(name, value) for name, value in zip(header, row, strict=False))


def is_made_of_words(cell: str) -> bool:
    """Return whether there is no digit in *cell*, and its letters may make words."""
    return not _DIGITS.search(cell) and not _is_jumbled(cell)


def _begin_alike(cell: str, below: str) -> bool:
    """Return whether they are equally long, and differ only behind some sign, such as the last one of ``urn:x:``."""
    if len(cell) != len(below) or len(cell) > _MOST_CHARACTERS or _is_surely_a_name(cell) or len(cell.split()) != 1:
        return False
    differ = next((at for at, (one, other) in enumerate(zip(cell, below, strict=True)) if one != other), len(cell))
    behind = max((at + 1 for at in range(differ) if not cell[at].isalnum()), default=0)
    return behind >= _SAME_BEGINNING and _LETTERS.search(below, behind) is not None


def _are_values(cell: str, below: str) -> bool:
    """Return whether both are a date, or both an address or long id of one kind, as no column is called."""
    return any(kind.fullmatch(cell) and kind.fullmatch(below) for kind in _VALUES)


def _are_long_ids(cell: str, below: str) -> bool:
    """Return whether they may be ids of one kind, of which some have no digit: equally long, without a space."""
    is_long = len(cell) == len(below) >= _LONG_AS_IDS and not below.isdecimal()
    return is_long and len(f"{cell} {below}".split()) == len((cell, below))


def _are_short_ids(cell: str, below: str) -> bool:
    """Return whether the one *below* is made of letters and digits, and *cell* as long, or of letters in no order."""
    if not (_DIGITS.search(below) and _LETTERS.search(below)) or len(f"{cell} {below}".split()) != len((cell, below)):
        return False
    return _is_jumbled(cell) or len(cell) == len(below) >= _SHORT


def _is_jumbled(cell: str) -> bool:
    return cell not in (cell.lower(), cell.upper()) and len(_WORD.findall(cell)) * _LETTERS_OF_A_WORD > len(cell)


def _is_long_number(cell: str) -> bool:
    return cell.isdecimal() and len(cell) >= _FEWEST_DIGITS_OF_AN_ID


def _may_be_a_name(cell: str) -> bool:
    """Return whether a word that columns are called by is in it, and no long number."""
    few = sum(map(str.isdigit, cell)) <= _MOST_DIGITS_OF_A_NAME
    return few and any(word.lower() in _WORDS for word in _WORD.findall(cell))


def _is_surely_a_name(cell: str) -> bool:
    """Return whether such a word ends it, and no digit is in it."""
    words = _WORD.findall(cell)
    return bool(words) and words[-1].lower() in _WORDS and not _DIGITS.search(cell) and "@" not in cell


def _names_what_is_below(cell: str, value: str) -> bool:
    """Return whether *cell* is a name beyond doubt, above a *value* of another kind."""
    return _is_surely_a_name(cell) and (_DIGITS.search(value) is not None or "@" in value)


def _shape(cell: str) -> str:
    return _DIGITS.sub("9", _LETTERS.sub("a", cell))
