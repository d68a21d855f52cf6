"""Columns that are called by number: the same ones in all files, and never a record that is taken for a header."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bulkdelete import BulkDeleter, HoldsRefused, SourceRefused, open_source
from bulkdelete.emulator import Emulator
from bulkdelete.records import Filter
from bulkdelete.settings import HoldsSettings, SourceSettings

TABLE_ID = "673af861ed69656ac0895b07"


@pytest.fixture
async def emulator():
    async with Emulator() as emulator:
        emulator.load(TABLE_ID, map(str, range(54_001, 54_009)))
        yield emulator


@pytest.fixture
async def deleter(emulator):
    async with BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key) as deleter:
        yield deleter


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("parent_id,record_id\n54001,54002\n")
    (tmp_path / "in" / "b.csv").write_text("record_id,parent_id\n54003,54004\n")
    return tmp_path / "in"


async def test_a_number_that_calls_another_column_in_another_file_is_refused_before_anything_is_sent(
    folder, emulator, deleter
):
    said = r"column 2 is called 'record_id' in .*a\.csv, and 'parent_id' in .*b\.csv.*Nothing was sent.*--column NAME"
    with pytest.raises(SourceRefused, match=f"{said}.*--no-sanity-check"):
        await deleter.delete(TABLE_ID, open_source(folder, SourceSettings(column="2")))
    said = said.replace("--column", "--filter-column")
    with pytest.raises(SourceRefused, match=said):
        await deleter.delete(TABLE_ID, open_source(folder, SourceSettings(filter_column="2")))
    assert emulator.requests == 0


async def test_a_number_that_is_meant_can_be_said_to_be(folder, deleter):
    for settings in SourceSettings(column="2", sanity_check=False), SourceSettings(column="1", sanity_check=False):
        assert (await deleter.delete(TABLE_ID, open_source(folder, settings))).acknowledged == 2
    (folder / "b.csv").write_text(" PARENT_ID,Record_id\n54003,54004\n")
    assert (await deleter.delete(TABLE_ID, open_source(folder, SourceSettings(column="2")))).acknowledged == 2


async def test_so_it_is_in_a_hold_list(folder, emulator, deleter):
    holds = open_source(folder, HoldsSettings(column="2"))
    with pytest.raises(HoldsRefused, match=r"column 2 is called.*Nothing was sent.*--holds-column NAME"):
        await deleter.delete(TABLE_ID, ["54002"], holds=holds)
    assert emulator.requests == 0


async def test_a_name_or_files_that_agree_are_fine(folder, emulator, deleter):
    report = await deleter.delete(TABLE_ID, open_source(folder, SourceSettings(column="record_id")))
    assert report.acknowledged == 2
    (folder / "b.csv").write_text("x,record_id,y\n54005,54006,54007\n")
    report = await deleter.delete(TABLE_ID, open_source(folder, SourceSettings(column="2")))
    assert report.acknowledged == 2
    assert set(emulator.remaining(TABLE_ID)) == {"54001", "54004", "54005", "54007", "54008"}


async def items(path, block_bytes=256 * 1024, **settings):
    source = replace(open_source(path, SourceSettings(**settings)), block_bytes=block_bytes)
    return [item async for rows in source.blocks() for item in rows.items]


@pytest.mark.parametrize("block_bytes", [1, 7, 256 * 1024])
@pytest.mark.parametrize(
    ("first", "below"),
    [("AB-1001", "AB-1002"), ("1001", "1002"), ("a1", "b2"), ('"ä_1"', "ö_2"), ("u0@x.org", "christine22@yahoo.co.uk")],
)
async def test_a_first_line_like_the_row_after_it_is_no_header(tmp_path, first, below, block_bytes):
    path = tmp_path / "ids.csv"
    path.write_text(f"x,{first}\n\nlast,of,three\ny,{below}\n")
    said = "where a column's name would stand.*it looks like a record. Nothing was sent"
    with pytest.raises(SourceRefused, match=f"{said}.*--no-header"):
        await items(path, block_bytes, column="2")
    with pytest.raises(SourceRefused, match=f"{said}.*give it one: a filter needs the column's name"):
        await items(path, block_bytes, filter_column="2")
    name = first.strip('"')
    assert (await items(path, block_bytes, column=name))[-1] == below
    assert (await items(path, block_bytes, filter_column=name))[-1] == Filter(name, below)
    assert [item for item in await items(path, block_bytes, column="2", header=False) if item == name] == [name]


@pytest.mark.parametrize(
    ("first", "below"),
    [("AB-1001", "541278230707963215"), ("id1", "7"), ("name", "word"), ("2024", "54"), ("AB-1001", ""), ("a@b", "c")],
)
async def test_a_header_unlike_the_row_after_it_is_one(tmp_path, first, below):
    path = tmp_path / "ids.csv"
    path.write_text(f"x,{first}\ny,{below}\n")
    assert await items(path, column="2") == [below]
    path.write_text(f"x,{first}\n")
    assert await items(path, column="2") == []
