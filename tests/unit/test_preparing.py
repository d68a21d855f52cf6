"""What must be true before the first batch."""

from __future__ import annotations

import json
import re

import pytest

from bulkdelete.errors import HoldsRefused, SourceRefused
from bulkdelete.ledger import UnrecordedLedger, open_ledger
from bulkdelete.ledger.facts import COMPARED, HOLDS, RULES, SOURCE_ROWS, SURVEYED
from bulkdelete.looking import look
from bulkdelete.orders import Order
from bulkdelete.preparing import CapPassed, check_caps, prepare
from bulkdelete.records import Ended
from bulkdelete.settings import Settings, StopSettings
from bulkdelete.sources import from_iterable, open_source
from bulkdelete.surveying import Counted
from tests.unit.scripted import TABLE

IDS = [str(541_278_230_707_963_208 + 37 * number) for number in range(40)]


def settings(**sections) -> Settings:
    return Settings.from_mapping(sections)


def order(source, holds) -> Order:
    return Order(TABLE, source, holds=tuple(holds))


@pytest.fixture
def source(tmp_path):
    (tmp_path / "ids.txt").write_text("\n".join(IDS))
    return open_source(tmp_path / "ids.txt")


@pytest.mark.parametrize(
    ("found", "caps", "ended"),
    [
        (Counted(10, 10), {}, None),
        (Counted(10, 10), {"expect": 10, "max_records": 10}, None),
        (Counted(10, 8), {"expect": 10, "max_records": 8}, None),
        (Counted(10, 10, 9), {"expect": 10, "max_records": 10}, None),
        (Counted(9, 9), {"expect": 10}, Ended.UNEXPECTED),
        (Counted(11, 10), {"expect": 10}, Ended.UNEXPECTED),
        (Counted(11, 11, 1), {"expect": 10}, Ended.UNEXPECTED),
        (Counted(0, 0), {"expect": 0}, None),
        (Counted(11, 11), {"max_records": 10}, Ended.MAX_RECORDS),
        (Counted(11, 11, 5), {"max_records": 10}, Ended.MAX_RECORDS),
        (Counted(1, 1), {"max_records": 0}, Ended.MAX_RECORDS),
        (Counted(11, 11), {"max_records": 10, "expect": 12}, Ended.UNEXPECTED),
    ],
)
def test_a_cap_says_whether_a_job_may_begin(found, caps, ended):
    if ended is None:
        check_caps(found, StopSettings(**caps))
        return
    with pytest.raises(CapPassed, match=f"{found.found}.*nothing was sent in this run") as passed:
        check_caps(found, StopSettings(**caps))
    assert passed.value.ended is ended


@pytest.mark.parametrize(
    ("found", "caps", "said"),
    [
        (Counted(40, 36), {"expect": 36}, "40 rows with a record (4 of them on hold), and 36 are expected"),
        (
            Counted(9, 6, 2),
            {"expect": 7},
            "9 rows with a record (3 of them on hold, 2 of them duplicates in their batch)",
        ),
        (Counted(2001, 2001, 1), {"max_records": 2000}, "2,001 rows to send (1 of them a duplicate in its batch), and"),
        (Counted(2001, 1000), {"max_records": 999}, "the source holds 1,000 rows to send, and max_records is 999: "),
    ],
)
def test_what_a_cap_counts_is_said(found, caps, said):
    with pytest.raises(CapPassed, match=re.escape(said)):
        check_caps(found, StopSettings(**caps))


async def test_without_caps_nothing_is_counted(source):
    ledger = UnrecordedLedger()
    prepared = await prepare(order(source, []), settings(), ledger)
    assert (SURVEYED in ledger.facts, prepared.source, len(prepared.holds)) == (False, source, 0)


async def test_what_is_on_hold_counts_towards_expect_and_not_towards_max_records(source):
    holds = [from_iterable(IDS[:4])]
    await prepare(order(source, holds), settings(stop={"expect": 40, "max_records": 36}), UnrecordedLedger())
    with pytest.raises(CapPassed, match=r"40 rows with a record \(4 of them on hold\), and 36 are expected"):
        await prepare(order(source, [from_iterable(IDS[:4])]), settings(stop={"expect": 36}), UnrecordedLedger())


async def test_a_source_that_can_be_read_once_is_not_surveyed_without_a_ledger():
    ledger = UnrecordedLedger()
    prepared = await prepare(order(from_iterable(IDS), []), settings(stop={"expect": 7}), ledger)
    assert (SURVEYED in ledger.facts, prepared.fixed) == (False, False)


class Begun(UnrecordedLedger):
    """A ledger in which batches are stored."""

    def __init__(self, facts) -> None:
        super().__init__()
        self.totals = self.totals.__class__(rows=10, batches=1, pending=10)
        self.facts = facts


async def test_a_survey_is_made_anew_only_when_what_decides_it_has_changed(source):
    ledger, content = Begun({}), await source.fingerprint()
    capped = settings(stop={"max_records": 40})
    await prepare(order(source, []), capped, ledger, content)
    known = json.loads(ledger.facts[SURVEYED])
    assert (known["to_send"], known["found"]) == (40, 40)
    ledger.facts[SURVEYED] = json.dumps({**known, "to_send": 41})
    for same in ({}, {"batch": {"size": 7}}):
        with pytest.raises(CapPassed, match="41 rows to send"):
            await prepare(order(source, []), settings(stop={"max_records": 40}, **same), ledger, content)
    for other in ({"batch": {"max_id_characters": 20}}, {"identifiers": {TABLE: {"lengths": [18]}}}):
        await prepare(order(source, []), settings(stop={"max_records": 40}, **other), ledger, content)
    del ledger.facts[RULES]
    ledger.facts[SURVEYED] = json.dumps({**known, "to_send": 41})
    await prepare(order(source, [from_iterable(IDS[:1])]), capped, ledger, content)
    known = json.loads(ledger.facts[SURVEYED])
    assert (known["to_send"], known["found"]) == (39, 40)


async def test_a_ledger_without_batches_knows_nothing_of_its_source(source):
    ledger = UnrecordedLedger()
    ledger.facts |= {COMPARED: "sha256:0 1", SURVEYED: "{}", SOURCE_ROWS: "0"}
    await prepare(order(source, []), settings(), ledger)
    assert ledger.facts == {}
    ledger.facts[SURVEYED] = json.dumps({"to_send": 41, "found": 41, "holds": ""})
    await prepare(order(source, []), settings(stop={"max_records": 40}), ledger)
    assert json.loads(ledger.facts[SURVEYED])["to_send"] == 40


async def test_a_ledger_that_knows_of_holds_and_not_of_how_many_lists_still_needs_one(source):
    with pytest.raises(HoldsRefused, match="had 1 hold list, and this one has none"):
        await prepare(order(source, []), settings(), Begun({HOLDS: "sha256:0"}))


@pytest.mark.parametrize("begun", [True, False], ids=["begun", "nothing cut yet"])
async def test_a_run_that_is_refused_lets_later_ones_hold_no_less_back_and_one_that_may_send_does(source, begun):
    ledger = Begun({}) if begun else UnrecordedLedger()

    async def held_back(count: int, *, lists: int = 1, **sections) -> None:
        holds = [from_iterable(IDS[:count]) for _ in range(lists)]
        await prepare(order(source, holds), settings(**sections), ledger)

    shrinking = {"holds": {"may_shrink": True}}
    await held_back(10)
    with pytest.raises(CapPassed):
        await held_back(5, **shrinking, stop={"max_records": 1})
    with pytest.raises(CapPassed):
        await held_back(5, **shrinking, stop={"expect": 1})
    with pytest.raises(HoldsRefused, match="held 10 records back in the run before, and hold 5 now"):
        await held_back(5)
    await held_back(5, **shrinking)
    await held_back(5)
    with pytest.raises(CapPassed):
        await held_back(7, lists=2, stop={"max_records": 1})
    with pytest.raises(HoldsRefused, match="held 7 records back in the run before, and hold 5 now"):
        await held_back(5, lists=2)
    with pytest.raises(HoldsRefused, match="had 2 hold lists"):
        await held_back(7)


async def test_every_file_is_looked_at_before_the_first_batch(tmp_path):
    (tmp_path / "a.csv").write_text("record_id\n" + "\n".join(IDS))
    (tmp_path / "b.csv").write_text("why,record_id\n" + "\n".join(f",5412782307079{number}0000" for number in range(9)))
    with pytest.raises(SourceRefused, match=r"b\.csv: 9 of the first 9 long ids end in 000.*--no-sanity-check"):
        await look(open_source(tmp_path), settings())
    await look(open_source(tmp_path), settings(source={"sanity_check": False}))
    (tmp_path / "b.csv").write_text("id\n1\n")
    with pytest.raises(SourceRefused, match=r"b\.csv: there is no column 'record_id'.*Nothing was sent"):
        await look(open_source(tmp_path), settings(source={"sanity_check": False}))


async def test_what_small_files_have_in_common_is_seen_too(tmp_path):
    for number in range(1, 12):
        (tmp_path / f"{number:02}.txt").write_text(f"{number}\n")
    with pytest.raises(SourceRefused, match=r"11 files\): the ids are the row numbers 1 to 11"):
        await look(open_source(tmp_path), settings())


async def test_a_source_of_which_something_is_acknowledged_is_not_looked_at_again(tmp_path):
    (tmp_path / "ids.txt").write_text("7\n7\n7\n")
    source, ledger = open_source(tmp_path / "ids.txt"), Begun({})
    with pytest.raises(SourceRefused, match="all of the first 3 ids"):
        await prepare(order(source, []), settings(), ledger)
    ledger.totals = ledger.totals.__class__(rows=10, batches=1, acknowledged=10)
    await prepare(order(source, []), settings(), ledger)


async def test_before_the_first_batch_other_records_take_the_place_of_the_copy(tmp_path):
    async def prepared(records, **stop):
        ledger = await open_ledger(tmp_path / "purge.db", {"kind": "iterable"})
        try:
            found = await prepare(order(from_iterable(records), []), settings(stop=stop), ledger)
            return [item async for rows in found.source.blocks() for item in rows.items]
        finally:
            await ledger.close(None)

    with pytest.raises(CapPassed):
        await prepared(IDS[:5], expect=6)
    assert await prepared([], expect=0) == []
    assert await prepared(IDS[:6], expect=6) == IDS[:6]
    assert [path.name for path in tmp_path.glob("*.spool*")] == ["purge.db.spool"]
