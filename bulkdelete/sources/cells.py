"""Blocks of lines -> rows of fields, as CSV has them: quotes, doubled quotes, line breaks inside quotes.

A row that is malformed, longer than a line may be, or never ends is a Defect for each of its lines, to where the row
ends: what stands within a quoted field is no row. Lines are parsed alike wherever a block ends.
"""

from __future__ import annotations

import csv
from dataclasses import replace
from io import StringIO
from itertools import compress
from typing import TYPE_CHECKING, Final, NamedTuple

from bulkdelete.records import Defect
from bulkdelete.sources.defects import defect_of_line, is_escaped
from bulkdelete.sources.lines import Part, without_blanks
from bulkdelete.sources.quoting import QUOTE, At, followed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bulkdelete.sources.lines import Block, Lines

_ENDLESS: Final = "a quoted field that does not end"
_BLANK: Final = "\n"
_RETURN: Final = "\r"
_STANDS_FOR_A_RETURN: Final = "\udc0d"  # the csv module ends a line at a lone one; no decoder gives this


class PlainLines(NamedTuple):
    """Rows without any quote: each line is its fields with delimiters between; *text* is all of them, joined."""

    rows: list[str]
    lines: Sequence[int]
    text: str


class ParsedRows(NamedTuple):
    """Rows as their fields, or as a Defect, each with its raw text and the 1-based line it begins on."""

    rows: list[list[str] | Defect]
    raws: list[str]
    lines: Sequence[int]


class _Open(NamedTuple):
    """How many of the lines held last, and of how many bytes, are a row whose quoted field is still open."""

    lines: int
    size_bytes: int


_NOTHING_OPEN: Final = _Open(0, 0)


class Cells:
    """Reads the rows of one file, whose fields stand between *delimiter*.

    *undecodable* is the reason for a row that does not decode.
    """

    def __init__(self, delimiter: str, max_row_bytes: int, undecodable: str) -> None:
        self._delimiter = delimiter
        self._undecodable = undecodable
        self._max_row_bytes = max_row_bytes
        self._too_long = f"more than {max_row_bytes} bytes, over several lines"
        self._line = 1  # the number of the first line held, or of the next one
        self._held: list[str] = []  # lines, with their ends, that are not parsed yet: at last, of a row still open
        self._open = _NOTHING_OPEN
        self._aside_from = 0  # the line that begins the row whose lines are set aside as they come; 0: there is none
        self._at: At | None = None  # where a part of a line ended
        self._clean = True  # whether no line held has bytes that are not UTF-8
        self._returns = False  # whether some line had a carriage return before its end
        self._rows: list[list[str] | Defect] = []
        self._raws: list[str] = []
        self._lines: list[int] = []

    def rows(self, blocks: Iterable[Lines]) -> Iterator[PlainLines | ParsedRows]:
        """Yield the rows of *blocks*."""
        for block in blocks:
            if isinstance(block, Part):
                is_open = self._held or self._aside_from
                self._at = followed(block.text, self._at or (At.QUOTED if is_open else At.FIELD_START), self._delimiter)
            elif isinstance(block, Defect):
                self._set_long_line_aside(block)
                yield from self._taken()
            elif self._held or self._aside_from or not block.clean or QUOTE in block.text:
                self._hold(block)
                self._parse()
                yield from self._taken()
            else:
                yield from self._plain(block.text)
        self._set_all_aside(_ENDLESS)
        yield from self._taken()

    def _plain(self, text: str) -> Iterator[PlainLines]:
        texts = text.split("\n")
        kept, lines = without_blanks(texts, self._line)
        self._line += len(texts)
        if kept:
            yield PlainLines(kept, lines, text if len(kept) == len(texts) else "\n".join(kept))

    def _hold(self, block: Block) -> None:
        text = block.text
        if _RETURN in text:
            text = text.replace(_RETURN, _STANDS_FOR_A_RETURN)
            self._returns = True
        self._held += StringIO(text + "\n").readlines()
        self._clean = self._clean and block.clean

    def _taken(self) -> Iterator[ParsedRows]:
        if self._rows:
            yield ParsedRows(self._rows, self._raws, as_range(self._lines))
            self._rows, self._raws, self._lines = [], [], []

    def _parse(self) -> None:
        """Take the rows of the lines held; those of a row that may still go on stay held."""
        start = 0
        if self._aside_from:
            start = self._pass_over()
        elif self._open.lines:
            self._follow_open_row()
        else:
            start = self._parse_if_simple()
        while start < len(self._held) and not self._open.lines:
            start = self._parse_from(start)
        self._drop(start)
        if self._open.size_bytes > self._max_row_bytes:
            self._aside_from = self._line
            self._set_all_aside(self._too_long)

    def _pass_over(self) -> int:
        end = self._end_of_row(0, At.QUOTED)
        self._set_aside(0, end or len(self._held), self._aside_from, self._too_long)
        if end:
            self._aside_from = 0
        return end or len(self._held)

    def _follow_open_row(self) -> None:
        """Look at the lines that have come since: no line is read again before its row has ended."""
        known = self._open.lines
        if self._end_of_row(known, At.QUOTED):
            self._open = _NOTHING_OPEN
        else:
            self._open = _Open(len(self._held), self._open.size_bytes + self._size_bytes(known))

    def _parse_if_simple(self) -> int:
        """Take all lines held if each is a well-formed row, the common case; return how many lines were taken."""
        if not self._clean or self._returns:
            return 0
        reader = csv.reader(self._held, delimiter=self._delimiter, strict=True)
        try:
            rows = list(reader)
        except csv.Error:
            return 0
        if reader.line_num != len(rows):
            return 0
        self._rows += compress(rows, rows)  # a blank line is an empty row
        self._raws += compress(self._held, rows)
        self._lines += compress(range(self._line, self._line + len(rows)), rows)
        return len(rows)

    def _parse_from(self, start: int) -> int:
        """Take the rows from the line *start* on, to the first that is none; return where to go on."""
        held, first = self._held, start
        reader = csv.reader(map(held.__getitem__, range(start, len(held))), delimiter=self._delimiter, strict=True)
        try:
            for fields in reader:
                end = start + reader.line_num
                if self._is_too_long(first, end):
                    self._set_aside(first, end, self._line + first, self._too_long)
                elif fields:
                    self._take(first, fields, held[first] if end == first + 1 else "".join(held[first:end]))
                first = end
        except csv.Error as error:
            return self._past_refused_row(first, error)
        return first

    def _past_refused_row(self, first: int, error: csv.Error) -> int:
        """Set the row aside that the csv module refuses, unless it may still go on; return where to go on."""
        line = self._held[first]
        if QUOTE not in line:  # only the csv module's own limit can have refused it
            self._take(first, line.removesuffix("\n").split(self._delimiter), line)
            return first + 1
        end = self._end_of_row(first, At.FIELD_START)
        if not end:
            self._open = _Open(len(self._held) - first, self._size_bytes(first))
            return first
        reason = self._too_long if self._is_too_long(first, end) else f"not well-formed: {error}"
        self._set_aside(first, end, self._line + first, reason)
        return end

    def _end_of_row(self, start: int, at: At) -> int:
        """Return where the row ends that is *at* that place before the line *start*; 0 where it may still go on."""
        for number in range(start, len(self._held)):
            line = self._held[number]
            if at is not At.QUOTED or QUOTE in line:
                at = followed(line, at, self._delimiter)
            if at is not At.QUOTED:
                return number + 1
        return 0

    def _is_too_long(self, first: int, end: int) -> bool:
        """Return whether the lines from *first* to *end* are too long together; one alone never is, here."""
        return end > first + 1 and self._size_bytes(first, end) > self._max_row_bytes

    def _size_bytes(self, first: int, end: int | None = None) -> int:
        text = "".join(self._held[first:end])
        return len(text if text.isascii() else _with_returns(text).encode("utf-8", "surrogateescape"))

    def _take(self, first: int, fields: list[str], raw: str) -> None:
        if not self._clean and is_escaped(raw):
            self._append(first, defect_of_line(self._undecodable, unmarked(raw)), raw)
        elif self._returns:
            self._append(first, [_with_returns(field) for field in fields], raw)
        else:
            self._append(first, fields, raw)

    def _set_long_line_aside(self, defect: Defect) -> None:
        begins = self._aside_from or self._line
        self._set_all_aside(self._too_long)
        if begins < self._line:
            defect = replace(defect, reason=_of_row(begins, defect.reason))
        self._append(0, defect, defect.text)
        self._line += 1
        self._aside_from = begins if self._at is At.QUOTED else 0
        self._at = None

    def _set_all_aside(self, reason: str) -> None:
        """Set all lines held aside, which are a row whose quoted field is open."""
        self._set_aside(0, len(self._held), self._line, reason)
        self._drop(len(self._held))
        self._open = _NOTHING_OPEN

    def _set_aside(self, start: int, end: int, begins: int, reason: str) -> None:
        """Set the lines from *start* to *end*, of the row that *begins* on that line, aside; a blank one is no row."""
        first, later = begins - self._line, _of_row(begins, reason)
        for at, line in enumerate(self._held[start:end], start):
            if line != _BLANK:
                self._append(at, defect_of_line(reason if at == first else later, unmarked(line)), line)

    def _append(self, first: int, row: list[str] | Defect, raw: str) -> None:
        self._rows.append(row)
        self._raws.append(raw)
        self._lines.append(self._line + first)

    def _drop(self, lines: int) -> None:
        del self._held[:lines]
        self._line += lines
        self._clean = self._clean or not self._held


def unmarked(raw: str) -> str:
    """Return the *raw* text of a row of :class:`ParsedRows` as it stood in the file, without the last line's end."""
    return _with_returns(raw.removesuffix("\n"))


def _of_row(begins: int, reason: str) -> str:
    return f"part of the row that begins on line {begins}: {reason}"


def _with_returns(text: str) -> str:
    return text.replace(_STANDS_FOR_A_RETURN, _RETURN)


def as_range(lines: list[int]) -> Sequence[int]:
    """Return the ascending *lines* as a range where none is left out between them."""
    whole = range(lines[0], lines[-1] + 1)
    return whole if len(whole) == len(lines) else lines
