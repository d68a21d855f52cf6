"""What checking a ledger came to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from bulkdelete.ledger.runs import RunRow
    from bulkdelete.ledger.totals import Totals

MOST_SHOWN: Final = 100


class Problems:
    """What does not hold, as sentences: all are counted in ``count``, the first hundred are kept in ``shown``."""

    def __init__(self) -> None:
        self.count = 0
        self.shown: list[str] = []

    def add(self, sentence: str) -> None:
        """Take note that something does not hold."""
        self.count += 1
        if len(self.shown) < MOST_SHOWN:
            self.shown.append(sentence)


@dataclass(slots=True)
class Findings:
    """A checked ledger; ``totals`` and ``digest`` are missing where the file is too damaged for them."""

    problems: Problems = field(default_factory=Problems)
    totals: Totals | None = None
    facts: dict[str, str] = field(default_factory=dict)
    runs: list[RunRow] = field(default_factory=list)
    digest: str = ""
