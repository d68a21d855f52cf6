"""Records that Python code gives, and what goes wrong with it: read before, changed meanwhile, left in a bad moment."""

from __future__ import annotations

import asyncio
import csv
import gc
import threading
import time
import weakref
from contextlib import aclosing

import pytest

from bulkdelete import BulkDeleter, Ended, HoldsRefused, Settings, SourceError, SourceRefused
from bulkdelete.emulator import Emulator, Faults
from bulkdelete.errors import FatalAnswer
from bulkdelete.sources import from_iterable

TABLE_ID = "673af861ed69656ac0895b07"
SETTINGS = Settings.from_mapping({"batch": {"size": 10}, "ledger": {"synchronous": "normal"}})
LONGEST_SECONDS = 30
IDS = [str(541_278_230_707_963_208 + 7919 * number) for number in range(300)]


def generated(ids=IDS):
    yield from ids


async def asynchronous(ids=IDS):
    for record in ids:
        yield record


BOTH = pytest.mark.parametrize("kind", [generated, asynchronous])


@pytest.fixture
async def emulator():
    async with Emulator(record_requests=True) as emulator:
        emulator.load(TABLE_ID, IDS)
        yield emulator


@pytest.fixture
async def deleter(emulator):
    async with BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key, settings=SETTINGS) as deleter:
        yield deleter


@BOTH
async def test_the_generator_of_a_call_that_failed_is_refused_the_next_time(emulator, deleter, kind):
    emulator.faults = Faults(unauthorized_after=1)
    records = kind()
    with pytest.raises(FatalAnswer):
        await deleter.delete(TABLE_ID, records)
    emulator.faults = Faults()
    requests = emulator.requests
    for given in (records, lambda: records):
        with pytest.raises(SourceRefused, match=r"closed before.*Nothing was sent\. Pass a new one"):
            await deleter.delete(TABLE_ID, given)
    assert emulator.requests == requests


@BOTH
async def test_with_a_ledger_the_same_generator_goes_on_with_the_copy_of_what_it_gave(
    emulator, deleter, tmp_path, kind
):
    records = kind()
    await deleter.delete(TABLE_ID, records, ledger=tmp_path / "purge.db", limit=10)
    report = await deleter.delete(TABLE_ID, records, ledger=tmp_path / "purge.db")
    assert (report.acknowledged, emulator.count(TABLE_ID)) == (300, 0)
    with pytest.raises(SourceRefused, match="closed before"):
        await deleter.delete(TABLE_ID, records, ledger=tmp_path / "another.db")
    assert (await deleter.delete(TABLE_ID, records, ledger=tmp_path / "purge.db")).acknowledged == 300


@BOTH
async def test_a_generator_that_broke_off_before_it_was_copied_is_refused_with_its_ledger_too(
    emulator, deleter, tmp_path, kind
):
    def broken():
        yield IDS[0]
        raise OSError("the cursor is gone")

    records = kind(broken())
    with pytest.raises(SourceError, match="the cursor is gone"):
        await deleter.delete(TABLE_ID, records, ledger=tmp_path / "purge.db")
    with pytest.raises(SourceRefused, match="closed before"):
        await deleter.delete(TABLE_ID, records, ledger=tmp_path / "purge.db")
    assert emulator.requests == 0
    assert (await deleter.delete(TABLE_ID, kind(), ledger=tmp_path / "purge.db")).acknowledged == 300


@BOTH
async def test_a_generator_that_was_read_before_holds_nothing_back_and_is_refused(emulator, deleter, kind):
    held = kind(IDS[:3])
    assert (await deleter.delete(TABLE_ID, IDS[:20], holds=held)).held == 3
    requests = emulator.requests
    with pytest.raises(HoldsRefused, match="closed before"):
        await deleter.delete(TABLE_ID, IDS[:20], holds=held)
    assert emulator.requests == requests


@BOTH
async def test_a_generator_of_which_the_caller_took_the_first_gives_the_others(deleter, kind):
    records = kind()
    assert IDS[0] == (next(records) if kind is generated else await anext(records))
    assert (await deleter.delete(TABLE_ID, records)).acknowledged == 299


@BOTH
async def test_a_generator_that_has_nothing_is_complete(deleter, kind):
    report = await deleter.delete(TABLE_ID, kind([]))
    assert (report.ended, report.rows) == (Ended.COMPLETE, 0)


async def test_an_async_generator_that_somebody_else_awaits_is_refused_and_left_to_him(deleter):
    go_on = asyncio.Event()

    async def waiting():
        await go_on.wait()
        yield IDS[0]

    records = waiting()
    first = asyncio.ensure_future(anext(records))
    await asyncio.sleep(0)
    with pytest.raises(SourceRefused, match="is being read by somebody else"):
        await deleter.delete(TABLE_ID, records)
    go_on.set()
    assert await first == IDS[0]


@pytest.mark.parametrize("change", [lambda ids: ids.pop(0), lambda ids: ids.insert(0, "5"), list.clear, list.reverse])
async def test_a_list_that_changes_while_it_is_sent_is_sent_as_it_was(change):
    ids = [str(541_278_230_707_963_208 + number) for number in range(9_000)]
    settings = Settings.from_mapping({"batch": {"size": 100}, "flow": {"concurrency": 2}})
    async with Emulator() as emulator:
        emulator.load(TABLE_ID, ids)
        async with BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key, settings=settings) as deleter:
            async with deleter.stream(TABLE_ID, ids) as outcomes:
                await anext(outcomes)
                change(ids)
                async for _ in outcomes:
                    pass
            assert (outcomes.report.rows, outcomes.report.acknowledged) == (9_000, 9_000)
            assert emulator.count(TABLE_ID) == 0


async def test_where_no_thread_can_be_started_the_call_says_so(emulator, deleter):
    threading.stack_size(2**46)  # more than there are addresses
    try:
        with pytest.raises(SourceError, match="no thread can be started") as raised:
            await deleter.delete(TABLE_ID, generated())
    finally:
        threading.stack_size(0)
    assert (raised.value.report.ended, raised.value.report.rows) == (Ended.SOURCE_BROKEN, 0)
    assert emulator.requests == 0


class Own:
    """An iterator of one's own."""

    def __init__(self, ids) -> None:
        self._ids = iter(ids)

    def __iter__(self):
        return self

    def __next__(self):
        return next(self._ids)


class OwnAsync(Own):
    def __aiter__(self):
        return self

    async def __anext__(self):
        record = await asyncio.to_thread(next, self._ids, None)
        if record is None:
            raise StopAsyncIteration
        return record

    __iter__ = None


def slow(ids=IDS):
    for record in ids:
        time.sleep(0.0005)
        yield record


async def waiting():
    for record in IDS:
        await asyncio.sleep(0.001)
        yield record


ITERATORS = {
    "map": lambda ids: map(str, ids),
    "csv.reader": csv.reader,
    "own": Own,
    "own, async": OwnAsync,
    "iter": iter,
}
NOT_GENERATORS = pytest.mark.parametrize("kind", ITERATORS)
DURABLE = pytest.mark.parametrize("durable", [True, False], ids=["ledger", "no ledger"])


@DURABLE
@pytest.mark.parametrize("kind", [slow, waiting, lambda: map(str, slow()), lambda: OwnAsync(slow())])
async def test_an_iterator_that_two_calls_are_given_at_once_is_read_by_one_of_them(
    emulator, deleter, tmp_path, kind, durable
):
    records = kind()
    first, second = await asyncio.gather(
        *(deleter.delete(TABLE_ID, records, ledger=tmp_path / name if durable else None) for name in ("1.db", "2.db")),
        return_exceptions=True,
    )
    whole, refused = (second, first) if isinstance(first, Exception) else (first, second)
    assert isinstance(refused, SourceRefused)
    assert "is being read by somebody else, such as another call. Nothing was sent" in str(refused)
    assert (whole.ended, whole.acknowledged, emulator.count(TABLE_ID)) == (Ended.COMPLETE, 300, 0)


class Held:
    """Gives the first of the records, and the rest once nobody waits for it any more."""

    def __init__(self) -> None:
        self._begun, self._over = threading.Event(), threading.Event()

    def ids(self):
        yield IDS[0]
        self._begun.set()
        self._over.wait(LONGEST_SECONDS)
        yield from IDS[1:]

    async def cancelled(self, call):
        """Let *call*, which reads them, be cancelled in between."""
        call = asyncio.ensure_future(call)
        assert await asyncio.to_thread(self._begun.wait, LONGEST_SECONDS)
        call.cancel()
        self._over.set()  # the next is read ahead, and no more
        with pytest.raises(asyncio.CancelledError):
            await call


@pytest.mark.parametrize("kind", [iter, lambda ids: map(str, ids), OwnAsync])
async def test_an_iterator_of_a_call_that_was_cancelled_while_it_copied_is_refused(emulator, deleter, tmp_path, kind):
    held = Held()
    records = kind(held.ids())
    await held.cancelled(deleter.delete(TABLE_ID, records, ledger=tmp_path / "purge.db"))
    for where in (tmp_path / "purge.db", tmp_path / "another.db", None):
        with pytest.raises(SourceRefused, match=r"Nothing was sent\. Pass a new one, or"):
            await deleter.delete(TABLE_ID, records, ledger=where)
    assert emulator.requests == 0
    assert (await deleter.delete(TABLE_ID, kind(iter(IDS)), ledger=tmp_path / "purge.db")).acknowledged == 300


async def test_so_it_is_with_one_that_was_given_as_a_hold_list(emulator, deleter):
    held = Held()
    records = map(str, held.ids())
    await held.cancelled(deleter.delete(TABLE_ID, IDS, holds=records))
    with pytest.raises(HoldsRefused, match="did not come to its end"):
        await deleter.delete(TABLE_ID, IDS, holds=records)
    assert emulator.requests == 0


@NOT_GENERATORS
async def test_an_iterator_that_was_not_read_to_its_end_is_refused(emulator, deleter, kind):
    records = ITERATORS[kind](IDS)
    assert (await deleter.delete(TABLE_ID, records, limit=0)).ended is Ended.LIMIT
    with pytest.raises(SourceRefused, match="an earlier call began to read this iterator, and did not come to its end"):
        await deleter.delete(TABLE_ID, records)
    assert emulator.requests == 0


@NOT_GENERATORS
async def test_an_iterator_that_was_read_to_its_end_is_not_one_without_records(deleter, tmp_path, kind):
    records = ITERATORS[kind](IDS)
    ledger = tmp_path / "purge.db"
    assert (await deleter.delete(TABLE_ID, records, ledger=ledger, expect=1)).ended is Ended.UNEXPECTED
    for where in (ledger, tmp_path / "another.db", None):
        with pytest.raises(SourceRefused, match="earlier call read this iterator to its end, and no records are left"):
            await deleter.delete(TABLE_ID, records, ledger=where)
    assert (await deleter.delete(TABLE_ID, ITERATORS[kind]([]))).ended is Ended.COMPLETE


@NOT_GENERATORS
async def test_with_its_ledger_an_iterator_goes_on_with_the_copy_of_what_it_gave(deleter, tmp_path, kind):
    records, ledger = ITERATORS[kind](IDS), tmp_path / "purge.db"
    await deleter.delete(TABLE_ID, records, ledger=ledger, limit=10)
    for _ in range(2):
        report = await deleter.delete(TABLE_ID, records, ledger=ledger)
        assert (report.ended, report.rows) == (Ended.COMPLETE, 300)


async def test_a_file_that_was_wound_back_is_read_again(deleter, tmp_path):
    (tmp_path / "ids").write_text("".join(f"{one}\n" for one in IDS))
    with (tmp_path / "ids").open() as lines:
        for _ in range(2):
            lines.seek(0)
            assert (await deleter.delete(TABLE_ID, lines)).rows == 300


async def test_a_generator_that_another_thread_is_in_is_refused_and_left_to_it(emulator, deleter):
    go_on, is_in = threading.Event(), threading.Event()

    def waiting():
        is_in.set()
        assert go_on.wait(10)
        yield from IDS

    records = waiting()
    first = asyncio.ensure_future(asyncio.to_thread(next, records))
    await asyncio.to_thread(is_in.wait, 10)
    with pytest.raises(SourceRefused, match="is being read by somebody else"):
        await deleter.delete(TABLE_ID, records)
    go_on.set()
    assert await first == IDS[0]
    assert (await deleter.delete(TABLE_ID, records)).acknowledged == 299


async def test_a_generator_that_another_thread_enters_meanwhile_broke_off_there():
    go_on, is_in, given = threading.Event(), threading.Event(), []

    def entered():
        for record in IDS[:3]:
            given.append(record)
            yield record
        is_in.set()
        assert go_on.wait(10)
        yield IDS[3]

    records = entered()
    async with aclosing(from_iterable(records).blocks()) as blocks:
        assert (await anext(blocks)).items == IDS[:1]
        async with asyncio.timeout(10):
            while given != IDS[:3] or records.gi_running:  # read ahead
                await asyncio.sleep(0.001)
        other = asyncio.ensure_future(asyncio.to_thread(next, records))
        await asyncio.to_thread(is_in.wait, 10)
        assert (await anext(blocks)).items == IDS[1:3]
        with pytest.raises(SourceError, match="broke off before row 3: ValueError: generator already executing"):
            await anext(blocks)
    go_on.set()
    assert await other == IDS[3]


async def test_iterators_that_nobody_has_any_more_are_not_kept(deleter):
    class Seen:
        pass

    gone = []
    for _ in range(20):
        seen = Seen()
        gone.append(weakref.ref(seen))
        records = map(lambda record, _=seen: record, IDS)
        del seen
        await deleter.delete(TABLE_ID, records, limit=0)
        del records
    for _ in range(5):
        await deleter.delete(TABLE_ID, iter(()))
        gc.collect()
    assert [one for one in gone if one() is not None] == []


class Frame(list):
    """Looks like a table of a data library: it is iterated over the names of its columns."""

    columns = ("record_id", "name")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"record_id": IDS[:5], "name": ["Ann"] * 5}, "an object of type dict that holds columns"),
        (Frame(["record_id", "name"]), "an object of type Frame that holds columns"),
        (["{folder}/legal-hold.csv"], "is the name of a file, and would be taken for a record"),
        (("{folder}/legal-hold.csv", "{folder}/other.csv"), "is the name of a file"),
    ],
)
async def test_names_of_what_holds_the_records_on_hold_are_none(emulator, deleter, tmp_path, given, said):
    (tmp_path / "legal-hold.csv").write_text("record_id\n" + "\n".join(IDS[:5]))
    if isinstance(given, list | tuple) and not isinstance(given, Frame):
        given = [path.format(folder=tmp_path) for path in given]
    with pytest.raises(HoldsRefused, match=said):
        await deleter.delete(TABLE_ID, IDS, holds=given)
    assert emulator.requests == 0


@pytest.mark.parametrize("given", [dict.fromkeys(IDS[:5], "legal"), {}, set(IDS[:5]), {*IDS[:5], "no-such-file.csv"}])
async def test_records_on_hold_may_be_the_keys_of_a_mapping(emulator, given):
    settings = SETTINGS.model_copy(update={"holds": SETTINGS.holds.model_copy(update={"allow_empty": True})})
    async with BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key, settings=settings) as one:
        report = await one.delete(TABLE_ID, IDS, holds=given)
    assert report.held == len(set(given).intersection(IDS))
