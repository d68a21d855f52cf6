"""The same at the public door, with real sockets, threads and files: nothing is left behind."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections import deque
from pathlib import Path

import pytest

from bulkdelete import BulkDeleter
from bulkdelete.emulator import Emulator
from bulkdelete.emulator.faults import Faults
from bulkdelete.ledger import read_ledger
from bulkdelete.settings import Settings
from tests.acceptance.command import TABLE_ID, ids
from tests.cancelling.reading import Reader
from tests.secrets import as_told, assert_nowhere, everything_logged

RECORDS = ids(60)
POISONED = RECORDS[7:9]
KEY = "sk-canary-5f0c2b77d41e9a36"
EVERY = 8
BY_RICH_EVERY = 10
"""Of so many exceptions one is told by rich too, which takes long."""
IN_JOB = contextvars.ContextVar("in the job", default=False)


class _Counted(deque["asyncio.Handle"]):
    """A loop's ready callbacks, of which those of *job* are counted until it is done; it is cancelled *at* one."""

    def __init__(self) -> None:
        super().__init__()
        self.steps, self.at = 0, 0
        self.job: asyncio.Task[object] | None = None

    def popleft(self) -> asyncio.Handle:
        handle = super().popleft()
        if self.job is not None and not self.job.done() and handle._context.get(IN_JOB):
            self.steps += 1
            if self.steps == self.at:
                self.job.cancel()
        return handle


class CountingLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        super().__init__()
        self._ready = _Counted()


def run(main) -> None:
    with asyncio.Runner(loop_factory=CountingLoop) as runner:
        runner.run(main)


def settings(**flow: object) -> Settings:
    plain = {"sanity_check": False}
    flow = {"concurrency": 3, "cancel_grace_seconds": 0.02, **flow}
    retry = {"first_backoff_seconds": 0.001}
    return Settings.from_mapping({"batch": {"size": 7}, "flow": flow, "source": plain, "retry": retry})


def emulated(**faults: object) -> Emulator:
    return Emulator(faults=Faults(seed=5, **faults), api_key=KEY)


def running() -> set[asyncio.Task[object] | threading.Thread]:
    """Return the tasks and threads that there are."""
    return {*asyncio.all_tasks(), *threading.enumerate()}


def leftovers(before: set[asyncio.Task[object] | threading.Thread]) -> tuple[list[str], list[str], int]:
    """Return the names of our tasks and threads that were not *before*, and how many files are open."""
    tasks = [task.get_name() for task in asyncio.all_tasks() - before if task.get_name().startswith("bulkdelete")]
    new = [thread.name for thread in threading.enumerate() if thread not in before]
    threads = [name for name in new if name.startswith("bulkdelete")]
    return tasks, threads, sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.fixture(autouse=True)
def key_is_nowhere(tmp_path, capfd):
    """Search for the key in all that a test prints and logs, and in its files."""
    with everything_logged() as logged:
        yield
    printed = capfd.readouterr()
    assert_nowhere(KEY, [tmp_path], [printed.out, printed.err, *logged])


def search_for_the_key(task: asyncio.Task[object], *, by_rich: bool) -> None:
    """Search for the key in what whoever awaits the cancelled *task* may show."""
    with pytest.raises(asyncio.CancelledError) as raised:
        task.result()
    assert_nowhere(KEY, texts=as_told(raised.value, by_rich=by_rich))


async def deleted(emulator: Emulator, ledger, step: int = 0, *, read: bool = False) -> tuple[object, int]:
    """Delete everything, cancelled at *step* where that is not 0; return the report, if any, and the steps taken.

    With *read* the job is run by reading what becomes of it.
    """
    loop = asyncio.get_running_loop()
    ready = loop._ready
    ready.steps = 0
    before = running()
    async with BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key, settings=settings()) as deleter:
        context = contextvars.copy_context()
        context.run(lambda: IN_JOB.set(True))
        how = {"ledger": ledger}
        call = (
            Reader().read(deleter.stream(TABLE_ID, RECORDS, **how))
            if read
            else deleter.delete(TABLE_ID, RECORDS, **how)
        )
        task = loop.create_task(call, name="bulkdelete call", context=context)
        ready.at, ready.job = step, task
        await asyncio.wait({task})
        tasks, threads, _ = leftovers(before)
        assert not tasks
        assert not threads
    if 0 < step <= ready.steps:
        assert task.cancelled(), "the cancellation is swallowed"
        search_for_the_key(task, by_rich=step // EVERY % BY_RICH_EVERY == 0)
        return None, ready.steps
    return task.result(), ready.steps


@pytest.mark.parametrize("read", [False, True], ids=["by itself", "read"])
@pytest.mark.parametrize("durable", [True, False], ids=["with a ledger", "without a ledger"])
def test_a_call_may_be_cancelled_at_any_step_and_leaves_nothing_behind(durable, read, tmp_path):
    run(_cancel_at_steps(durable, tmp_path, read=read))


async def _cancel_at_steps(durable, tmp_path, *, read):
    async with emulated(internal_error_rate=0.05, drop_after_rate=0.05) as emulator:
        emulator.load(TABLE_ID, RECORDS)
        emulator.poison(TABLE_ID, POISONED)
        _, steps = await deleted(emulator, tmp_path / "whole.db" if durable else None, read=read)
        open_files, cancelled = leftovers(set())[2], 0
        for step in range(1, steps, EVERY * 3 if read else EVERY):
            emulator.load(TABLE_ID, RECORDS)
            emulator.poison(TABLE_ID, POISONED)
            ledger = tmp_path / f"{step}.db" if durable else None
            report, _ = await deleted(emulator, ledger, step, read=read)
            cancelled += report is None
            if report is None:
                report, _ = await deleted(emulator, ledger)
            assert (report.acknowledged, report.rejected, report.rows) == (58, 2, 60)
            assert list(emulator.remaining(TABLE_ID)) == POISONED
            if ledger is not None:
                with read_ledger(ledger) as reader:
                    assert {one.record for one in reader.failures()} == set(POISONED)
        assert cancelled > (3 if read else 10)
        assert leftovers(set())[2] <= open_files + 3  # the emulator's end of a connection may close a little later


@pytest.mark.parametrize("durable", [True, False], ids=["with a ledger", "without a ledger"])
async def test_a_second_cancel_ends_the_grace_and_its_task(durable, tmp_path):
    async with emulated(latency_seconds=0.5) as emulator:
        emulator.load(TABLE_ID, RECORDS)
        chosen = settings(cancel_grace_seconds=60)
        async with BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key, settings=chosen) as deleter:
            call = deleter.delete(TABLE_ID, RECORDS, ledger=tmp_path / "purge.db" if durable else None)
            task = asyncio.create_task(call)
            while emulator.requests < 3:
                await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.sleep(0.05)
            task.cancel()
            await asyncio.wait({task})
            search_for_the_key(task, by_rich=True)
            left = [one.get_name() for one in asyncio.all_tasks() if one.get_name().startswith("bulkdelete")]
            assert not left
