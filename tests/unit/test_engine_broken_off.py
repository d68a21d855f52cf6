"""A job broken off between the parts of a batch: what is pending in its ledger was certainly not sent."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing

import orjson
import pytest

from bulkdelete.errors import NotSent
from bulkdelete.ledger import read_ledger
from bulkdelete.ledger.schema import OPEN
from bulkdelete.records import Fate
from bulkdelete.sources import open_source
from tests.api_model import INVALID, OK
from tests.simulation.api import TOO_LARGE
from tests.unit.scripted import PAUSED
from tests.unit.test_engine import job

IDS = [f"{number + 10**17}" for number in range(4000)]


class Shrinking:
    """Takes 1000 records once, and then no more than 500; what holds row 3000 finds no connection, 3999 no answer.

    Nothing is answered before the batch of row 3000 is in the *ledger*, so that it is planned whole.
    """

    def __init__(self, ledger) -> None:
        self.ledger = ledger
        self.most = 1000
        self.seen: set[str] = set()
        self.waits = asyncio.Event()

    async def post(self, body, api_key, request_id, path, leaves):
        await until(lambda: state_of(self.ledger, row=3000) == OPEN)
        ids = [entry["record_id"] for entry in orjson.loads(body)["delete_data"]]
        if IDS[3000] in ids:
            raise NotSent("no connection")
        leaves()
        self.seen.update(ids)
        if IDS[3999] in ids:
            self.waits.set()
            await asyncio.Event().wait()
        if len(ids) > self.most:
            return TOO_LARGE
        self.most = 500
        return OK

    async def close(self) -> None:
        """Nothing to close."""


async def test_a_part_that_never_left_does_not_make_another_one_pending_that_is_in_flight(tmp_path):
    (tmp_path / "ids.txt").write_text("\n".join(IDS))
    ledger = tmp_path / "purge.db"
    api = Shrinking(ledger)
    sections = {"flow": {"concurrency": 1, "cancel_grace_seconds": 0}, "retry": {"max_attempts": 1}}
    running = job(api, open_source(tmp_path / "ids.txt"), ledger, stop={"max_failures": 4000}, **sections)
    task = asyncio.create_task(running.run())
    async with asyncio.timeout(20):
        await api.waits.wait()
    task.cancel()
    await asyncio.wait({task})
    with read_ledger(ledger) as reader:
        (left,) = reader.open_ranges()
    assert (left.stored.first_row, left.stored.end_row) == (3000, 4000)
    assert api.seen.intersection(IDS[3000:])
    assert left.fate is Fate.UNRESOLVED


class RefusesTwoBatches:
    """Refuses rows 0 to 79, two batches, and takes the rest; what of the second is sent again finds no connection.

    Nothing of that is answered from row *hangs* on, a multiple of ten and one.
    """

    def __init__(self, hangs: int) -> None:
        self.hangs = hangs
        self.seen: set[str] = set()
        self.waits = asyncio.Event()

    async def post(self, body, api_key, request_id, path, leaves):
        await asyncio.sleep(0.001)
        ids = [entry["record_id"] for entry in orjson.loads(body)["delete_data"]]
        row = IDS.index(ids[0])
        if 40 <= row < 80 and len(ids) > 1 and row != self.hangs:
            raise NotSent("no connection")
        leaves()
        self.seen.update(ids)
        if row == self.hangs:
            self.waits.set()
            await asyncio.Event().wait()
        return INVALID if row < 80 else OK

    async def close(self) -> None:
        """Nothing to close."""


@pytest.mark.parametrize("hangs", [41, 50, 60, 70])
@pytest.mark.parametrize("concurrency", [1, 8])
async def test_of_a_batch_set_aside_in_pieces_none_is_pending_while_another_is_in_flight(tmp_path, hangs, concurrency):
    (tmp_path / "ids.txt").write_text("\n".join(IDS[:160]))
    api, ledger = RefusesTwoBatches(hangs), tmp_path / "purge.db"
    sections = {
        "batch": {"size": 40},
        "splitting": {"stop_when_wholly_wrong": True},
        "flow": {"concurrency": concurrency, "cancel_grace_seconds": 0},
        "retry": {"max_attempts": 1},
    }
    running = job(api, open_source(tmp_path / "ids.txt"), ledger, stop={"max_failures": 4000}, **sections)
    task = asyncio.create_task(running.run())
    async with asyncio.timeout(20):
        await api.waits.wait()
    assert fate_of(ledger, row=40) is Fate.UNRESOLVED
    task.cancel()
    await asyncio.wait({task})
    assert fate_of(ledger, row=40) is Fate.UNRESOLVED


def fate_of(ledger, row):
    """Return what became of what is left of the batch that begins at *row*."""
    with read_ledger(ledger) as reader:
        (fate,) = [left.fate for left in reader.open_ranges() if left.stored.first_row == row]
    return fate


class Pausing:
    """Takes the first batch of ten, and asks for a pause at each other one while it ``pauses``, and then waits."""

    def __init__(self) -> None:
        self.pauses = True
        self.requests: list[int] = []
        self.goes_on = asyncio.Event()

    async def post(self, body, api_key, request_id, path, leaves):
        leaves()
        row = IDS.index(orjson.loads(body)["delete_data"][0]["record_id"])
        self.requests.append(row)
        if self.pauses:
            return PAUSED if row else OK
        await self.goes_on.wait()
        return OK

    async def close(self) -> None:
        """Nothing to close."""


async def test_what_an_earlier_run_sent_is_not_pending_where_this_one_stops_before_it_is_its_turn(tmp_path):
    """It was answered with a pause, so nothing of it is in doubt; but it was sent, and perhaps applied in part."""
    (tmp_path / "ids.txt").write_text("\n".join(IDS[:30]))
    api, ledger, sections = Pausing(), tmp_path / "purge.db", {"batch": {"size": 10}}
    running = job(api, open_source(tmp_path / "ids.txt"), ledger, flow={"concurrency": 2}, **sections)
    task = asyncio.create_task(running.run())
    await until(lambda: 20 in api.requests)
    running.stop("SIGINT received")
    await task
    assert sorted(set(api.requests)) == [0, 10, 20]
    assert fate_of(ledger, row=20) is Fate.UNRESOLVED
    api.pauses, api.requests = False, []
    running = job(api, open_source(tmp_path / "ids.txt"), ledger, flow={"max_concurrency_per_call": 1}, **sections)
    task = asyncio.create_task(running.run())
    await until(lambda: api.requests == [10] and state_of(ledger, row=20) == OPEN)
    running.stop("SIGINT received")
    api.goes_on.set()
    await task
    assert api.requests == [10]
    assert fate_of(ledger, row=20) is Fate.UNRESOLVED


async def until(holds) -> None:
    """Wait until *holds* is true."""
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.001)


def state_of(ledger, row):
    """Return the state of the batch that begins at *row*; None where no batch does."""
    with closing(sqlite3.connect(ledger)) as connection:
        found = connection.execute("SELECT state FROM batch WHERE first_row = ?", (row,)).fetchone()
    return found and found[0]


class ProbeTooLarge:
    """Refuses rows 0 to 79, two batches, and finds row 40 too large; what is sent again waits until it may go on."""

    def __init__(self) -> None:
        self.waits, self.may_go_on = asyncio.Event(), asyncio.Event()
        self.takes = False

    async def post(self, body, api_key, request_id, path, leaves):
        await asyncio.sleep(0.001)
        ids = [entry["record_id"] for entry in orjson.loads(body)["delete_data"]]
        leaves()
        self.takes |= IDS.index(ids[0]) >= 80
        if not self.takes:
            return TOO_LARGE if IDS[40] in ids else INVALID
        if IDS.index(ids[0]) < 80:
            self.waits.set()
            await self.may_go_on.wait()
        return OK

    async def close(self) -> None:
        """Nothing to close."""


async def test_a_part_that_is_given_up_is_not_pending_where_others_of_its_batch_are_to_be_sent_once_more(tmp_path):
    (tmp_path / "ids.txt").write_text("\n".join(IDS[:160]))
    api, ledger = ProbeTooLarge(), tmp_path / "purge.db"
    sections = {"batch": {"size": 40}, "flow": {"concurrency": 1}, "retry": {"max_attempts": 1}}
    sections["splitting"] = {"stop_when_wholly_wrong": True}
    running = job(api, open_source(tmp_path / "ids.txt"), ledger, stop={"max_failures": 4000}, **sections)
    task = asyncio.create_task(running.run())
    async with asyncio.timeout(20):
        await api.waits.wait()
    running.stop("SIGINT")
    api.may_go_on.set()
    await task
    assert fate_of(ledger, row=40) is Fate.UNRESOLVED
