"""How soon the adaptive limit is near the best number: what ``benchmarks/adaptive.py`` measures, in virtual time."""

from __future__ import annotations

from collections import deque
from random import Random

import pytest

from tests.flow.doors import Ours
from tests.flow.lab import Lab
from tests.flow.servers import Server

MOST_IN_FLIGHT = 64
STEP_SECONDS = 0.05


def seconds_until_near(server: Server, seed: int, longest: float) -> float:
    """Return when 90 % of the best number have been at work for a second, or two latencies; or *longest*."""
    lab = Lab(server, [Ours(Random(f"{seed} door 0"))], seed)
    [job] = lab.jobs
    lab.at(0.0, job.go_on)
    window = deque([0], maxlen=round(max(1.0, 2 * server.latency_seconds) / STEP_SECONDS))
    enough = 0.9 * min(server.capacity, MOST_IN_FLIGHT)
    while lab.now < longest and sum(window) < enough * (window.maxlen or 0):
        lab.run(lab.now + STEP_SECONDS)
        window.append(min(job.door.in_flight, server.capacity))
    return lab.now


@pytest.mark.parametrize("capacity", [24, 1000])
@pytest.mark.parametrize("cv", [0.0, 1.31], ids=["fixed", "heavy-tailed"])
@pytest.mark.parametrize("latency_seconds", [0.02, 0.05, 0.201, 1.001])
def test_the_adaptive_limit_is_near_the_best_number_within_20_round_trips_or_10_seconds(latency_seconds, cv, capacity):
    server = Server(capacity=capacity, latency_seconds=latency_seconds, cv=cv)
    bound = max(10.0, 20 * latency_seconds)
    assert [seed for seed in range(3) if seconds_until_near(server, seed, bound) >= bound] == []
