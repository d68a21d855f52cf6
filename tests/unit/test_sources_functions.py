"""A function that returns a new iterable each time: a source that can be read again, and the mistakes with one."""

import asyncio
import threading
from contextlib import aclosing

import pytest

from bulkdelete.errors import SourceChanged, SourceError, SourceRefused
from bulkdelete.sources import Source, first_records, source_of, spooled, stamps


class NoError(BaseException):
    """What is raised is not always an Exception."""


IDS = [str(number) for number in range(5000)]


async def read(source):
    items = []
    async for rows in source.blocks():
        assert rows.first_row == len(items)
        items += rows.items
    return items


def generator():
    yield from IDS


async def asynchronous():
    for record in IDS:
        yield record


@pytest.mark.parametrize("function", [generator, asynchronous, lambda: IDS, lambda: map(str, range(5000))])
async def test_it_is_called_for_each_reading_and_nothing_is_copied(function, tmp_path):
    source = source_of(function)
    assert isinstance(source, Source)
    assert (source.replayable, source.identity, source.paths, source.parts) == (
        True,
        {"kind": "function"},
        (),
        (source,),
    )
    assert await first_records(source, 2) == IDS[:2]
    assert await read(source) == IDS
    assert await read(source) == IDS
    assert await spooled(source, tmp_path / "spool") is source
    assert (await source.fingerprint(), stamps(source), list(tmp_path.iterdir())) == ("", {}, [])


async def test_one_that_gives_nothing_gives_nothing_again():
    source = source_of(list)
    assert [await read(source), await read(source)] == [[], []]


@pytest.mark.parametrize("taken", [1, 5000])
async def test_an_iterator_that_was_read_before_is_no_new_reading(taken):
    shared = iter(IDS)
    source = source_of(lambda: (record for record in shared))
    await first_records(source, taken)
    with pytest.raises(SourceChanged, match="not give the same records again: its first one is another"):
        await read(source)


async def test_records_where_there_were_none_are_a_change():
    given = [[], IDS]
    source = source_of(lambda: given.pop(0))
    await read(source)
    with pytest.raises(SourceChanged):
        await read(source)


async def test_what_the_function_raises_is_a_source_error_with_its_cause():
    def failing():
        raise OSError("the database is gone")

    with pytest.raises(SourceError, match="broke off before row 0: OSError: the database is gone") as caught:
        await read(source_of(failing))
    assert isinstance(caught.value.__cause__, OSError)


@pytest.mark.parametrize("kind", [asyncio.CancelledError, NoError])
async def test_what_is_no_exception_is_a_source_error_too(kind):
    def failing():
        raise kind

    with pytest.raises(SourceError, match=f"broke off before row 0: {kind.__name__}"):
        await read(source_of(failing))


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_process_is_left_alone(kind):
    def ending():
        raise kind

    with pytest.raises(kind):
        anext(source_of(ending).blocks()).send(None)  # no event loop, which it would end


async def test_an_async_function_that_returns_is_refused_before_it_is_called():
    async def returning():
        return IDS

    with pytest.raises(SourceRefused, match="Let it yield them"):
        source_of(returning)


@pytest.mark.parametrize(("function", "said"), [(lambda: "541", "a single string"), (lambda: 5, "holds no records")])
async def test_a_function_that_returns_no_records_is_refused(function, said):
    with pytest.raises(SourceRefused, match=said):
        await read(source_of(function))


def test_an_iterable_that_can_be_called_is_an_iterable():
    class Both(list):
        def __call__(self):
            return []

    assert source_of(Both()).identity == {"kind": "iterable"}


async def test_closing_the_blocks_closes_the_generator_and_ends_its_thread():
    closed, threads = [], threading.active_count()

    def endless():
        try:
            while True:
                yield "1"
        finally:
            closed.append(True)

    async with aclosing(source_of(endless).blocks()) as blocks:
        await anext(blocks)
    assert closed == [True]
    assert threading.active_count() == threads
