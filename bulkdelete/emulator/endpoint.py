"""One delete request, from its bytes to its effect or the code that refuses it; nothing of HTTP.

The checks stand in the order in which the API makes them: the key, the shape of the JSON, the table, the permission,
the entries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from bulkdelete.emulator.answers import INVALID, NO_PERMISSION, UNAUTHORIZED, Refused
from bulkdelete.records import Filter
from bulkdelete.settings import MAX_RECORDS_PER_REQUEST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulkdelete.emulator.keys import Keys
    from bulkdelete.emulator.store import Store


class DeleteEndpoint:
    """``POST /v2/database/delete/record`` on *store* for *keys*; *refuse_unknown*: an unknown record is 40000."""

    def __init__(self, store: Store, keys: Keys, *, refuse_unknown: bool) -> None:
        self._store = store
        self._keys = keys
        self._refuse_unknown = refuse_unknown

    def apply(self, key: str | None, body: bytes) -> Sequence[str]:
        """Delete what *body* names, all of it or nothing; return the record ids, also those that were not there.

        Raises:
            Refused: with the code of the first check that fails.

        """
        if key is None or not self._keys.known(key):
            raise Refused(UNAUTHORIZED)
        table_id, entries = read_body(body)
        table = self._store.table(table_id)
        if not self._keys.allows(key, table_id):
            raise Refused(NO_PERMISSION)
        ids, filters = read_entries(entries, table.unique_columns)
        return self._store.delete(table, ids, filters, refuse_unknown=self._refuse_unknown)


def read_body(body: bytes) -> tuple[str, list[Any]]:
    """Return the table id and the entries. Raises :class:`Refused` with 40000 where *body* has another shape."""
    try:
        request = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Refused(INVALID) from None
    if not isinstance(request, dict):
        raise Refused(INVALID)
    table_id, entries = request.get("table_id"), request.get("delete_data")
    if not isinstance(table_id, str) or not isinstance(entries, list):
        raise Refused(INVALID)
    return table_id, entries


def read_entries(entries: Sequence[Any], unique_columns: frozenset[str]) -> tuple[list[str], list[Filter]]:
    """Return the ids and the filters in *entries*; a ``record_id`` goes before a filter beside it.

    Raises:
        Refused: with 40000, for none or too many of them, or for one that is neither.

    """
    if not 0 < len(entries) <= MAX_RECORDS_PER_REQUEST or not all(isinstance(entry, dict) for entry in entries):
        raise Refused(INVALID)
    ids = [entry["record_id"] for entry in entries if "record_id" in entry]
    if not all(isinstance(record_id, str) for record_id in ids):
        raise Refused(INVALID)
    filters = [read_filter(entry, unique_columns) for entry in entries if "record_id" not in entry]
    return ids, filters


def read_filter(entry: dict[str, Any], unique_columns: frozenset[str]) -> Filter:
    """Return the filter of *entry*. Raises :class:`Refused` with 40000 unless it equates one unique column."""
    wanted = entry.get("filter")
    if not isinstance(wanted, dict) or len(wanted) != 1:
        raise Refused(INVALID)
    ((column, value),) = wanted.items()
    if column not in unique_columns or not isinstance(value, str | int | float | bool):
        raise Refused(INVALID)
    return Filter(column, value)
