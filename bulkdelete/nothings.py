"""Texts in the place of an id that name no record: what stands for no value, and the header of a list of ids."""

from __future__ import annotations

from typing import Final

_BY_CHANCE_A_VALUE: Final = frozenset({"na", "nat", "-", "--", "."})
_END_OF_COPY: Final = r"\."
"""The line that ends what PostgreSQL's COPY writes."""
NO_IDS: Final = frozenset(
    {"nan", "null", "none", "undefined", "nil", r"\n", "(null)", "<null>", "[null]", "<na>", "#n/a", "n/a", "<nil>"}
    | {"#value!", "#ref!", "#name?", "#div/0!", "#num!", "#null!"}
    | {_END_OF_COPY, *_BY_CHANCE_A_VALUE}
)
"""In small letters, what no id is: where a record_id is called so, there is none."""
NO_VALUES: Final = NO_IDS - _BY_CHANCE_A_VALUE
"""What is no value of a filter either; NA is, which is Namibia, and Nat is somebody's name."""
COLUMN_NAMES: Final = frozenset({"record_id", "id"})
"""In small letters, what a list of ids has as its header, which is a line like any other once lists are joined."""


def is_no_id(text: str) -> bool:
    """Return whether *text* stands in for an id that is not there."""
    return not text or text.lower() in NO_IDS
