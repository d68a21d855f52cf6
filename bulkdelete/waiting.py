"""How long the answer's headers ask the client to wait: ``Retry-After`` and ``X-RateLimit-*``."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_MILLISECONDS_FROM: Final = 1e11
_LONGEST_SECONDS: Final = 366 * 86_400.0


def wait_seconds(headers: Mapping[str, str], now_unix_seconds: float) -> float | None:
    """Return the seconds that *headers* ask to wait from now on, or ``None`` where they ask for nothing readable.

    ``Retry-After`` (RFC 9110, 10.2.3: seconds or a date) goes first; then ``X-RateLimit-Reset``, a Unix time in
    seconds or milliseconds, where ``X-RateLimit-Remaining`` is 0. The server's own ``Date`` is taken as its now.
    """
    server_now = _date(headers.get("Date", ""))
    now = now_unix_seconds if server_now is None else server_now
    for wait in (_retry_after(headers, now), _until_reset(headers, now)):
        if wait is not None:
            return min(max(wait, 0.0), _LONGEST_SECONDS)
    return None


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
    reset = _number(headers.get("X-RateLimit-Reset", "").strip())
    if reset is None:
        return None
    reset = reset / 1000 if reset > _MILLISECONDS_FROM else reset
    return reset - now if reset > now else None


def _number(text: str) -> float | None:
    """Read a plain decimal number of at most 15 characters; anything else is not one."""
    plain = text.isascii() and text.replace(".", "", 1).isdigit()
    return float(text) if plain and len(text) <= 15 else None  # noqa: PLR2004 - a double holds 15 digits exactly


def _date(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
