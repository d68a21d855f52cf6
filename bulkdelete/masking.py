"""A secret that is a text, and shows itself to nobody who looks at it: a traceback with locals, a log, a debugger."""

from __future__ import annotations

from typing import Final, TypeVar

MASK: Final = "***"
_GIVES_AWAY: Final = 4
"""So many characters of a secret at the end of a text that was cut there are taken away with it."""
_GIVES_AWAY_WITHIN: Final = 8
"""So many in a row are taken away wherever they stand: a server may quote a secret that was garbled on its way."""

_T = TypeVar("_T")


class Masked(str):
    """A text whose ``repr``, and that of whatever is cut out of it, is :data:`MASK`; it can still be sent."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(MASK)

    def __getitem__(self, key: object) -> Masked:
        return Masked(super().__getitem__(key))  # type: ignore[index]  # whatever a text takes


def masked(value: _T) -> _T:
    """Return *value*, masked where it is a text."""
    return Masked(value) if isinstance(value, str) else value  # type: ignore[return-value]  # a Masked is a text


def without(secret: str, text: str) -> str:
    """Return *text*, which may have been cut, without *secret*, long parts of it, and its beginning at the end."""
    text = _without_parts(secret, text.replace(secret, MASK) if secret in text else text)
    for length in range(min(len(secret), len(text)), _GIVES_AWAY - 1, -1):
        if text.endswith(str(secret)[:length]):
            return text[:-length] + MASK
    return text


def _without_parts(secret: str, text: str) -> str:
    for first in range(len(secret) - _GIVES_AWAY_WITHIN + 1):
        while (at := text.find(secret[first : first + _GIVES_AWAY_WITHIN])) >= 0:
            end = at + _GIVES_AWAY_WITHIN
            while end < len(text) and text[end] == secret[first + end - at : first + end - at + 1]:
                end += 1
            text = text[:at] + MASK + text[end:]
    return text
