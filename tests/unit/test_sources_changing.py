"""Collections that somebody changes while they are read: no row is passed over in silence."""

from collections import deque
from contextlib import aclosing

import pytest

from bulkdelete.errors import SourceError
from bulkdelete.sources import from_iterable

IDS = [str(number) for number in range(10_000)]


class Own(list):
    pass


async def read(records, change):
    items = []
    async with aclosing(from_iterable(records).blocks()) as blocks:
        async for rows in blocks:
            if not items:
                change(records)
            items += rows.items
    return items


@pytest.mark.parametrize("kind", [list, Own])
@pytest.mark.parametrize("change", [lambda ids: ids.pop(0), lambda ids: ids.insert(0, "5"), list.clear, list.reverse])
async def test_a_list_is_read_as_it_was_when_the_reading_began(kind, change):
    assert await read(kind(IDS), change) == IDS


@pytest.mark.parametrize(("kind", "change"), [(deque, deque.popleft), (dict.fromkeys, dict.popitem)])
async def test_another_collection_that_changes_is_a_broken_source(kind, change):
    with pytest.raises(SourceError, match="before row 4096"):
        await read(kind(IDS), change)
