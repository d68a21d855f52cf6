"""One JSON text -> a value, where hostile ones are refused and doubtful ones marked, and none is a crash."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Final, NoReturn

_MOST_DEPTH: Final = 400
_STRING_OR_BRACKET: Final = re.compile(
    r'"(?:[^"\\]|\\.)*+"?|[\[\]{}]'
)  # one that does not end is no JSON: no going back


class Unfit(Exception):
    """A line holds no record, and becomes a Defect; the text says why."""


class Twice(dict[str, object]):
    """An object that gives a field more than once; ``name`` is that field."""

    name = ""


class LostDigits:
    """A fraction with more digits than a float keeps."""


def parsed(text: str) -> object:
    """Return the value of *text*; fractions that would lose digits are :class:`LostDigits`.

    Raises:
        Unfit: it is no JSON, too deeply nested, or holds a number of thousands of digits.

    """
    if _is_too_deep(text):  # the decoder's own guard differs between versions of Python, and some have none
        raise Unfit("too deeply nested")
    try:
        return _DECODER.decode(text)
    except RecursionError:
        raise Unfit("too deeply nested") from None
    except json.JSONDecodeError as error:
        raise Unfit(f"invalid JSON: {error.msg} at character {error.pos + 1}") from None
    except ValueError:  # Python's own limit, which guards against numbers that take minutes
        raise Unfit("a number with too many digits") from None


def _is_too_deep(text: str) -> bool:
    if text.count("[") + text.count("{") <= _MOST_DEPTH:
        return False
    depth = 0
    for token in _STRING_OR_BRACKET.finditer(text):
        first = token[0][0]
        depth += (first in "[{") - (first in "]}")
        if depth > _MOST_DEPTH:
            return True
    return False


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) == len(pairs):
        return fields
    twice, seen = Twice(fields), set()
    for name, _ in pairs:
        if name in seen:
            twice.name = name
        seen.add(name)
    return twice


def _float(digits: str) -> object:
    value = float(digits)
    try:
        kept = Decimal(digits) == Decimal(repr(value))
    except ArithmeticError:  # an exponent beyond even what Decimal takes
        kept = False
    return value if kept else LostDigits()


def _no_number(name: str) -> NoReturn:
    raise Unfit(f"invalid JSON: {name} is no value")


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_object, parse_float=_float, parse_constant=_no_number)
