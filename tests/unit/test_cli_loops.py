"""Which event loop a command runs on: uvloop's where it is there, unless another is wanted."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import time
from threading import Thread

import pytest

from bulkdelete.cli import loops
from bulkdelete.errors import SettingsError

uvloop = pytest.importorskip("uvloop", exc_type=ImportError)


@pytest.fixture
def without_uvloop(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvloop", None)


async def _running() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


@pytest.mark.parametrize(("wanted", "is_uvloop"), [("auto", True), ("uvloop", True), ("asyncio", False)])
def test_it_is_the_one_that_is_wanted_and_the_log_says_so(caplog, wanted, is_uvloop):
    policy = asyncio.get_event_loop_policy()
    with caplog.at_level(logging.INFO, "bulkdelete.loops"):
        assert isinstance(loops.run(_running, wanted), uvloop.Loop) == is_uvloop
    assert caplog.messages == [f"the event loop is {'uvloop' if is_uvloop else 'asyncio'}'s"]
    assert asyncio.get_event_loop_policy() is policy


@pytest.mark.usefixtures("without_uvloop")
def test_without_uvloop_it_is_asyncios(caplog):
    with caplog.at_level(logging.INFO, "bulkdelete.loops"):
        for wanted in ("auto", "asyncio"):
            assert isinstance(loops.run(_running, wanted), asyncio.SelectorEventLoop)
    assert caplog.messages == ["the event loop is asyncio's"] * 2


@pytest.mark.usefixtures("without_uvloop")
def test_uvloop_that_is_wanted_and_not_there_is_refused_with_what_to_do():
    with pytest.raises(
        SettingsError, match=r"^event_loop: uvloop is not installed.*bulkdelete\[fast\].*Nothing was sent"
    ):
        loops.run(_running, "uvloop")


def test_uvloops_knows_the_time_as_finely_as_asyncios_own():
    async def times() -> list[float]:
        loop, came = asyncio.get_running_loop(), []
        while len(came) < 100:
            before, told, after = time.monotonic(), loop.time(), time.monotonic()
            assert before <= told <= after
            came.append(told)
        return came

    for wanted in ("asyncio", "uvloop"):
        assert len(set(loops.run(times, wanted))) > 50


@pytest.mark.parametrize("wanted", ["asyncio", "uvloop"])
def test_no_thread_is_started_to_close_it_where_perhaps_none_can_be(monkeypatch, wanted):
    ended = []

    def work():
        time.sleep(0.1)
        ended.append("in a thread")

    async def begin() -> None:
        asyncio.get_running_loop().run_in_executor(None, work)

    def start(_):
        raise RuntimeError("can't start new thread")

    with loops.runner(wanted) as running:
        running.run(begin())
        monkeypatch.setattr(Thread, "start", start)
    assert ended == ["in a thread"], "what its threads do is waited for"


WITH_A_LOOP = """
import os
from bulkdelete.cli import loops
with loops.runner("uvloop"):
    print(len(os.listdir("/proc/self/task")))
"""


def test_the_threads_without_which_uvloop_would_end_the_process_begin_with_its_loop():
    done = subprocess.run([sys.executable, "-c", WITH_A_LOOP], capture_output=True, text=True, check=True)
    assert int(done.stdout) >= 1 + 4
