"""What the API says: its codes and messages word for word, in the three envelopes that its vendor documents."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OK: Final = 0
INVALID: Final = 40000
INTERNAL_ERROR: Final = 50000
TABLE_NOT_FOUND: Final = 403106
NO_PERMISSION: Final = 403131
UNAUTHORIZED: Final = 40127
MINUTE_LIMIT: Final = 40008

MESSAGES: Final[Mapping[int, str]] = {
    OK: "OK",
    INVALID: "Invalid parameters",
    INTERNAL_ERROR: "Internal system error",
    TABLE_NOT_FOUND: "Table not found",
    NO_PERMISSION: "No permission to access table",
    UNAUTHORIZED: "Authentication failed",
    MINUTE_LIMIT: "The limit of requests per minute is exceeded",
}
_HTTP_STATUSES: Final[Mapping[int, int]] = {
    OK: 200,
    INVALID: 400,
    INTERNAL_ERROR: 500,
    TABLE_NOT_FOUND: 403,
    NO_PERMISSION: 403,
    UNAUTHORIZED: 401,
    MINUTE_LIMIT: 429,
}

ErrorStatus: TypeAlias = Literal["200", "http", "envelope"]
"""The HTTP status of an error: 200 with the code; 4xx or 5xx with the code; or the same with the ``error`` envelope."""
BodyOf429: TypeAlias = Literal["text", "json"]
"""The body of an HTTP 429: text, or JSON with code 40008."""

DROPPED: Final = "dropped"
HTML: Final = "html"
TOO_MANY_REQUESTS: Final = "429"
NOT_JSON: Final = "not_json"
EMPTY: Final = "empty"

JSON_TYPE: Final = "application/json"


class Reply(NamedTuple):
    """An HTTP answer."""

    status: int
    content_type: str
    body: bytes


class Effect(NamedTuple):
    """What a request did, and how it is answered.

    ``answer`` is a code, or one of the words above where there is none; ``applied`` are the record ids that are gone
    since; ``content`` is what success says beyond its code.
    """

    answer: int | str
    applied: Sequence[str] = ()
    content: bytes | None = None


_TEXT: Final = "text/plain"
_WITHOUT_CODE: Final[Mapping[str, Reply]] = {
    HTML: Reply(
        502,
        "text/html",
        b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>"
        b"\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n",
    ),
    TOO_MANY_REQUESTS: Reply(429, _TEXT, b"Too Many Requests"),
    NOT_JSON: Reply(200, _TEXT, b"OK"),
    EMPTY: Reply(200, JSON_TYPE, b""),
}


class Refused(Exception):
    """The API refuses a request; ``code`` says why, and nothing of the request was applied."""

    def __init__(self, code: int) -> None:
        super().__init__(f"{code} {MESSAGES[code]}")
        self.code = code


def reply_to(effect: Effect, error_status: ErrorStatus, body_of_429: BodyOf429) -> Reply:
    """Return the answer that says *effect*."""
    if effect.content is not None and effect.answer == OK:
        return Reply(200, JSON_TYPE, effect.content)
    if isinstance(effect.answer, int):
        return _with_code(effect.answer, error_status)
    if effect.answer == TOO_MANY_REQUESTS and body_of_429 == "json":
        return _with_code(MINUTE_LIMIT, "http")
    return _WITHOUT_CODE[effect.answer]


@cache
def _with_code(code: int, error_status: ErrorStatus) -> Reply:
    if code == OK or error_status == "200":
        return Reply(200, JSON_TYPE, _json({"code": code, "message": MESSAGES[code]}))
    status = _HTTP_STATUSES[code]
    if error_status == "http":
        return Reply(status, JSON_TYPE, _json({"code": code, "message": MESSAGES[code]}))
    return Reply(status, JSON_TYPE, _json({"error": {"code": str(code), "message": MESSAGES[code], "status": status}}))


def _json(answer: dict[str, Any]) -> bytes:
    return json.dumps(answer).encode()
