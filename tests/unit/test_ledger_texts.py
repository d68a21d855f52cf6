"""Every character comes back from a ledger as it went in."""

from __future__ import annotations

import asyncio
import math
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulkdelete.errors import LedgerMismatch
from bulkdelete.ledger import open_ledger, read_ledger
from bulkdelete.records import Ended, Fate, Filter, RowFate
from tests.properties import often
from tests.unit.test_ledger import IDENTITY, batch_of, columns_of, opened, outcome

HOSTILE = "\ud800 \udcff\0 ' \" \u2028 \U0001f4a5"
any_text = st.text(st.characters(), max_size=20)
any_value = any_text | st.booleans() | st.integers() | st.floats(allow_nan=False)
any_record = any_text | st.builds(Filter, any_text, any_value)


@settings(deadline=None, max_examples=often(60))
@given(st.lists(st.tuples(any_record, any_text, any_text), min_size=1, max_size=20))
def test_rows_set_aside_come_back_whatever_is_in_them(found):
    rows = tuple(
        RowFate(row, Fate.INVALID, reason, record, file, row, 40000) for row, (record, reason, file) in enumerate(found)
    )

    async def write(path: Path) -> None:
        async with opened(path) as ledger:
            await ledger.intend(replace(batch_of(0, "i" * len(rows)), set_aside=rows))

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(write(Path(folder) / "a.db"))
        with read_ledger(Path(folder) / "a.db") as reader:
            back = list(reader.failures())
    assert back == list(rows)
    assert [type(_value(row)) for row in back] == [type(_value(row)) for row in rows]


def _value(row: RowFate) -> object:
    return row.record.value if isinstance(row.record, Filter) else row.record


async def test_a_value_that_is_no_number_comes_back_as_such(tmp_path):
    row = RowFate(0, Fate.INVALID, "no number", Filter("price", math.nan))
    async with opened(tmp_path / "a.db") as ledger:
        await ledger.intend(replace(batch_of(0, "i"), set_aside=(row,)))
    with read_ledger(tmp_path / "a.db") as reader:
        (back,) = reader.failures()
    assert isinstance(back.record, Filter)
    assert math.isnan(back.record.value)


async def test_facts_identity_and_messages_hold_any_text(tmp_path):
    identity = {"source column": HOSTILE}
    ledger = await open_ledger(tmp_path / "a.db", identity)
    batch = batch_of(0, "r")
    await ledger.remember("source_path", HOSTILE)
    await ledger.intend(batch)
    await ledger.record(outcome(batch, Fate.UNRESOLVED, message=HOSTILE, request_id=HOSTILE, code=10**30))
    await ledger.close(Ended.FAULT, HOSTILE)
    again = await open_ledger(tmp_path / "a.db", identity)
    assert again.facts == {"identity.source column": HOSTILE, "source_path": HOSTILE}
    await again.close(Ended.COMPLETE)
    with read_ledger(tmp_path / "a.db") as reader:
        (left,) = reader.open_ranges()
    assert (left.code, left.message, left.request_id) == (None, HOSTILE, HOSTILE)
    with pytest.raises(LedgerMismatch, match="source column") as refused:
        await open_ledger(tmp_path / "a.db", {"source column": "id"})
    str(refused.value).encode()


async def test_plain_ids_are_text_for_every_sqlite_tool(tmp_path):
    row = RowFate(0, Fate.INVALID, "too long", "541278230707963208")
    async with opened(tmp_path / "a.db") as ledger:
        await ledger.intend(replace(batch_of(0, "i"), set_aside=(row,)))
    assert columns_of(tmp_path / "a.db", "SELECT row FROM row WHERE record = '541278230707963208'") == [(0,)]


def test_an_identity_is_compared_by_every_character(tmp_path):
    asyncio.run(_make(tmp_path / "a.db"))
    with pytest.raises(LedgerMismatch):
        asyncio.run(open_ledger(tmp_path / "a.db", {**IDENTITY, "table_id": IDENTITY["table_id"] + "\0"}))


async def _make(path: Path) -> None:
    async with opened(path) as ledger:
        await ledger.intend(batch_of(0, "r"))
