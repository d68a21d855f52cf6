"""Columns that are called by number: the same ones in all files, and never a record that is taken for a header."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bulkdelete import BulkDeleter, HoldsRefused, SourceRefused, open_source
from bulkdelete.emulator import Emulator
from bulkdelete.holding import read_holds
from bulkdelete.records import Filter
from bulkdelete.settings import HoldsSettings, Settings, SourceSettings

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
    with pytest.raises(SourceRefused, match=f"{said}.*--no-sanity-check would"):
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
    said = r"column 2 is called.*Nothing was sent.*--holds-column NAME.*--no-holds-sanity-check would"
    with pytest.raises(HoldsRefused, match=said):
        await deleter.delete(TABLE_ID, ["54002"], holds=holds)
    assert emulator.requests == 0


async def test_so_it_is_in_hold_lists_that_are_given_one_by_one(folder, emulator):
    paths = [str(folder / "a.csv"), str(folder / "b.csv")]
    (folder / "more").mkdir()
    (folder / "b.csv").rename(folder / "more" / "b.csv")
    for more in ("more/b.csv", "more", "more/*.csv"):
        for given in ((paths[0], f"{folder}/{more}"), (f"{folder}/{more}", paths[0])):
            settings = Settings(holds=HoldsSettings(path=given, column="2"))
            async with BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key, settings=settings) as deleter:
                with pytest.raises(HoldsRefused, match=r"column 2 is called .* in .*csv, and .*--holds-column NAME"):
                    await deleter.delete(TABLE_ID, ["54002"])
    assert emulator.requests == 0
    settings = Settings(holds=HoldsSettings(path=(paths[0], f"{folder}/more"), column="record_id"))
    async with BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key, settings=settings) as deleter:
        assert (await deleter.delete(TABLE_ID, ["54001", "54002", "54003"])).held == 2


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


RECORDS = {
    "like the one below": ("AB-1001", "AB-1002"),
    "of other lengths": ("AB-1001", "AB-99"),
    "numbers": ("1001", "1002"),
    "numbers of other lengths": ("9998", "10001"),
    "a number above anything": ("2024", "541278230707963215"),
    "short": ("a1", "b2"),
    "quoted": ('"ä_1"', "ö_2"),
    "mail": ("u0@x.org", "christine22@yahoo.co.uk"),
    "mail above anything": ("u0@x.org", "541278230707963215"),
    "ulid": ("01ARZ3NDEKTSV4RRFFQ69G5FAV", "01BX5ZZKBKACTAV9WEVGEMMVRZ"),
    "nanoid": ("V1StGXR8_Z5jdHi6B-myT", "Uakgb_J5m9g-0JDMbcJqL"),
    "nanoid without a digit": ("VoStGXRR_ZljdHiyB-myT", "Uakgb_J5m9g-0JDMbcJqL"),
    "uuid in braces": ("{3f2504e0-4f89-11d3-9a0c-0305e82c3301}", "{a8098c1a-f86e-11da-bd1a-00112444be1e}"),
    "with a prefix": ("cus_9s6XKzkNRiz8i3", "cus_Na"),
}
"""A first cell, and the one below it."""


@pytest.mark.parametrize("block_bytes", [1, 7, 256 * 1024])
@pytest.mark.parametrize(("first", "below"), RECORDS.values(), ids=RECORDS)
async def test_a_first_line_like_a_record_is_no_header(tmp_path, first, below, block_bytes):
    path = tmp_path / "ids.csv"
    path.write_text(f"x,{first}\n\nlast,of,three\ny,{below}\n")
    name = first.strip('"')
    said = "where a column's name would stand.*it looks like a record. Nothing was sent"
    for called in "2", name:
        with pytest.raises(SourceRefused, match=f"{said}.*--no-header and --column 2;.*--no-sanity-check"):
            await items(path, block_bytes, column=called)
        with pytest.raises(SourceRefused, match=f"{said}.*give it one: a filter needs the column's name"):
            await items(path, block_bytes, filter_column=called)
    meant = {"sanity_check": False}
    assert (await items(path, block_bytes, column=name, **meant))[-1] == below
    assert (await items(path, block_bytes, filter_column=name, **meant))[-1] == Filter(name, below)
    assert [item for item in await items(path, block_bytes, column="2", header=False) if item == name] == [name]


UNCLEAR = {
    "short ids": ("x,k5Xw", "y,jR3"),
    "ids of many kinds": ("x,AB-1001", "y,b2c"),
    "a short id without a digit": ("x,bdefcadf", "y,4f1c09aa"),
    "letters in no order": ("x,lYCTjQYj", "y,t7F2LS"),
    "an empty cell below": ("x,AB-1001", "y,"),
    "no row below": ("x,AB-1001",),
    "words beside it": ("legal,k5Xw", "court,jR3"),
    "no value beside it": ("NULL,k5Xw", "2024-01-01,jR3"),
    "a beginning": ("x,user-mbnav", "y,user-tcayz"),
    "a beginning, and no digit by chance": ("x,user-mbnav", "y,user-t4ayz"),
    "a beginning with signs": ("x,urn:x:ibchweqb", "y,urn:x:hmnwrsgv"),
    "a date beside it": ("2024-01-18,alice", "2024-01-09,bob"),
    "a time beside it": ("2024-01-18T10:00:00Z,alice", "2024-01-09 17:00,bob"),
    "a written date beside it": ("18.1.2024,alice", "09.01.2024,bob"),
    "an address beside it": ("ann@x.example,fedecbbd", "bob@x.example,dffbdece"),
    "a link beside it": ("https://x.example/a,alice", "http://x.example/b,bob"),
    "a urn beside it": ("urn:isbn:0451450523,alice", "urn:isbn:0451450524,bob"),
    "a uuid beside it": ("3f2504e0-4f89-11d3-9a0c-0305e82c3301,alice", "a8098c1a-f86e-11da-bd1a-00112444be1e,bob"),
    "an address beside it, and no row below": ("ann@x.example,alice",),
}


@pytest.mark.parametrize("lines", UNCLEAR.values(), ids=UNCLEAR)
async def test_a_first_line_that_may_be_a_record_is_no_header_unless_its_column_is_called_by_name(tmp_path, lines):
    path = tmp_path / "ids.csv"
    path.write_text("\n".join(lines))
    with pytest.raises(SourceRefused, match=r"looks like a record. Nothing was sent.*--no-header.*as in --column"):
        await items(path, column="2")
    below = [line.partition(",")[2] for line in lines[1:]]
    assert await items(path, column=lines[0].partition(",")[2]) == below
    assert await items(path, column="2", sanity_check=False) == below


HEADERS = [
    ("AB-1001", "541278230707963215"),
    ("id1", "7"),
    ("name", "word"),
    ("artikel", "A-77"),
    ("Artikel", "A-77"),
    ("userID", "A-77"),
    ("ArtikelNr", "A-77"),
    ("user_id2", "A-77"),
    ("userId2", "A-77"),
    ("2024 total", "54"),
    ("Column1", "k5Xw"),
    ("Unnamed: 0", "k5Xw"),
    ("address_line_1", "Elm Street 5"),
    ("_c0", "541278230707963215"),
    ("sha256", "9f86d081884c7d659a2feaa0c55ad015"),
    ("s3_key", "s3://x"),
    ("google_analytics_client_id", "01BX5ZZKBKACTAV9WEVGEMMVRZ"),
    ("user_name", "user_root"),
    ("kunden_nummer", "kunden_4711"),
    ("kunden_nummer", "kunden_meier"),
    ("kunde", "kundin"),
    ("nutzer", "alice"),
    ("a-b", "a-c"),
    ("Kunde alt", "Kunde neu"),
]


@pytest.mark.parametrize(("first", "below"), HEADERS)
async def test_a_header_unlike_the_row_after_it_is_one(tmp_path, first, below):
    path = tmp_path / "ids.csv"
    path.write_text(f"x,{first}\ny,{below}\n")
    for called in "2", first:
        assert await items(path, column=called) == [below]


@pytest.mark.parametrize("beside", [("created_at_date", "2024-01-01"), ("Email", "a@x.org"), ("parentId", "54127")])
async def test_other_columns_show_that_the_first_line_is_a_header(tmp_path, beside):
    path = tmp_path / "ids.csv"
    path.write_text(f"kunde2,{beside[0]}\nk5Xw,{beside[1]}\n")
    assert await items(path, column="1") == ["k5Xw"]


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("kunde,2024-01-01,2024-02-01", "alice,17,4"),
        ("kunde,ann@x.org,bob@x.org", "alice,1,0"),
        ("kunde,Mail", "alice,ann@x.org"),
        ("kunde,seit", "alice,2024-01-01"),
        ("id,2024-01-01", "alice,2024-02-01"),
        ("kunde,541278230707963208", "alice,7"),
        ("kunde,54127,54128", "alice,99999,77777"),
    ],
)
async def test_values_beside_it_are_those_of_a_record_only_where_the_row_below_has_such_ones(tmp_path, header, row):
    (tmp_path / "ids.csv").write_text(f"{header}\n{row}\n")
    assert await items(tmp_path / "ids.csv", column="1") == ["alice"]


async def test_the_first_record_without_a_digit_is_held_or_the_list_refused(tmp_path, emulator, deleter):
    path = tmp_path / "hold.csv"
    for text in "user-mbnav\nuser-tcayz\nuser-vdrvp\n", "user-mbnav,2024-01-18\nuser-tcayz,2024-01-09\n":
        path.write_text(text)
        said = "holds 'user-mbnav' where a column's name would stand.*'user-tcayz': it looks like a record.*was sent"
        with pytest.raises(HoldsRefused, match=rf"{said}.*header = false in \[holds\].*--holds-column 1"):
            await deleter.delete(TABLE_ID, ["user-mbnav"], holds=open_source(path, HoldsSettings(column="1")))
    assert emulator.requests == 0
    emulator.load(TABLE_ID, ["user-mbnav"])
    holds = open_source(path, HoldsSettings(column="1", header=False))
    assert (await deleter.delete(TABLE_ID, ["user-mbnav"], holds=holds)).held == 1


async def test_the_first_record_of_a_hold_list_without_a_header_is_held_by_number_and_by_name(
    tmp_path, emulator, deleter
):
    path = tmp_path / "hold.csv"
    path.write_text("54001,legal\n54002,legal\n")
    for column in "1", "54001":
        with pytest.raises(HoldsRefused, match=r"looks like a record.*Nothing was sent"):
            await deleter.delete(TABLE_ID, ["54001", "54002"], holds=open_source(path, HoldsSettings(column=column)))
    with pytest.raises(HoldsRefused, match=r"no column 'record_id'.*'54001', looks like a record.*no header"):
        await deleter.delete(TABLE_ID, ["54001", "54002"], holds=open_source(path, HoldsSettings()))
    assert emulator.requests == 0


async def test_what_is_refused_is_told_in_short(tmp_path):
    path = tmp_path / "ids.csv"
    path.write_text(f"1{'x' * 1000}\n1{'y' * 1000}\n")
    with pytest.raises(SourceRefused, match=r"holds '1x{59}\.\.\.' where .* '1y{59}\.\.\.': it looks like a record"):
        await items(path, column="1")


ALONE = ["client-0042", "cus_NffrFeUfNVxHib", "k5Xw", "x9"]


@pytest.mark.parametrize("line", ALONE)
async def test_the_only_line_is_no_header_where_it_may_be_a_record_also_where_no_records_would_be_meant(
    tmp_path, emulator, deleter, line
):
    path = tmp_path / "one.csv"
    path.write_text(f"{line}\n")
    said = f"one.csv: the first line holds '{line}' where a column's name would stand, and no row comes after it"
    with pytest.raises(SourceRefused, match=rf"{said}.*--no-header and --column 1; if .* as in --column {line}"):
        await items(path, column="1")
    said += rf".*header = false in \[holds\].*--holds-column 1; if .* as in --holds-column {line}"
    with pytest.raises(HoldsRefused, match=said):
        await read_holds([open_source(path, HoldsSettings(column="1"))], HoldsSettings(allow_empty=True, column="1"))
    assert await items(path, column=line) == []


@pytest.mark.parametrize("line", ["id", "record_id", "userId", "Kundennummer", "UID", "KundenNr"])
async def test_the_only_line_is_a_header_where_it_is_a_word_and_the_list_that_is_empty_is_told_to_have_one(
    tmp_path, line
):
    path = tmp_path / "one.csv"
    path.write_text(f"{line}\n")
    assert await items(path, column="1") == []
    settings = HoldsSettings(column="1")
    said = r"one.csv is empty: its first line is taken for the names of its columns\..*header = false in \[holds\]"
    with pytest.raises(HoldsRefused, match=f"{said}.*--allow-empty-holds"):
        await read_holds([open_source(path, settings)], settings)


async def test_a_file_of_several_may_have_a_header_alone(tmp_path):
    for name, rows in (("a.csv", ""), ("b.csv", "54001\n")):
        (tmp_path / name).write_text(f"id2\n{rows}")
    rows = [rows async for rows in open_source(tmp_path, SourceSettings(column="1")).blocks()]
    assert [item for block in rows for item in block.items] == ["54001"]


@pytest.mark.parametrize(
    ("first", "below", "advice"),
    [
        ("f0_", "00000001-AAAA", r"give it instead of the number, as in --column f0_$"),
        ("Spalte1", "Spalte2x", r"give it instead of the number, with --no-sanity-check$"),
        ("0", "54001", r"give it instead of the number, with --no-sanity-check$"),
        ("my x7", "x1", r"give it instead of the number, as in --column 'my x7'$"),
    ],
)
async def test_a_name_that_looks_like_a_record_may_be_given_instead_of_its_number(tmp_path, first, below, advice):
    path = tmp_path / "ids.csv"
    path.write_text(f"{first}\n{below}\n")
    with pytest.raises(SourceRefused, match=advice):
        await items(path, column="1")
    assert await items(path, column=first, sanity_check="sanity" not in advice) == [below]


@pytest.mark.parametrize("block_bytes", [1, 7, 256 * 1024])
@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize("times", [2, 3])
@pytest.mark.parametrize("called", ["2", ""])
async def test_a_header_that_is_repeated_at_once_is_no_record_and_the_row_after_it_is_looked_at(
    tmp_path, times, quote, block_bytes, called
):
    path = tmp_path / "ids.csv"
    path.write_text(f"name,{quote}legacy_id_2{quote}\n" * times + "Ann,a1x0\n")
    *repeated, record = await items(path, block_bytes, column=called or "legacy_id_2")
    reason = "holds 'legacy_id_2', the name of its column: a header that is repeated"
    assert ([one.reason for one in repeated], record) == ([reason] * (times - 1), "a1x0")
    path.write_text(f"x,{quote}AB-1001{quote}\n" * times + "y,AB-1002\n")
    with pytest.raises(SourceRefused, match=r"'AB-1001' .* the row after it 'AB-1002': it looks like a record"):
        await items(path, block_bytes, column=called or "AB-1001")
