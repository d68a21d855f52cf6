"""What stands for the raw rows of a range: 16 bytes of SHA-256, so that a resume knows them again."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Final

from bulkdelete.ids import Ids
from bulkdelete.records import Defect, Filter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulkdelete.records import Item

DIGEST_BYTES: Final = 16
_HASHED_WITHOUT_LETTING_GO_BYTES: Final = 2047
"""hashlib lets go of the interpreter's lock for more; to get it back takes up to 5 ms where another thread is busy, and
hashing a batch takes 0.02 ms."""


def digest(items: Sequence[Item]) -> bytes:
    """Return the digest of *items* in their order; different rows never share one form.

    Ids without line breaks, the common case, are hashed joined by line breaks, with their number in front; anything
    else is hashed item by item with its length in front.
    """
    if isinstance(items, Ids):
        return digest_of_joined(items.joined, len(items))
    try:
        joined = "\n".join(items).encode()  # type: ignore[arg-type]  # what is no str raises TypeError, the test
    except (TypeError, UnicodeEncodeError):
        joined = b""
    if joined.count(b"\n") == len(items) - 1 and joined:
        return digest_of_joined(joined, len(items))
    return _of(b"items", b"".join(map(_framed, items)), len(items))


def digest_of_joined(joined: bytes, count: int) -> bytes:
    """Return the digest of *count* ids without line breaks that are *joined* by line breaks."""
    return _of(b"lines", joined, count)


def _of(form: bytes, raw: bytes, count: int) -> bytes:
    hashed = hashlib.sha256(b"%s %d\n" % (form, count))
    for at in range(0, len(raw), _HASHED_WITHOUT_LETTING_GO_BYTES):
        hashed.update(raw[at : at + _HASHED_WITHOUT_LETTING_GO_BYTES])
    return hashed.digest()[:DIGEST_BYTES]


def _framed(item: Item) -> bytes:
    if isinstance(item, Defect):
        kind, raw = b"d", item.fingerprint
    elif isinstance(item, Filter):
        kind, raw = b"f", json.dumps([item.column, item.value], ensure_ascii=False).encode("utf-8", "surrogatepass")
    else:
        kind, raw = b"i", item.encode("utf-8", "surrogatepass")
    return b"%s%d:%s" % (kind, len(raw), raw)
