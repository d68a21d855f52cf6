"""However many steps are made at once in the thread, its reader sees the same."""

import threading
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkdelete.errors import SourceError
from bulkdelete.sources import from_iterable, open_source, spooled
from bulkdelete.sources.source import estimated_rows
from bulkdelete.sources.threads import from_thread


class BrokenOffError(Exception):
    pass


def counting(steps, *, breaks=False, closed=None):
    def read(_):
        try:
            yield from range(steps)
            if breaks:
                raise BrokenOffError
        finally:
            if closed is not None:
                closed.append(threading.current_thread().name)

    return read


@given(steps=st.integers(0, 12), at_once=st.integers(1, 5), breaks=st.booleans())
async def test_all_that_came_before_the_end_or_an_error_is_given_in_order(steps, at_once, breaks):
    came, ended = [], False
    try:
        async for step in from_thread(counting(steps, breaks=breaks), at_once):
            came += [step]
    except BrokenOffError:
        ended = True
    assert (came, ended) == (list(range(steps)), breaks)


@pytest.mark.parametrize("at_once", [1, 4])
@pytest.mark.parametrize("left_after", range(6))
async def test_whoever_leaves_at_any_step_leaves_no_thread_and_an_end_of_the_generator(at_once, left_after):
    threads, closed = threading.active_count(), []
    async with aclosing(from_thread(counting(9, closed=closed), at_once)) as steps:
        for _ in range(left_after):
            await anext(steps)
    assert threading.active_count() == threads
    assert len(closed) == (left_after > 0)


async def test_of_what_may_wait_each_step_is_given_before_the_next_is_made():
    given_already = threading.Event()

    def read(_):
        yield "first"
        assert given_already.wait(30)
        yield "second"

    came = []
    async for step in from_thread(read):
        came.append(step)
        given_already.set()
    assert came == ["first", "second"]


async def test_rows_are_estimated_by_what_was_read_however_far_ahead(tmp_path):
    path = tmp_path / "ids.txt"
    path.write_text("".join(f"{541_278_230_707_963_208 + row}\n" for row in range(300_000)))
    assert await estimated_rows(open_source(str(path))) == pytest.approx(300_000, rel=0.001)


@pytest.fixture
def no_more_threads():
    threading.stack_size(2**46)  # more than there are addresses
    yield
    threading.stack_size(0)


@pytest.mark.usefixtures("no_more_threads")
async def test_where_no_thread_can_be_started_that_is_said_and_nothing_is_taken(tmp_path):
    records = iter("123")
    (tmp_path / "ids.txt").write_text("1\n")
    for source in (from_iterable(records), open_source(str(tmp_path / "ids.txt"))):
        with pytest.raises(SourceError, match=r"no thread .*: can't start new thread\. .* and start again"):
            await anext(source.blocks())
    with pytest.raises(SourceError, match="no thread"):
        await spooled(from_iterable(records), tmp_path / "spool")
    assert [*records] == ["1", "2", "3"]
    assert [one.name for one in tmp_path.iterdir()] == ["ids.txt"]
