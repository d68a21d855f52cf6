"""How long the server's windows are, as far as their resets tell."""

from __future__ import annotations

from typing import Final

_MOST_LIMITS: Final = 8
_SHORTEST_SECONDS: Final = 1.0
_ROUNDING_SECONDS: Final = 2.0
"""By so much may the distance to a reset be told too long: a ``Date`` has no fractions, and clocks differ."""


class _Length:
    __slots__ = ("farthest", "reset", "seconds")

    def __init__(self, reset: float) -> None:
        self.reset = reset
        self.farthest = _SHORTEST_SECONDS
        self.seconds: float | None = None


class Lengths:
    """The length of the windows of each limit; two windows that are told of by turns are told apart by their limits."""

    def __init__(self) -> None:
        self._by_limit: dict[int, _Length] = {}

    def heard(self, limit: int, reset: float, reset_in_seconds: float) -> None:
        """Take note of a *reset* (Unix seconds) of *limit* requests, so many seconds away.

        A window is at least as long as the farthest reset is away, so two resets that are less than twice as far apart
        are neighbours, and their distance is the length; one computed anew for each answer only moves a little.
        """
        length = self._by_limit.get(limit)
        if length is None:
            if len(self._by_limit) == _MOST_LIMITS:
                del self._by_limit[next(iter(self._by_limit))]
            length = self._by_limit[limit] = _Length(reset)
        length.farthest = max(length.farthest, reset_in_seconds)
        if length.seconds is not None and length.seconds < length.farthest - _ROUNDING_SECONDS:
            length.seconds = None
        apart = reset - length.reset
        if apart <= 0:
            return
        length.reset = reset
        if max(_SHORTEST_SECONDS, length.farthest - _ROUNDING_SECONDS) <= apart < 2 * length.farthest:
            length.seconds = apart if length.seconds is None else min(length.seconds, apart)

    def seconds(self, limit: int | None) -> float | None:
        """Return how long a window of *limit* is, or is at least, or ``None`` where nothing is known of it."""
        length = None if limit is None else self._by_limit.get(limit)
        if length is None:
            return None
        return length.farthest if length.seconds is None else length.seconds
