"""What a server says, and what a ledger keeps of quotas: only a true success acknowledges, no wait is endless."""

from __future__ import annotations

import asyncio
import json
import math
from typing import TYPE_CHECKING, Any, Final

from bulkdelete.limiter import Limiter
from bulkdelete.protocol import advice, classify, classify_count, read_count
from bulkdelete.quotas import Moment, Quotas
from bulkdelete.records import VerdictKind
from bulkdelete.settings import FlowSettings
from bulkdelete.waiting import retry_after_seconds, told, wait_seconds

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_NOW: Final = 1_795_500_000.0
_A_YEAR: Final = 366 * 86_400.0
_STATUSES: Final = (200, 204, 302, 400, 401, 413, 429, 500, 599)
_NAMES: Final = ("Retry-After", "X-RateLimit-Remaining", "X-RateLimit-Reset", "X-RateLimit-Limit", "Date")
REPLIES: Final = (
    *(
        b'{"code": 0',
        b'"message": "OK"',
        b'"error": {',
        b'"code": ',
        b'"0"',
        b"0",
        b"0.0",
        b"-0",
        b"false",
        b"null",
        b",",
    ),
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b'"',
        b"\\ud800",
        b"9" * 4300,
        b"\xff",
        b"\xef\xbb\xbf",
        b'"total_count": ',
        b'"data": {',
    ),
)
HEADERS: Final = (
    *(
        b"\n",
        b"0",
        b"1",
        b"60",
        b".",
        b"-",
        b"+",
        b"1e9",
        b"999999999999999",
        b"1795500060000",
        b"0x10",
        b"\xd9\xa4",
        b" ",
    ),
    *(
        b"Fri, ",
        b"21 ",
        b"Nov ",
        b"2026 ",
        b"08:49:37",
        b":99",
        b" GMT",
        b" -0000",
        b" +9999",
        b" -9999999999",
        b"9" * 50,
    ),
    *(b"0 ", b"99 ", b"Sunday, ", b"24-Nov-26 ", b"Nov 24 08:49:37 2026", b"()", b",", b"1 ", b"0000 ", b"99999 "),
)
SNAPSHOTS: Final = (
    *(
        b'"version": 1',
        b'"spent": {',
        b'"hour": [[',
        b'"told": [[',
        b'"sum": ',
        b'"allowance": ',
        b'"clean": ',
        b"true",
    ),
    *(b"{", b"}", b"[", b"]", b",", b"1e308", b"-1", b"NaN", b"Infinity", b"9" * 400, b'"a"', b"null", b"1795500000.5"),
)


def reply(data: bytes, folder: Path) -> None:
    plain = _plain(data)
    acknowledges = plain is not None and type(plain.get("code")) is int and plain["code"] == 0
    for status in _STATUSES:
        verdict, counted = classify(status, {}, data), classify_count(status, {}, data)
        assert (verdict.kind is VerdictKind.ACKNOWLEDGED) is (acknowledges and status in range(200, 300))
        if counted.kind is VerdictKind.ACKNOWLEDGED:
            assert plain is not None
            assert type(read_count(data)) is int
        assert len(verdict.message) <= 300
        assert len(advice(verdict)) < 1000
        assert verdict.code is None or -(2**63) <= verdict.code < 2**63


def _plain(data: bytes) -> dict[str, Any] | None:
    """Return the object that *data* is, if it is one that can be understood in one way only."""
    try:
        found = json.loads(data.decode(), object_pairs_hook=_without_twins)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if len({*names}) < len(names):
        raise ValueError("which of the two counts, nobody can say")
    return dict(pairs)


def headers(data: bytes, folder: Path) -> None:
    values = data.decode("utf-8", "surrogateescape").split("\n")
    for turn in range(3):  # each value in several headers
        given = dict(zip(_NAMES, values[turn:], strict=False))
        for wait in (wait_seconds(given, _NOW), retry_after_seconds(given, _NOW)):
            assert wait is None or 0 <= wait <= _A_YEAR
        said = told(given, _NOW)
        if said is not None:
            assert said.remaining >= 0
            assert 0 < said.reset_in_seconds <= _A_YEAR
            _check_ends(said)
        classify(429, given, b"", now_unix_seconds=_NOW)


def _check_ends(said: object) -> None:
    found = Quotas({"hour": 10}, 64)
    number = found.spend(Moment(_NOW, 1.0))
    found.ended(number, said, Moment(_NOW, 1.0))  # type: ignore[arg-type]  # a Told
    assert 0 <= found.wait_seconds(Moment(_NOW, 1.0)) <= _A_YEAR + 60


def quotas(data: bytes, folder: Path) -> None:
    asyncio.run(_take_over(data.decode("utf-8", "surrogateescape")))


async def _take_over(kept: str) -> None:
    limiter = Limiter(FlowSettings(requests_per_hour=10), lambda: _NOW, lambda: 0.0)
    keeper = limiter.take_over(kept[:50], kept)
    keeper.keep(keeper.spent_so_far())
    assert 1 <= limiter.last_good_limit <= 1024
    assert math.isfinite(limiter.last_good_limit)


def replies() -> Sequence[bytes]:
    plain = ({"code": 0, "message": "OK"}, {"error": {"code": "40008", "message": "no"}}, {"data": {"total_count": 5}})
    return [*(json.dumps(one).encode() for one in plain), b"<html>", b'{"code": 50000, "message": "\xe9"}']


def all_headers() -> Sequence[bytes]:
    return [
        b"60\n0\n1795500060\n1000\nFri, 21 Nov 2026 08:49:37 GMT",
        b"Fri, 21 Nov 2026 08:50:37 GMT\n5\n1795500060000\n10\nFri, 21 Nov 2026 08:49:37 GMT",
    ]


def snapshots() -> Sequence[bytes]:
    found = Quotas({"hour": 10, "day": 1000}, 64)
    for second in range(5):
        found.spend(Moment(_NOW + second, float(second)))
    return [json.dumps(found.snapshot(clean=clean)).encode() for clean in (False, True)]
