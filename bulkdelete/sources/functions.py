"""A Python function that begins anew as a source that can be read again; and what else a caller may give."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterable, Iterable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from bulkdelete.errors import SourceChanged, SourceRefused
from bulkdelete.sources.iterables import broken, from_iterable
from bulkdelete.sources.source import is_source

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

    from bulkdelete.records import Item, Rows
    from bulkdelete.sources.source import Records, Source

_Function: TypeAlias = "Callable[[], Iterable[Any] | AsyncIterable[Any]]"
_ITERABLE: Final = (Iterable, AsyncIterable)


def source_of(records: Records) -> Source:
    """Return *records* as a source, themselves where they are one.

    Raises:
        SourceRefused: they are no records, and nothing that gives any.

    """
    if is_source(records):
        return records
    if callable(records) and not isinstance(records, _ITERABLE):
        return FunctionSource(records)
    return from_iterable(records)


class FunctionSource:
    """The rows of the iterable that *function* returns, which is called again for each reading.

    Whether it gives the same rows again is its own affair, as whether a file stays the same is not ours; that row 0 is
    another one, as that of an iterator which was read already is, is seen, and a ledger sees every change.

    *function* is called in the event loop, and only what it returns is read as :func:`from_iterable` says: what blocks
    belongs into a generator function, all of which runs in the thread.
    """

    name = "a function"
    paths = ()
    files = ()
    replayable = True
    size_bytes = None
    position_bytes = 0
    rows_read = 0

    def __init__(self, function: _Function) -> None:
        if inspect.iscoroutinefunction(function):
            raise SourceRefused(
                "an async function that returns holds no records. Nothing was sent. Let it yield them (an async "
                "generator), or await it and pass what it returns"
            )
        self._function = function
        self._begins_with: Sequence[Item] | None = None
        self.identity: Mapping[str, str] = {"kind": "function"}

    @property
    def parts(self) -> tuple[FunctionSource]:
        """Itself."""
        return (self,)

    async def blocks(self) -> AsyncGenerator[Rows, None]:
        """Yield the rows of a new reading.

        Raises:
            SourceChanged: row 0 is not the one of the reading before.
            SourceRefused: the function returned no records.
            SourceError: it raised, or what it returned did, after the rows before that were yielded.

        """
        begins_with: Sequence[Item] | None = None
        async with aclosing(self._begun().blocks()) as blocks:
            async for rows in blocks:
                if begins_with is None:
                    begins_with = rows.items[:1]
                    self._check_again(begins_with)
                yield rows
        if begins_with is None:
            self._check_again(())

    async def fingerprint(self) -> str:
        """Return nothing: it has no bytes, and a ledger knows it by the digests of its rows."""
        return ""

    def _begun(self) -> Source:
        try:
            records = self._function()
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            raise broken(0, error) from error
        source = from_iterable(records)
        source.in_one_order = True  # as the ledger that there may be knows it by its rows
        return source

    def _check_again(self, begins_with: Sequence[Item]) -> None:
        if self._begins_with is None:
            self._begins_with = begins_with
        elif list(self._begins_with) != list(begins_with):
            raise SourceChanged(
                "the function does not give the same records again: its first one is another. Nothing was sent from "
                "there on. Let it begin anew each time it is called, as a generator function does, and not return an "
                "iterator that was read before"
            )
