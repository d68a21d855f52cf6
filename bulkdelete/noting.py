"""What is kept of hold lists as they are read: how what they name looks, to be compared with a source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bulkdelete.holds import BY_ID, form_to_compare, length_of, named_by
from bulkdelete.ids import Ids
from bulkdelete.records import Defect
from bulkdelete.unclear import case_of, form_of, is_around_an_address, is_bare_address, of_both_cases, with_signs

_MOST_ODD: Final = 5000

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bulkdelete.holds import Holds
    from bulkdelete.records import Rows


def note(held: Holds, rows: Rows) -> None:
    """Keep of *rows*, which are *held*, what may be written in another way: the source tells, by how its own are."""
    if isinstance(rows.items, Ids):
        _note_lengths(held, BY_ID, rows, enumerate(rows.items[:1]))
        return
    ways: dict[str, list[tuple[int, str]]] = {}
    for index, item in enumerate(rows.items):
        if not isinstance(item, Defect):
            way, text = named_by(item)
            ways.setdefault(way, []).append((index, text))
    for way, indexed in ways.items():
        _note_lengths(held, way, rows, indexed)
        _note_odd(held, way, rows, indexed)
        joined = form_to_compare("\n".join([text for _, text in indexed]))
        for one in with_signs(joined):
            held.grouped.setdefault((way, form_of(one)), (held.lists[-1].name, one))
        held.lists[-1].cases.setdefault(way, set()).update(filter(None, [case_of(joined)]))
        if way == BY_ID:
            held.of_both_cases.update(of_both_cases(joined))


def _note_lengths(held: Holds, way: str, rows: Rows, indexed: Iterable[tuple[int, str]]) -> None:
    first = held.lists[-1].first.setdefault(way, {})
    for index, text in indexed:
        if (length := length_of(text)) not in first:
            first[length] = _where(held, rows, index), text


def _note_odd(held: Holds, way: str, rows: Rows, indexed: Iterable[tuple[int, str]]) -> None:
    odd = held.lists[-1].odd.setdefault(way, {})
    for index, text in indexed:
        if len(odd) >= _MOST_ODD:
            return
        if not text.isalnum() and (way == BY_ID or not is_bare_address(text) or is_around_an_address(text, way)):
            odd.setdefault(text, _where(held, rows, index))


def _where(held: Holds, rows: Rows, index: int) -> str:
    return f"the hold list {rows.file or held.lists[-1].name}, {place_of(rows, index)}"


def place_of(rows: Rows, index: int) -> str:
    """Return what the place of one of *rows* in its source is called."""
    return f"line {rows.lines[index]}" if rows.lines else f"row {rows.first_row + index}"
