"""A file that ends within a line: what is left of an id there is no record."""

from __future__ import annotations

import gzip
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkdelete import BulkDeleter, HoldsRefused, open_source
from bulkdelete.emulator import Emulator
from bulkdelete.records import Defect, Filter
from bulkdelete.settings import SourceSettings

TABLE_ID = "673af861ed69656ac0895b07"
REASON = "the file ends within this line: it has {} digit{}, and the ids before it 18 or more"


def ids(count: int) -> list[str]:
    return [str(541_278_230_707_963_208 + 37 * number) for number in range(count)]


async def read(path, block_bytes=256 * 1024, **settings):
    source = replace(open_source(path, SourceSettings(**settings)), block_bytes=block_bytes)
    return [item async for rows in source.blocks() for item in rows.items]


def shown(items):
    return [item.reason if isinstance(item, Defect) else item for item in items]


@pytest.fixture(scope="module")
def folder():
    with tempfile.TemporaryDirectory() as path:
        yield Path(path)


FORMS = {
    "ids.txt": ("", "{}", {}),
    "ids.csv": ("record_id\n", "{}", {}),
    "last.csv": ("name,record_id\n", "Ann,{}", {}),
    "quoted.csv": ("name,record_id\n", '"Ann, ""A"" \n Lee",{}', {}),
    "bare.csv": ("", "Ann,{}", {"header": False, "column": "2"}),
    "ids.tsv": ("name\trecord_id\n", "Ann\t{}", {}),
}


@given(st.data(), st.integers(1, 130), st.integers(1, 18))
async def test_a_piece_of_an_id_is_no_record_however_it_is_read(folder, data, whole, digits):
    name = data.draw(st.sampled_from(sorted(FORMS)))
    encoding = data.draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32-le", "cp1252"]))
    header, row, settings = FORMS[name]
    *before, last = ids(whole + 1)
    text = header + "".join(row.format(one) + "\n" for one in before) + row.format(last[:digits])
    written = text.replace("\n", data.draw(st.sampled_from(["\n", "\r\n"]))).encode(encoding)
    (folder / name).write_bytes(gzip.compress(written) if data.draw(st.booleans()) else written)
    block_bytes = data.draw(st.sampled_from([1, 7, 64, 1000, 256 * 1024]))
    found = await read(folder / name, block_bytes, encoding=encoding, **settings)
    assert shown(found) == [*before, last if digits == 18 else REASON.format(digits, "s" * (digits > 1))]


@pytest.mark.parametrize("block_bytes", [1, 7, 256 * 1024])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ids.txt", "1001\n1002\n7\n"),
        ("ids.txt", "1001\n1002\n7\r"),
        ("ids.txt", "\n1001\n1002\n7\n\r"),
        ("ids.txt", "1001\n1002\n103\n7"),
        ("ids.txt", "1001\n1002\na7"),
        ("ids.txt", "abcd\n7"),
        ("ids.txt", "7"),
        ("ids.txt", "1001\n1002\n10003"),
        ("ids.csv", "record_id,x\n1001,a\n1002,b\n7,c"),
        ("ids.csv", "record_id,x\n1001,1\n1002,1\n7,17"),
        ("ids.csv", 'record_id\n1001\n"7"'),
        ("ids.csv", "record_id\n7"),
        ("ids.jsonl", '"1001"\n"7"'),
        ("ids.jsonl", '{"record_id": "1001"}\n{"record_id": "7"}'),
    ],
)
async def test_a_short_id_that_is_whole_stays_one(folder, name, text, block_bytes):
    (folder / name).write_bytes(text.encode())
    found = await read(folder / name, block_bytes)
    assert not any(isinstance(item, Defect) for item in found)
    assert len(found[-1]) in {1, 2, 5}


@pytest.mark.parametrize("block_bytes", [1, 7, 256 * 1024])
async def test_other_rows_between_ids_do_not_hide_how_long_they_are(folder, block_bytes):
    (folder / "ids.txt").write_bytes(b"1001\n\xff\nabc\n1002\n\n" + b"x" * 2000 + b"\n10")
    found = await read(folder / "ids.txt", block_bytes, max_line_bytes=1024)
    assert found[-1].reason == "the file ends within this line: it has 2 digits, and the ids before it 4 or more"


@pytest.mark.parametrize(
    ("before", "last", "is_piece"),
    [
        (["100"], "99", False),
        ([str(number) for number in range(110, 99, -1)], "99", True),
        (["541278230707963208", "54127823070796320"], "54", True),
        (["541278230707963208", "54127823070796320"], "54127823070796321", False),
        ([str(number) for number in range(99_950, 100_040)], "100", True),
        ([str(number) for number in range(99_950, 100_040)], "10040", False),
    ],
)
async def test_it_is_the_shortest_id_before_it_that_counts(folder, before, last, is_piece):
    (folder / "ids.txt").write_text("\n".join([*before, last]))
    assert isinstance((await read(folder / "ids.txt"))[-1], Defect) == is_piece


@pytest.mark.parametrize("block_bytes", [1, 7, 256 * 1024])
async def test_a_piece_of_a_filter_s_value_is_none(folder, block_bytes):
    (folder / "ids.csv").write_text("record_id,number\n7,10001\n,10002\n,10003\n,100")
    found = await read(folder / "ids.csv", block_bytes, filter_column="number")
    reason = "the file ends within this line: it has 3 digits, and the values before it 5 or more"
    assert shown(found) == ["7", Filter("number", "10002"), Filter("number", "10003"), reason]


@given(st.integers(1, 60), st.integers(60, 400))
async def test_what_split_cuts_off_names_no_record(folder, count, part_bytes):
    data = "".join(f"{one}\n" for one in ids(count)).encode()
    for number in range(0, len(data), part_bytes):
        (folder / f"part-{number:05}").write_bytes(data[number : number + part_bytes])
    source = open_source(folder / "part-*")
    found = [item async for rows in source.blocks() for item in rows.items]
    for path in folder.glob("part-*"):
        path.unlink()
    cut = sum(0 < at % 19 < 18 for at in range(part_bytes, len(data), part_bytes))
    assert [one for one in found if isinstance(one, str)] == [one for one in ids(count) if one in found]
    assert len(found) == count + cut
    assert sum(isinstance(one, Defect) for one in found) == 2 * cut


async def test_a_hold_list_that_ends_within_a_line_stops_the_job(tmp_path):
    (tmp_path / "ids.txt").write_text("\n".join(ids(20)))
    (tmp_path / "holds.txt").write_text("\n".join(ids(10))[:-7])
    async with Emulator() as emulator, BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key) as deleter:
        emulator.load(TABLE_ID, ids(20))
        with pytest.raises(HoldsRefused, match=r"line 10: the file ends within this line: it has 11 digits.*Nothing"):
            await deleter.delete(TABLE_ID, open_source(tmp_path / "ids.txt"), holds=open_source(tmp_path / "holds.txt"))
        assert emulator.requests == 0
