"""How many attempts may be in flight where somebody has chosen a number."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bulkdelete.limiter.gauging import Sample


class Fixed:
    """A number of somebody's choice, behind the door of :class:`Adaptive`."""

    def __init__(self, limit: int) -> None:
        self.limit = limit

    def take(self, sample: Sample) -> None:
        """Learn nothing."""

    def start_over(self, now: float) -> None:
        """Change nothing."""

    def snapshot(self) -> float:
        """Return the number."""
        return float(self.limit)
