"""How three APIs acknowledge, fail and refuse a request: ours, one like Elasticsearch's and one like S3's."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ID = re.compile(rb"(?<!\d)\d{18}(?!\d)")
"""An id in the body of any of the three."""

_JSON, _XML = "application/json", "application/xml"
_ES_SHARDS = b'"_shards":{"total":2,"successful":1,"failed":0},"_seq_no":7,"_primary_term":1'
_ES_DONE = b'","_version":2,"result":"deleted",%b,"status":200}},' % _ES_SHARDS
_ES_REFUSED = b'","error":{"type":"invalid_parameters","reason":"cannot be deleted"},"status":400}},'


@dataclass(frozen=True)
class Dialect:
    """The answers of one API, whole; where a *part* can be refused, the other records of the request are applied."""

    done: Callable[[bytes], bytes]
    failing: bytes
    refused: Callable[[bytes, bytes], bytes]
    part: bool


def answer(status: str, body: bytes, kind: str = _JSON) -> bytes:
    """Return a whole HTTP answer."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nX-Elastic-Product: Elasticsearch\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def _ours(code: int, message: str) -> bytes:
    return answer("200 OK", b'{"code": %d, "message": "%s"}' % (code, message.encode()))


def _bulk(body: bytes, record: bytes | None = None) -> bytes:
    """Return an item for each line ``{"delete":{"_id":"...","_index":"records"}}``, of which one may be refused."""
    before, refused, after = _around(body, record)
    items = (
        before.replace(b'"}}\n', _ES_DONE) + refused.replace(b'"}}\n', _ES_REFUSED) + after.replace(b'"}}\n', _ES_DONE)
    )
    return answer("200 OK", b'{"took":1,"errors":%b,"items":[%b]}' % (b"true" if refused else b"false", items[:-1]))


def _around(body: bytes, record: bytes | None) -> tuple[bytes, bytes, bytes]:
    """Return what stands before the line of a record, the line, and what stands after it."""
    if record is None:
        return body, b"", b""
    at = body.index(record)
    first, end = body.rfind(b"\n", 0, at) + 1, body.index(b"\n", at) + 1
    return body[:first], body[first:end], body[end:]


def _delete_objects(body: bytes, record: bytes | None = None) -> bytes:
    """Return an element for each ``<Object>``, of which one may be refused; only of that, if asked to be quiet."""
    said = b"".join(b"<Deleted><Key>%b</Key></Deleted>" % key for key in ID.findall(body) if key != record)
    if b"<Quiet>true</Quiet>" in body:
        said = b""
    if record is not None:
        said += b"<Error><Key>%b</Key><Code>InvalidArgument</Code><Message>cannot be deleted</Message></Error>" % record
    result = b'<DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">%b</DeleteResult>' % said
    return answer("200 OK", b'<?xml version="1.0" encoding="UTF-8"?>\n' + result, _XML)


_UNAVAILABLE = "503 Service Unavailable"
_DONE, _REFUSED = _ours(0, "OK"), _ours(40000, "invalid parameters")
DIALECTS = {
    "ours": Dialect(
        lambda _: _DONE, _ours(50000, "internal system error"), lambda _body, _record: _REFUSED, part=False
    ),
    "elasticsearch": Dialect(_bulk, answer(_UNAVAILABLE, b'{"status":503}'), _bulk, part=True),
    "s3": Dialect(
        _delete_objects,
        answer(_UNAVAILABLE, b"<Error><Code>SlowDown</Code><Message>reduce your rate</Message></Error>", _XML),
        _delete_objects,
        part=True,
    ),
}
