"""What the emulator has seen, for tests that must know what was asked and what was done."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bulkdelete.emulator.answers import Refused
from bulkdelete.emulator.endpoint import read_request

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request.

    ``path`` is that of the endpoint, as in "/v2/database/delete/record". ``request_id`` is its ``X-Request-Id`` header,
    else empty. ``applied`` are the record ids that are gone since, also those that were not there before; it is empty
    where nothing was applied. ``answer`` is the code in the answer, or "dropped", "html" (the HTTP 502), "429",
    "not_json" or "empty".

    Example:
        >>> from bulkdelete.emulator import Emulator
        >>> async with Emulator(record_requests=True) as emulator:
        ...     emulator.load(TABLE_ID, ids)
        ...     async with BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key) as deleter:
        ...         report = await deleter.delete(TABLE_ID, ids[:1])
        ...     [request] = emulator.log
        >>> request.path, request.table_id == TABLE_ID, request.entries, list(request.applied), request.answer
        ('/v2/database/delete/record', True, [{'record_id': '541278230707963208'}], ['541278230707963208'], 0)

    """

    path: str
    request_id: str
    body: bytes = field(repr=False)
    applied: Sequence[str] = field(repr=False)
    answer: int | str

    @property
    def entries(self) -> list[Any]:
        """The entries of ``delete_data`` as they came; empty where the body could not be read."""
        entries = self._read().get("delete_data")
        return entries if isinstance(entries, list) else []

    @property
    def table_id(self) -> str:
        """The table as it was named; empty where the body could not be read."""
        table_id = self._read().get("table_id")
        return table_id if isinstance(table_id, str) else ""

    def _read(self) -> dict[str, Any]:
        try:
            return read_request(self.body)
        except Refused:
            return {}


class Seen:
    """Counts of the requests received and the answers given, and the last *logged* requests answered."""

    def __init__(self, logged: int) -> None:
        self.requests = 0
        self.answers: Counter[int | str] = Counter()
        self.log: deque[LoggedRequest] = deque(maxlen=logged)

    def answered(self, request: LoggedRequest) -> None:
        """Take note of an answer."""
        self.answers[request.answer] += 1
        self.log.append(request)
