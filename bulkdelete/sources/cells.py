"""Blocks of lines -> rows of fields, as CSV has them: quotes, doubled quotes, line breaks inside quotes.

A row that is malformed, or longer than a line may be, is a Defect for its first line only, and reading goes on with
the line after that: a quote that never ends does not swallow the file. Lines are parsed alike wherever a block ends.
"""

from __future__ import annotations

import csv
from io import StringIO
from itertools import accumulate, chain, compress
from typing import TYPE_CHECKING, Final, NamedTuple

from bulkdelete.records import Defect
from bulkdelete.sources.defects import defect_of_line, is_escaped
from bulkdelete.sources.lines import without_blanks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bulkdelete.sources.lines import Block

_ENDLESS: Final = "a quoted field that does not end"
_TOO_LARGE: Final = "field larger than field limit"  # the csv module's own, which a row that begins later may keep
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


class _Ahead(NamedTuple):
    """What became of a row of several lines that is none: where each of its lines ended, a quoted field was open.

    A row that begins in a later one of them and has such a field open at that line's end comes to the same: it need not
    be read to there again, which would make the work grow with the square of the lines. *sizes* are bytes, from *first*
    on to before each line and to *end*; *reason* says why it is malformed, where it is, and *asked* that it goes on.
    """

    first: int
    end: int
    sizes: Sequence[int]
    asked: bool
    reason: str

    def holds_for(self, start: int) -> bool:
        """Return whether a quoted field was open at the end of the line *start*: in the last one, something came."""
        return start < (self.end if self.asked else self.end - 1)

    def bytes_from(self, start: int) -> int:
        """Return how many bytes there are from the line *start* to the end."""
        return self.sizes[-1] - self.sizes[start - self.first]


class Cells:
    """Reads the rows of one file, whose fields stand between *delimiter*.

    *undecodable* is the reason for a row that does not decode.
    """

    def __init__(self, delimiter: str, max_row_bytes: int, undecodable: str) -> None:
        self._delimiter = delimiter
        self._undecodable = undecodable
        self._max_row_bytes = max_row_bytes
        self._line = 1  # the number of the first line held, or of the next one
        self._held: list[str] = []  # lines, with their ends, that are not parsed yet: at last, of a row still open
        self._clean = True  # whether no line held has bytes that are not UTF-8
        self._returns = False  # whether some line had a carriage return before its end
        self._rows: list[list[str] | Defect] = []
        self._raws: list[str] = []
        self._lines: list[int] = []
        self._ahead: _Ahead | None = None

    def rows(self, blocks: Iterable[Block | Defect]) -> Iterator[PlainLines | ParsedRows]:
        """Yield the rows of *blocks*."""
        for block in blocks:
            if isinstance(block, Defect):
                yield from self._parse(at_end=True)
                yield ParsedRows([block], [""], range(self._line, self._line + 1))
                self._line += 1
            elif self._held or not block.clean or '"' in block.text:
                self._hold(block)
                yield from self._parse(at_end=False)
            else:
                yield from self._plain(block.text)
        yield from self._parse(at_end=True)

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

    def _parse(self, *, at_end: bool) -> Iterator[ParsedRows]:
        """Yield the rows of the lines held; unless *at_end*, those of a row that may still go on stay held."""
        start, waits = self._parse_if_simple(), False
        while start < len(self._held) and not waits:
            start, waits = self._parse_from(start, at_end=at_end)
        del self._held[:start]
        self._ahead = None
        self._line += start
        self._clean = self._clean or not self._held
        if self._rows:
            yield ParsedRows(self._rows, self._raws, as_range(self._lines))
            self._rows, self._raws, self._lines = [], [], []

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

    def _parse_from(self, start: int, *, at_end: bool) -> tuple[int, bool]:
        """Parse the lines held from *start* on; return where to go on, and whether more lines are needed for that."""
        if self._ahead is not None and self._ahead.holds_for(start):
            return self._parse_line(start, self._ahead, at_end=at_end)
        return self._parse_anew(start, at_end=at_end)

    def _parse_line(self, start: int, ahead: _Ahead, *, at_end: bool) -> tuple[int, bool]:
        """Do the same of one line; where it leaves a quoted field open, *ahead* says what comes of that."""
        asked = list[bool]()
        lines = chain((self._held[start],), _noting_that_it_is_asked(asked))
        try:
            fields = next(csv.reader(lines, delimiter=self._delimiter, strict=True))
        except csv.Error as error:
            if not asked:
                endless = self._is_too_long(self._held[start])
                self._mend(start, _ENDLESS if endless else _malformed(error))
            elif ahead.bytes_from(start) > self._max_row_bytes or (ahead.asked and at_end):
                self._mend(start, _ENDLESS)
            elif ahead.asked:
                return start, True
            elif ahead.reason:
                self._mend(start, ahead.reason)
            else:
                return self._parse_anew(start, at_end=at_end)
            return start + 1, False
        if fields:
            self._take(start, fields, self._held[start])
        return start + 1, False

    def _parse_anew(self, start: int, *, at_end: bool) -> tuple[int, bool]:
        held, asked = self._held, list[bool]()
        lines = chain(map(held.__getitem__, range(start, len(held))), _noting_that_it_is_asked(asked))
        reader = csv.reader(lines, delimiter=self._delimiter, strict=True)
        first = start
        try:
            for fields in reader:
                end = start + reader.line_num
                raw = held[first] if end == first + 1 else "".join(held[first:end])
                if end > first + 1 and self._is_too_long(raw):
                    self._set_aside(first, _ENDLESS)
                    self._look_ahead(first, end)
                    return first + 1, False
                if fields:
                    self._take(first, fields, raw)
                first = end
        except csv.Error as error:
            read = "".join(held[first : start + reader.line_num])
            if asked and not at_end and not self._is_too_long(read):
                return first, True
            endless = asked or self._is_too_long(read)
            self._mend(first, _ENDLESS if endless else _malformed(error))
            reason = "" if asked or _TOO_LARGE in str(error) else _malformed(error)
            self._look_ahead(first, start + reader.line_num, asked=bool(asked), reason=reason)
            return first + 1, False
        return first, False

    def _look_ahead(self, first: int, end: int, *, asked: bool = False, reason: str = "") -> None:
        """Keep what became of the lines from *first* to *end*, if they are several."""
        sizes = accumulate(map(_bytes_of, self._held[first:end]), initial=0)
        self._ahead = _Ahead(first, end, [*sizes], asked, reason) if end > first + 1 else None

    def _take(self, first: int, fields: list[str], raw: str) -> None:
        if not self._clean and is_escaped(raw):
            self._append(first, defect_of_line(self._undecodable, unmarked(raw)), raw)
        elif self._returns:
            self._append(first, [field.replace(_STANDS_FOR_A_RETURN, _RETURN) for field in fields], raw)
        else:
            self._append(first, fields, raw)

    def _mend(self, first: int, reason: str) -> None:
        """Take a line without quotes, which only the csv module's own limit can have refused; set others aside."""
        line = self._held[first]
        if '"' in line:
            self._set_aside(first, reason)
        else:
            self._take(first, line.removesuffix("\n").split(self._delimiter), line)

    def _set_aside(self, first: int, reason: str) -> None:
        line = self._held[first]
        self._append(first, defect_of_line(reason, unmarked(line)), line)

    def _append(self, first: int, row: list[str] | Defect, raw: str) -> None:
        self._rows.append(row)
        self._raws.append(raw)
        self._lines.append(self._line + first)

    def _is_too_long(self, raw: str) -> bool:
        return len(raw) > self._max_row_bytes or _bytes_of(raw) > self._max_row_bytes


def unmarked(raw: str) -> str:
    """Return the *raw* text of a row of :class:`ParsedRows` as it stood in the file, without the last line's end."""
    return raw.removesuffix("\n").replace(_STANDS_FOR_A_RETURN, _RETURN)


def _bytes_of(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _malformed(error: csv.Error) -> str:
    return f"not well-formed: {error}"


def as_range(lines: list[int]) -> Sequence[int]:
    """Return the ascending *lines* as a range where none is left out between them."""
    whole = range(lines[0], lines[-1] + 1)
    return whole if len(whole) == len(lines) else lines


def _noting_that_it_is_asked(asked: list[bool]) -> Iterator[str]:
    asked.append(True)
    yield from ()
