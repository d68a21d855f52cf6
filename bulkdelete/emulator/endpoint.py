"""What the API's endpoints have in common: a request's body, its filters, and who may ask; nothing of HTTP.

The checks stand in the order in which the API makes them: the key, the shape of the JSON, the table, the permission,
and then what the endpoint itself asks for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import orjson

from bulkdelete.emulator.answers import INVALID, Effect, Refused
from bulkdelete.records import Filter

if TYPE_CHECKING:
    from bulkdelete.emulator.keys import Keys
    from bulkdelete.emulator.store import Store, Table

Endpoint: TypeAlias = Callable[[str, bytes], Effect]
"""A key and a body in, the effect out. Raises :class:`Refused`, and has then done nothing."""


def read_request(body: bytes) -> dict[str, Any]:
    """Return the JSON object in *body*. Raises :class:`Refused` with 40000 where it is none."""
    try:
        request = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Refused(INVALID) from None
    if not isinstance(request, dict):
        raise Refused(INVALID)
    return request


def table_of(request: dict[str, Any], key: str, store: Store, keys: Keys) -> Table:
    """Return the table that *request* names. Raises :class:`Refused` where there is none, or *key* may not use it."""
    table_id = request.get("table_id")
    if not isinstance(table_id, str):
        raise Refused(INVALID)
    table = store.table(table_id)
    keys.require_table(key, table_id)
    return table


def read_filter(given: object, unique_columns: frozenset[str], *, ignore_others: bool) -> Filter | None:
    """Return the filter in *given*, ``None`` for one on another column with *ignore_others*.

    Raises:
        Refused: with 40000, unless it equates one column with a value.

    """
    if not isinstance(given, dict) or len(given) != 1:
        raise Refused(INVALID)
    ((column, value),) = given.items()
    if not isinstance(value, str | int | float | bool) or (column not in unique_columns and not ignore_others):
        raise Refused(INVALID)
    return Filter(column, value) if column in unique_columns else None
