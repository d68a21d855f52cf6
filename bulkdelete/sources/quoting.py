"""Whether a quoted field is open, followed through any text of a CSV; malformed ones as lenient readers take them."""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

QUOTE: Final = '"'


class At(Enum):
    """Where in a row a text ends."""

    FIELD_START = auto()
    PLAIN = auto()
    QUOTED = auto()
    QUOTE_IN_QUOTED = auto()
    """The quoted field ends here, unless another quote follows."""


def followed(text: str, at: At, delimiter: str) -> At:
    """Return where the row is after *text*, a line with its end or a part of one, that begins *at* such a place.

    Where it is not ``QUOTED`` at the end of a line, the row ends there. Text behind a closing quote, which no
    well-formed row has, is an ordinary field's from there on, as the csv module reads it where it is not strict.
    """
    position = 0
    while position < len(text):
        if at is At.QUOTED:
            position = text.find(QUOTE, position) + 1
            if not position:
                return at
            at = At.QUOTE_IN_QUOTED
        elif at is At.PLAIN:
            position = text.find(delimiter, position) + 1
            if not position:
                return at
            at = At.FIELD_START
        else:
            character = text[position]
            position += 1
            at = At.QUOTED if character == QUOTE else At.FIELD_START if character == delimiter else At.PLAIN
    return at
