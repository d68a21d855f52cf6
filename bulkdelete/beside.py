"""The files that lie beside a ledger: their names, and how each begins where bulkdelete, or SQLite for it, wrote it."""

from __future__ import annotations

import re
from typing import Final

HEAD_BYTES: Final = 512
"""So much of a file tells what it is; a smaller one is no database."""
DATABASE: Final = b"SQLite format 3\0"
LOCK: Final = ".lock"
NEW: Final = ".new"
COPIES: Final = (".spool", ".spool.new", ".spool.partial", ".spool.new.partial")
"""Copies of a source that can be read only once; one may begin with anything."""
WRITTEN_WITH_IT: Final = ("-wal", "-shm", "-journal", LOCK, NEW)
ENDINGS: Final = (*WRITTEN_WITH_IT, *COPIES)

_OF_A_LEDGER: Final = re.compile(rb"SQLite format 3\0.{52}bulk.*", re.DOTALL)  # where SQLite keeps the application id
_BEGINNINGS: Final = {
    LOCK: re.compile(rb"[0-9\0]{0,10}"),  # a process id
    NEW: re.compile(rb"SQLite format 3\0(.{52}bulk.*|.{0,51})|\0*", re.DOTALL),
    "-wal": re.compile(rb"\x37\x7f\x06[\x82\x83].*|\0*", re.DOTALL),
    "-shm": re.compile(rb"(\x18\xe2\x2d\0|\0\x2d\xe2\x18|\0{4}).*|\0*", re.DOTALL),
    "-journal": re.compile(rb"(\xd9\xd5\x05\xf9|\0{4}).*|\0*", re.DOTALL),
}
"""Zeros: a size may survive a power cut without what was written there."""


def is_ledger(head: bytes) -> bool:
    """Return whether a file that begins with *head*, of :data:`HEAD_BYTES`, is a ledger."""
    return _OF_A_LEDGER.fullmatch(head) is not None


def is_ours(name: str, head: bytes) -> bool:
    """Return whether a file of that *name*, which is no copy, and which begins with *head*, is one of ours."""
    return any(name.endswith(ending) and form.fullmatch(head) is not None for ending, form in _BEGINNINGS.items())
