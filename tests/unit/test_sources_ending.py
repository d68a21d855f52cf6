"""A file that ends within a line: what is left of an id there is no record."""

from __future__ import annotations

import gzip
import tempfile
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkdelete import BulkDeleter, HoldsRefused, SourceError, open_source
from bulkdelete.emulator import Emulator
from bulkdelete.records import Defect, Filter
from bulkdelete.settings import SourceSettings
from bulkdelete.sources.several import SeveralFiles

TABLE_ID = "673af861ed69656ac0895b07"
REASON = "the file ends within this line: it has {} digit{}, and the ids before it 18 or more"


UUIDS = [str(UUID(int=541_278_230_707_963_208**2 + 37 * number)) for number in range(5)]


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
        (["100"], "99", True),
        (["12345678", "12345679", "12345670", "22345670"], "1234567", True),
        (["1001", "1002", "103"], "7", True),
        (["9"], "10", False),
        (["9", "10", "11"], "5", False),
        (["41", "1001", "1002"], "10", False),
        (["K1", "K10", "K11", "K12"], "K2", False),
        (["207963208", "541278230707963208"], "541278230707", True),
        ([UUIDS[0]], UUIDS[1][:20], True),
        (UUIDS[:3], UUIDS[3][:1], True),
        ([UUIDS[0][20:], UUIDS[1]], UUIDS[2][:9], True),
        ([UUIDS[0]], "no-uuid", False),
        ([*UUIDS[:2], "test-account", *UUIDS[2:4]], UUIDS[4][:20], True),
        ([*UUIDS[:4], "deadbeef"], "01234567", False),
        ([*UUIDS[:2], "7", *UUIDS[2:4]], "00386", True),
        (["541278230707963208", "7", "541278230707963245", "541278230707963282"], "5412", True),
        (["test-account", UUIDS[1]], UUIDS[4][:20], True),
        (["ann-marie@example.com"], "bob@example.com", False),
        ([f"user{number}@example.com" for number in range(10, 15)], "user7@example.com", False),
        (["a-bcd", "ab-cd", "abc-d"], "ab-", True),
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


@pytest.mark.parametrize("header", ["record_id", "ID"])
async def test_a_header_in_plain_text_does_not_say_how_long_ids_are(folder, header):
    for before, last in (["x7k2qp", "b81mzt", "qq4r0c"], "cz1t"), ([], "cz1t"), (["1001", "1002"], "10"):
        (folder / "ids.txt").write_text("\n".join([header, *before, last]))
        found = await read(folder / "ids.txt")
        assert found[:-1] == [header, *before]
        assert isinstance(found[-1], Defect) == bool(before)


NANOIDS = ["V1StGXR8_Z5jdHi6B-myT", "Uakgb_J5m9g-0JDMbcJqL", "kdnXD_Y_claBvdIgtpZAq", "f3rJ0aYw9sKqLz7XcVb2N"]
BASE64 = [
    "DRBSL2N/u7LjaW0wCO0skQ==",
    "9k+Xb1zLrT4mQe8uVdPw2A==",
    "mZ/7+QkYh0aBcDeFgHiJkL==",
    "u1Vw2Xy3Za4Bc5De6Fg7Hi==",
]


@pytest.mark.parametrize("ids_", [NANOIDS, BASE64])
@pytest.mark.parametrize("cut", range(1, 21))
async def test_a_piece_of_an_id_whose_signs_stand_anywhere_is_none(folder, ids_, cut):
    for last in ids_:
        (folder / "ids.txt").write_text("\n".join([*(one for one in ids_ if one != last), last[:cut]]))
        assert isinstance((await read(folder / "ids.txt"))[-1], Defect)
        (folder / "a.txt").write_text("\n".join([*(one for one in ids_ if one != last), last[:cut]]))
        (folder / "b.txt").write_text("\n".join([last[cut:], *ids_, ""]))
        found = [
            item async for rows in open_source([folder / "a.txt", folder / "b.txt"]).blocks() for item in rows.items
        ]
        assert {one for one in found if isinstance(one, str)} == {*ids_}


@pytest.mark.parametrize(
    ("before", "last"),
    [
        (NANOIDS, "kdnXD_Y_claBvdIgtpZAq"),
        (NANOIDS, "kdnXD_Y_claBvdIgtpZAq-longer"),
        (NANOIDS[:2], "no-nanoid"),
        ([*NANOIDS, "K_1"], "K-2"),
        (["anna.li@example.com", "john-doe@sample.com", "mary_lou@examp1.com"], "bo@example.com"),
        (["orders:2024:K10:DE:x", "orders:2024:L1:DE:xy", "orders:2024:10:DE:xyz"], "orders:2024:9:DE:x"),
    ],
)
async def test_an_id_that_is_whole_stays_one_also_where_signs_stand_anywhere(folder, before, last):
    (folder / "ids.txt").write_text("\n".join([*before, last]))
    assert await read(folder / "ids.txt") == [*before, last]


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


@pytest.mark.parametrize("whole", [1, 2, 3, 4])
async def test_so_does_a_short_hold_list_of_uuids(tmp_path, whole):
    (tmp_path / "ids.txt").write_text("".join(f"{one}\n" for one in UUIDS))
    (tmp_path / "holds.txt").write_text("\n".join([*UUIDS[:whole], UUIDS[whole][:20]]))
    async with Emulator() as emulator, BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key) as deleter:
        emulator.load(TABLE_ID, UUIDS)
        with pytest.raises(HoldsRefused, match=rf"line {whole + 1}: the file ends within this line: it has 20 char"):
            await deleter.delete(TABLE_ID, open_source(tmp_path / "ids.txt"), holds=open_source(tmp_path / "holds.txt"))
        assert emulator.requests == 0


async def parts_read(folder, parts, order=None, block_bytes=256 * 1024, **settings):
    for name, data in parts.items():
        (folder / name).write_bytes(data)
    source = open_source([folder / name for name in order or sorted(parts)], SourceSettings(**settings))
    source = SeveralFiles("parts", [], [replace(one, block_bytes=block_bytes) for one in source.parts], sorted(parts))
    return [item async for rows in source.blocks() for item in rows.items]


def cut_at(data, *places):
    edges = [0, *places, len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


BLOCKS = [1, 7, 100, 256 * 1024]


@pytest.mark.parametrize("block_bytes", BLOCKS)
@pytest.mark.parametrize("cut", range(1, 18))
async def test_the_rest_of_an_id_before_other_fields_is_no_record(tmp_path, block_bytes, cut):
    whole = [f"{one},Ann{number}\n" for number, one in enumerate(ids(150))]
    data = "".join(whole).encode()
    first, second = cut_at(data, len("".join(whole[:20])) + cut)
    settings = {"format": "csv", "header": False, "column": "1"}
    found = await parts_read(tmp_path, {"p-aa": first, "p-ab": second}, block_bytes=block_bytes, **settings)
    assert [one for one in found if isinstance(one, str)] == [one for one in ids(150) if one != ids(150)[20]]
    rest = found[21]
    digits = f"{18 - cut} digit{'s' * (cut < 17)}"
    assert rest.reason == f"the rest of a line, it seems: it has {digits}, and the ids around it 18 or more"
    assert rest.text == whole[20][cut:].rstrip()


@pytest.mark.no_cover  # long, and reaches nothing that others do not
@pytest.mark.parametrize("block_bytes", BLOCKS)
@pytest.mark.parametrize(("part_bytes", "order"), [*product([20, 30, 47, 100], [str, int]), (100, "last first")])
async def test_parts_in_another_order_than_they_were_cut_give_no_rest(tmp_path, block_bytes, part_bytes, order):
    data = "".join(f"{one}\n" for one in ids(60)).encode()
    parts = {f"p{n}": data[at : at + part_bytes] for n, at in enumerate(range(0, len(data), part_bytes))}
    by_number = sorted(parts, key=lambda name: int(name[1:]))
    names = {str: sorted(parts), int: by_number, "last first": by_number[::-1]}[order]
    found = await parts_read(tmp_path, parts, names, block_bytes)
    sent = [one for one in found if isinstance(one, str)]
    assert set(sent) <= set(ids(60))
    if part_bytes > 38:
        whole = [one for at, one in enumerate(ids(60)) if at * 19 // part_bytes == (at * 19 + 17) // part_bytes]
        in_doubt = [one for one in found if isinstance(one, Defect) and "the next file begins" in one.reason]
        assert sorted([*sent, *(one.text for one in in_doubt)]) == whole


@pytest.mark.parametrize("cut", range(1, 17))
async def test_neither_end_of_an_id_is_a_record_among_ids_of_two_lengths(tmp_path, cut):
    mixed = [one if number % 3 else one[:17] for number, one in enumerate(ids(60))]
    data = "".join(f"{one}\n" for one in mixed).encode()
    place = data.index(mixed[30].encode() + b"\n")
    first, second = cut_at(data, place + cut)
    found = await parts_read(tmp_path, {"aa": first, "ab": second})
    assert [one for one in found if isinstance(one, str)] == [one for one in mixed if one != mixed[30]]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-32-be"])
async def test_so_it_is_where_the_part_that_ends_within_a_line_is_read_later(tmp_path, encoding):
    first, second = cut_at("".join(f"{one}\n" for one in ids(60)), 470)
    parts = {"p1": first.encode(encoding), "p2": second.encode(encoding), "p3": b""}
    found = await parts_read(tmp_path, parts, ["p2", "p1", "p3"], encoding=encoding)
    assert [one for one in found if isinstance(one, str)] == [*ids(60)[25:], *ids(60)[:24]]


async def test_a_part_that_is_gone_is_an_error_of_its_reading(tmp_path):
    (tmp_path / "a").write_text("1001\n")
    (tmp_path / "b").write_text("1002\n")
    source = open_source(tmp_path)
    (tmp_path / "a").unlink()
    with pytest.raises(SourceError, match="reading broke off before row 0"):
        await anext(source.blocks())


async def test_an_empty_part_between_two_hides_no_rest(tmp_path):
    data = "".join(f"{one}\n" for one in ids(60)).encode()
    first, second = cut_at(data, 470)
    for between in b"", b"\n", b"\n\n":
        found = await parts_read(tmp_path, {"p1": first, "p1b": between, "p2": second})
        assert [one for one in found if isinstance(one, str)] == [*ids(60)[:24], *ids(60)[25:]]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("cut", [1, 9, 20, 35])
async def test_uuids_that_were_cut_are_no_records(tmp_path, pack, cut):
    whole = [str(UUID(int=int(one) ** 2)) for one in ids(30)]
    data = "".join(f"{one}\n" for one in whole).encode()
    first, second = cut_at(data, 20 * 37 + cut)
    found = await parts_read(tmp_path, {"a": pack(first), "b": pack(second)})
    assert [one for one in found if isinstance(one, str)] == [*whole[:20], *whole[21:]]
    said = [one.reason for one in found if isinstance(one, Defect)]
    count = "1 digit" if cut == 1 else f"{cut} characters"
    assert said[0] == f"the file ends within this line: it has {count}, and the ids before it 36 or more"


@pytest.mark.parametrize("whole", range(5))
@pytest.mark.parametrize("cut", [1, 9, 20, 35])
async def test_so_it_is_with_few_of_them_before_the_cut(tmp_path, whole, cut):
    rows = [str(UUID(int=int(one) ** 2)) for one in ids(30)]
    first, second = cut_at("".join(f"{one}\n" for one in rows).encode(), whole * 37 + cut)
    found = await parts_read(tmp_path, {"a": first, "b": second})
    assert [one for one in found if isinstance(one, str)] == [*rows[:whole], *rows[whole + 1 :]]


async def test_what_no_line_ends_does_not_say_how_long_ids_are(tmp_path):
    found = await parts_read(tmp_path, {"a": b"K4711\nK4712\nK47", "b": b"13\nK4714\nK4715\nK4716\n"})
    reason = "the rest of a line, it seems: it has 2 digits, and the ids around it 5 or more"
    assert shown(found)[3:] == [reason, "K4714", "K4715", "K4716"]


MIXED = ["98765", "99876", "104503", "104777", "99001"]


@pytest.mark.parametrize("block_bytes", BLOCKS)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("cut", range(1, 6))
@pytest.mark.parametrize("between", [[], [b""], [b"\n"]])
async def test_neither_end_of_a_cut_id_is_one_also_where_it_is_as_long_as_others(
    tmp_path, block_bytes, pack, cut, between
):
    data = "".join(f"{one}\n" for one in MIXED).encode()
    first, second = cut_at(data, data.index(b"104503") + cut)
    parts = {f"p{number}": pack(piece) for number, piece in enumerate([first, *between, second])}
    found = await parts_read(tmp_path, parts, block_bytes=block_bytes)
    assert [one for one in found if isinstance(one, str)] == [one for one in MIXED if one != "104503"]
    if cut == 5:
        assert shown(found)[2] == "the file ends within this line: the next file begins with the rest of it"
    if cut == 1:
        assert shown(found)[3] == "the rest of a line, it seems: the file before it ends with 1"


async def test_a_job_sends_neither_end_of_an_id_that_was_cut(tmp_path):
    names_another = "10450"
    (tmp_path / "p.aa").write_text("98765\n99876\n10450")
    (tmp_path / "p.ab").write_text("3\n104777\n99001\n")
    async with Emulator() as emulator, BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key) as deleter:
        emulator.load(TABLE_ID, [*MIXED, names_another])
        report = await deleter.delete(TABLE_ID, open_source(tmp_path / "p.*"), ledger=tmp_path / "purge.db")
        assert (report.acknowledged, report.invalid) == (4, 2)
        assert sorted(emulator.remaining(TABLE_ID)) == [names_another, "104503"]


async def test_after_a_file_that_broke_off_the_first_id_of_the_next_stays_one_if_they_make_none_together(tmp_path):
    found = await parts_read(tmp_path, {"a": b"98765\n99876\n104", "b": b"104777\n99001\n"})
    assert shown(found)[3:] == ["104777", "99001"]
    assert isinstance(found[2], Defect)


async def test_a_rest_with_a_quote_behind_it_is_none_either(tmp_path):
    whole = [f'"{one}","Ann"\n' for one in ids(30)]
    data = "".join(whole).encode()
    first, second = cut_at(data, len("".join(whole[:20])) + 9)
    settings = {"format": "csv", "header": False, "column": "1"}
    found = await parts_read(tmp_path, {"p-aa": first, "p-ab": second}, **settings)
    assert {one for one in found if isinstance(one, str)} <= set(ids(30))


@pytest.mark.parametrize(
    ("parts", "settings"),
    [
        ({"a": "1001\n1002\n", "b": "7\n1003\n1004\n"}, {}),
        ({"a": "1001\n1002\n1003", "b": "1004\n7\n1005\n"}, {}),
        ({"a": "1001\n1002\n1003", "b": "\n7\n1005\n"}, {}),
        ({"a": "1001\n1002\n", "b": "7\n1005\n1006"}, {}),
        ({"a": "x\n1001\n1002", "b": "x\n7\n1003"}, {"format": "csv", "column": "x"}),
        ({"a": "Ann,1001\nAnn,1002", "b": "Cid,7\nDan,1003\n"}, {"format": "csv", "header": False, "column": "2"}),
        ({"a": '"1001"\n"1002"', "b": '"7"\n"1003"'}, {"format": "jsonl"}),
        ({"a": "abc\nabcd\nabcde", "b": "x\nabcd"}, {}),
    ],
)
async def test_a_short_first_id_of_a_file_that_is_whole_stays_one(tmp_path, parts, settings):
    found = await parts_read(tmp_path, {name: text.encode() for name, text in parts.items()}, **settings)
    assert not any(isinstance(item, Defect) for item in found)
