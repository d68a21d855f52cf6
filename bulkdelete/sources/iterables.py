"""A Python iterable, sync or async, as a source."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncGenerator, AsyncIterable, Collection, Iterable
from contextlib import suppress
from heapq import merge
from itertools import islice
from threading import Event
from typing import TYPE_CHECKING, Any, Final

from bulkdelete.errors import SourceError, SourceRefused
from bulkdelete.masking import without_passwords
from bulkdelete.records import Rows
from bulkdelete.sources.given import are_strings, as_items
from bulkdelete.sources.once import ITERATORS, is_entered, let_go, read_once
from bulkdelete.sources.threads import from_thread

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    from bulkdelete.records import Filter

MOST_ITEMS: Final = 4096
LONGEST_BLOCK_SECONDS: Final = 0.05
_IN_MEMORY: Final = frozenset({list, tuple, set, frozenset})


def from_iterable(records: Iterable[str | Filter] | AsyncIterable[str | Filter]) -> IterableSource:
    """Return *records* as a source; nothing is taken from it yet.

    A list, tuple or other collection is read in the event loop; a list as it is when its reading begins, however it is
    changed meanwhile. Any other iterable, such as a generator or a database cursor, is iterated in a thread of its own,
    with the context variables of whoever reads it, so that it may block without blocking the loop; it is read at most
    one block ahead. So is a set of whose rows a ledger is kept, in ascending order: its own is another one in each
    process. An async iterable is awaited in the loop. Generators are closed when the reading ends.

    An iterator gives its records once: one that somebody else reads, or that was read before, is refused, unless it was
    read to its end and begins anew, as a file does that was wound back.

    What blocks in its thread for ever does not keep a call from ending, but the process, which waits for its threads:
    let what may block have a timeout.

    Raises:
        SourceRefused: *records* is a single string, or nothing that can be iterated.

    """
    if isinstance(records, str | bytes | bytearray):
        raise SourceRefused(
            "a single string is an iterable of characters; pass [id], or open_source(path) for a file. Nothing was sent"
        )
    if not isinstance(records, Iterable | AsyncIterable):
        raise SourceRefused(
            f"an object of type {type(records).__name__} holds no records. Nothing was sent. "
            "Pass an iterable of record ids and filters, a function that returns one, or open_source(path) for a file"
        )
    let_go()
    return IterableSource(records)


class IterableSource:
    """The rows of a Python iterable of ``str`` and ``Filter``; whatever else it gives is a Defect in its place."""

    name = "an iterable"
    paths = ()
    files = ()
    replayable = False
    size_bytes = None
    position_bytes = 0
    rows_read = 0

    def __init__(self, records: Iterable[Any] | AsyncIterable[Any]) -> None:
        self._records = records
        self._begun = False
        self.in_one_order = False
        """Whether a set is to give its rows in the same order in every process, which takes five times as long."""
        self.may_be_used_up = False
        """Whether an iterator that was read to its end before counts as one without records, and is not refused."""
        self.identity: Mapping[str, str] = {"kind": "iterable"}

    @property
    def parts(self) -> tuple[IterableSource]:
        """Itself."""
        return (self,)

    def blocks(self) -> AsyncGenerator[Rows, None]:
        """Yield the rows.

        Raises:
            SourceError: the iterable raised, after the rows before that were yielded; or it was read already.
            SourceRefused: it is an iterator that somebody else has read, or is reading.

        """
        self.begin()
        rows = self._rows()
        if isinstance(self._records, ITERATORS):
            return read_once(self._records, rows, or_none=self.may_be_used_up)
        return rows

    def _rows(self) -> AsyncGenerator[Rows, None]:
        records = self._records
        if isinstance(records, AsyncIterable):
            return _awaited(records)
        if isinstance(records, set | frozenset) and self.in_one_order:
            return from_thread(lambda stop: _cut(_ascending(records), stop, MOST_ITEMS))
        if isinstance(records, Collection):
            return _at_hand(_as_it_is(records))
        return from_thread(lambda stop: _cut(records, stop, 1))

    def begin(self) -> None:
        """Take note that it is read now. Raises :class:`SourceError` where it was before."""
        if self._begun:
            raise SourceError("the iterable was read already, and it can be read only once")
        self._begun = True

    def at_once(self, most: int) -> list[str] | None:
        """Return a copy of the records where they are texts in memory, at most so many, and nobody has read them."""
        records: Any = self._records
        if self._begun or type(records) not in _IN_MEMORY or len(records) > most:
            return None
        return list(records) if are_strings(records) else None

    def beginning(self, most: int) -> list[Any]:
        """Return the first records of a collection; of what gives its records once none, and nothing is taken."""
        first: list[Any] = []
        if isinstance(self._records, Collection):
            with suppress(Exception):  # whoever reads it meets that too, and tells of it
                first.extend(islice(self._records, most))
        return first

    async def fingerprint(self) -> str:
        """Return nothing: what can be read once has no fingerprint."""
        return ""


def _ascending(records: set[Any] | frozenset[Any]) -> Iterator[Any]:
    """Yield *records* in order; sorted in pieces, as one long sort would keep the event loop waiting."""
    iterator = iter(records)
    pieces = list(iter(lambda: list(islice(iterator, MOST_ITEMS)), []))
    place = None if all(map(are_strings, pieces)) else _place
    for piece in pieces:
        piece.sort(key=place)
    yield from merge(*pieces, key=place)


def _place(given: object) -> str:
    return repr(as_items([given])[0])


def _as_it_is(records: Collection[Any]) -> Collection[Any]:
    """Return *records*, copied where they are a list, which does not notice that it is changed while it is iterated."""
    is_list = isinstance(records, list) and type(records).__iter__ is list.__iter__
    return [*records] if is_list else records


async def _at_hand(records: Collection[Any]) -> AsyncGenerator[Rows, None]:
    for rows in _cut(records, Event(), MOST_ITEMS):
        yield rows


def _cut(records: Iterable[Any], stop: Event, size: int) -> Generator[Rows, None, None]:
    """Yield blocks of *size* items at first, then smaller or larger ones by how long they take to come."""
    row, iterator = 0, None
    try:
        while not stop.is_set():
            block: list[Any] = []
            problem, began = None, time.monotonic()
            try:
                iterator = iter(records) if iterator is None else iterator
                block.extend(islice(iterator, size))  # keeps what came before an exception
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException as error:  # noqa: BLE001 - the caller's iterable may raise any
                problem = error
            if block:
                yield Rows(row, as_items(block))
                row += len(block)
            if problem is not None:
                raise broken(row, problem) from problem
            if len(block) < size:
                return
            slow = time.monotonic() - began > LONGEST_BLOCK_SECONDS
            size = max(1, size // 2) if slow else min(2 * size, MOST_ITEMS)
    finally:
        if inspect.isgenerator(iterator) and not is_entered(iterator):
            iterator.close()


async def _awaited(records: AsyncIterable[Any]) -> AsyncGenerator[Rows, None]:
    row, ended, iterator = 0, False, None
    task = asyncio.current_task()
    cancelled_before = task.cancelling() if task else 0
    try:
        while not ended:
            block: list[Any] = []
            problem: BaseException | None = None
            try:
                iterator = aiter(records) if iterator is None else iterator
                ended = await _fill(block, iterator)
            except asyncio.CancelledError as error:
                reader = asyncio.current_task()
                if reader is None or reader.cancelling():
                    raise
                problem = error  # something that the iterable awaited was cancelled, and not we
            except (KeyboardInterrupt, SystemExit, GeneratorExit):
                raise
            except BaseException as error:  # noqa: BLE001 - the caller's iterable may raise any
                problem = error
            if block:
                yield Rows(row, as_items(block))
                row += len(block)
            if problem is not None:
                raise broken(row, problem) from problem
    finally:
        if inspect.isasyncgen(iterator):
            await _close(iterator, task, cancelled_before)


async def _close(generator: AsyncGenerator[Any, Any], task: asyncio.Task[Any] | None, cancelled_before: int) -> None:
    """Close *generator*, which was first read in *task*.

    Raises:
        SourceError: it raised, or it is what cancelled the task: as it is closed it takes that back.

    """
    cancelled = task.cancelling() if task else 0
    problem: BaseException | None = None
    try:
        await generator.aclose()
    except (asyncio.CancelledError, KeyboardInterrupt, SystemExit):
        raise
    except BaseExceptionGroup as errors:  # a task group wraps what closes the generator, too
        problem = errors if errors.split(GeneratorExit)[1] else None
    except BaseException as error:  # noqa: BLE001 - the caller's generator may raise any
        problem = error
    still_cancelled = task.cancelling() if task else 0
    if still_cancelled > cancelled_before:
        return  # by somebody who wants that
    if problem is None and cancelled > cancelled_before:
        problem = TimeoutError()
    if problem is not None:
        raise SourceError(
            f"the iterable broke off at a yield, while rows before it were worked on: {_said(problem)}. Nothing after "
            "them was taken. A timeout or a task group that holds a yield cancels whoever reads the generator: let no "
            "yield stand in one, mend what else was raised, and start again"
        ) from problem


async def _fill(block: list[Any], iterator: AsyncIterable[Any]) -> bool:
    """Append what comes until *block* is full or has taken long; return whether *iterator* has ended."""
    due = time.monotonic() + LONGEST_BLOCK_SECONDS
    async for item in iterator:
        block.append(item)
        if len(block) >= MOST_ITEMS or time.monotonic() > due:
            return False
    return True


def broken(row: int, problem: BaseException) -> SourceError:
    """Return what is said where what gives the records raises *problem*."""
    return SourceError(
        f"the iterable broke off before row {row}: {_said(problem)}. The rows before it are whole, and nothing after "
        "them was taken. Mend what gives the records, and start again"
    )


def _said(problem: BaseException) -> str:
    if isinstance(problem, BaseExceptionGroup):
        return ", ".join(_said(one) for one in problem.exceptions if not isinstance(one, GeneratorExit))
    return without_passwords(f"{type(problem).__name__}: {problem}".removesuffix(": "))
