"""Bytes in another encoding -> UTF-8, a block at a time; what does not decode becomes a byte that UTF-8 never has."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Final

from bulkdelete.errors import SourceRefused

if TYPE_CHECKING:
    from collections.abc import Callable

UTF_8: Final = frozenset({"utf-8", "utf-8-sig"})
"""Encodings that are read as they are; a byte order mark is passed over in any case."""
_WITH_A_MARK: Final = frozenset({"utf-16", "utf-32"})
_UTF_16_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_UNDECODABLE: Final = "bulkdelete-undecodable"


def is_utf_8(encoding: str) -> bool:
    """Return whether *encoding* is a name of UTF-8."""
    return codecs.lookup(encoding).name in UTF_8


def looks_like_utf_16(begins_with: Callable[[bytes], bool]) -> bool:
    """Return whether a stream begins with the byte order mark of UTF-16, which no UTF-8 text does."""
    return any(map(begins_with, _UTF_16_MARKS))


def transcoded(read: Callable[[int], bytes], encoding: str, name: str) -> Callable[[int], bytes]:
    """Return a ``read`` whose bytes are those of *read*, in *encoding*, written as UTF-8; errors call it *name*.

    A line that held bytes which do not decode is no UTF-8 then, so that it is set aside as such a line always is. The
    ``read`` raises :class:`SourceRefused` where the codec takes nothing at all, as that of UTF-16 without a mark.
    """
    decoder = codecs.getincrementaldecoder(encoding)(_UNDECODABLE)

    def read_utf_8(most_bytes: int) -> bytes:
        data = b"more"
        while data:
            data = read(most_bytes)
            try:
                text = decoder.decode(data, final=not data)
            except UnicodeError as error:
                raise SourceRefused(_refusal(name, encoding, error)) from None
            if text:
                return text.encode("utf-8", _UNDECODABLE)
        return b""

    return read_utf_8


def _refusal(name: str, encoding: str, error: UnicodeError) -> str:
    """Return in words that *name* is not in *encoding*, as *error* of its codec says."""
    known = codecs.lookup(encoding).name
    if known not in _WITH_A_MARK:
        return f"{name} cannot be read as {encoding}: {error}. Nothing of it was sent. Say what its encoding is"
    return (
        f"{name} does not begin with the byte order mark of {known.upper()}, and which byte comes first is not clear. "
        f"Nothing of it was sent. Say so with --encoding {known}-le (or {known}-be)"
    )


def _never_utf_8(error: UnicodeError) -> tuple[str | bytes, int]:
    """Stand for bytes that do not decode, and for lone surrogates, which some codecs give: UTF-7, for one."""
    if isinstance(error, UnicodeEncodeError):
        return b"\xff" * (error.end - error.start), error.end
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\udcff" * max(1, error.end - error.start), error.end


codecs.register_error(_UNDECODABLE, _never_utf_8)
