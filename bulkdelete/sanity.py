"""A look at the first ids of a source: whether they look like another column, or like what a spreadsheet left of them.

A wrong column is the commonest way to delete what nobody meant; each of these patterns was seen in files of ids.
"""

from __future__ import annotations

import math
import re
from itertools import islice
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bulkdelete.records import Item

ROWS_LOOKED_AT: Final = 10_000
_DATE: Final = re.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?:[T_ ].*)?|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}(?:[T_ ].*)?")
_IN_DATES: Final = "-/."
_E_MAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_IN_E_MAILS: Final = "@"
_LONG_ID: Final = re.compile(r"\d{16,}")
_ROUNDED: Final = "000"
_MOST_ROUNDED_SHARE: Final = 0.01
MOST_ROUNDED_SHARE_OF_A_FILE: Final = 0.5
"""For each of many files: by chance, one in some hundred small ones has more of its ids end in zeros than the above."""
_FEWEST_ROUNDED: Final = 3
_FEWEST_EQUAL: Final = 3
_FEWEST_NUMBERS: Final = 10
_SHARE: Final = 0.5


def looks_wrong(items: Sequence[Item], most_rounded: float = _MOST_ROUNDED_SHARE) -> str:
    """Return what is wrong with the ids among *items*, the first rows of a source; an empty string where nothing is.

    *most_rounded* is the share of long ids that may end as rounded ones do.
    """
    ids = [item for item in items if isinstance(item, str)]
    if not ids:
        return ""
    text = "\n".join(ids) + "\n"
    return (
        _equal(ids)
        or _numbers(ids)
        or (_dates(ids) if any(sign in text for sign in _IN_DATES) else "")
        or (_addresses(ids) if _IN_E_MAILS in text else "")
        or (_rounded(ids, most_rounded) if _may_be_rounded(ids, text, most_rounded) else "")
    )


def _equal(ids: Sequence[str]) -> str:
    if len(ids) < _FEWEST_EQUAL or ids[0] != ids[-1] or len(set(ids)) > 1:
        return ""
    return f"all of the first {len(ids):,} ids are {ids[0]!r}"


def _numbers(ids: Sequence[str]) -> str:
    for first in (0, 1):
        if len(ids) >= _FEWEST_NUMBERS and all(one == str(number) for number, one in enumerate(ids, first)):
            return f"the ids are the row numbers {first} to {first + len(ids) - 1:,}"
    return ""


def _dates(ids: Sequence[str]) -> str:
    return _mostly(ids, "dates", (one for one in ids if _DATE.fullmatch(one)))


def _addresses(ids: Sequence[str]) -> str:
    return _mostly(ids, "e-mail addresses", (one for one in ids if _E_MAIL.fullmatch(one)))


def _mostly(ids: Sequence[str], what: str, those: Iterable[str]) -> str:
    found = list(those)
    if len(found) <= _SHARE * len(ids):
        return ""
    return f"{len(found):,} of the first {len(ids):,} ids look like {what}, such as {found[0]!r}"


def _may_be_rounded(ids: Sequence[str], text: str, most: float) -> bool:
    """Return whether :func:`_rounded` must look at each of *ids*, whose lines are *text*; the common case is soon seen.

    Of many lists of holds each is looked at.
    """
    ends = text.count(f"{_ROUNDED}\n")
    enough = math.ceil(ends / most)
    return ends > 1 and sum(1 for _ in islice(filter(_LONG_ID.fullmatch, ids), enough)) < enough


def _rounded(ids: Sequence[str], most: float) -> str:
    """A spreadsheet keeps 15 digits and writes zeros for the rest; of untouched ids one in a thousand ends so."""
    long_ids = [one for one in ids if _LONG_ID.fullmatch(one)]
    rounded = [one for one in long_ids if one.endswith(_ROUNDED)]
    all_of_few = len(rounded) == len(long_ids) and len(set(rounded)) > 1
    if len(rounded) <= most * len(long_ids) or (len(rounded) < _FEWEST_ROUNDED and not all_of_few):
        return ""
    return (
        f"{len(rounded):,} of the first {len(long_ids):,} long ids end in {_ROUNDED}, such as "
        f"{rounded[0]}, as a spreadsheet leaves them: they may name other records"
    )
