"""What every source is: blocks of rows, from row 0, in order."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, runtime_checkable

from bulkdelete.errors import SourceError, SourceRefused

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Iterator, Sequence

    from typing_extensions import TypeIs

    from bulkdelete.records import Item, Record, Rows

Stamps: TypeAlias = Mapping[str, tuple[int, ...]]
"""Of each file: its size, when it was last written (ns), and which file it is."""
ESTIMATED_BY_BYTES: Final = 4 * 1024 * 1024
"""So much is read to estimate how many rows there are; a smaller source is read whole."""


@runtime_checkable
class Source(Protocol):
    """Where rows come from; one of your own may be given wherever records are taken.

    Where it is ``replayable``, nothing is copied, and each call of ``blocks()`` must give the same rows: with a ledger
    nothing is sent from the first range on that is another.

    Example:
        >>> from pathlib import Path
        >>> _ = Path("ids.txt").write_text(ids[0])
        >>> source = open_source("ids.txt")
        >>> source.name, source.paths, source.files, source.replayable, source.size_bytes
        ('ids.txt', ('ids.txt',), ('ids.txt',), True, 18)
        >>> async for rows in source.blocks():
        ...     print(list(rows.items))
        ['541278230707963208']
        >>> source.rows_read, source.position_bytes, source.identity["kind"], list(source.parts) == [source]
        (1, 18, 'text', True)
        >>> (await source.fingerprint())[:7]
        'sha256:'

    """

    @property
    def name(self) -> str:
        """The source for people: its path, "standard input", "an iterable" or "a function"."""

    @property
    def paths(self) -> tuple[str, ...]:
        """Where it was opened: files, directories, globs; nothing for what has no path."""

    @property
    def parts(self) -> Sequence[Source]:
        """The sources that it is made of, in their order; of one file, or of no file, that is itself."""

    @property
    def files(self) -> tuple[str, ...]:
        """The files that it reads; nothing for what has no path."""

    @property
    def identity(self) -> Mapping[str, str]:
        """What makes it the same source besides its rows: its kind and its parser's options, never its path."""

    @property
    def replayable(self) -> bool:
        """Whether it can be read again: a regular file, a function; not standard input, a FIFO, an iterable."""

    @property
    def size_bytes(self) -> int | None:
        """The size of the file as it lies on disk, or ``None`` where nobody knows."""

    @property
    def position_bytes(self) -> int:
        """How much of ``size_bytes`` has been read; 0 where nobody knows."""

    @property
    def rows_read(self) -> int:
        """How many rows that was, also of what is read ahead; 0 where nobody knows."""

    def blocks(self) -> AsyncGenerator[Rows, None]:
        """Yield the rows from row 0, in consecutive blocks; close the generator to stop earlier.

        Raises:
            SourceRefused: the source is not what its settings say, for example without the column.
            SourceError: the source broke, after the rows before that were yielded; or it was read already, and
                cannot be read twice.

        """

    async def fingerprint(self) -> str:
        """Return ``sha256:<hex>`` of a replayable file's bytes, and an empty string for any other source."""


Records: TypeAlias = (
    "Source | Iterable[Record] | AsyncIterable[Record] | Callable[[], Iterable[Record] | AsyncIterable[Record]]"
)
"""What a caller may give: a source, any iterable of record ids and filters, or a function that returns a new one.

A function is called in the event loop: what blocks belongs into a generator function, which runs in a thread.
"""


def is_source(thing: object) -> TypeIs[Source]:
    """Return whether *thing* is a source already, rather than an iterable of records."""
    return hasattr(thing, "blocks") and isinstance(thing, Source)  # the second look costs 20 times the first


def stamps(source: Source) -> Stamps:
    """Return what changes when somebody writes to a file of *source*, or puts another one in its place.

    Raises:
        SourceRefused: a file is gone.

    """
    if not source.replayable:
        return {}
    try:
        found = {path: os.stat(path) for path in source.files}  # noqa: PTH116 - names as given
    except OSError as error:
        raise SourceRefused(
            f"{error.filename} cannot be read any more: {error.strerror}. Nothing was sent. Give the source as it was"
        ) from None
    return {path: (one.st_size, one.st_mtime_ns, one.st_dev, one.st_ino) for path, one in found.items()}


@contextmanager
def before_sending() -> Iterator[None]:
    """While entered, nothing is sent yet, and an error of the source says so too."""
    try:
        yield
    except SourceError as error:
        if "othing was sent" in str(error):
            raise
        raise type(error)(f"{error}. Nothing was sent") from error


async def estimated_rows(source: Source) -> int | None:
    """Return about how many rows a replayable source of known size has, judged by its first few megabytes."""
    rows = 0
    if not source.replayable or not source.size_bytes:
        return None
    with before_sending():
        async with aclosing(source.blocks()) as blocks:
            async for block in blocks:
                rows = block.first_row + len(block.items)
                if source.size_bytes > ESTIMATED_BY_BYTES <= source.position_bytes:
                    break
            else:
                return rows
    return round(source.rows_read * source.size_bytes / source.position_bytes)  # both of what was read ahead, too


async def first_records(source: Source, n: int = 3) -> list[Item]:
    """Return the first *n* items of a replayable source, fewer where it has fewer.

    Raises:
        SourceRefused: the source cannot be read twice, so looking would lose rows.
        SourceError: as ``source.blocks()`` does.

    """
    if not source.replayable:
        raise SourceRefused(f"{source.name} can be read only once, so its first rows cannot be shown before the job")
    items: list[Item] = []
    with before_sending():
        async with aclosing(source.blocks()) as blocks:
            async for rows in blocks:
                items.extend(rows.items[: n - len(items)])
                if len(items) >= n:
                    break
    return items
