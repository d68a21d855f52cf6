"""The wire format: records -> bytes, and an answer -> its :class:`Verdict`. Pure; the API document is the authority.

Which code means what is data (:data:`CODES`), from the API document and the vendor's sibling endpoints, and can be
overridden in the configuration. A known code decides; without one the HTTP status does.
"""

from __future__ import annotations

import json
import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from bulkdelete.ids import Ids
from bulkdelete.records import Filter, Verdict, VerdictKind
from bulkdelete.waiting import retry_after_seconds, wait_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bulkdelete.records import Record

PATH: Final = "/v2/database/delete/record"
"""Where the delete endpoint is, below the base URL."""

CODES: Final[Mapping[int, VerdictKind]] = {
    40000: VerdictKind.INVALID,
    50000: VerdictKind.RETRY,
    40008: VerdictKind.PAUSE,
    403106: VerdictKind.FATAL,  # table not found
    403131: VerdictKind.FATAL,  # no permission to access table
    40127: VerdictKind.UNAUTHORIZED,
    40107: VerdictKind.UNAUTHORIZED,
    40113: VerdictKind.FATAL,  # the key has no access to the Agent
    40353: VerdictKind.FATAL,  # the plan, the Agent or its credit, from here on
    20055: VerdictKind.FATAL,
    20059: VerdictKind.FATAL,
    40378: VerdictKind.FATAL,
    20022: VerdictKind.FATAL,
    40379: VerdictKind.FATAL,
}
"""What each known code but 0 means: 40000, 50000, 403106, 403131 are documented here, the rest for siblings."""

_ADVICE: Final[Mapping[int, str]] = {
    403106: "the table does not exist for this key: check table_id and which Agent the key belongs to",
    403131: "the key has no permission to access the table: use a key that has, or ask for the permission",
    40127: "the API key is not accepted: check the key",
    40107: "the API key has expired: make a new one",
    40113: "the key has no access to this Agent: a key belongs to one Agent",
}
_STATUS_ADVICE: Final[Mapping[int, str]] = {
    401: "the API key is not accepted: check the key",
    403: "access is refused: check the key, its plan and the base URL",
    404: "there is no such API at this address: check base_url",
    301: "the server redirects, and redirects are not followed: check base_url",
    302: "the server redirects, and redirects are not followed: check base_url",
    307: "the server redirects, and redirects are not followed: check base_url",
    308: "the server redirects, and redirects are not followed: check base_url",
}

_STATUSES: Final[Mapping[int, VerdictKind]] = {
    401: VerdictKind.UNAUTHORIZED,
    403: VerdictKind.FATAL,
    404: VerdictKind.FATAL,
    408: VerdictKind.RETRY,
    413: VerdictKind.TOO_LARGE,
    425: VerdictKind.RETRY,
    429: VerdictKind.PAUSE,
}
_OK_STATUSES = range(200, 300)
_REDIRECTS = range(300, 400)
_SERVER_ERRORS = range(500, 600)
_BAD_REQUEST = 400
_INT64 = range(-(2**63), 2**63)
_AMBIGUOUS = frozenset({VerdictKind.RETRY, VerdictKind.UNKNOWN})
_WAITS: Final = {VerdictKind.PAUSE: wait_seconds, VerdictKind.RETRY: retry_after_seconds}

_NEVER_ESCAPED: Final = bytes(byte for byte in range(0x20, 0x100) if byte not in b'"\\')
_BETWEEN: Final = b'"},{"record_id":"'
MOST_MESSAGE_CHARACTERS: Final = 300
"""So much of a server's message is kept."""
ENTRY_BYTES: Final = len(_BETWEEN)
"""What a record_id costs in a body beside its own bytes."""


def encode(table_id: str, records: Sequence[Record], joined: bytes = b"") -> bytes:
    """Return the body that deletes *records*: what ``orjson.dumps`` makes of the plain form.

    *joined* may hold the records, where they are ids of printable ASCII, joined by line breaks already.

    Raises:
        ValueError: a record holds a lone surrogate or a number that JSON cannot hold; screening keeps those out.

    """
    entries = _plain_entries(records, joined)
    if entries is None:
        entries = [b",".join(map(_entry, records))]
    return b"".join((_opening(table_id), *entries, b"]}"))


def entry_bytes(record: Record) -> int:
    """Return what *record* costs in a body, its comma included. Raises ``ValueError`` as :func:`encode` does."""
    return len(_entry(record)) + 1


@lru_cache(maxsize=64)
def _opening(table_id: str) -> bytes:
    return b'{"table_id":%s,"delete_data":[' % _dumps(table_id)


@lru_cache(maxsize=64)
def envelope_bytes(table_id: str) -> int:
    """Return the size of a body without entries."""
    return len(encode(table_id, ()))


def most_bytes(table_id: str, joined: bytes, records: int) -> int:
    """Return what a body of so many plain ids, *joined* by line breaks, takes at most: each byte may be escaped."""
    return envelope_bytes(table_id) + 2 * len(joined) + records * ENTRY_BYTES


def _plain_entries(records: Sequence[Record], joined: bytes) -> Sequence[bytes] | None:
    """Join plain ids that need no escape, without an object per record; ``None`` where one of them is not plain."""
    if joined:
        plain = isinstance(records, Ids) or (b'"' not in joined and b"\\" not in joined)
    else:
        try:
            joined = "\n".join(records).encode()  # type: ignore[arg-type]  # a Filter raises TypeError, the test
        except (TypeError, UnicodeEncodeError):
            return None
        plain = bool(records) and joined.translate(None, _NEVER_ESCAPED) == b"\n" * (len(records) - 1)
    if not plain:
        return None
    return b'{"record_id":"', joined.replace(b"\n", _BETWEEN), b'"}'


def _entry(record: Record) -> bytes:
    if isinstance(record, Filter):
        if isinstance(record.value, float) and not math.isfinite(record.value):
            raise ValueError("a number that is not finite would go out as null")
        return _dumps({"filter": {record.column: record.value}})
    return _dumps({"record_id": record})


def _dumps(value: object) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError as error:  # orjson's error for what JSON cannot hold; a ValueError for our callers
        raise ValueError(str(error)) from None


def classify(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    codes: Mapping[int, VerdictKind] = CODES,
    now_unix_seconds: float = 0.0,
) -> Verdict:
    """Return what an answer means: *codes* decide where they know the code, else the HTTP status does.

    Acknowledged is only a 2xx status AND a JSON object AND the integer 0 as its ``code``. *now_unix_seconds* turns
    the dates in *headers* into waits.
    """
    code, message = _read(body)
    kind = _kind(status, code, codes)
    wait = None
    if kind in _WAITS:
        wait = _WAITS[kind](headers, now_unix_seconds)
    return Verdict(kind, code, message, status, kind in _AMBIGUOUS, wait)


def encode_count(table_id: str) -> bytes:
    """Return the body that asks for the first record of a table, because ``total_count`` comes with it."""
    return _dumps({"table_id": table_id, "page": 1, "page_size": 1})


def read_count(body: bytes) -> int | None:
    """Return the ``total_count`` in an answer, plain or wrapped in ``data``; ``None`` where there is none."""
    answer = _parse(body) or {}
    data = answer.get("data")
    counted = (data if isinstance(data, dict) else answer).get("total_count")
    return counted if type(counted) is int and counted >= 0 else None


def classify_count(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    codes: Mapping[int, VerdictKind] = CODES,
    now_unix_seconds: float = 0.0,
) -> Verdict:
    """Return what an answer to :func:`encode_count` means: acknowledged is a 2xx status and a ``total_count``."""
    verdict = classify(status, headers, body, codes, now_unix_seconds)
    counts = status in _OK_STATUSES and verdict.code in {None, 0} and read_count(body) is not None
    if counts:
        return Verdict(VerdictKind.ACKNOWLEDGED, 0, http_status=status)
    if verdict.kind is VerdictKind.ACKNOWLEDGED:
        return Verdict(VerdictKind.UNKNOWN, verdict.code, "there is no total_count in the answer", status)
    return verdict


class Call(NamedTuple):
    """A call of the API: where it goes, and what its answers mean."""

    path: str
    classify: Callable[[int, Mapping[str, str], bytes, Mapping[int, VerdictKind], float], Verdict]


DELETE: Final = Call(PATH, classify)
COUNT: Final = Call("/v1/database/records/page", classify_count)


def advice(verdict: Verdict) -> str:
    """Return what a fatal *verdict* means for a person, and what to do about it."""
    what = _ADVICE.get(verdict.code or 0) or _STATUS_ADVICE.get(verdict.http_status or 0, "the API refuses the job")
    said = f"code {verdict.code}" if verdict.code is not None else f"HTTP {verdict.http_status}"
    if verdict.http_status is None:
        return verdict.message
    return f"{what} ({said}{': ' if verdict.message else ''}{verdict.message[:300]})"


def nothing_fits(verdict: Verdict) -> str:
    """Return what it means, and what to do, when even small single records are refused as too large."""
    said = f"code {verdict.code}, " if verdict.code is not None else ""
    return (
        f"the server refuses even single records as too large ({said}HTTP {verdict.http_status}), so it is not for "
        "their size: look at the body limit of the proxy or gateway before the API, and at base_url. No record is "
        "rejected for it, and the same command goes on once that is mended"
    )


def code_table(overrides: Mapping[int, str]) -> Mapping[int, VerdictKind]:
    """Return :data:`CODES` with the configuration's own meanings laid over it."""
    return {**CODES, **{code: VerdictKind(meaning) for code, meaning in overrides.items()}}


def _kind(status: int, code: int | None, codes: Mapping[int, VerdictKind]) -> VerdictKind:
    if code == 0 and status in _OK_STATUSES:
        return VerdictKind.ACKNOWLEDGED
    known = codes.get(code) if code is not None else None
    if known is not None:
        return known
    by_status = _STATUSES.get(status) or (VerdictKind.FATAL if status in _REDIRECTS else None)
    return by_status or _kind_of_the_rest(status, code)


def _kind_of_the_rest(status: int, code: int | None) -> VerdictKind:
    unreadable = code is None and status in _OK_STATUSES
    if unreadable or status in _SERVER_ERRORS:
        return VerdictKind.RETRY
    if code is None and status == _BAD_REQUEST:
        return VerdictKind.INVALID
    return VerdictKind.UNKNOWN


@lru_cache(maxsize=8)  # a server that is well gives the same few bytes all day
def _read(body: bytes) -> tuple[int | None, str]:
    """Return the code in an answer, if there is one, and its message; of what is no JSON object, its beginning."""
    answer = _parse(body)
    if answer is None and body:
        return None, body[:MOST_MESSAGE_CHARACTERS].decode("utf-8", "replace")
    return _code_and_message(answer)


def _parse(body: bytes) -> dict[str, Any] | None:
    try:
        answer = _DECODER.decode(body.decode())
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def _refuse_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        raise ValueError("an object holds a key twice")
    return unique


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_refuse_twins)


def _code_and_message(answer: dict[str, Any] | None) -> tuple[int | None, str]:
    """Read the two envelopes that carry a code; the third, ``fail_count`` without a code, leaves it to the status."""
    if answer is None:
        return None, ""
    code = answer.get("code")
    error = answer.get("error")
    if code is None and isinstance(error, dict):
        answer, code = error, error.get("code")
        if isinstance(code, str) and code.isascii() and code.isdigit() and len(code) < 10:  # noqa: PLR2004 - fits an int
            code = int(code)
        code = code or None  # an error that says 0 acknowledges nothing
    message = answer.get("message")
    known = code if type(code) is int and code in _INT64 else None
    return known, message[:MOST_MESSAGE_CHARACTERS] if isinstance(message, str) else ""
