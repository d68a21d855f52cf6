"""Bytes -> blocks of decoded lines: cut at line feeds only, in bounded memory, whatever the file holds."""

from __future__ import annotations

import codecs
import hashlib
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from bulkdelete.ids import Ids
from bulkdelete.sources.defects import MOST_EXCERPT_BYTES, defect_of_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from bulkdelete.records import Defect, Item

    Read: TypeAlias = Callable[[int], bytes]
    Lines: TypeAlias = "Block | Part | Defect"

BOM: Final = b"\xef\xbb\xbf"


class Block(NamedTuple):
    """Whole lines, joined by line feeds, each without the one carriage return that may end it.

    Where not *clean*, some line holds bytes that are not UTF-8, decoded with ``surrogateescape``.
    """

    text: str
    clean: bool
    ids: Ids | None = None
    """The lines, where they are decimal ids of one length."""
    ended: bool = True
    """Whether the last line has an end; that of a file may have none, and is a block of its own then."""


class Part(NamedTuple):
    """A part of a line that is too long, of which a Defect follows the last one: only quotes in it may still count."""

    text: str


class Lot(NamedTuple):
    """Items in order, with the 1-based line each begins on."""

    items: Sequence[Item]
    lines: Sequence[int]


def read_blocks(read: Read, block_bytes: int, max_line_bytes: int) -> Iterator[Lines]:
    """Yield what *read* gives as blocks of lines; a line longer than *max_line_bytes* is Parts and a Defect instead."""
    held: list[bytes] = []
    held_bytes = 0
    chunk = _without_bom(read, block_bytes)
    while chunk:
        cut = chunk.rfind(b"\n") + 1
        if cut:
            held.append(chunk[:cut])
            yield from _checked(b"".join(held), max_line_bytes)
            held, held_bytes = [], 0
        held.append(chunk[cut:])
        held_bytes += len(chunk) - cut
        chunk = b""
        if held_bytes > max_line_bytes:
            chunk = yield from _long_line(b"".join(held), read, block_bytes, max_line_bytes)
            held, held_bytes = [], 0
        chunk = chunk or read(block_bytes)
    if held_bytes:
        yield from _without_end(b"".join(held), max_line_bytes)


def without_blanks(lines: list[str], first_line: int) -> tuple[list[str], Sequence[int]]:
    """Return those of *lines* that are not empty, and their line numbers."""
    if all(lines):
        return lines, range(first_line, first_line + len(lines))
    if not any(lines):
        return [], ()
    numbers = [number for number, line in enumerate(lines, first_line) if line]
    return list(filter(None, lines)), numbers


def _without_bom(read: Read, block_bytes: int) -> bytes:
    chunk = read(block_bytes)
    while len(chunk) < len(BOM) and BOM.startswith(chunk) and (more := read(block_bytes)):
        chunk += more
    return chunk.removeprefix(BOM) or read(block_bytes)


def _long_line(line: bytes, read: Read, block_bytes: int, max_line_bytes: int) -> Generator[Lines, None, bytes]:
    """Read on to the end of the *line* that began, and yield it; return what was read of the lines after it."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    beginning, digest, rest = line[:MOST_EXCERPT_BYTES], hashlib.sha256(line), b""
    yield Part(decoder.decode(line))
    while chunk := read(block_bytes):
        end, line_feed, rest = chunk.partition(b"\n")
        digest.update(end)
        yield Part(decoder.decode(end))
        if line_feed:
            break
    yield defect_of_bytes(_too_long(max_line_bytes), beginning, digest.digest())
    return rest


def _too_long(max_line_bytes: int) -> str:
    return f"a line longer than {max_line_bytes} bytes"


def _checked(data: bytes, max_line_bytes: int) -> Iterator[Lines]:
    data = data.removesuffix(b"\n")
    if _all_fit(data, max_line_bytes):
        yield _decoded(data)
        return
    fitting: list[bytes] = []
    for line in data.split(b"\n"):
        if len(line) <= max_line_bytes:
            fitting.append(line)
            continue
        if fitting:
            yield _decoded(b"\n".join(fitting))
            fitting = []
        yield Part(line.decode("utf-8", "surrogateescape"))
        yield defect_of_bytes(_too_long(max_line_bytes), line, hashlib.sha256(line).digest())
    if fitting:
        yield _decoded(b"\n".join(fitting))


def _without_end(line: bytes, max_line_bytes: int) -> Iterator[Lines]:
    for block in _checked(line, max_line_bytes):
        yield block._replace(ended=line.endswith(b"\r")) if isinstance(block, Block) else block


def _all_fit(data: bytes, max_line_bytes: int) -> bool:
    """Return whether no line is longer, by looking for one line feed per *max_line_bytes*."""
    start = 0
    while len(data) - start > max_line_bytes:
        start = data.rfind(b"\n", start, start + max_line_bytes + 1) + 1
        if not start:
            return False
    return True


def _decoded(data: bytes) -> Block:
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").removesuffix(b"\r")
    try:
        return Block(data.decode(), clean=True, ids=Ids.of(data))
    except UnicodeDecodeError:
        return Block(data.decode("utf-8", "surrogateescape"), clean=False)
