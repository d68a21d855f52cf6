"""The ids of the demonstration: 18 digits, scattered, every one different, and the same every time."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_FIRST: Final = 541_278_230_707_963_208
_WINDOW_RECORDS: Final = 10_000
_WINDOW_SPAN: Final = 4 * 10**13
_STRIDE: Final = 24_721_359_549_997
"""No multiple of 2 or 5, the prime factors of the span: so no id comes twice."""
_DOOMED_PER_SURVIVOR: Final = 20


def survivors(records: int) -> int:
    """Return how many records must survive beside *records* that go."""
    return max(1, records // _DOOMED_PER_SURVIVOR)


def doomed(records: int) -> Iterator[str]:
    """Yield the ids to delete, *records* of them."""
    return (_id(number + number // _DOOMED_PER_SURVIVOR) for number in range(records))


def survivors_of(records: int) -> Iterator[str]:
    """Yield the ids that must survive; they stand between those of :func:`doomed`."""
    step = _DOOMED_PER_SURVIVOR + 1
    return (_id(step * number + _DOOMED_PER_SURVIVOR) for number in range(survivors(records)))


def everything(records: int) -> Iterator[str]:
    """Yield all ids of the table."""
    return chain(doomed(records), survivors_of(records))


def _id(number: int) -> str:
    """Scatter ids within a window, and let the windows rise, as ids made over time do."""
    window, within = divmod(number, _WINDOW_RECORDS)
    return str(_FIRST + window * _WINDOW_SPAN + within * _STRIDE % _WINDOW_SPAN)
