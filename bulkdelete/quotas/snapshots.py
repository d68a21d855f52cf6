"""What is kept of the quotas between processes: its plain form, and the reading of it, which believes nothing."""

from __future__ import annotations

import math
import zlib
from array import array
from typing import Any, Final, NamedTuple

from bulkdelete.quotas.windows import SECONDS

VERSION: Final = 1
_MOST_REQUESTS: Final = 10**15
_MOST_UNIX_SECONDS: Final = 1e12
_MOST_ROWS: Final = 1000


class Kept(NamedTuple):
    """A snapshot that could be read. Times are Unix seconds.

    *origin* names the process that wrote it, in which *requests* were counted by then; old ones name none. *number*
    is its place among those of that process; 0 where an earlier version wrote it, which did not vouch for it.
    """

    allowance: int | None
    clean: bool
    spent: dict[str, list[tuple[float, int]]]
    told: list[tuple[float, float, int, int]]
    origin: str = ""
    requests: int = 0
    number: int = 0


def write(kept: Kept) -> dict[str, Any]:
    """Return the plain form of *kept*."""
    return {
        "version": VERSION,
        "number": kept.number,
        "origin": kept.origin,
        "requests": kept.requests,
        "allowance": kept.allowance,
        "clean": kept.clean,
        "spent": {unit: [list(part) for part in parts] for unit, parts in kept.spent.items()},
        "told": [list(promise) for promise in kept.told],
        "sum": _sum(kept),
        "number_sum": _number_sum(kept),
    }


def read(snapshot: object) -> Kept:
    """Return what *snapshot* says; raise ``ValueError`` where anything in it is not as it was written."""
    if not isinstance(snapshot, dict) or type(snapshot.get("version")) is not int or snapshot["version"] != VERSION:
        raise ValueError("this is no snapshot of quotas")
    allowance, clean, spent = (snapshot.get(name) for name in ("allowance", "clean", "spent"))
    if allowance is not None:
        _count(allowance)
    if type(clean) is not bool or not isinstance(spent, dict) or not {*spent} <= {*SECONDS}:
        raise ValueError("this snapshot of quotas is damaged")
    parts = {unit: [(_time(at), _count(n)) for at, n in _rows(rows, 2)] for unit, rows in spent.items()}
    told = [
        (_time(reset), _time(ends), _count(left, 0), _count(limit, 0))
        for reset, ends, left, limit in _rows(snapshot.get("told"), 4)
    ]
    origin, requests = snapshot.get("origin", ""), snapshot.get("requests")
    if not isinstance(origin, str):
        raise ValueError("this snapshot of quotas is damaged: its origin is none")  # noqa: TRY004 - as all of it
    kept = Kept(allowance, clean, parts, told, origin, _count(requests, 0))
    if snapshot.get("sum") != _sum(kept):
        raise ValueError("this snapshot of quotas is damaged: its sum is another")
    numbered = kept._replace(number=_count(snapshot.get("number", 0), 0))
    return numbered if snapshot.get("number_sum") == _number_sum(numbered) else kept


def _number_sum(kept: Kept) -> int:
    """Return the sum that vouches for the number beside the other one, which earlier versions read too."""
    return zlib.crc32(f"{kept.number} {_sum(kept)}".encode())


def _sum(kept: Kept) -> int:
    if kept.origin:
        return zlib.crc32(f"{kept.origin} {kept.requests}".encode("utf-8", "replace"), _sum(kept._replace(origin="")))
    numbers: list[float] = [-1 if kept.allowance is None else kept.allowance, kept.clean, len(kept.told)]
    for promise in kept.told:
        numbers += promise
    for unit, seconds in SECONDS.items():
        if unit in kept.spent:
            numbers.append(seconds)
            for part in kept.spent[unit]:
                numbers += part
    return zlib.crc32(array("d", numbers).tobytes())


def _rows(rows: object, columns: int) -> list[Any]:
    if not isinstance(rows, list) or len(rows) > _MOST_ROWS:
        raise ValueError("this snapshot of quotas is damaged")
    if any(not isinstance(row, list | tuple) or len(row) != columns for row in rows):
        raise ValueError("this snapshot of quotas is damaged")
    return rows


def _count(value: object, least: int = 1) -> int:
    if type(value) is not int or not least <= value <= _MOST_REQUESTS:
        raise ValueError("this snapshot of quotas is damaged: a count is none")
    return value


def _time(value: object) -> float:
    if type(value) not in {int, float}:
        raise ValueError("this snapshot of quotas is damaged: a time is none")
    seconds = float(value)  # type: ignore[arg-type]  # an int or a float, as checked above
    if not math.isfinite(seconds) or not 0 <= seconds <= _MOST_UNIX_SECONDS:
        raise ValueError("this snapshot of quotas is damaged: a time is none")
    return seconds
