"""Iterators, which give their records once: none is read by two, or taken for one that has no records once it was read.

What this process has read is known by its ``id`` for as long as it is there. What cannot be referenced weakly, such as
a ``map``, is kept until a later call finds that nobody else has it any more: another could get its ``id``.
"""

from __future__ import annotations

import inspect
import sys
import weakref
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from itertools import islice
from threading import RLock
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from bulkdelete.errors import SourceRefused

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from bulkdelete.records import Rows

ITERATORS: Final = (Iterator, AsyncIterator)
_Once: TypeAlias = Iterator[Any] | AsyncIterator[Any]
_GIVE_ANOTHER: Final = "Nothing was sent. Pass a new one, or the function that makes it"
_LOOKED_AT: Final = 8
"""So many of those that are kept are looked at before each reading, or to look would take longer the more there are."""


@dataclass(slots=True)
class _Reading:
    """The last reading of an iterator: whether it *goes_on*, and else whether it was *whole*."""

    goes_on: bool = True
    whole: bool = False
    weakly: weakref.ref[Any] | None = None


_readings: Final[dict[int, _Reading]] = {}
_kept: Final[dict[int, object]] = {}
_LIKE_IT: Final = {0: object()}
_BY_US: Final = sys.getrefcount(_LIKE_IT[0])
"""How many references there are to what is kept, where nobody else has it."""
_lock: Final = RLock()


def read_once(iterator: _Once, rows: AsyncGenerator[Rows, None], *, or_none: bool) -> AsyncGenerator[Rows, None]:
    """Yield *rows*, those of *iterator*; none where it was read to its end before, and with *or_none* that may be.

    Raises:
        SourceRefused: it is being read, or was read before; also later, where that is so when its reading begins.

    """
    _check(iterator, or_none=or_none)
    return _read(iterator, rows, or_none=or_none)


async def _read(iterator: _Once, rows: AsyncGenerator[Rows, None], *, or_none: bool) -> AsyncGenerator[Rows, None]:
    was_whole, is_whole, is_empty = _begin(iterator, or_none=or_none), False, True
    try:
        async with aclosing(rows):
            async for block in rows:
                is_empty = False
                yield block
        is_whole = True
    finally:
        _end(iterator, is_whole=is_whole)
    if was_whole and is_empty and not or_none:
        raise SourceRefused(
            f"an earlier call read this iterator to its end, and no records are left in it. {_GIVE_ANOTHER}; where "
            "none are meant, an empty list"
        )


def is_entered(generator: object) -> bool:
    """Return whether *generator* is one that somebody is in, and that cannot be read or closed meanwhile."""
    if inspect.isgenerator(generator):
        return generator.gi_running
    return inspect.isasyncgen(generator) and generator.ag_running


def _is_spent(iterator: object) -> bool:
    """Return whether *iterator* is a generator that was read to its end, or closed."""
    if inspect.isgenerator(iterator):
        return iterator.gi_frame is None
    return inspect.isasyncgen(iterator) and iterator.ag_frame is None


def _check(iterator: _Once, *, or_none: bool) -> None:
    """Raise :class:`SourceRefused` where *iterator* is being read, or was not read to its end before."""
    before = _readings.get(id(iterator))
    if _is_spent(iterator):
        if or_none:
            return
        raise SourceRefused(
            f"the generator was read to its end or closed before, as it is when a call ends. {_GIVE_ANOTHER}"
        )
    if is_entered(iterator) or (before is not None and before.goes_on):
        raise SourceRefused(f"the iterator is being read by somebody else, such as another call. {_GIVE_ANOTHER}")
    if before is not None and not before.whole:
        raise SourceRefused(
            "an earlier call began to read this iterator, and did not come to its end: what it took is not in it any "
            f"more. {_GIVE_ANOTHER}"
        )


def _begin(iterator: _Once, *, or_none: bool) -> bool:
    """Take note that *iterator* is read now; return whether it was read to its end before."""
    let_go()
    with _lock:
        _check(iterator, or_none=or_none)
        before = _readings.get(id(iterator))
        if before is None:
            _remember(iterator)
            return False
        before.goes_on = True
        return before.whole


def _end(iterator: _Once, *, is_whole: bool) -> None:
    reading = _readings[id(iterator)]
    reading.whole = is_whole
    reading.goes_on = False


def _remember(iterator: _Once) -> None:
    key, reading = id(iterator), _Reading()
    try:
        reading.weakly = weakref.ref(iterator, lambda _: _readings.pop(key, None))
    except TypeError:
        _kept[key] = iterator
    _readings[key] = reading


def let_go() -> None:
    """Forget some of what is kept and nobody else has."""
    if not _kept:
        return
    with _lock:
        gone = []
        for key in [*islice(_kept, _LOOKED_AT)]:
            if sys.getrefcount(_kept[key]) > _BY_US:
                _kept[key] = _kept.pop(key)  # to the end, so that all are looked at
            else:
                gone.append(_kept.pop(key))
                del _readings[key]
    del gone  # without the lock: whatever is in them may end now, too
