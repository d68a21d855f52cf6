"""Requests leave a few in a turn of the event loop, and whoever is cancelled before keeps no permit."""

from __future__ import annotations

import asyncio
from collections import Counter

from tests.unit.scripted import Request, Sending, batch_of, one_after_another

PERMITS = 16


class Turns:
    """Counts the requests that leave in each turn of the event loop; each is answered after a moment."""

    def __init__(self) -> None:
        self.requests: Counter[int] = Counter()
        self._now = 0
        self._count()

    def seconds(self, request: Request) -> float:
        self.requests[self._now] += 1
        return 0.001

    def stop(self) -> None:
        self._counting.cancel()

    def _count(self) -> None:
        self._now += 1
        self._counting = asyncio.get_running_loop().call_soon(self._count)


async def test_requests_whose_permits_come_at_once_leave_a_few_in_a_turn():
    turns = Turns()
    sending = Sending(one_after_another(), seconds=turns.seconds, before=1)
    await sending.send_all(*(batch_of(1, first_row=row) for row in range(3 * PERMITS)))
    turns.stop()
    assert sum(turns.requests.values()) == 3 * PERMITS
    assert max(turns.requests.values()) <= 8  # four; where the test's own count falls between, those of two turns


async def test_who_is_cancelled_while_others_leave_keeps_no_permit():
    sending = Sending(one_after_another(), seconds=60.0, before=1)
    tasks = [asyncio.create_task(sending.send(batch_of(1, first_row=row))) for row in range(PERMITS)]
    while not sending.requests:
        await asyncio.sleep(0)
    assert 0 < sending.limiter.waiting < PERMITS
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert (sending.limiter.in_flight, sending.limiter.waiting) == (0, 0)
    assert sending.tally.requests == len(sending.requests)
