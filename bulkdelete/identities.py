"""What makes a source the same at its next run, as older ledgers and plans keep it; imports next to nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_DEFAULT_COLUMN: Final = "record_id"


def with_default_column(identity: Mapping[str, str], prefix: str = "") -> dict[str, str]:
    """Return a source's *identity*, whose names begin with *prefix*, with the column that is the default named.

    Whoever names it reads the same records; older ledgers and plans keep an empty name.
    """
    kind, header, column, filter_column = (
        identity.get(prefix + name) for name in ("kind", "header", "column", "filter_column")
    )
    is_default = kind in {"csv", "tsv"} and header == "yes" and (column, filter_column) == ("", "")
    return {**identity, f"{prefix}column": _DEFAULT_COLUMN} if is_default else dict(identity)
