"""Threads run out for a moment in a service: no call is made later unasked, and no ledger stays locked."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from bulkdelete import (
    BulkDeleteError,
    BulkDeleter,
    CredentialsError,
    Ended,
    LedgerFolder,
    LedgerStorageError,
    Settings,
)
from bulkdelete.emulator import Emulator
from bulkdelete.ledger import read_ledger
from tests.integration.test_resuming import TABLE_ID, ids

IDS = ids(2500)


@pytest.fixture
def machine(monkeypatch):
    """Give the machine, which lets ``machine.threads`` more be started."""
    name = "_start_joinable_thread" if hasattr(threading, "_start_joinable_thread") else "_start_new_thread"
    start = getattr(threading, name)
    machine = SimpleNamespace(threads=1000)

    def start_if_it_may(*given, **how):
        if machine.threads <= 0:
            raise RuntimeError("can't start new thread")
        machine.threads -= 1
        return start(*given, **how)

    monkeypatch.setattr(threading, name, start_if_it_may)
    return machine


@pytest.fixture
async def emulator():
    async with Emulator() as emulator:
        emulator.load(TABLE_ID, IDS)
        yield emulator


async def use_threads():
    """Let the event loop have threads of its own already, as in a service that has worked for a while."""
    both = threading.Barrier(2)
    await asyncio.gather(*(asyncio.to_thread(both.wait, 10) for _ in range(2)))


def use_none():
    """Let the event loop have no thread of its own, as in a service that begins."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor())


@pytest.mark.parametrize("service", [(list, False), (iter, False), (list, True)])
@pytest.mark.parametrize("threads", range(5))
async def test_a_durable_call_without_threads_says_so_and_the_same_call_goes_on_later(
    tmp_path, machine, emulator, threads, service
):
    kind, warm = service
    ledger = tmp_path / "purge.db"
    async with BulkDeleter(base_url=emulator.base_url, api_key="emulator-key") as deleter:
        await use_threads() if warm else use_none()
        machine.threads = threads
        async with asyncio.timeout(20):
            try:
                report = await deleter.delete(TABLE_ID, kind(IDS), ledger=ledger)
            except BulkDeleteError as error:
                assert "can't start new thread" in str(error)  # noqa: PT017 - with enough of them nothing is raised
                assert not emulator.requests
            else:
                assert report.acknowledged == len(IDS)
        machine.threads = 1000
        before = _runs(ledger)
        report = await deleter.delete(TABLE_ID, kind(IDS), ledger=ledger)
    assert (report.ended, report.acknowledged) == (Ended.COMPLETE, len(IDS))
    assert not emulator.count(TABLE_ID)
    assert _runs(ledger) <= before + 1, "a call that was refused was made later"


def _runs(path):
    if not path.exists():
        return 0
    with read_ledger(path) as reader:
        return len([*reader.runs()])


async def test_where_no_thread_can_be_started_nothing_is_done_later_in_a_folder(tmp_path, machine, emulator):
    folder = LedgerFolder(tmp_path)
    async with BulkDeleter(base_url=emulator.base_url, api_key="emulator-key") as deleter:
        await deleter.delete(TABLE_ID, IDS, ledger=folder.path_for("one"))
    use_none()
    machine.threads = 0
    for refused in (folder.prune(older_than_seconds=0), folder.ledgers(), deleter.resume(folder.path_for("one"))):
        with pytest.raises(LedgerStorageError, match=r"no thread can be started .*: can't start new thread"):
            await refused
    machine.threads = 1000
    assert [one.name for one in await folder.ledgers()] == ["one"]


async def test_an_api_key_that_no_thread_can_be_started_to_read_is_read_by_the_next_call(tmp_path, machine, emulator):
    key = tmp_path / "key"
    key.write_text("emulator-key")
    key.chmod(0o600)
    settings = {"base_url": emulator.base_url, "api_key_file": str(key)}
    async with BulkDeleter(settings=Settings.from_mapping(settings)) as deleter:
        use_none()
        machine.threads = 0
        with pytest.raises(CredentialsError, match="no thread can be started to read the API key in: can't start"):
            await deleter.delete(TABLE_ID, IDS)
        machine.threads = 1000
        assert (await deleter.delete(TABLE_ID, IDS)).acknowledged == len(IDS)
