"""How many examples a property is tried with: some in each run of the tests, many in a campaign.

python -m pytest --no-cov -n 2 -m property --examples-times 8 --timeout 3600
"""

from __future__ import annotations

IN_THE_SUITE = 0.25
"""So many times as often as it asks for a property is tried in each run of the tests."""
FEWEST = 2
_times = IN_THE_SUITE


def try_times(times: float) -> None:
    """Let what is imported from now on be tried *times* as often as it asks for."""
    global _times  # noqa: PLW0603 - decorators know of no configuration
    _times = times


def often(examples: int) -> int:
    """Return how many examples a property is tried with that asks for so many."""
    return max(FEWEST, round(examples * _times))
