"""``POST /v2/database/delete/record``: from a body to its effect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from bulkdelete.emulator.answers import INVALID, OK, Effect, Refused
from bulkdelete.emulator.endpoint import read_filter, read_request, table_of
from bulkdelete.settings import MAX_RECORDS_PER_REQUEST

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bulkdelete.emulator.keys import Keys
    from bulkdelete.emulator.store import Store, Table
    from bulkdelete.emulator.switches import Switches

PATH: Final = "/v2/database/delete/record"
"""Where the delete endpoint is, below the base URL."""


class _Screened(NamedTuple):
    """The record ids of a request's good entries, and whether all its entries are good."""

    ids: Sequence[str]
    all_good: bool


class DeleteEndpoint:
    """Deletes from *store* for *keys*; *switches* gives those in force."""

    def __init__(self, store: Store, keys: Keys, switches: Callable[[], Switches]) -> None:
        self._store = store
        self._keys = keys
        self._switches = switches

    def __call__(self, key: str, body: bytes) -> Effect:
        """Delete what *body* names; the effect names the record ids, also those that were not there.

        Raises:
            Refused: with the code of the first check that fails.

        """
        self._keys.require(key)
        request = read_request(body)
        entries = request.get("delete_data")
        if not isinstance(entries, list):
            raise Refused(INVALID)
        table = table_of(request, key, self._store, self._keys)
        switches = self._switches()
        if len(entries) > MAX_RECORDS_PER_REQUEST or (not entries and switches.empty_request == "40000"):
            raise Refused(INVALID)
        screened = self._screen(table, entries, switches)
        if not screened.all_good and switches.atomicity == "all_or_nothing":
            raise Refused(INVALID)
        self._store.delete(table, screened.ids)
        return Effect(OK if screened.all_good else INVALID, screened.ids)

    def _screen(self, table: Table, entries: Sequence[Any], switches: Switches) -> _Screened:
        named = [self._named(table, entry, switches) for entry in entries]
        ids = [one for one in named if isinstance(one, str)]
        if not table.poisoned.isdisjoint(ids):
            ids = [record_id for record_id in ids if record_id not in table.poisoned]
        if switches.duplicates == "40000":
            ids = list(dict.fromkeys(ids))
        if switches.unknown_ids == "40000":
            ids = [record_id for record_id in ids if self._store.holds(table, record_id)]
        return _Screened(ids, all_good=len(ids) + named.count(_NOTHING) == len(entries))

    def _named(self, table: Table, entry: object, switches: Switches) -> str | int:
        """Return the record id that *entry* names, ``_NOTHING``, or ``_BAD``; an id goes before a filter beside it."""
        if not isinstance(entry, dict):
            return _BAD
        if "record_id" in entry:
            record_id = entry["record_id"]
            return record_id if isinstance(record_id, str) else _BAD
        ignore_others = switches.other_columns == "ignored"
        try:
            wanted = read_filter(entry.get("filter"), table.unique_columns, ignore_others=ignore_others)
        except Refused:
            return _BAD
        if wanted is None:
            return _NOTHING
        found = self._store.find(table, wanted)
        if found is None:
            return _NOTHING if switches.unknown_ids == "ignored" else _BAD
        return found


_NOTHING: Final = 0
_BAD: Final = 1
