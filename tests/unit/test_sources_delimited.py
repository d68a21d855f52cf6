import hashlib
from dataclasses import replace

import pytest

from bulkdelete.errors import SourceRefused
from bulkdelete.records import Defect, Filter
from bulkdelete.settings import SourceSettings
from bulkdelete.sources import first_records, open_source

BLOCK_BYTES = pytest.mark.parametrize("block_bytes", [1, 5, 64, 256 * 1024])


@pytest.fixture
def read(tmp_path):
    async def from_bytes(data, block_bytes=256 * 1024, name="ids.csv", **settings):
        path = tmp_path / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        source = replace(open_source(path, SourceSettings(**settings)), block_bytes=block_bytes)
        items, lines = [], []
        async for rows in source.blocks():
            assert rows.first_row == len(items)
            assert len(rows.lines) == len(rows.items) > 0
            items += rows.items
            lines += rows.lines
        return items, lines

    return from_bytes


def fingerprint(raw):
    return hashlib.sha256(raw.encode()).digest()[:16]


@BLOCK_BYTES
@pytest.mark.parametrize(
    "case",
    [
        ("record_id\n1\n2\n", {}, ["1", "2"], [2, 3]),
        ("\ufeffrecord_id\r\n1\r\n\r\n2", {}, ["1", "2"], [2, 4]),
        ("\n\nname,record_id\nx,1\n\ny,2\n", {}, ["1", "2"], [4, 6]),
        ('"record_id"\n"1"\n""\n', {}, ["1", ""], [2, 3]),
        ("name,record_id,x\n,,\na,1,2\n", {}, ["", "1"], [2, 3]),
        ("a,b\n1,2\n3,4\n", {"column": "b"}, ["2", "4"], [2, 3]),
        ("a,b\n1,2\n3,4\n", {"column": "2"}, ["2", "4"], [2, 3]),
        ("1,2\n3,4\n", {"column": "2", "header": False}, ["2", "4"], [1, 2]),
        ("a;b\n1;2\n", {"column": "b", "delimiter": ";"}, ["2"], [2]),
        ("a\tb\n1\t2,5\n", {"column": "b", "format": "tsv"}, ["2,5"], [2]),
        (' a ,b\n 1 ,2\n" 3 ", 4\n', {"column": " a "}, [" 1 ", " 3 "], [2, 3]),
        ('n,record_id\n"a ""b"", c",1\n"d\n\ne",2\nf,3\n', {}, ["1", "2", "3"], [2, 3, 6]),
        ('n,record_id\n"a\r\nb","1\r\n2"\r\nc,3\r\n', {}, ["1\n2", "3"], [2, 5]),
        ('"multi\nline",record_id\nx,1\n', {}, ["1"], [3]),
        ('n,record_id\n5" disk,1\nx,2"\n', {}, ["1", '2"'], [2, 3]),
        ('n,record_id\nx\x00,1\x00\n"y\x00",2\n', {}, ["1\x00", "2"], [2, 3]),
        ('n,record_id\na\rb,1\r\r\n"c\rd",2\r\r\n', {}, ["1\r", "2\r"], [2, 3]),
        ("record_id\na\x0bb\u2028c\x85d\n", {}, ["a\x0bb\u2028c\x85d"], [2]),
    ],
)
async def test_rows_are_read_alike_wherever_a_block_ends(read, case, block_bytes):
    text, settings, items, lines = case
    assert await read(text, block_bytes, **settings) == (items, lines)


@BLOCK_BYTES
async def test_a_filter_is_used_where_the_row_has_no_record_id(read, block_bytes):
    text = 'sku,record_id\na-1,1\n"a-2",\na-3\n,\n'
    items, lines = await read(text, block_bytes, filter_column="sku")
    short = Defect("has 1 field; the header has 2", "a-3", fingerprint("a-3"))
    assert items == ["1", Filter("sku", "a-2"), short, Filter("sku", "")]
    assert lines == [2, 3, 4, 5]


async def test_filters_come_from_the_filter_column_alone_where_no_column_is_called_record_id(read):
    assert (await read("sku,x\n007,1\n", filter_column="sku"))[0] == [Filter("sku", "007")]
    assert (await read("sku,x\n007,1\n", filter_column="1"))[0] == [Filter("sku", "007")]
    assert (await read("sku,x\n007,1\n008,\n", filter_column="sku", column="x"))[0] == ["1", Filter("sku", "008")]


@BLOCK_BYTES
async def test_a_row_with_other_fields_than_the_header_is_a_defect(read, block_bytes):
    text = 'a,b,record_id\n1,2,3\n4,5\n"6","7\n8"\n9,9,9,9\n0,"0",0,0\n5,5,5\n7\n'
    items, lines = await read(text, block_bytes)
    assert items == [
        "3",
        Defect("has 2 fields; the header has 3", "4,5", fingerprint("4,5")),
        Defect("has 2 fields; the header has 3", '"6","7\n8"', fingerprint('"6","7\n8"')),
        Defect("has 4 fields; the header has 3", "9,9,9,9", fingerprint("9,9,9,9")),
        Defect("has 4 fields; the header has 3", '0,"0",0,0', fingerprint('0,"0",0,0')),
        "5",
        Defect("has 1 field; the header has 3", "7", fingerprint("7")),
    ]
    assert lines == [2, 3, 4, 6, 7, 8, 9]


@BLOCK_BYTES
@pytest.mark.parametrize(
    ("header", "rows", "delimiter"),
    [
        ("amount,record_id", ["1,641278230707963208,541278230707971127", "7,1", "1,234,9", "5"], ","),
        ("amount,record_id", ["1,234,", "7,1", "5"], ","),  # an amount whose id is missing
        ("record_id", ["1,,", "1", ","], ","),
        ("a|record_id|z", ["1|2", "7|1|", "1|2|3|4", "1|2|3|"], "|"),
        ("a§record_id§z", ["1§2", "7§1§", "1§2§3§4"], "§"),
    ],
)
async def test_no_field_is_taken_for_an_id_because_a_delimiter_stands_in_another(
    read, header, rows, delimiter, block_bytes
):
    text = "\n".join([header, *rows])
    items, _ = await read(text, block_bytes, delimiter=delimiter)
    assert [item for item in items if isinstance(item, str)] == ["1"]
    quoted = "\n".join([header, *rows, f'"x"{delimiter}"y"{delimiter}{delimiter}{delimiter}{delimiter}'])
    items, _ = await read(quoted, block_bytes, delimiter=delimiter)
    assert [item for item in items if isinstance(item, str)] == ["1"]


@BLOCK_BYTES
async def test_without_a_header_the_first_row_is_the_measure(read, block_bytes):
    items, lines = await read("\nx,1\ny,2\n1,234,3\n4\nz,5\n", block_bytes, column="2", header=False)
    assert items == [
        "1",
        "2",
        Defect("has 3 fields; the first row has 2", "1,234,3", fingerprint("1,234,3")),
        Defect("has 1 field; the first row has 2", "4", fingerprint("4")),
        "5",
    ]
    assert lines == [2, 3, 4, 5, 6]
    items, _ = await read("1\n2,3\n", block_bytes, column="2", header=False)
    assert [item.reason for item in items] == [
        "missing field: column 2 in a row of 1",
        "has 2 fields; the first row has 1",
    ]
    items, _ = await read(b'"\xff",1,2\n"a",3\n4,5,6\n', block_bytes, column="2", header=False)
    assert items[1] == "3"
    assert items[2].reason == "has 3 fields; the first row has 2"


@BLOCK_BYTES
async def test_a_row_that_is_not_utf8_harms_no_other(read, block_bytes):
    data = b'n,record_id\nx,1\n"\xe9\n",2\ny\xff,3\n"z",4\n'
    items, lines = await read(data, block_bytes)
    assert [item if isinstance(item, str) else item.reason for item in items] == [
        "1",
        "bytes that are not UTF-8",
        "bytes that are not UTF-8",
        "4",
    ]
    assert items[2].fingerprint == hashlib.sha256(b"y\xff,3").digest()[:16]
    assert lines == [2, 3, 5, 6]


async def test_a_missing_column_is_refused_with_the_columns_there_are_and_the_nearest(read):
    with pytest.raises(SourceRefused, match=r"no column 'Record ID'.*'a', 'record_id', 'c'\. Did you mean 'record_id'"):
        await read("a,record_id,c\n1,2,3\n", column="Record ID")
    with pytest.raises(SourceRefused, match=r"no column 'record_id'.*'id', 'name'.*--column NAME"):
        await read("id,name\n1,2\n")
    with pytest.raises(SourceRefused, match="no column '4'"):
        await read("id,name\n1,2\n", column="4")
    with pytest.raises(SourceRefused, match="no column 'x'"):
        await read("sku,record_id\n1,2\n", filter_column="x")
    with pytest.raises(SourceRefused, match="no column 'x'"):
        await read("sku,record_id\n1,2\n", column="x", filter_column="sku")


async def test_a_column_that_is_there_twice_is_refused_if_it_is_wanted(read):
    with pytest.raises(SourceRefused, match="2 columns are called 'record_id'"):
        await read("record_id,record_id\n1,2\n")
    assert (await read("x,x,record_id\n1,2,3\n"))[0] == ["3"]


@pytest.mark.parametrize("column", ["", "0", "-1", "name", "²"])
async def test_without_a_header_a_column_is_a_number_from_1(read, column):
    with pytest.raises(SourceRefused, match="columns are numbers from 1"):
        await read("1,2\n", column=column, header=False)


async def test_without_a_header_there_is_no_filter(read):
    with pytest.raises(SourceRefused, match="a filter needs the column's name"):
        await read("1,2\n", filter_column="1", header=False)


@BLOCK_BYTES
@pytest.mark.parametrize(
    "settings",
    [{}, {"header": False, "column": "4"}, {"format": "text"}, {"delimiter": ";"}, {"format": "jsonl"}],
)
async def test_the_report_for_people_is_refused_however_it_is_read(read, settings, block_bytes):
    header = "\nrow,fate,reason,record (made harmless for spreadsheets),record_id"
    with pytest.raises(SourceRefused, match=r"the report for people.*Use the JSON Lines output of bulkdelete failures"):
        await read(f"{header}\n1,rejected,x,2,3\n", block_bytes, **settings)


async def test_an_empty_file_has_no_rows(read):
    assert await read("") == ([], [])
    assert await read("\n\n") == ([], [])
    assert await read("record_id\n") == ([], [])


async def test_the_first_records_are_those_after_the_header(tmp_path):
    path = tmp_path / "ids.csv"
    path.write_text("record_id\n1\n2\n3\n4\n")
    assert await first_records(open_source(path)) == ["1", "2", "3"]


@pytest.mark.parametrize("delimiter", ["0", "a", "é", "-", "_", "."])
async def test_a_delimiter_that_may_stand_in_an_id_is_refused(read, delimiter):
    with pytest.raises(SourceRefused, match="may stand in an id, which would be cut in two"):
        await read("record_id\n1\n", delimiter=delimiter)


@pytest.mark.parametrize(
    ("first", "column", "said"),
    [
        ("541278230707963208,1", "1", "'1' is the number of column 1, and the first line has it in column 2"),
        ("0,1", "1", "'1' is the number of column 1"),
        ("673af861ed69656ac0895b07,x", "1", "looks like a record"),
        ("3f2504e0-4f89-11d3-9a0c-0305e82c3301,x", "1", "looks like a record"),
        ("54127,x", "1", "looks like a record"),
        ("541278230707963208 ,x", "1", "looks like a record"),
        ('="541278230707963208",x', "1", "looks like a record"),
        ("5.41E+17,x", "1", "looks like a record"),
    ],
)
async def test_a_column_by_its_number_is_no_cell_of_a_file_without_a_header(tmp_path, first, column, said):
    path = tmp_path / "ids.csv"
    path.write_text(f"{first}\n541278230707963215,2\n")
    with pytest.raises(SourceRefused, match=f"{said}.*Nothing was sent.*--no-header"):
        [rows async for rows in open_source(path, SourceSettings(column=column)).blocks()]


@pytest.mark.parametrize("header", ["id", "column1", "face", "deadbeef", "a-b"])
async def test_a_header_is_none_the_less_one(tmp_path, header):
    path = tmp_path / "ids.csv"
    path.write_text(f"{header},x\n541278230707963215,2\n")
    source = open_source(path, SourceSettings(column="1"))
    assert [item async for rows in source.blocks() for item in rows.items] == ["541278230707963215"]
