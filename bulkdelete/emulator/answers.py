"""What the API says: its codes and messages word for word, in the three envelopes that its vendor documents."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias, get_args

if TYPE_CHECKING:
    from collections.abc import Mapping

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
ERROR_STATUSES: Final = get_args(ErrorStatus)

JSON_TYPE: Final = "application/json"


class Reply(NamedTuple):
    """An HTTP answer."""

    status: int
    content_type: str
    body: bytes


BAD_GATEWAY: Final = Reply(
    502,
    "text/html",
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n"
    b"<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n",
)


class Refused(Exception):
    """The API refuses a request; ``code`` says why, and nothing of the request was applied."""

    def __init__(self, code: int) -> None:
        super().__init__(f"{code} {MESSAGES[code]}")
        self.code = code


@cache
def reply(code: int, error_status: ErrorStatus) -> Reply:
    """Return the answer that carries *code*."""
    if code == OK or error_status == "200":
        return Reply(200, JSON_TYPE, _json({"code": code, "message": MESSAGES[code]}))
    status = _HTTP_STATUSES[code]
    if error_status == "http":
        return Reply(status, JSON_TYPE, _json({"code": code, "message": MESSAGES[code]}))
    return Reply(status, JSON_TYPE, _json({"error": {"code": str(code), "message": MESSAGES[code], "status": status}}))


def too_many_requests(*, as_json: bool) -> Reply:
    """Return the HTTP 429 of a gate before the API: plain text, or JSON with code 40008."""
    if as_json:
        return Reply(429, JSON_TYPE, _json({"code": MINUTE_LIMIT, "message": MESSAGES[MINUTE_LIMIT]}))
    return Reply(429, "text/plain", b"Too Many Requests")


def _json(answer: dict[str, Any]) -> bytes:
    return json.dumps(answer).encode()
