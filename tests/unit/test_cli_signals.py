"""A first signal lets the job end in order, one delivered twice is one, and a later one ends it at once."""

from __future__ import annotations

import asyncio
import os
import signal
from types import SimpleNamespace

import pytest

from bulkdelete.cli.signals import Signals


class Job:
    def __init__(self) -> None:
        self.reasons: list[str] = []

    def stop(self, reason: str) -> None:
        self.reasons.append(reason)

    def snapshot(self):
        return SimpleNamespace(in_flight=3)


@pytest.fixture
async def running():
    task = asyncio.create_task(asyncio.Event().wait())
    yield task
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_the_first_signal_stops_the_job_and_says_how_to_be_quicker(running, number):
    job, said = Job(), asyncio.Queue()
    with Signals(job, running, said.put_nowait) as signals:
        os.kill(os.getpid(), number)
        line = await said.get()
    assert job.reasons == [f"{number.name} received"]
    assert line == "stopping: 3 requests in flight finish; press Ctrl-C again to stop at once"
    assert signals.received is number
    assert not running.cancelling()


async def test_one_signal_delivered_twice_is_one(running):
    said = asyncio.Queue()
    with Signals(Job(), running, said.put_nowait):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        await said.get()
        assert not running.cancelling()


async def test_a_signal_after_the_person_was_told_cancels(running):
    said = asyncio.Queue()
    with Signals(Job(), running, said.put_nowait) as signals:
        os.kill(os.getpid(), signal.SIGTERM)
        await said.get()
        os.kill(os.getpid(), signal.SIGINT)
        assert "at once" in await said.get()
    await asyncio.wait({running})
    assert running.cancelled()
    assert signals.received is signal.SIGTERM


async def test_afterwards_ctrl_c_is_what_it_was(running):
    with Signals(Job(), running, str):
        pass
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


async def test_a_signal_that_was_ignored_before_as_nohup_does_stays_ignored(running):
    job, before = Job(), signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Signals(job, running, print) as signals:
            os.kill(os.getpid(), signal.SIGHUP)
            await asyncio.sleep(0)
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
    assert (job.reasons, signals.received) == ([], None)
