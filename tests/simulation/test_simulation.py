"""2,000 histories of whole jobs, each told by its seed; ``python -m tests.simulation --seeds 100000`` plays more."""

from __future__ import annotations

import re

import pytest

from tests.campaigning import campaign
from tests.simulation.campaign import Failure, play_seed

SEEDS = 2000
SHARES = 5
CUT_EVERYWHERE = [10]
"""It has a canary, and much fails."""
FOUND = [18, 100, 349, 764, 1438, 201399, 201417, 203448, 205223, 205618, 300395]
"""Seeds whose histories once broke a promise, or were said to: all by faults of the simulation's own."""


@pytest.mark.parametrize("first", range(0, SEEDS, SEEDS // SHARES))
def test_no_history_breaks_a_promise(first):
    said = campaign("simulation", "--first", first, "--seeds", SEEDS // SHARES, "--jobs", 1)
    assert said.startswith(f"{SEEDS // SHARES} histories")
    assert int(re.search(r"(\d+) times cut", said)[1]) > 150
    assert int(re.search(r"(\d+) requests", said)[1]) > 4500
    for ending in ("canary", "limit", "duration", "wholly_wrong"):
        assert int(re.search(rf"(\d+) times {ending}", said)[1]) > 5


@pytest.mark.parametrize("seed", CUT_EVERYWHERE)
def test_a_job_may_be_cut_at_every_step(seed):
    said = campaign("simulation", "--every-cut", "--first", seed, "--seeds", 1, "--jobs", 1)
    cut, steps = re.search(r"(\d+) times cut and run again, at each of their (\d+) steps, in", said).groups()
    assert int(cut) == int(steps) > 100


@pytest.mark.parametrize("seed", FOUND)
def test_a_history_that_broke_a_promise_does_so_no_more(seed):
    assert not isinstance(outcome := play_seed(seed).outcome, Failure), outcome


def test_one_seed_is_one_history_also_in_another_process_and_after_others():
    seeds = range(8)
    told = campaign("simulation", "--digests", *reversed(seeds)).split()
    assert told[::-1] == campaign("simulation", "--digests", *seeds).split()
    assert len({*told}) == len(seeds)
