"""A secret that is a text, and shows itself to nobody who looks at it: a traceback with locals, a log, a debugger.

And passwords of others, which stand in what their exceptions say.
"""

from __future__ import annotations

import re
from typing import Final, TypeVar

MASK: Final = "***"
_GIVES_AWAY: Final = 4
"""So many characters of a secret at the end of a text that was cut there are taken away with it."""
_A_STRETCH: Final = 8
"""So many characters of a secret in a row are taken out wherever they stand: a server may quote one that was garbled on
its way, and cut its words anywhere."""
_IN_AN_ADDRESS: Final = re.compile(r"(://[^\s/:]{0,200}:)\S{1,2000}@")
_NAME: Final = (
    r"(?:password|passwd|passphrase|pwd|\bpass)[\"']?\s{0,9}[=:]\s{0,9}|(?:secret|token|api_?key)[\"']?\s{0,9}=\s{0,9}"
)
_QUOTED: Final = r"""'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*"|\{(?:[^}]|\}\}){0,200}+\}"""
_NEXT: Final = r";(?:\s|$|\w*=|(?:user|data|initial|integrated|persist|connection) )"
_NAMED: Final = re.compile(
    rf"({_NAME})(?:{_QUOTED}|[^;=\n]{{1,200}}(?={_NEXT})|(?:[^\s;]|(?!{_NEXT});)+)", re.IGNORECASE
)
"""A password as drivers and addresses of databases write it; of one that is not quoted rather too much is taken out."""

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
    """Return *text* without *secret*, without long stretches of it, and without the beginning of it at the end."""
    text = text.replace(secret, MASK) if secret in text else text
    text = _without_stretches(secret, text)
    for length in range(min(len(secret), len(text)), _GIVES_AWAY - 1, -1):
        if text.endswith(str(secret)[:length]):
            return text[:-length] + MASK
    return text


def without_passwords(text: str) -> str:
    """Return *text*, which an exception of others says, without what looks like a password in it."""
    return _NAMED.sub(rf"\g<1>{MASK}", _IN_AN_ADDRESS.sub(rf"\g<1>{MASK}@", text))


def _without_stretches(secret: str, text: str) -> str:
    if len(secret) < _A_STRETCH or len(text) < _A_STRETCH:
        return text
    hidden: set[int] = set()
    for start in range(len(secret) - _A_STRETCH + 1):
        stretch = secret[start : start + _A_STRETCH]
        at = text.find(stretch)
        while at >= 0:
            hidden.update(range(at, at + _A_STRETCH))
            at = text.find(stretch, at + 1)
    shown = (MASK if at in hidden else letter for at, letter in enumerate(text) if not {at - 1, at} <= hidden)
    return "".join(shown) if hidden else text
