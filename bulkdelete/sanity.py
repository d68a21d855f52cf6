"""A look at the first records of a source: whether they look like another column or format, or lost their digits.

A wrong column is the commonest way to delete what nobody meant, and a wrong format one to delete nothing: an API that
acknowledges ids it does not know acknowledges quotes and commas too. Each of these patterns was seen in files of ids.
"""

from __future__ import annotations

import math
import re
import shlex
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from bulkdelete.nothings import COLUMN_NAMES, NO_IDS
from bulkdelete.records import Filter
from bulkdelete.unclear import QUOTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bulkdelete.records import Item

ROWS_LOOKED_AT: Final = 10_000
_DATE: Final = re.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?:[T_ ].*)?|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}(?:[T_ ].*)?")
_IN_DATES: Final = "-/."
_E_MAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_IN_E_MAILS: Final = "@"
_LONGEST_E_MAIL: Final = 320
_LONG_ID: Final = re.compile(r"\d{16,}")
_MAYBE_A_FLOAT: Final = re.compile(r"\d{16,40}")
_ROUNDED: Final = "000"
MOST_ROUNDED_SHARE: Final = 0.01
MOST_ROUNDED_SHARE_OF_A_FILE: Final = 0.5
"""For each of many files: by chance, one in some hundred small ones has more of its ids end in zeros than the above."""
_FEWEST_ROUNDED: Final = 3
_FEWEST_EQUAL: Final = 3
_FEWEST_NUMBERS: Final = 10
_MANTISSA_BITS: Final = 53
_FLOATS_LOOKED_AT: Final = 1000
_ENOUGH_BITS: Final = 24
_MORE_BITS: Final = 4
_SHARE: Final = 0.5
_DELIMITERS: Final = ",;\t|"
_OF_ANOTHER_FORMAT: Final = re.compile(rf"[\[{{{QUOTES}{_DELIMITERS}]")
_QUOTED: Final = re.compile(rf"=?[{QUOTES}][^{QUOTES}]*[{QUOTES}]?[,;]?")
_JSON_STRING: Final = re.compile(r'"[^"]*"')
_JSON_OBJECT: Final = re.compile(r"""\s*\{\s*(?:\}|(?:["']|\w+\s*:).*\}),?\s*""")  # not an UUID in braces
_JSON_BEGINS: Final = re.compile(r"""\s*[\[{]\s*(?:$|["'\[{]|\w+\s*:|-?\d+\s*[,\]])""")
_JSON_GOES_ON: Final = re.compile(r"""\s*+(?:[\["'].*|\{\s*(?:$|(?:["'\[{}]|\w+\s*:).*)|[\]}],?|.*,)\s*""")
_LONGEST_EXCERPT: Final = 80
_NO_IDS: Final = NO_IDS | COLUMN_NAMES
NOT_KNOWN: Final[Mapping[str, str]] = MappingProxyType({})


def looks_wrong(
    items: Sequence[Item], most_rounded: float = MOST_ROUNDED_SHARE, *, read_as: Mapping[str, str] = NOT_KNOWN
) -> str:
    """Return what is wrong with the ids among *items*, the first rows of a source; an empty string where nothing is.

    *most_rounded* is the share of long ids that may end as rounded ones do; *read_as* is the source's identity, by
    which another format is named that reads it right.
    """
    ids = [item for item in items if isinstance(item, str) and item.lower() not in _NO_IDS]
    if wrong := _ids_look_wrong(ids, most_rounded, read_as):
        return wrong
    columns: dict[str, list[str]] = {}
    for item in items:
        if isinstance(item, Filter):
            columns.setdefault(item.column, []).append(str(item.value))
    found = ((column, _values_look_wrong(values, most_rounded)) for column, values in columns.items())
    return next((f"in the filters by {column!r}, {wrong}" for column, wrong in found if wrong), "")


def _ids_look_wrong(ids: Sequence[str], most_rounded: float, read_as: Mapping[str, str]) -> str:
    if not ids:
        return ""
    text = "\n".join(ids) + "\n"
    return (
        another_format(ids, read_as)
        or _equal(ids, "ids")
        or _numbers(ids)
        or (_dates(ids, "ids") if any(sign in text for sign in _IN_DATES) else "")
        or (_addresses(ids) if _IN_E_MAILS in text else "")
        or (_rounded(ids, most_rounded) if _may_be_rounded(ids, text, most_rounded) else "")
        or _floats(ids, "ids")
    )


def _values_look_wrong(values: Sequence[str], most_rounded: float) -> str:
    """Look at the values of one column's filters, which may be numbers, addresses and names with commas."""
    return (
        _json(values, NOT_KNOWN)
        or _quoted(values, NOT_KNOWN, "values")
        or _equal(values, "values")
        or _dates(values, "values")
        or _rounded(values, most_rounded, "values")
        or _floats(values, "values")
    )


def another_format(ids: Sequence[str], read_as: Mapping[str, str] = NOT_KNOWN) -> str:
    """Return what shows that most of *ids* are not ids but pieces of another format, and what reads it right.

    An id may hold any character, so a few odd ones show nothing.
    """
    if not _OF_ANOTHER_FORMAT.search("\n".join(ids)):
        return ""
    return _json(ids, read_as) or _quoted(ids, read_as) or _delimited(ids, read_as)


def _json(ids: Sequence[str], read_as: Mapping[str, str]) -> str:
    objects = _mostly(ids, "are JSON objects", (one for one in ids if _JSON_OBJECT.fullmatch(one)))
    if objects:
        return objects + _option("--format jsonl", read_as)
    if not _JSON_BEGINS.match(ids[0]):
        return ""
    pieces = _mostly(ids, "are pieces of a JSON document", (one for one in ids if _JSON_GOES_ON.fullmatch(one)))
    return pieces and f"{pieces}: write one record a line, as with jq -c '.[]', and read that with --format jsonl"


def _quoted(ids: Sequence[str], read_as: Mapping[str, str], name: str = "ids") -> str:
    quoted = _mostly(ids, "stand in quotes", (one for one in ids if _QUOTED.fullmatch(one)), name)
    if not quoted:
        return ""
    strings = _mostly(ids, "are JSON strings", (one for one in ids if _JSON_STRING.fullmatch(one)))
    return quoted + ((strings and _option("--format jsonl", read_as)) or ": take them away")


def _delimited(ids: Sequence[str], read_as: Mapping[str, str]) -> str:
    """A delimiter in most ids: each is several fields."""
    having = {delimiter: [one for one in ids if delimiter in one] for delimiter in _DELIMITERS}
    delimiter, those = max(having.items(), key=lambda one: len(one[1]))
    found = _mostly(ids, f"have {delimiter!r} in them", [*those[1:], *those[:1]])  # the first may name the columns
    if not found:
        return ""
    kind = read_as.get("kind", "")
    option = f"--delimiter {shlex.quote(delimiter)}"
    if kind in {"csv", "tsv"}:
        return found if read_as.get("delimiter") == delimiter else f"{found}: name what stands between, with {option}"
    named = "record_id" in [name.strip(QUOTES) for name in ids[0].split(delimiter)]
    column = "" if named else " and --column NAME, or --no-header --column 1 where the first line names no columns"
    formats = {",": "--format csv", "\t": "--format tsv"}
    return found + _option(formats.get(delimiter, f"--format csv {option}") + column, read_as)


def _option(words: str, read_as: Mapping[str, str]) -> str:
    return f": read the source with {words}" if read_as.get("kind") == "text" else ""


def _equal(ids: Sequence[str], name: str) -> str:
    if len(ids) < _FEWEST_EQUAL or ids[0] != ids[-1] or len(set(ids)) > 1:
        return ""
    return f"all of the first {len(ids):,} {name} are {_excerpt(ids[0])}"


def _numbers(ids: Sequence[str]) -> str:
    for first in (0, 1):
        if len(ids) >= _FEWEST_NUMBERS and all(one == str(number) for number, one in enumerate(ids, first)):
            return f"the ids are the row numbers {first} to {first + len(ids) - 1:,}"
    return ""


def _dates(ids: Sequence[str], name: str) -> str:
    return _mostly(ids, "look like dates", (one for one in ids if _DATE.fullmatch(one)), name)


def _addresses(ids: Sequence[str]) -> str:
    short = (one for one in ids if len(one) <= _LONGEST_E_MAIL)
    return _mostly(ids, "look like e-mail addresses", filter(_E_MAIL.fullmatch, short))


def _mostly(ids: Sequence[str], what: str, those: Iterable[str], name: str = "ids") -> str:
    found = list(those)
    if len(found) <= _SHARE * len(ids):
        return ""
    return f"{len(found):,} of the first {len(ids):,} {name} {what}, such as {_excerpt(found[0])}"


def _excerpt(one: str) -> str:
    return repr(one if len(one) <= _LONGEST_EXCERPT else f"{one[:_LONGEST_EXCERPT]}...")


def _may_be_rounded(ids: Sequence[str], text: str, most: float) -> bool:
    """Return whether :func:`_rounded` must look at each of *ids*, whose lines are *text*; the common case is soon seen.

    Of many lists of holds each is looked at.
    """
    ends = text.count(f"{_ROUNDED}\n")
    enough = math.ceil(ends / most)
    return ends > 1 and sum(1 for _ in islice(filter(_LONG_ID.fullmatch, ids), enough)) < enough


def _rounded(ids: Sequence[str], most: float, name: str = "ids") -> str:
    """A spreadsheet keeps 15 digits and writes zeros for the rest; of untouched ids one in a thousand ends so."""
    long_ids = [one for one in ids if _LONG_ID.fullmatch(one)]
    rounded = [one for one in long_ids if one.endswith(_ROUNDED)]
    all_of_few = len(rounded) == len(long_ids) and len(set(rounded)) > 1
    if len(rounded) <= most * len(long_ids) or (len(rounded) < _FEWEST_ROUNDED and not all_of_few):
        return ""
    return (
        f"{len(rounded):,} of the first {len(long_ids):,} long {name} end in {_ROUNDED}, such as "
        f"{rounded[0]}, as a spreadsheet leaves them: they may name other records"
    )


def _floats(ids: Sequence[str], name: str) -> str:
    """Tell ids that went through a floating-point number of 53 bits, as pandas, JavaScript and jq keep numbers.

    Of longer numbers it keeps one in so many; how improbable it is that all of these were among those is counted in
    bits. Ids that end in many more zero bits, as those with a sequence do of which the first is made mostly, are meant.
    """
    long_ids = [*dict.fromkeys(islice(filter(_MAYBE_A_FLOAT.fullmatch, ids), _FLOATS_LOOKED_AT))]
    lost = {one: bits for one in long_ids if (bits := _bits_lost(one))}
    evidence = sum(bits - 1 for bits in lost.values()) - len(long_ids)
    if 2 * len(lost) <= len(long_ids) or evidence < _ENOUGH_BITS:
        return ""
    return (
        f"{len(lost):,} of the first {len(long_ids):,} long {name} are what a floating-point number leaves of one, "
        f"such as {next(iter(lost))}, as pandas, JavaScript and spreadsheets make them: they may name other records"
    )


def _bits_lost(one: str) -> int:
    """Return how many bits of a number were lost if it went through a float; 0 where it did not."""
    number, as_float = int(one), float(one)
    bits = number.bit_length() - _MANTISSA_BITS
    if bits <= 0 or not math.isfinite(as_float):
        return 0
    if number == int(as_float):
        return bits if number % 2 ** (bits + _MORE_BITS) else 0
    shortest = repr(as_float).partition("e")[0].replace(".", "").rstrip("0")
    return bits if one.strip("0") == shortest else 0
