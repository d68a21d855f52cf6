"""Texts that stand for no value, as databases, spreadsheets and languages write one, and that name no record."""

from __future__ import annotations

from typing import Final

_BY_CHANCE_A_VALUE: Final = frozenset({"na"})
NO_IDS: Final = frozenset(
    {"nan", "null", "none", "undefined", "nil", r"\n", "(null)", "<null>", "[null]", "<na>", "#n/a", "n/a"}
    | _BY_CHANCE_A_VALUE
)
"""In small letters, what no id is: where a record_id is called so, there is none."""
NO_VALUES: Final = NO_IDS - _BY_CHANCE_A_VALUE
"""What is no value of a filter either; NA is, which is Namibia."""
END_OF_COPY: Final = r"\."
"""The line that ends what PostgreSQL's COPY writes, and no row."""


def is_no_id(text: str) -> bool:
    """Return whether *text* stands in for an id that is not there."""
    return not text or text.lower() in NO_IDS
