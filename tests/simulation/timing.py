"""How long a run that nothing disturbs may take: what its requests took, by as many as may be on the wire, no more.

It is told from what the dice made each answer and each turn of a thread last, so it is exact for one history: a
limiter that lets one request leave where it should let five, or a job that waits without a need, takes longer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bulkdelete.limiter.keepers import allowance_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.simulation.scenario import Scenario

WINDOW_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
QUOTA_MARGIN = 1 + 1 / 64
"""A limit is used by at least 1 / (1 + 1/128 + 10 ms) of it."""
SAVING_SECONDS = 0.05
"""How long a request may wait for what was spent to be kept, beside the turns of threads that this takes."""
STRUCK_SECONDS = 30.0 + 15.0
"""The longest backoff, and a pause without a time given."""
SILENT_SECONDS = 60.0 + 1.0
"""How long a window lasts while no answer tells of it."""
SPREAD_SECONDS = 30.0
"""How much later than at the end of a pause somebody may come back: clients do not come back together."""
ROUNDING_SECONDS = 0.01


@dataclass
class Served:
    """What an API did in one run. Whole batches that it acknowledged may be sent together, all else one by one."""

    began: float
    size: int
    """How many records a batch holds."""
    requests: int = 0
    struck: int = 0
    """Requests that a fault struck."""
    refused: int = 0
    """Requests beyond the quota that the API keeps."""
    late: int = 0
    """Answers that told of a window that was over by then, which tells nothing."""
    is_alone: bool = False
    """Whether one batch at a time is sent, for a canary."""
    together_seconds: float = 0.0
    longest_seconds: float = 0.0
    alone_seconds: float = 0.0
    judged_seconds: float = 0.0
    """What it took to judge a canary."""
    paused_until: float = 0.0
    """Until when it had asked for a pause, when the run began."""
    taken_apart: set[str] = field(default_factory=set)
    """The records of batches that were not acknowledged as a whole, in earlier runs too: their parts go one by one."""

    def answered(self, ids: tuple[str, ...], seconds: float, *, well: bool) -> None:
        self.requests += 1
        is_whole = self.taken_apart.isdisjoint(ids) and (len(ids) > 1 or self.size == 1)  # or it is a probe
        if well and is_whole and self.together_seconds and not self.is_alone:
            self.together_seconds += seconds
            self.longest_seconds = max(self.longest_seconds, seconds)
        elif well and is_whole:
            self.together_seconds = 1e-9  # the first that is acknowledged goes alone
            self.alone_seconds += seconds
        else:
            self.taken_apart.update(ids)
            self.alone_seconds += seconds


def most_seconds(
    scenario: Scenario, served: Served, executor_seconds: float, arrivals: Sequence[float], *, was_cut: bool
) -> float:
    """Return how long a run may take at most; what earlier runs left over counts by itself.

    That is a pause that the API had asked for, and what they spent of a quota, as *arrivals* tell. What one that *was
    cut* had spent is not known for sure: a window counts as full after it.
    """
    flow = scenario.settings.flow
    permits = 1 if flow.concurrency == "adaptive" else flow.concurrency  # which begins with one
    if scenario.quotas:  # what is not kept yet is all that may be on the wire
        permits = min(permits, allowance_of(flow))
    together = served.together_seconds / permits
    work = together + served.longest_seconds + served.alone_seconds + served.judged_seconds + executor_seconds
    requests, began = served.requests, served.began
    before = arrivals[: len(arrivals) - requests]
    quotas = 0.0
    for unit, limit in scenario.quotas.items():
        seconds = WINDOW_SECONDS[unit]
        spent = limit if was_cut else sum(at > began - seconds * QUOTA_MARGIN for at in before)
        windows = max(0, math.ceil((requests + spent) / limit) - 1)
        quotas += windows * seconds * QUOTA_MARGIN + requests * SAVING_SECONDS
    if told := scenario.told:
        known_seconds = told.seconds + 1  # the end of a window is told in whole seconds
        spent = told.limit if was_cut else sum(at > began - known_seconds for at in before)
        if requests + spent > told.limit:
            quotas += (math.ceil(requests / told.limit) + 1) * known_seconds
        quotas += served.late * SILENT_SECONDS + served.refused * STRUCK_SECONDS
    pause = served.paused_until - began
    pause += SPREAD_SECONDS if pause > 0 else -pause
    return work + quotas + pause + served.struck * STRUCK_SECONDS + ROUNDING_SECONDS
