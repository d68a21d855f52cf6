"""A call without a ledger counts what a ledger would, also of what was set aside before it left and is sent later."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from bulkdelete.sources import open_source
from tests.api_model import INTERNAL, INVALID, OK
from tests.unit.test_engine import fates, job

SIZE = 40
IDS = [f"{number + 10**17}" for number in range(4 * SIZE)]
SECOND = IDS[SIZE : 2 * SIZE]
PROBED = {SECOND[at] for at in (0, 9, 19, 29, 39)}
REFUSED = {*IDS[:SIZE], *PROBED}


class RefusesTwoBatches:
    """Refuses the first batch, and each record that is probed of the second; gives *rest* to the rest of that."""

    def __init__(self, rest):
        self.rest = rest

    async def post(self, body, api_key, request_id, path, leaves):
        await asyncio.sleep(0.001)
        ids = {entry["record_id"] for entry in orjson.loads(body)["delete_data"]}
        leaves()
        if ids & REFUSED:
            return INVALID
        return self.rest if ids & {*SECOND} else OK

    async def close(self):
        """Nothing to close."""


@pytest.mark.parametrize("durable", [True, False])
@pytest.mark.parametrize("concurrency", [1, 8])
@pytest.mark.parametrize(
    ("rest", "counted"),
    [
        (OK, {"acknowledged": 3 * SIZE - 5, "rejected": SIZE + 5}),
        (INTERNAL, {"acknowledged": 2 * SIZE, "rejected": SIZE + 5, "unresolved": SIZE - 5}),
    ],
)
async def test_what_is_sent_later_is_counted_once_and_as_what_came_of_it(tmp_path, durable, concurrency, rest, counted):
    (tmp_path / "ids.txt").write_text("\n".join(IDS))
    report = await job(
        RefusesTwoBatches(rest),
        open_source(tmp_path / "ids.txt"),
        tmp_path / "purge.db" if durable else None,
        batch={"size": SIZE},
        splitting={"stop_when_wholly_wrong": True},
        retry={"max_attempts": 2, "first_backoff_seconds": 0},
        flow={"concurrency": concurrency},
        stop={"max_failures": 1000},
    ).run()
    assert fates(report) == counted
