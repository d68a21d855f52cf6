"""The product's decisions against every server of the scenarios' folder, in virtual time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.flow.scenarios import every

if TYPE_CHECKING:
    from tests.flow.lab import Result
    from tests.flow.scenarios import Expected, Scenario

SCENARIOS = every()
SEEDS = range(10)
PLAYED = {"bucket", "capacity_1_cliff", "capacity_1_queue", "capacity_1_thrash", "capacity_2_cliff_50000", "cliff_429"}
PLAYED |= {"changes_thrash", "outage_60", "outage_60_unanswered", "outage_for_good", "queue_slow"}
PLAYED |= {"quota_hour", "quota_silent", "step_tenfold", "thrash_square", "two_jobs_thrash"}
"""Some of each kind; the campaign plays all."""


def misses(expect: Expected, result: Result) -> list[str]:
    """Return what is not as expected, each in words."""
    shares = max(result.shares) / max(1, min(result.shares))
    found = {
        f"goodput {result.goodput:.3f} < {expect.goodput}": result.goodput < expect.goodput,
        f"waste {result.waste:.3f} > {expect.waste}": result.waste > expect.waste,
        f"exhausted {result.exhausted} > 0": result.exhausted > 0,
        f"set aside {result.set_aside} > {expect.set_aside}": result.set_aside > expect.set_aside,
        f"requests {result.requests} > {expect.requests}": result.requests > (expect.requests or result.requests),
        f"shares {shares:.2f} > {expect.shares}": expect.shares is not None and shares > expect.shares,
        f"over quota {result.over_quota} > {expect.over_quota}": expect.over_quota is not None
        and result.over_quota > expect.over_quota,
        f"gave up: {result.gave_up}": result.gave_up != expect.gave_up,
    }
    return [words for words, is_missed in found.items() if is_missed]


@pytest.mark.parametrize(
    "scenario", [one for one in SCENARIOS if one.name in PLAYED], ids=lambda scenario: scenario.name
)
def test_a_scenario_goes_as_its_sentence_says(scenario: Scenario):
    assert misses(scenario.expect, scenario.play(seed=0)) == [], scenario.says


@pytest.mark.campaign
@pytest.mark.timeout(600)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_scenario_goes_as_its_sentence_says_with_ten_seeds(scenario: Scenario):
    results = {seed: scenario.play(seed) for seed in SEEDS}
    assert {seed: found for seed, one in results.items() if (found := misses(scenario.expect, one))} == {}


def test_the_same_seed_gives_the_same_run():
    scenario = next(one for one in SCENARIOS if one.name == "capacity_2_cliff_50000")
    assert scenario.play(3) == scenario.play(3) != scenario.play(4)


def test_what_is_played_is_there():
    assert {scenario.name for scenario in SCENARIOS} >= PLAYED


def test_the_scenarios_are_all_of_the_kinds_that_were_asked_for():
    servers = {scenario.name: scenario.server for scenario in SCENARIOS}
    assert {server.beyond for server in servers.values()} == {"queue", "cliff", "thrash"}
    assert {server.cliff_answer for server in servers.values()} == {"429", "50000"}
    assert {0.05, 0.1, 0.3} <= {server.error_share for server in servers.values()}
    assert {1, 2} <= {server.capacity for server in servers.values()}
    assert {60, 600} <= {outage.ends - outage.begins for server in servers.values() for outage in server.outages}
    assert any(scenario.seconds == 7200 and scenario.server.beyond == "thrash" for scenario in SCENARIOS)
    assert any(scenario.jobs == 2 for scenario in SCENARIOS)
