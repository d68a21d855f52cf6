"""What kind of server the emulator plays: everything that the API's documents leave open, and its limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bulkdelete.emulator.checks import check_fields, choice, flag, number


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """The server's nature; the defaults are what is most likely. What goes wrong is in :class:`Faults`.

    Raises:
        SettingsError: naming the field whose value is refused.

    Example:
        >>> from bulkdelete.emulator import Switches
        >>> api.switches = Switches(unknown_ids="40000", error_status="http")
        >>> (await deleter.delete(TABLE_ID, [*ids, "541278230707963299"])).rejected
        1

    """

    unknown_ids: Literal["ignored", "40000"] = choice("ignored", "40000")
    """A record that is not there, by id or by filter: ignored, or a bad entry."""
    atomicity: Literal["all_or_nothing", "partial"] = choice("all_or_nothing", "partial")
    """Of a request with a bad entry nothing is applied, or the good entries are; the answer is 40000 either way."""
    duplicates: Literal["accepted", "40000"] = choice("accepted", "40000")
    """A record named twice in one request: accepted, or every entry after the first is a bad one."""
    empty_request: Literal["40000", "ok"] = choice("40000", "ok")
    """An empty ``delete_data``: 40000, or OK."""
    other_columns: Literal["40000", "ignored"] = choice("40000", "ignored")
    """A filter on a column that is not unique: a bad entry, or it names nothing."""
    error_status: Literal["200", "http", "envelope"] = choice("200", "http", "envelope")
    """The HTTP status of an error: 200 with the code, the fitting 4xx or 5xx with it, or that with the envelope."""
    page_answer: Literal["plain", "wrapped"] = choice("plain", "wrapped")
    """A page of records: plain, or wrapped in ``{"code": 0, "message": "OK", "data": ...}``."""

    requests_per_minute: int | None = number(None, 1, whole=True)
    """More requests with one key are answered 40008. Unset: no limit."""
    requests_per_hour: int | None = number(None, 1, whole=True)
    """More requests with one key are answered HTTP 429. Unset: no limit."""
    requests_per_day: int | None = number(None, 1, whole=True)
    """More requests with one key are answered HTTP 429. Unset: no limit."""
    rate_limit_headers: bool = flag(default=True)
    """Whether every answer under a limit has ``X-RateLimit-Limit``, ``-Remaining`` and ``-Reset``."""
    reset_unit: Literal["seconds", "milliseconds"] = choice("seconds", "milliseconds")
    """The unit of ``X-RateLimit-Reset``, a Unix time."""
    retry_after: Literal["seconds", "date", "none"] = choice("seconds", "date", "none")
    """The ``Retry-After`` of a request over a limit: seconds, an HTTP date, or none."""
    too_many_requests_body: Literal["text", "json"] = choice("text", "json")
    """The body of every HTTP 429: text, or JSON with code 40008."""

    capacity: int | None = number(None, 1, whole=True)
    """So many requests are served at once, each for its latency (see :class:`Faults`). Unset: any number."""
    beyond_capacity: Literal["queue", "cliff", "thrash"] = choice("queue", "cliff", "thrash")
    """More requests wait in line, are refused at once, or slow down all of them."""
    cliff_answer: Literal["429", "50000"] = choice("429", "50000")
    """What ``cliff`` answers: HTTP 429 without ``Retry-After``, or 50000; nothing is applied."""
    thrash_exponent: float = number(2.0, 0, 10)
    """With ``thrash``, n requests take 1 + (n / capacity) ^ exponent times as long."""

    def __post_init__(self) -> None:
        check_fields(self)
