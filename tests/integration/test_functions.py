"""Durable calls on records that a function gives anew each time, or a source of one's own: nothing is copied."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from bulkdelete import BulkDeleter, LedgerFolder, LedgerState, Settings, SourceChanged, SourceRefused
from bulkdelete.cli.commands import group
from bulkdelete.emulator import Emulator
from bulkdelete.records import Rows

TABLE_ID = "673af861ed69656ac0895b07"
SETTINGS = Settings.from_mapping({"batch": {"size": 10}, "ledger": {"synchronous": "normal"}})
IDS = [str(541_278_230_707_963_208 + 7919 * number) for number in range(30)]


class Archive:
    """A source of one's own, as its docstring describes one."""

    name = "an archive"
    paths = ()
    files = ()
    replayable = True
    size_bytes = None
    position_bytes = 0
    rows_read = 0

    def __init__(self, ids: list[str]) -> None:
        self.identity = {"kind": "archive", "year": "2024"}
        self._ids = ids

    @property
    def parts(self):
        return (self,)

    async def blocks(self):
        for first in range(0, len(self._ids), 7):
            yield Rows(first, self._ids[first : first + 7])

    async def fingerprint(self):
        return ""


def generated(ids):
    return lambda: iter(ids)


KINDS = pytest.mark.parametrize("kind", [generated, Archive])


@pytest.fixture
async def emulator():
    async with Emulator(record_requests=True) as emulator:
        emulator.load(TABLE_ID, IDS)
        yield emulator


@pytest.fixture
async def deleter(emulator):
    async with BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key, settings=SETTINGS) as deleter:
        yield deleter


@pytest.fixture
def ledger(tmp_path):
    return LedgerFolder(tmp_path).path_for("erase")


@KINDS
async def test_the_same_call_goes_on_where_it_was_and_no_copy_is_made(emulator, deleter, ledger, kind):
    first = await deleter.delete(TABLE_ID, kind(IDS), ledger=ledger, limit=10)
    assert (first.acknowledged, first.ended.value) == (10, "limit")
    assert {path.name.removeprefix(ledger.name) for path in ledger.parent.iterdir()} <= {"", ".lock", "-wal", "-shm"}
    report = await deleter.delete(TABLE_ID, kind(IDS), ledger=ledger)
    assert (report.rows, report.acknowledged, report.settled_before, report.ended.value) == (30, 30, 10, "complete")
    assert [entry for request in emulator.log for entry in request.entries] == [{"record_id": one} for one in IDS]
    again = await deleter.delete(TABLE_ID, kind(IDS), ledger=ledger)
    assert (again.acknowledged, again.requests) == (30, 0)


@KINDS
@pytest.mark.parametrize("records", [[IDS[1], IDS[0], *IDS[2:]], IDS[:5], []])
async def test_other_records_are_not_sent(emulator, deleter, ledger, kind, records):
    await deleter.delete(TABLE_ID, kind(IDS), ledger=ledger, limit=10)
    with pytest.raises(SourceChanged):
        await deleter.delete(TABLE_ID, kind(records), ledger=ledger)
    assert emulator.requests == 1


async def test_a_function_that_gives_an_iterator_that_was_looked_at_sends_nothing(emulator, deleter):
    shared = iter(IDS)
    with pytest.raises(SourceChanged, match="as a generator function does"):
        await deleter.delete(TABLE_ID, lambda: (record for record in shared))
    assert emulator.requests == 0


@KINDS
async def test_the_ledger_alone_says_that_the_call_must_be_made_again(emulator, deleter, ledger, kind):
    await deleter.delete(TABLE_ID, kind(IDS), ledger=ledger, limit=10)
    with pytest.raises(SourceRefused, match=r"which no ledger keeps\. To go on, .* make the call again with the same"):
        await deleter.resume(ledger)
    [kept] = await LedgerFolder(ledger.parent).ledgers()
    assert (kept.state, kept.acknowledged) == (LedgerState.NO_SOURCE, 10)
    await deleter.delete(TABLE_ID, kind(IDS), ledger=ledger)
    assert (await deleter.resume(ledger)).acknowledged == 30
    assert emulator.requests == 3


@KINDS
async def test_status_names_no_path_and_verify_finds_it_sound(deleter, ledger, kind):
    await deleter.delete(TABLE_ID, kind(IDS), ledger=ledger)
    status, verify = (CliRunner().invoke(group, [word, str(ledger), "--json"]) for word in ("status", "verify"))
    assert json.loads(status.stdout)["source_path"] == ""
    assert (verify.exit_code, json.loads(verify.stdout)["problem_count"]) == (0, 0)


async def test_holds_may_come_from_a_function_too(emulator, deleter):
    report = await deleter.delete(TABLE_ID, generated(IDS), holds=generated(IDS[:3]))
    assert (report.held, report.acknowledged) == (3, 27)
    assert list(emulator.remaining(TABLE_ID)) == sorted(IDS[:3])
