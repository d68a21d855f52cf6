"""Text of others made harmless for a terminal and a log: a server's message, a file's name, an id."""

from __future__ import annotations

import re
from typing import Final

MOST_CHARACTERS: Final = 300

_SEQUENCES: Final = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor movements
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f]).*?(?:\x07|\x1b\\|\x9c)"  # OSC, DCS, SOS, PM, APC: titles, links, clipboard
    r"|\x1b[ -/]*[0-~]",  # the short ones
    re.DOTALL,
)
_BLANKS: Final = re.compile(r"[\t\n\v\f\r\x85\u2028\u2029]+")
_UNSEEN: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_SURROGATES: Final = re.compile(r"[\ud800-\udfff]")


def harmless(text: str, most: int = MOST_CHARACTERS) -> str:
    """Return *text* as one line of at most *most* characters that no terminal obeys.

    Escape sequences, C0 and C1 controls, DEL, bidirectional and other invisible controls are dropped; line breaks and
    tabs become a space, lone surrogates U+FFFD.
    """
    if not (text.isascii() and text.isprintable()):
        text = _without_controls(text)
    return text if len(text) <= most else text[: most - 3] + "..."


def _without_controls(text: str) -> str:
    text = _SEQUENCES.sub("", text)
    text = _UNSEEN.sub("", _BLANKS.sub(" ", text))
    return _SURROGATES.sub("\ufffd", text)
