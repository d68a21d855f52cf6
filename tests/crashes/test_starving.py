"""File descriptors, threads or memory are used up: before anything is sent, in a job that runs, and at its end."""

from __future__ import annotations

import asyncio
import resource
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from bulkdelete.emulator import Faults
from tests.acceptance.command import LONGEST_SECONDS, Finished, fates, write_csv
from tests.crashes import oracle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.acceptance.command import Process
    from tests.crashes.campaign import Job

FEW_FILES = """
import resource
from bulkdelete.cli import commands, main
resource.setrlimit(resource.RLIMIT_NOFILE, ({0}, {0}))
main()
"""
FEW_THREADS = """
import threading
from bulkdelete.cli import commands, main
name = "_start_joinable_thread" if hasattr(threading, "_start_joinable_thread") else "_start_new_thread"
start = getattr(threading, name)

def start_if_it_may(*given, **how):
    if threading.active_count() > 1 + {0}:
        raise RuntimeError("can't start new thread")
    return start(*given, **how)

setattr(threading, name, start_if_it_may)
main()
"""
EVERY_CONNECTION_BREAKS = Faults(drop_before_rate=0.5, drop_after_rate=0.5)
FEWEST = 2 * oracle.CONCURRENCY + 4
"""So many attempts starve at least: some are made again, as the workers are twice as many as the permits."""


TOO_FEW = "bulkdelete: there are too few file descriptors (Too many open files): raise the limit (ulimit -n)"
NO_ROW = "ids.csv: reading broke off before row 0: Too many open files. No row was taken. Raise the limit"
NOT_MADE = "purge.db: the ledger cannot be made: Too many open files. Nothing was sent"
NOT_READ = "purge.db: the ledger cannot be read: unable to open database file. Nothing was sent"


@pytest.mark.parametrize(
    ("loop", "files", "code", "words"),
    [
        *(("asyncio", 3, 3, TOO_FEW), ("asyncio", 6, 3, NO_ROW), ("asyncio", 7, 2, NOT_MADE)),
        *(("asyncio", 8, 2, NOT_READ), ("uvloop", 4, 3, TOO_FEW), ("uvloop", 11, 3, TOO_FEW)),
        *(("uvloop", 12, 3, NO_ROW), ("uvloop", 13, 2, NOT_MADE), ("uvloop", 14, 2, NOT_READ)),
    ],
)
async def test_with_too_few_file_descriptors_to_begin_nothing_is_sent(one, loop, files, code, words):
    command = one.command("-c", FEW_FILES.format(files))
    command.words += ["--event-loop", loop]
    refused = await command.run()
    assert refused.code == code, refused.everything
    assert one.emulator.requests == 0
    assert words in refused.stderr
    assert "Traceback" not in refused.stderr
    assert "Warning" not in refused.stderr


@pytest.mark.parametrize(
    ("threads", "more"), [(0, ()), (1, ()), (2, ()), (0, ("--quiet",)), (2, ("--quiet",)), (1, ("--metrics-port", 0))]
)
async def test_with_too_few_threads_to_begin_nothing_is_sent_and_the_same_command_goes_on(one, threads, more):
    refused = await one.command("-c", FEW_THREADS.format(threads), words=more).run()
    assert refused.code in {2, 3}, refused.everything
    assert one.emulator.requests == 0
    assert "can't start new thread" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert "fault of bulkdelete" not in refused.everything
    assert "can't start new thread" in refused.report["reason"]


async def test_with_as_many_threads_as_a_job_needs_it_ends_as_any_other(one):
    await one.looked_at(await one.command("-c", FEW_THREADS.format(4)).run())
    await one.ends()


async def test_with_too_few_threads_for_uvloop_asyncios_loop_is_taken_and_that_is_said(one):
    few = "uvloop's event loop needs 8 threads, which cannot be started here"
    refused = await one.command("-c", FEW_THREADS.format(7), words=("--event-loop", "uvloop")).run()
    assert (refused.code, one.emulator.requests) == (2, 0)
    assert f"bulkdelete: event_loop: {few}: let the process have more (such as by its pids limit)" in refused.stderr
    done = await one.command("-c", FEW_THREADS.format(7)).run()
    assert f"{few}: asyncio's is taken, which needs fewer" in done.stderr
    await one.looked_at(done)
    await one.ends()


class Starved:
    """A run that can open nothing any more, no file and no connection, at a server that breaks those it has."""

    def __init__(self, one: Job, process: Process) -> None:
        self._one, self._process = one, process
        self._soft, self._hard = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
        self._lines: list[str] = []
        self._printed = asyncio.gather(process.stdout.read(), self._read())

    def starve(self) -> None:
        resource.prlimit(self._process.pid, resource.RLIMIT_NOFILE, (0, self._hard))

    def feed(self) -> None:
        resource.prlimit(self._process.pid, resource.RLIMIT_NOFILE, (self._soft, self._hard))

    def attempts(self) -> int:
        """Return how many attempts could not even open a connection."""
        starved = f"the API said 'no connection to {self._one.emulator.base_url}: Too many open files"
        return sum("bulkdelete.attempts" in line and starved in line for line in self._lines)

    def says(self, words: str) -> bool:
        return any(words in line for line in self._lines)

    async def comes_to(self, what: Callable[[], object]) -> None:
        async with asyncio.timeout(30):
            while not what():
                assert self._process.returncode is None, "".join(self._lines)
                await asyncio.sleep(0.005)

    async def ends(self) -> Finished:
        async with asyncio.timeout(LONGEST_SECONDS):
            stdout, _ = await self._printed
            code = await self._process.wait()
        return Finished(code, stdout.decode(), "".join(self._lines))

    async def _read(self) -> None:
        while line := await self._process.stderr.readline():
            self._lines.append(line.decode())


@asynccontextmanager
async def starved(one: Job, *words: str) -> AsyncIterator[Starved]:
    """A run of *one* that is starved after some requests; afterwards the server is a good one."""
    async with one.command(words=("--log-level", "debug", *words)).started() as process:
        run = Starved(one, process)
        await one.sends(8, process)
        run.starve()
        try:
            yield run
        finally:
            one.emulator.faults = Faults()


@pytest.mark.parametrize("long", [False, True])
async def test_a_job_that_starves_for_a_while_goes_on_as_after_an_outage(one, long):
    async with starved(one) as run:
        one.emulator.faults = EVERY_CONNECTION_BREAKS
        await run.comes_to(lambda: run.attempts() >= FEWEST)
        if long:
            await run.comes_to(lambda: run.says("outage: nothing but failures comes back, single batches are tried"))
        asked, one.emulator.faults = one.emulator.requests, Faults()
        run.feed()
        done = await run.ends()
    assert done.code == 1, done.everything
    assert "Traceback" not in done.stderr
    assert one.emulator.requests > asked
    assert done.report["retries"] >= FEWEST - 2 * oracle.CONCURRENCY
    await one.looked_at(done)
    assert one.done


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
async def test_a_job_that_starves_to_its_end_says_so_and_the_same_command_goes_on(one, loop):
    one.settings("[flow]\nmax_outage_seconds = 2\n")
    async with starved(one, "--event-loop", loop) as run:
        one.emulator.faults = EVERY_CONNECTION_BREAKS
        stopped = await run.ends()
    assert stopped.code == 75, stopped.everything
    assert "Traceback" not in stopped.stderr
    assert run.attempts() >= FEWEST
    assert stopped.report["ended"] == "outage"
    assert stopped.report["reason"].endswith("Too many open files: raise the limit (ulimit -n)")
    seen = await one.checked()
    assert len(seen.pending) == fates(stopped.report)["pending"]
    assert seen.pending
    asked = {entry["record_id"] for request in one.emulator.log for entry in request.entries}
    unresolved = seen.intended - seen.acknowledged - seen.pending - {oracle.SOURCE[row] for row in seen.fates}
    assert unresolved
    assert unresolved <= asked, "unresolved, and never sent"
    await one.looked_at(stopped)
    await one.looked_at(await one.command().run())
    assert one.done


async def test_a_job_that_cannot_open_the_second_of_its_files_says_so_and_the_same_command_goes_on(one):
    first = oracle.ROWS - oracle.BATCH_SIZE
    write_csv(one.folder / "ids.csv", oracle.SOURCE[:first])
    write_csv(one.folder / "more.csv", oracle.SOURCE[first:])
    one.words = ("more.csv", "--concurrency", 1)
    one.emulator.faults = Faults(latency_seconds=0.01)  # its connections last
    async with starved(one) as run:
        stopped = await run.ends()
    assert stopped.code == 3, stopped.everything
    assert "Traceback" not in stopped.stderr
    assert "more.csv: reading broke off before row 0: Too many open files. No row was taken. " in stopped.stderr
    assert "Raise the limit (ulimit -n), and run the same command again" in stopped.stderr
    assert first - oracle.BATCH_SIZE < stopped.report["rows"] <= first
    assert not stopped.report["pending"] + stopped.report["unresolved"]
    await one.checked()
    await one.looked_at(await one.command().run())
    assert one.done
