"""``POST /v1/database/records/page``: a table's records, a page at a time, and how many there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from bulkdelete.emulator.answers import INVALID, MESSAGES, OK, Effect, Refused
from bulkdelete.emulator.endpoint import read_filter, read_request, table_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bulkdelete.emulator.keys import Keys
    from bulkdelete.emulator.pages import Pages, Record
    from bulkdelete.emulator.store import Store, Table
    from bulkdelete.emulator.switches import Switches
    from bulkdelete.records import Filter

PAGE_PATH: Final = "/v1/database/records/page"
"""Where the page endpoint is, below the base URL."""
_MOST_RECORDS: Final = 100
_HIGHEST_PAGE: Final = 2**53


class PageEndpoint:
    """Reads *pages* of *store* for *keys*; *switches* gives those in force."""

    def __init__(self, store: Store, pages: Pages, keys: Keys, switches: Callable[[], Switches]) -> None:
        self._store = store
        self._pages = pages
        self._keys = keys
        self._switches = switches

    def __call__(self, key: str, body: bytes) -> Effect:
        """Return the page that *body* asks for; records are ordered by the text of their ids.

        Raises:
            Refused: with the code of the first check that fails.

        """
        self._keys.require(key)
        request = read_request(body)
        table = table_of(request, key, self._store, self._keys)
        size = _whole(request.get("page_size"), _MOST_RECORDS)
        skipped = (_whole(request.get("page"), _HIGHEST_PAGE) - 1) * size
        keyword = "" if request.get("keyword") is None else request["keyword"]
        if not isinstance(keyword, str):
            raise Refused(INVALID)
        if request.get("filter") is not None:
            found = self._filtered(table, request["filter"], keyword)
            return self._answer(table, found[skipped : skipped + size], len(found))
        if keyword:
            return self._answer(table, *self._pages.search(table, keyword, skipped, size))
        return self._answer(table, self._pages.read(table, skipped, size), table.records)

    def _filtered(self, table: Table, given: object, keyword: str) -> Sequence[Record]:
        ignore_others = self._switches().other_columns == "ignored"
        wanted: Filter | None = read_filter(given, table.unique_columns, ignore_others=ignore_others)
        record_id = None if wanted is None else self._store.find(table, wanted)
        return () if record_id is None else self._pages.one(table, record_id, keyword)

    def _answer(self, table: Table, records: Sequence[Record], total_count: int) -> Effect:
        page: dict[str, Any] = {
            "table_info": {"table_id": table.table_id, "unique_columns": sorted(table.unique_columns)},
            "records": [record.as_json() for record in records],
            "total_count": total_count,
        }
        wrapped = self._switches().page_answer == "wrapped"
        answer = {"code": OK, "message": MESSAGES[OK], "data": page} if wrapped else page
        return Effect(OK, content=orjson.dumps(answer))


def _whole(value: object, most: int) -> int:
    if type(value) is not int or not 1 <= value <= most:
        raise Refused(INVALID)
    return value
