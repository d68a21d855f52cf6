import asyncio
import threading
from collections import deque
from contextlib import aclosing
from enum import StrEnum

import pytest

from bulkdelete.errors import SourceError, SourceRefused
from bulkdelete.records import Defect, Filter
from bulkdelete.sources import first_records, from_iterable


async def read(records, *, in_one_order=False):
    items, source = [], from_iterable(records)
    source.in_one_order = in_one_order
    async for rows in source.blocks():
        assert rows.first_row == len(items)
        assert (rows.file, rows.lines) == ("", ())
        assert len(rows.items) > 0
        items += rows.items
    return items


async def asynchronous(records):
    for record in records:
        yield record


HUGE = 10**5000
IDS = [str(number) for number in range(10_000)]
KINDS = pytest.mark.parametrize("kind", [list, tuple, deque, dict.fromkeys, iter, map, asynchronous])


@KINDS
async def test_every_kind_of_iterable_gives_its_rows_in_order(kind):
    assert await read(map(str, IDS) if kind is map else kind(IDS)) == IDS
    assert await read(kind(str, []) if kind is map else kind([])) == []


@pytest.mark.parametrize("kind", [set, frozenset])
async def test_a_set_gives_its_records_in_the_order_that_every_process_has(kind):
    assert await read(kind(IDS), in_one_order=True) == sorted(IDS)
    assert await read(kind(), in_one_order=True) == []
    assert sorted(await read(kind(IDS))) == sorted(IDS)


async def test_a_set_of_ids_and_filters_and_other_things_has_one_order_too():
    given = [*IDS[:5000], Filter("name", 1), Filter("name", "1"), Filter("name", 0.5), 7, None, ("a",)]
    backwards = given[::-1]
    items = await read(set(given), in_one_order=True)
    assert items == await read(set(backwards), in_one_order=True)
    assert [item for item in items if isinstance(item, str)] == sorted(IDS[:5000])
    assert sum(isinstance(item, Filter) for item in items) == 3
    assert sum(isinstance(item, Defect) for item in items) == 3


async def test_collections_come_in_blocks_of_thousands_without_a_thread():
    threads = threading.active_count()
    sizes = []
    async for rows in from_iterable(IDS).blocks():
        sizes.append(len(rows.items))
        assert threading.active_count() == threads
    assert sizes[0] == max(sizes) == 4096  # a block that took long is followed by a smaller one
    assert sum(sizes) == len(IDS)


def test_an_iterable_is_no_source_that_can_be_read_again():
    source = from_iterable([])
    assert (source.name, source.replayable, source.size_bytes) == ("an iterable", False, None)
    assert source.identity == {"kind": "iterable"}


async def test_an_iterable_has_no_fingerprint_and_no_first_records():
    assert await from_iterable([]).fingerprint() == ""
    with pytest.raises(SourceRefused, match="only once"):
        await first_records(from_iterable(["1"]))


async def test_an_iterable_is_read_only_once():
    source = from_iterable(["1"])
    assert [rows.items async for rows in source.blocks()] == [["1"]]
    with pytest.raises(SourceError, match="only once"):
        source.blocks()


@pytest.mark.parametrize("string", ["541278230707963208", b"5412", bytearray(b"5412")])
def test_a_single_string_is_refused(string):
    with pytest.raises(SourceRefused, match=r"a single string is an iterable of characters; pass \[id\]"):
        from_iterable(string)


@pytest.mark.parametrize("thing", [None, 5, Filter("a", "b")])
def test_what_cannot_be_iterated_is_refused(thing):
    with pytest.raises(SourceRefused, match="holds no records"):
        from_iterable(thing)


class Colour(StrEnum):
    RED = "red"


class Shown(str):
    __slots__ = ()

    def __str__(self):
        return "something else"


@pytest.mark.parametrize("kind", [list, tuple, iter, map, asynchronous])
async def test_what_is_neither_a_string_nor_a_filter_is_a_defect_in_its_place(kind):
    given = ["1", 2, Filter("a", 1), None, b"3", 4.5, object, ["5"], HUGE, "6"]
    items = await read(kind(lambda item: item, given) if kind is map else kind(given))
    strings = [item for item in items if isinstance(item, str)]
    assert strings == ["1", "6"]
    assert items[2] == Filter("a", 1)
    reasons = [item.reason for item in items if isinstance(item, Defect)]
    assert reasons[0] == "an int; ids are strings: pass a str, or a Filter"
    assert "a NoneType; ids are strings: pass a str, or a Filter" in reasons
    assert "a bytes; ids are strings: pass a str, or a Filter" in reasons
    assert all(len(item.fingerprint) == 16 and len(item.text) <= 300 for item in items if isinstance(item, Defect))
    assert len({item.fingerprint for item in items if isinstance(item, Defect)}) == len(reasons)


async def test_a_subclass_of_str_becomes_a_plain_str():
    items = await read([Colour.RED, Shown("x"), Filter(Colour.RED, Shown("y"))])
    assert items == ["red", "x", Filter("red", "y")]
    assert [type(item) for item in items[:2]] == [str, str]
    assert (type(items[2].column), type(items[2].value)) == (str, str)


@pytest.mark.parametrize("value", [None, ["x"], {}, b"x", HUGE, 2**64, 1j, object()], ids=type)
async def test_a_filter_with_a_value_that_cannot_be_sent_is_a_defect(value):
    [item] = await read([Filter("a", value)])
    assert item.reason.startswith("a filter whose")
    [item] = await read([Filter(value, "a")])
    assert item.reason.startswith("a filter whose column")


async def test_an_object_whose_repr_fails_is_a_defect_all_the_same():
    class Bad:
        def __repr__(self):
            raise RuntimeError

    [item] = await read([Bad()])
    assert (item.reason, item.text) == ("a Bad; ids are strings: pass a str, or a Filter", "<Bad>")


def failing(error):
    yield from IDS
    raise error


async def failing_asynchronously(error):
    for record in IDS:
        yield record
    raise error


class FailingCollection:
    def __init__(self, error):
        self.error = error

    def __iter__(self):
        return failing(self.error)

    def __len__(self):
        return 10_001

    def __contains__(self, item):
        return True


@pytest.mark.parametrize("kind", [failing, failing_asynchronously, FailingCollection])
@pytest.mark.parametrize("error", [ValueError("no"), OSError(5, "disk"), SourceError("inner")])
async def test_an_exception_of_the_iterable_comes_after_its_rows_with_the_row_reached(kind, error):
    items = []

    async def read_on():
        async for rows in from_iterable(kind(error)).blocks():
            items.extend(rows.items)

    with pytest.raises(SourceError, match=f"before row 10000: {type(error).__name__}") as caught:
        await read_on()
    assert items == IDS
    assert caught.value.__cause__ is error


async def test_an_iterable_that_cannot_even_begin_is_a_source_error():
    class Unready:
        def __iter__(self):
            raise ValueError("not yet")

    with pytest.raises(SourceError, match="before row 0: ValueError: not yet"):
        await read(Unready())


async def test_a_cancellation_that_an_iterable_raises_itself_does_not_pass_for_one_of_the_job():
    def confused():
        yield "1"
        raise asyncio.CancelledError

    with pytest.raises(SourceError, match="before row 1: CancelledError"):
        await read(confused())


class NoError(BaseException):
    """What is raised is not always an Exception: pytest.fail(), for one, is none."""


@pytest.mark.parametrize("is_async", [False, True])
async def test_whatever_an_iterable_raises_it_broke_off_there(is_async):
    def broken():
        yield "1"
        raise NoError

    async def broken_and_async():
        yield "1"
        raise NoError

    with pytest.raises(SourceError, match="before row 1: NoError"):
        await read(broken_and_async() if is_async else broken())


async def test_a_generator_that_blocks_does_not_block_the_loop():
    go_on = threading.Event()

    def blocking():
        yield "1"
        assert go_on.wait(10)
        yield "2"

    async with aclosing(from_iterable(blocking()).blocks()) as blocks:
        assert (await anext(blocks)).items == ["1"]
        waiting = asyncio.ensure_future(anext(blocks))
        for _ in range(100):
            await asyncio.sleep(0)
        assert not waiting.done()
        go_on.set()
        assert (await waiting).items == ["2"]


@pytest.mark.parametrize("taken", [0, 1, 3])
async def test_closing_the_blocks_closes_the_generator_in_its_thread_and_ends_that(taken):
    closed_in = []

    def endless():
        try:
            while True:
                yield "1"
        finally:
            closed_in.append(threading.current_thread().name)

    threads = threading.active_count()
    async with aclosing(from_iterable(endless()).blocks()) as blocks:
        for _ in range(taken):
            await anext(blocks)
    assert len(closed_in) == bool(taken)
    assert all(name.startswith("bulkdelete-source") for name in closed_in)
    assert threading.active_count() == threads


async def test_closing_the_blocks_closes_an_async_generator():
    closed = []

    async def endless():
        try:
            while True:
                yield "1"
        finally:
            closed.append(True)

    async with aclosing(from_iterable(endless()).blocks()) as blocks:
        await anext(blocks)
    assert closed == [True]


async def test_an_iterator_of_the_callers_is_left_open(tmp_path):
    path = tmp_path / "ids"
    path.write_text("1\n2\n")
    with path.open() as lines:
        assert await read(lines) == ["1\n", "2\n"]
        assert not lines.closed


async def test_a_generator_that_blocks_for_long_does_not_hang_the_close(monkeypatch):
    monkeypatch.setattr("bulkdelete.sources.threads.END_WITHIN_SECONDS", 0.05)
    entered, go_on, closed = threading.Event(), threading.Event(), threading.Event()

    def stuck():
        try:
            yield "1"
            entered.set()
            go_on.wait(10)
            yield "2"
        finally:
            closed.set()

    blocks = from_iterable(stuck()).blocks()
    assert (await anext(blocks)).items == ["1"]
    assert await asyncio.to_thread(entered.wait, 5)
    await asyncio.wait_for(blocks.aclose(), timeout=5)
    assert not closed.is_set()
    go_on.set()
    assert await asyncio.to_thread(closed.wait, 5)


async def test_an_exception_that_was_read_ahead_and_not_asked_for_is_dropped_in_silence(caplog):
    def soon_failing():
        yield "1"
        raise ValueError("never asked for")

    async with aclosing(from_iterable(soon_failing()).blocks()) as blocks:
        assert (await anext(blocks)).items == ["1"]
    assert caplog.records == []


async def test_an_async_iterable_is_not_awaited_for_long_before_its_items_are_passed_on(monkeypatch):
    monkeypatch.setattr("bulkdelete.sources.iterables.LONGEST_BLOCK_SECONDS", 0.0)
    sizes = [len(rows.items) async for rows in from_iterable(asynchronous(IDS[:5])).blocks()]
    assert sizes == [1, 1, 1, 1, 1]
