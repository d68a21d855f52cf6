"""Bytes in another encoding -> UTF-8, a block at a time; what does not decode becomes a byte that UTF-8 never has."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

UTF_8: Final = frozenset({"utf-8", "utf-8-sig"})
"""Encodings that are read as they are; a byte order mark is passed over in any case."""
_UTF_16_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_UNDECODABLE: Final = "bulkdelete-undecodable"


def is_utf_8(encoding: str) -> bool:
    """Return whether *encoding* is a name of UTF-8."""
    return codecs.lookup(encoding).name in UTF_8


def looks_like_utf_16(begins_with: Callable[[bytes], bool]) -> bool:
    """Return whether a stream begins with the byte order mark of UTF-16, which no UTF-8 text does."""
    return any(map(begins_with, _UTF_16_MARKS))


def transcoded(read: Callable[[int], bytes], encoding: str) -> Callable[[int], bytes]:
    """Return a ``read`` whose bytes are those of *read*, in *encoding*, written as UTF-8.

    A line that held bytes which do not decode is no UTF-8 then, so that it is set aside as such a line always is.
    """
    decoder = codecs.getincrementaldecoder(encoding)(_UNDECODABLE)

    def read_utf_8(most_bytes: int) -> bytes:
        data = b"more"
        while data:
            data = read(most_bytes)
            text = decoder.decode(data, final=not data)
            if text:
                return text.encode("utf-8", "surrogateescape")
        return b""

    return read_utf_8


def _never_utf_8(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\udcff" * max(1, error.end - error.start), error.end


codecs.register_error(_UNDECODABLE, _never_utf_8)
