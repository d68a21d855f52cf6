"""What looks after a job, hold lists, rules for ids and a canary, outlives a call that was refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from bulkdelete import (
    BulkDeleter,
    CredentialsError,
    Ended,
    HoldsRefused,
    LedgerFolder,
    Report,
    Settings,
    SettingsError,
    open_source,
)
from bulkdelete.emulator import Emulator
from tests.integration.test_resuming import TABLE_ID, ids

if TYPE_CHECKING:
    from pathlib import Path

OTHER_TABLE = "673af861ed69656ac0895b08"
RECORDS = ids(10)


async def yes(report) -> bool:
    return True


@dataclass(frozen=True)
class Guard:
    """What a call has to look after it: sections of its settings, and arguments; and what gives it up."""

    sections: dict[str, Any]
    arguments: dict[str, Any]
    without: dict[str, Any]
    arguments_without: dict[str, Any]
    refused: type[Exception]
    said: str


GUARDS = {
    "holds": Guard(
        {},
        {"holds": RECORDS[-1:]},
        {"holds": {"allow_empty": True, "may_shrink": True}},
        {"holds": []},
        HoldsRefused,
        "hold list",
    ),
    "rules": Guard(
        {"identifiers": {TABLE_ID: {"lengths": [18]}, OTHER_TABLE: {"lengths": [18]}}},
        {},
        {"identifiers": {TABLE_ID: {}, OTHER_TABLE: {}}},
        {},
        SettingsError,
        "rules for its ids",
    ),
    "canary": Guard(
        {"canary": {"records": 3}},
        {"check": yes},
        {"canary": {"records": 0}},
        {},
        SettingsError,
        "canary that nobody has approved of",
    ),
}


@pytest.fixture(params=GUARDS)
def guard(request) -> Guard:
    return GUARDS[request.param]


@pytest.fixture
async def emulator():
    async with Emulator(record_requests=True) as emulator:
        for table_id in (TABLE_ID, OTHER_TABLE):
            emulator.load(table_id, RECORDS)
        yield emulator


@pytest.fixture
def ledger(tmp_path):
    return LedgerFolder(tmp_path).path_for("erase")


def in_a_file(records: list[str], ledger: Path):
    path = ledger.with_name("ids.txt")
    path.write_text("".join(f"{record}\n" for record in records))
    return open_source(path)


async def call(emulator, sections, ledger, source, *, table_id: str = TABLE_ID, **arguments) -> Report:
    settings = Settings.from_mapping({"batch": {"size": 1}, "ledger": {"synchronous": "normal"}, **sections})
    async with BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key, settings=settings) as deleter:
        return await deleter.delete(table_id, source, ledger=ledger, **arguments)


@pytest.mark.parametrize("corrected", ["its content", "its kind", "the table"])
async def test_it_is_not_forgotten_when_what_was_refused_is_corrected(emulator, ledger, guard, corrected):
    refused = await call(emulator, guard.sections, ledger, in_a_file(RECORDS[:9], ledger), expect=10, **guard.arguments)
    assert (refused.ended, emulator.requests) == (Ended.UNEXPECTED, 0)
    right: dict[str, Any] = {"table_id": OTHER_TABLE if corrected == "the table" else TABLE_ID, "expect": 10}

    def source():
        return RECORDS if corrected == "its kind" else in_a_file(RECORDS, ledger)

    for more in ({}, {"limit": 0}, {}):
        with pytest.raises(guard.refused, match=rf"(?s){guard.said}.*Nothing was sent"):
            await call(emulator, {}, ledger, source(), **right, **more)
    assert emulator.requests == 0
    kept = await call(emulator, guard.sections, ledger, source(), **right, **guard.arguments, limit=0)
    assert kept.ended is Ended.LIMIT
    with pytest.raises(guard.refused, match=guard.said):
        await call(emulator, {}, ledger, source(), **right)
    done = await call(emulator, guard.without, ledger, source(), **right, **guard.arguments_without)
    assert (done.ended, done.acknowledged) == (Ended.COMPLETE, 10)


@pytest.mark.parametrize("guard", [GUARDS["rules"], GUARDS["canary"]], ids=["rules", "canary"])
@pytest.mark.parametrize("source", [in_a_file, lambda records, _: records], ids=["file", "list"])
async def test_it_is_given_up_by_a_call_that_may_send_and_not_by_one_that_is_refused(emulator, ledger, guard, source):
    emulator.poison(TABLE_ID, RECORDS[:1])
    begun = await call(emulator, guard.sections, ledger, source(RECORDS, ledger), limit=2, **guard.arguments)
    assert (begun.ended, begun.acknowledged, begun.rejected) == (Ended.LIMIT, 1, 1)
    for cap, most in (("expect", 11), ("max_records", 1), ("max_failures", 0)):
        refused = await call(emulator, guard.without, ledger, source(RECORDS, ledger), **{cap: most})
        assert (refused.ended in {Ended.UNEXPECTED, cap}, refused.requests) == (True, 0)
    with pytest.raises(HoldsRefused, match="is empty"):
        await call(emulator, guard.without, ledger, source(RECORDS, ledger), holds=[])
    with pytest.raises(guard.refused, match=guard.said):
        await call(emulator, {}, ledger, source(RECORDS, ledger))
    assert emulator.requests == begun.requests
    assert (await call(emulator, guard.without, ledger, source(RECORDS, ledger), limit=0)).ended is Ended.LIMIT
    assert (await call(emulator, {}, ledger, source(RECORDS, ledger))).acknowledged == 9


def no_key() -> str:
    raise OSError("the vault is closed")


async def test_it_is_not_given_up_by_a_call_that_cuts_batches_and_cannot_send_them(emulator, ledger, guard):
    begun = await call(emulator, guard.sections, ledger, RECORDS, limit=2, **guard.arguments)
    assert (begun.ended, begun.acknowledged) == (Ended.LIMIT, 2)
    settings = Settings.from_mapping({"batch": {"size": 1}, **guard.without})
    async with BulkDeleter(base_url=emulator.base_url, api_key=no_key, settings=settings) as deleter:
        with pytest.raises(CredentialsError):
            await deleter.delete(TABLE_ID, RECORDS, ledger=ledger, **guard.arguments_without)
    with pytest.raises(guard.refused, match=guard.said):
        await call(emulator, {}, ledger, RECORDS)
    assert emulator.requests == begun.requests
    done = await call(emulator, guard.without, ledger, RECORDS, **guard.arguments_without)
    assert (done.ended, done.acknowledged) == (Ended.COMPLETE, 10)


async def test_a_hold_list_that_may_shrink_where_nothing_is_left_to_send_has_shrunk(emulator, ledger):
    done = await call(emulator, {}, ledger, RECORDS, holds=RECORDS[-2:])
    assert (done.ended, done.acknowledged, done.held) == (Ended.COMPLETE, 8, 2)
    for sections in ({"holds": {"may_shrink": True}}, {}):
        again = await call(emulator, sections, ledger, RECORDS, holds=RECORDS[-1:])
        assert (again.ended, again.requests) == (Ended.COMPLETE, 0)


async def test_a_hold_list_holds_no_less_back_when_a_call_that_sent_nothing_is_made_again(emulator, ledger):
    refused = await call(emulator, {}, ledger, iter(RECORDS), holds=RECORDS[:5], max_records=1)
    assert (refused.ended, refused.requests) == (Ended.MAX_RECORDS, 0)
    for source in (RECORDS, in_a_file(RECORDS, ledger)):
        with pytest.raises(HoldsRefused, match="held 5 records back in the run before, and hold 2 now"):
            await call(emulator, {}, ledger, source, holds=RECORDS[:2])
    assert emulator.requests == 0
    done = await call(emulator, {"holds": {"may_shrink": True}}, ledger, RECORDS, holds=RECORDS[:2])
    assert (done.ended, done.acknowledged, done.held) == (Ended.COMPLETE, 8, 2)
