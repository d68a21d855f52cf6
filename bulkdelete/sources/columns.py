"""Which fields of a csv or tsv row make its record."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from bulkdelete.errors import SourceRefused
from bulkdelete.ids import Ids
from bulkdelete.nothings import is_no_id
from bulkdelete.records import Filter
from bulkdelete.sources.cells import PlainLines, unmarked
from bulkdelete.sources.defects import defect_of_line
from bulkdelete.sources.headings import is_surely_an_id, shown
from bulkdelete.sources.joined import Joints, as_name
from bulkdelete.sources.numbered import number_of
from bulkdelete.sources.quoting import QUOTE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bulkdelete.records import Defect, Item
    from bulkdelete.settings import ReadingSettings
    from bulkdelete.sources.cells import ParsedRows
    from bulkdelete.sources.numbered import Widths

RECORD_ID: Final = "record_id"
_BACKSLASH: Final = "\\"
_ESCAPED: Final = (
    "a backslash, which is part of other characters where databases write tsv; if it is meant as it stands, say "
    r"--format csv --delimiter '\t' (or format and delimiter in the configuration)"
)
_LOST: Final = (
    "a header that is repeated with its columns in another order, as in files that were joined, or a row after it: "
    "which of its cells is meant is not clear; if it is a record, say so with --no-sanity-check (sanity_check = false)"
)
_MOST_COLUMNS_NAMED: Final = 40


@dataclass(slots=True)
class Columns:
    """The positions, from 0, of the fields that count: of the record_id, of the filter's value, or of both.

    A row has as many *fields* as the header, or, without one, as the first row; 0 where that was not read yet. Any
    other row is a Defect, also where the surplus is empty: of ``1,234,`` under ``amount,record_id`` nobody can tell
    whether 234 is an id or the rest of an amount. Where cells may be *escaped*, one with a backslash is a Defect, too.

    A header that is repeated, as in files that were joined, is a Defect. From one on that has these columns elsewhere,
    which *joints* know, each row is one.
    """

    id_at: int | None
    filter_at: int | None
    filter_column: str
    delimiter: str
    fields: int = 0
    id_column: str = ""
    measure: str = "the header"
    escaped: bool = False
    joints: Joints = field(default_factory=Joints)

    def measured_by(self, rows: PlainLines | ParsedRows, where: str, widths: Widths) -> Columns:
        """Return these columns with as many fields as the first row has that can be read, of all files in *widths*.

        *rows* are the first ones of the file *where*.
        """
        if isinstance(rows, PlainLines):
            fields = rows.rows[0].count(self.delimiter) + 1
        else:
            fields = next((len(fields) for fields in rows.rows if isinstance(fields, list)), 0)
        first, fields = widths.first(where, fields)
        return replace(self, fields=fields, measure=self.measure if first == where else f"{self.measure} of {first}")

    def first_fields(self, rows: PlainLines | ParsedRows) -> list[str]:
        """Return the fields of the first of *rows* that has as many as it should; nothing where there is none.

        A header that is repeated is none of them.
        """
        if isinstance(rows, PlainLines):
            every: Iterable[object] = (line.split(self.delimiter) for line in rows.rows)
        else:
            every = rows.rows
        fitting = (row for row in every if isinstance(row, list) and len(row) == self.fields)
        return next((row for row in fitting if not self._is_repeated(row)), [])

    def _is_repeated(self, fields: Sequence[str]) -> bool:
        named = ((self.id_at, self.id_column), (self.filter_at, self.filter_column))
        return all(as_name(fields[at]) == as_name(column) for at, column in named if at is not None)

    def items(self, rows: PlainLines | ParsedRows) -> Sequence[Item]:
        """Return one item for each row; a row that has not all fields, and no others, is a Defect."""
        if isinstance(rows, PlainLines):
            return self._of_lines(rows)
        at = self.id_at
        if self.filter_at is None and at is not None and at < self.fields and not self.joints.lost:
            try:
                if set(map(len, rows.rows)) == {self.fields}:  # type: ignore[arg-type]  # a Defect raises TypeError
                    ids = [fields[at] for fields in rows.rows]  # type: ignore[index]  # there is none
                    if (taken := self._taken_at_once(ids)) is not None:
                        return taken
            except TypeError:
                pass
        return [
            self._of_fields(fields, raw) if isinstance(fields, list) else self._of_damaged(fields, raw)
            for fields, raw in zip(rows.rows, rows.raws, strict=True)
        ]

    def _of_lines(self, rows: PlainLines) -> Sequence[Item]:
        at, delimiter = self.id_at, self.delimiter
        is_simple = self.filter_at is None and not self.joints.lost
        if is_simple and at is not None and at < self.fields and self._all_fit(rows):
            cuts = at + 1
            ids = rows.rows if self.fields == 1 else [line.split(delimiter, cuts)[at] for line in rows.rows]
            if (taken := self._taken_at_once(ids)) is not None:
                return taken
        return [self._of_fields(line.split(delimiter), line) for line in rows.rows]

    def _all_fit(self, rows: PlainLines) -> bool:
        """Return whether every row has as many fields as it should: all in one go, which costs a tenth of cutting."""
        if self.fields == 1:
            return self.delimiter not in rows.text
        if not self.delimiter.isascii():
            return all(line.count(self.delimiter) == self.fields - 1 for line in rows.rows)
        ends = self.delimiter.encode() + b"\n"
        left = rows.text.encode().translate(None, bytes(set(range(256)).difference(ends)))
        row = ends[:1] * (self.fields - 1)
        return left == (row + b"\n") * (len(rows.rows) - 1) + row

    def _of_damaged(self, row: Defect, raw: str) -> Item:
        self.joints.look_at_joint(raw.removesuffix("\n").replace(QUOTE, "").split(self.delimiter))
        return row

    def _of_fields(self, fields: list[str], raw: str) -> Item:
        if len(fields) != self.fields:
            self.joints.look_at_joint(fields)
            reason = f"has {_counted(len(fields))}; {self.measure} has {self.fields}"
            return defect_of_line(reason, unmarked(raw))
        if self.joints.lost:
            return defect_of_line(_LOST, unmarked(raw))
        at = self.id_at
        if self.filter_at is None or (at is not None and not is_no_id(fields[at])):
            at = at or 0
            if at >= len(fields):
                return defect_of_line(f"missing field: column {at + 1} in a row of {len(fields)}", unmarked(raw))
            return self._odd(fields, at, self.id_column, raw) or fields[at]
        value = fields[self.filter_at]
        return self._odd(fields, self.filter_at, self.filter_column, raw) or Filter(self.filter_column, value)

    def _odd(self, fields: list[str], at: int, column: str, raw: str) -> Defect | None:
        cell = fields[at]
        if self.joints.begin_with(fields, at):
            return defect_of_line(_LOST, unmarked(raw))
        if column and as_name(cell) == as_name(column):
            repeated = f"holds {cell!r}, the name of its column: a header that is repeated"
            return defect_of_line(repeated, unmarked(raw))
        if self.escaped and _BACKSLASH in cell and not is_no_id(cell):
            return defect_of_line(_ESCAPED, unmarked(raw))
        return None

    def _taken_at_once(self, cells: list[str]) -> Sequence[str] | None:
        """Return *cells* as ids, without an object for each where all are decimal and equally long.

        Nothing where each must be looked at: by :meth:`_odd`, or because one is called as columns are.
        """
        ids, at = _as_ids(cells), self.id_at or 0
        if isinstance(ids, Ids) and not self.id_column.isdecimal():
            return ids if self.joints.are_none_in(cells, at, decimal=True) else None
        every = "".join(cells)
        is_plain = " " not in every and "\ufeff" not in every and not (self.escaped and _BACKSLASH in every)
        return ids if is_plain and self.joints.are_none_in(cells, at, decimal=False) else None


def _as_ids(items: list[str]) -> Sequence[str]:
    try:
        ids = Ids.of("\n".join(items).encode())
    except UnicodeEncodeError:
        return items
    return items if ids is None or len(ids) != len(items) else ids  # a quoted field may hold a line break


def _counted(fields: int) -> str:
    return f"{fields} field{'s' * (fields != 1)}"


def columns_by_number(where: str, settings: ReadingSettings, delimiter: str) -> Columns:
    """Return the columns of a file without a header, which only numbers can name.

    Raises:
        SourceRefused: *settings* give a name, or nothing.

    """
    if settings.filter_column:
        raise SourceRefused(
            f"{where}: a filter needs the column's name, and without a header there is none. Nothing was sent. "
            "Give the file a header, or use the record ids"
        )
    number = number_of(settings.column)
    if not number:
        raise SourceRefused(
            f"{where}: without a header, columns are numbers from 1, and {settings.column!r} is none. Nothing was "
            "sent. Say which column holds the record ids, as in --column 1"
        )
    return Columns(number - 1, None, "", delimiter, measure="the first row")


def columns_of(where: str, header: list[str], settings: ReadingSettings, delimiter: str) -> Columns:
    """Return the columns that *settings* name in *header*.

    Raises:
        SourceRefused: a column is missing, or there twice.

    """
    filter_at = _position(where, header, settings.filter_column) if settings.filter_column else None
    if settings.column:
        id_at: int | None = _position(where, header, settings.column)
    elif RECORD_ID in header or filter_at is None:
        id_at = _position(where, header, RECORD_ID)
    else:
        id_at = None
    filter_column = "" if filter_at is None else header[filter_at]
    id_column = "" if id_at is None else header[id_at]
    joints = Joints(header, (id_at, filter_at), looked_at=settings.sanity_check)
    return Columns(id_at, filter_at, filter_column, delimiter, len(header), id_column, joints=joints)


def _position(where: str, header: list[str], column: str) -> int:
    times = header.count(column)
    if times > 1:
        raise SourceRefused(
            f"{where}: {times} columns are called {column!r}. Nothing was sent. Rename all but one, or give the "
            "column's name to a file that has it once"
        )
    number = number_of(column)
    is_number = 1 <= number <= len(header)
    if times == 1:
        at = header.index(column)
        if is_number and at != number - 1:
            raise SourceRefused(
                f"{where}: {column!r} is the number of column {number}, and the first line has it in column {at + 1}. "
                "Nothing was sent. If the file has no header, say so with --no-header; else rename that column"
            )
        return at
    if is_number:
        named = header[number - 1]
        if is_surely_an_id(named):
            raise SourceRefused(
                f"{where}: the first line holds {named!r} where a column's name would stand: it looks like a record. "
                "Nothing was sent. If the file has no header, say so with --no-header; if that is the column's name, "
                "give it instead of the number, with --no-sanity-check"
            )
        return number - 1
    raise _missing_column(where, header, column)


def _missing_column(where: str, header: list[str], column: str) -> SourceRefused:
    names = {name.strip().lower(): name for name in reversed(header)}
    near = difflib.get_close_matches(column.strip().lower(), names, n=1)
    hint = f" Did you mean {shown(names[near[0]])}?" if near else ""
    more = f" and {len(header) - _MOST_COLUMNS_NAMED} more" if len(header) > _MOST_COLUMNS_NAMED else ""
    named = ", ".join(map(shown, header[:_MOST_COLUMNS_NAMED]))
    if record := next(filter(is_surely_an_id, header), ""):
        return SourceRefused(
            f"{where}: there is no column {column!r}. The first line holds {named}{more}; one of them, {record!r}, "
            "looks like a record. Nothing was sent. If the file has no header, say so with --no-header and the number "
            f"of the column, as in --column {header.index(record) + 1}; else say which one holds the record ids with "
            "--column NAME"
        )
    return SourceRefused(
        f"{where}: there is no column {column!r}. The columns are {named}{more}.{hint} Nothing was sent. Say which "
        "one holds the record ids with --column NAME, or which unique column names the records with "
        "--filter-column NAME; if the first line is a record, say so with --no-header"
    )
