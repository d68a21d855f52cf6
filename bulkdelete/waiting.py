"""How long the answer's headers ask the client to wait: ``Retry-After`` and ``X-RateLimit-*``."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from bulkdelete.quotas import SKEW_SECONDS, Told

if TYPE_CHECKING:
    from collections.abc import Mapping

_MILLISECONDS_FROM: Final = 1e11
_LONGEST_SECONDS: Final = 366 * 86_400.0


def wait_seconds(headers: Mapping[str, str], now_unix_seconds: float) -> float | None:
    """Return the seconds that *headers* ask to wait from now on, or ``None`` where they ask for nothing readable.

    ``Retry-After`` (RFC 9110, 10.2.3: seconds or a date) goes first; then ``X-RateLimit-Reset``, a Unix time in
    seconds or milliseconds, where ``X-RateLimit-Remaining`` is 0. The server's own ``Date`` is taken as its now.
    """
    wait = retry_after_seconds(headers, now_unix_seconds)
    return _bounded(_until_reset(headers, _server_now(headers, now_unix_seconds))) if wait is None else wait


def retry_after_seconds(headers: Mapping[str, str], now_unix_seconds: float) -> float | None:
    """Return what ``Retry-After`` alone asks for, as :func:`wait_seconds` does: a failure tells nothing of quotas."""
    return _bounded(_retry_after(headers, _server_now(headers, now_unix_seconds)))


def told(headers: Mapping[str, str], now_unix_seconds: float) -> Told | None:
    """Return what ``X-RateLimit-Remaining``, ``-Reset`` and ``-Limit`` say, or ``None`` where they say nothing.

    The reset is a Unix time in seconds or milliseconds. It is counted by the answer's ``Date``, which has no
    fractions and so makes the wait up to a second longer; without one by our clock, with a second on top. A reset
    that is past, or further away than a year, is no reset; of *Limit* and *Remaining* the smaller one remains.
    """
    if "X-RateLimit-Remaining" not in headers:
        return None
    remaining = _number(headers["X-RateLimit-Remaining"].strip())
    reset = _reset(headers)
    if remaining is None or reset is None:
        return None
    server_now = _date(headers.get("Date", ""))
    seconds = reset - now_unix_seconds + SKEW_SECONDS if server_now is None else reset - server_now
    if not 0 < seconds <= _LONGEST_SECONDS:
        return None
    limit = _number(headers.get("X-RateLimit-Limit", "").strip())
    left = int(remaining if limit is None else min(remaining, limit))
    return Told(left, None if limit is None else int(limit), reset, seconds, dated=server_now is not None)


def _server_now(headers: Mapping[str, str], now_unix_seconds: float) -> float:
    server_now = _date(headers.get("Date", ""))
    return now_unix_seconds if server_now is None else server_now


def _bounded(wait: float | None) -> float | None:
    return None if wait is None else min(max(wait, 0.0), _LONGEST_SECONDS)


def _retry_after(headers: Mapping[str, str], now: float) -> float | None:
    value = headers.get("Retry-After", "").strip()
    seconds = _number(value)
    if seconds is not None:
        return seconds
    date = _date(value)
    return None if date is None else date - now


def _until_reset(headers: Mapping[str, str], now: float) -> float | None:
    if headers.get("X-RateLimit-Remaining", "").strip() != "0":
        return None
    reset = _reset(headers)
    return reset - now if reset is not None and reset > now else None


def _reset(headers: Mapping[str, str]) -> float | None:
    reset = _number(headers.get("X-RateLimit-Reset", "").strip())
    return reset / 1000 if reset is not None and reset > _MILLISECONDS_FROM else reset


def _number(text: str) -> float | None:
    """Read a plain decimal number of at most 15 characters; anything else is not one."""
    plain = text.isascii() and text.replace(".", "", 1).isdigit()
    return float(text) if plain and len(text) <= 15 else None  # noqa: PLR2004 - a double holds 15 digits exactly


def _date(text: str) -> float | None:
    """Read a date of HTTP (RFC 9110, 5.6.7), which is in UTC also where it names no zone, as C's asctime writes it."""
    try:
        date = parsedate_to_datetime(text)
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
