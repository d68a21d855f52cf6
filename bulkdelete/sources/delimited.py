"""CSV and TSV: a header, or numbered columns, and rows of fields."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from bulkdelete.errors import SourceRefused
from bulkdelete.records import Defect
from bulkdelete.sources.cells import Cells, ParsedRows, PlainLines
from bulkdelete.sources.columns import columns_by_number, columns_of
from bulkdelete.sources.defects import not_in
from bulkdelete.sources.lines import Lot
from bulkdelete.sources.numbered import Called, Names, called_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bulkdelete.settings import ReadingSettings
    from bulkdelete.sources.columns import Columns
    from bulkdelete.sources.lines import Lines


@dataclass(frozen=True, slots=True)
class Delimited:
    """How the rows of one csv or tsv file become items; *where* names it in errors.

    *names* are those of the columns that are called by number, in all files of its source. *escaped* says that a cell
    may be written with backslashes, as databases do in tsv.
    """

    where: str
    settings: ReadingSettings
    delimiter: str
    names: Names = field(default_factory=Names)
    escaped: bool = False

    def __post_init__(self) -> None:
        """Take its place in the order of the files."""
        self.names.widths.expect(self.where)

    def lots(self, blocks: Iterable[Lines]) -> Iterator[Lot]:
        """Yield the items of *blocks*; the header, if there is one, is no row.

        Raises:
            SourceRefused: the columns that the settings name are not there, or not the same ones in all files.

        """
        columns: Columns | None = None
        called: list[Called] = []
        if not self.settings.header:
            columns = replace(columns_by_number(self.where, self.settings, self.delimiter), escaped=self.escaped)
        cells = Cells(self.delimiter, self.settings.max_line_bytes, not_in(self.settings.encoding))
        for rows in cells.rows(blocks):
            body: PlainLines | ParsedRows = rows
            if columns is None:
                header = self._header(rows)
                columns = replace(columns_of(self.where, header, self.settings, self.delimiter), escaped=self.escaped)
                called = self._called(header)
                body = _after_first(rows)
            elif not columns.fields:
                columns = columns.measured_by(rows, self.where, self.names.widths)
            if called and (fields := columns.first_fields(body)):
                self._check(called, fields)
                called = []
            if body.rows:
                yield Lot(columns.items(body), body.lines)
        self._check(called, [])

    def _called(self, header: list[str]) -> list[Called]:
        if not self.settings.sanity_check:
            return []
        called = called_in(header, self.settings)
        for column in called:
            if column.number:
                self.names.check(self.where, column)
        return called

    def _check(self, called: list[Called], first: Sequence[str]) -> None:
        for column in called:
            column.check_is_no_record(self.where, first, alone=self.names.widths.are_of_one_file)

    def _header(self, rows: PlainLines | ParsedRows) -> list[str]:
        if isinstance(rows, PlainLines):
            return rows.rows[0].split(self.delimiter)
        first = rows.rows[0]
        if isinstance(first, Defect):
            raise SourceRefused(
                f"{self.where}: line {rows.lines[0]}, where the column names should stand, cannot be read: "
                f"{first.reason}. Nothing was sent. Mend the header, or say that there is none"
            )
        return first


def _after_first(rows: PlainLines | ParsedRows) -> PlainLines | ParsedRows:
    if isinstance(rows, PlainLines):
        return PlainLines(rows.rows[1:], rows.lines[1:], rows.text.partition("\n")[2])
    return ParsedRows(rows.rows[1:], rows.raws[1:], rows.lines[1:])
