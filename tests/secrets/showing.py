"""What a server, a file's name or a table id may hold to take a terminal or a log over, and whether it did."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

FORGED = "FORGED"
HOSTILE = (
    "\x1b[2J\x1b[1;1H\x1b[31m"  # clears, moves the cursor, colours
    "\x1b]0;title\x07\x1b]8;;http://evil.example\x1b\\link\x1b]8;;\x1b\\\x1b]52;c;aGk=\x07"  # title, link, clipboard
    "\x1bPq#0\x1b\\\x1b_apc\x1b\\\x1bc\x1b(0"  # sixel, APC, reset, another character set
    "\x9b2J\x9d0;c1\x9c\x90dcs\x9c\x85"  # the same in C1
    f"\r\n2026-11-25T00:00:00Z INFO bulkdelete: {FORGED}\n"
    f'{{"time": "2026-11-25", "level": "info", "message": "{FORGED}"}}\r{FORGED}\x0b{FORGED}\x0c{FORGED}'
    f"\u2028{FORGED}\u2029{FORGED}\x08\x08\x7f\u202e\u2066\u061c\u200b\ufeff\x00"
)
_OBEYED = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
_FOR_MACHINES = frozenset({"resume_command", "ledger", "source", "file"})
_OURS_AT_A_TERMINAL = re.compile(r"\x1b\[\?25[lh]|\x1b\[2K|\x1b\[1A|\x1b\[[0-9;]*m|\r")
"""What the live line itself is drawn with."""


def assert_harmless(text: str, *, at_terminal: bool = False) -> None:
    """Assert that a terminal obeys nothing in *text*, and that no line of it was forged."""
    if at_terminal:
        text = _OURS_AT_A_TERMINAL.sub("", text)
    obeyed = _OBEYED.search(text)
    assert obeyed is None, repr(text[max(0, obeyed.start() - 100) : obeyed.end() + 50])
    for line in text.split("\n"):
        assert not line.startswith((FORGED, f"2026-11-25T00:00:00Z INFO bulkdelete: {FORGED}")), line
        assert not (line.startswith("{") and json_message(line) == FORGED), line


def json_message(line: str) -> Any:
    try:
        return json.loads(line).get("message")
    except ValueError:
        return None


def texts_in(value: object) -> Iterator[str]:
    """Yield every text in a JSON value that is for people: a command to be run again, or a path, is as it must be."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inside in value.items():
            if key not in _FOR_MACHINES:
                yield from (key, *texts_in(inside))
    elif isinstance(value, list):
        for inside in value:
            yield from texts_in(inside)
