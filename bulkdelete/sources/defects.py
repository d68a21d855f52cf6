"""Rows that cannot be a record: how a source writes them down."""

from __future__ import annotations

import hashlib
import re
from typing import Final

from bulkdelete.records import Defect
from bulkdelete.sources.transcoding import is_utf_8

MOST_EXCERPT_CHARACTERS: Final = 300
MOST_EXCERPT_BYTES: Final = 4 * MOST_EXCERPT_CHARACTERS
FINGERPRINT_BYTES: Final = 16
_ESCAPED_BYTE: Final = re.compile("[\udc80-\udcff]")


def not_in(encoding: str) -> str:
    """Return the reason for a row whose bytes are not text in *encoding*."""
    return f"bytes that are not {'UTF-8' if is_utf_8(encoding) else encoding}"


def defect_of_bytes(reason: str, beginning: bytes, digest: bytes) -> Defect:
    """Return the defect of a raw row that begins with *beginning* and has the SHA-256 *digest*."""
    text = beginning[:MOST_EXCERPT_BYTES].decode("utf-8", "backslashreplace")
    return Defect(reason, text[:MOST_EXCERPT_CHARACTERS], digest[:FINGERPRINT_BYTES])


def defect_of_line(reason: str, line: str) -> Defect:
    """Return the defect of *line*, decoded with ``surrogateescape``, so that its raw bytes are known."""
    raw = line.encode("utf-8", "surrogateescape")
    return defect_of_bytes(reason, raw, hashlib.sha256(raw).digest())


def is_escaped(line: str) -> bool:
    """Return whether *line*, decoded with ``surrogateescape``, had bytes that are not UTF-8."""
    return _ESCAPED_BYTE.search(line) is not None
