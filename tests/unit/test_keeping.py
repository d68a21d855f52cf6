"""What is spent of a quota is kept while it is spent: a process that is killed leaves little unknown, or nothing."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulkdelete.capping import BodyCap
from bulkdelete.keeping import keeping
from bulkdelete.ledger.facts import SPENT
from bulkdelete.limiter import Limiter, SampleKind
from bulkdelete.quotas import SECONDS
from bulkdelete.settings import FlowSettings
from bulkdelete.stopping import Stop
from tests.properties import often
from tests.virtual_time import run

WALL_CLOCK = 1_795_500_000.0
ALL = 10_000


@dataclass
class Disk:
    """A ledger's file, of which only what was written in time outlives a kill."""

    path: str = "ledger.db"
    facts: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.005
    is_dead: bool = False

    def remember(self, key: str, value: str) -> asyncio.Future[None]:
        return asyncio.ensure_future(self._write(key, value))

    async def _write(self, key: str, value: str) -> None:
        await asyncio.sleep(self.seconds)
        if self.is_dead:
            await asyncio.Event().wait()
        self.facts[key] = value


@dataclass
class Api:
    """Every request that ever left, and when."""

    limits: dict[str, int]
    sent: list[float] = field(default_factory=list)
    latency_seconds: float = 0.05

    async def send(self, limiter: Limiter) -> None:
        """Send one request after the other."""
        while True:
            permit = await limiter.acquire(Stop())
            limiter.left(permit)
            self.sent.append(now())
            await asyncio.sleep(self.latency_seconds)
            limiter.heard(permit, None)
            limiter.answered(permit, SampleKind.SUCCESS)

    def check(self) -> None:
        for unit, limit in self.limits.items():
            spans = [later - first for first, later in zip(self.sent, self.sent[limit:], strict=False)]
            assert not spans or min(spans) > SECONDS[unit], f"more than {limit} requests within a {unit}"


def now() -> float:
    return asyncio.get_running_loop().time()


async def life(api: Api, disks: list[Disk], seconds: float, *, workers: int = 3) -> None:
    """Let a process send all it may, which is killed after *seconds*, with a call for each of *disks*."""
    flow = FlowSettings(concurrency=8, wait=True, **{f"requests_per_{unit}": n for unit, n in api.limits.items()})
    limiter = Limiter(flow, lambda: WALL_CLOCK + now(), lambda: 0.0)

    async def call(disk: Disk) -> None:
        async with keeping(limiter, BodyCap(10_000), disk, pytest.fail, heeds_told=True):
            await asyncio.gather(*(api.send(limiter) for _ in range(workers)))

    running = [asyncio.create_task(call(disk)) for disk in disks]
    await asyncio.sleep(seconds)
    for disk in disks:
        disk.is_dead = True
    killed = asyncio.all_tasks() - {asyncio.current_task()}
    while killed:
        for task in killed:
            task.cancel()
        _, killed = await asyncio.wait(killed, timeout=0.0)
    assert all(task.done() for task in running)
    for disk in disks:
        disk.is_dead = False


def lives(api: Api, kills: list[float], *disks: Disk) -> None:
    async def all_of_them() -> None:
        for seconds in kills:
            await life(api, list(disks), seconds)

    run(all_of_them())
    api.check()


LIMITS = st.dictionaries(st.sampled_from(list(SECONDS)), st.integers(1, 40), min_size=1, max_size=2)
KILLS = st.lists(st.sampled_from([0.004, 0.02, 0.5, 3.0, 16.0, 59.7, 61.0, 500.0]) | st.floats(0.001, 200), max_size=12)


@settings(max_examples=often(32), deadline=None)
@given(LIMITS, KILLS, st.sampled_from([0.001, 0.03, 0.4, 2.0]), st.integers(1, 3))
def test_no_window_is_overrun_whenever_processes_are_killed_and_however_slow_the_disks_are(
    limits, kills, disk_seconds, ledgers
):
    lives(Api(limits), kills, *(Disk(seconds=disk_seconds * (1 + number)) for number in range(ledgers)))


@pytest.mark.no_cover  # long, and reaches nothing that others do not
@pytest.mark.parametrize("every_seconds", [2.2, 16.0, 45.0, 61.0])
@pytest.mark.parametrize(("limit", "ledgers"), [(60, 1), (10, 1), (60, 2), (2, 1)])
def test_a_process_that_is_killed_again_and_again_sends_most_of_its_quota_all_the_same(every_seconds, limit, ledgers):
    api = Api({"minute": limit})
    lives(api, [every_seconds] * int(600 / every_seconds), *(Disk() for _ in range(ledgers)))
    assert len(api.sent) >= 0.5 * 10 * limit


@pytest.mark.no_cover  # long, and reaches nothing that others do not
@pytest.mark.parametrize("ledgers", [1, 2])
def test_kills_while_a_used_up_day_is_waited_for_count_nothing(ledgers):
    api, disks = Api({"day": 100}), [Disk() for _ in range(ledgers)]
    lives(api, [30.0] * 400, *disks)
    assert len(api.sent) == 100
    lives(Api({"day": 100}), [27_000.0], *disks)
    parts = json.loads(disks[0].facts[SPENT])["spent"]["day"]
    assert sum(requests for _, requests in parts) <= 100 + ledgers


@pytest.mark.no_cover  # long, and reaches nothing that others do not
@pytest.mark.parametrize(("unit", "limit"), [("second", 5), ("second", 100), ("minute", 60), ("minute", 1200)])
@pytest.mark.parametrize("disk_seconds", [0.005, 0.1])
def test_keeping_what_is_spent_and_resting_costs_no_throughput(unit, limit, disk_seconds):
    api, windows = Api({unit: limit}, latency_seconds=0.02), 4
    lives(api, [windows * SECONDS[unit]], Disk(seconds=disk_seconds))
    assert len(api.sent) >= 0.95 * (windows - 1) * limit


async def _two_at_rest() -> tuple[Limiter, list]:
    limiter = Limiter(FlowSettings(concurrency=8, wait=True, requests_per_minute=2), lambda: WALL_CLOCK + now())
    keepers = [limiter.take_over(None, None) for _ in range(2)]
    for keeper in keepers:
        keeper.keep(keeper.spent_so_far())
    for _ in range(2):
        permit = await limiter.acquire(Stop())
        limiter.heard(permit, None)
        limiter.answered(permit, SampleKind.SUCCESS)
        for keeper in keepers:
            keeper.keep(keeper.spent_so_far())
    resting = [keeper.spent_so_far() for keeper in keepers]
    assert [snapshot["clean"] for snapshot in resting] == [True, True]
    for keeper, snapshot in zip(keepers, resting, strict=True):
        keeper.keep(snapshot)
    await asyncio.gather(*(keeper.until_spent(snapshot) for keeper, snapshot in zip(keepers, resting, strict=True)))
    assert 59 < now() < 60
    return limiter, keepers


@pytest.mark.virtual_time
@pytest.mark.parametrize("first", [0, 1])
async def test_after_a_rest_nothing_leaves_until_every_ledger_says_that_it_may(first):
    limiter, keepers = await _two_at_rest()
    waiting = asyncio.create_task(limiter.acquire(Stop()))
    keepers[first].keep(keepers[first].spent_so_far())
    await asyncio.sleep(5)
    assert not waiting.done()
    keepers[1 - first].keep(keepers[1 - first].spent_so_far())
    await asyncio.wait_for(waiting, 0.1)


@pytest.mark.virtual_time
async def test_after_a_rest_nobody_waits_for_a_ledger_that_ended_meanwhile():
    limiter, (one, other) = await _two_at_rest()
    waiting = asyncio.create_task(limiter.acquire(Stop()))
    one.keep(one.spent_so_far())
    await asyncio.sleep(5)
    other.sends_no_more()
    other.ends()
    await asyncio.wait_for(waiting, 0.1)
