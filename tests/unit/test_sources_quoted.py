"""Quoted fields of a CSV that are malformed, too long or endless: no line that they may reach is a row."""

import csv
import hashlib
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkdelete.errors import HoldsRefused, SourceRefused
from bulkdelete.holding import read_holds
from bulkdelete.records import Defect, Filter
from bulkdelete.settings import HoldsSettings, SourceSettings
from bulkdelete.sources import open_source

BLOCK_BYTES = pytest.mark.parametrize("block_bytes", [1, 5, 64, 256 * 1024])
ENDLESS = "a quoted field that does not end"
MALFORMED = "not well-formed: ',' expected after '\"'"
LIMIT = 1024
TOO_LONG = f"more than {LIMIT} bytes, over several lines"
TOO_LONG_A_LINE = f"a line longer than {LIMIT} bytes"


def part_of(line, reason):
    return f"part of the row that begins on line {line}: {reason}"


@pytest.fixture(scope="module")
def folder():
    with tempfile.TemporaryDirectory() as path:
        yield Path(path)


async def read(folder, data, block_bytes=256 * 1024, name="ids.csv", **settings):
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    source = open_source(path, SourceSettings(**{"max_line_bytes": LIMIT, **settings}))
    items, lines = [], []
    async for rows in replace(source, block_bytes=block_bytes).blocks():
        items += rows.items
        lines += rows.lines
    return items, lines


async def told(folder, data, block_bytes=256 * 1024, **settings):
    """Return the ids of *data* and the reasons for what is set aside, by line."""
    items, lines = await read(folder, data, block_bytes, **settings)
    return {line: item.reason if isinstance(item, Defect) else item for line, item in zip(lines, items, strict=True)}


@BLOCK_BYTES
async def test_a_field_that_never_ends_sets_every_line_from_its_first_aside(folder, block_bytes):
    items, lines = await read(folder, 'n,record_id\na,1\n"oops,2\nb,3\n\nc,4', block_bytes)
    assert items == [
        "1",
        Defect(ENDLESS, '"oops,2', fingerprint('"oops,2')),
        Defect(part_of(3, ENDLESS), "b,3", fingerprint("b,3")),
        Defect(part_of(3, ENDLESS), "c,4", fingerprint("c,4")),
    ]
    assert lines == [2, 3, 4, 6]


@BLOCK_BYTES
@pytest.mark.parametrize(
    ("last", "ends"),
    [('",2', True), ('""",2', True), ('"",2', False), ('","b', False), ('","b"', True), ('"b', True), ('"b,"', False)],
)
async def test_every_line_of_a_field_that_is_too_long_is_set_aside_to_where_its_row_ends(
    folder, last, ends, block_bytes
):
    inside = [f"x,{number}" for number in range(300)]
    text = "\n".join(["n,record_id", "a,1", '"oops', *inside, last, "z,3"])
    found = await told(folder, text, block_bytes)
    end = 3 + len(inside) + 1
    assert found.pop(end + 1) == ("3" if ends else part_of(3, TOO_LONG))
    assert found == {2: "1", 3: TOO_LONG, **dict.fromkeys(range(4, end + 1), part_of(3, TOO_LONG))}


@BLOCK_BYTES
async def test_a_field_is_too_long_by_the_bytes_of_its_row(folder, block_bytes):
    fits = '"' + "é" * 500 + '\n\n",1\n'
    assert len(fits.encode()) < LIMIT
    assert await told(folder, f"n,record_id\n{fits}z,2\n", block_bytes) == {2: "1", 5: "2"}
    passes = '"' + "é" * 500 + "\n" * 30 + '",1\n'
    assert await told(folder, f"n,record_id\n{passes}z,2\n", block_bytes) == {
        2: TOO_LONG,
        32: part_of(2, TOO_LONG),
        33: "2",
    }


@BLOCK_BYTES
async def test_a_line_too_long_belongs_to_the_row_that_is_open_before_it(folder, block_bytes):
    long = "x" * 2000
    text = f'n,record_id\n"open,1\n{long},2\nc,3\nd",4\ne,5\n'
    assert await told(folder, text, block_bytes) == {
        2: TOO_LONG,
        3: part_of(2, TOO_LONG_A_LINE),
        4: part_of(2, TOO_LONG),
        5: part_of(2, TOO_LONG),
        6: "5",
    }
    assert (await told(folder, f'n,record_id\n"open,1\n{long}",2\r\nc,3\n', block_bytes))[4] == "3"


@BLOCK_BYTES
async def test_a_line_too_long_may_leave_a_quoted_field_open(folder, block_bytes):
    text = f'n§record_id\ny§"é{"é" * 2000}\nc§3\nd"\ne§5\n'
    assert await told(folder, text, block_bytes, delimiter="§") == {
        2: TOO_LONG_A_LINE,
        3: part_of(2, TOO_LONG),
        4: part_of(2, TOO_LONG),
        5: "5",
    }
    doubled = '""' * 700
    text = f'n,record_id\nx"{"x" * 2000},2\n"{doubled}",2\nc,3\n'
    assert await told(folder, text, block_bytes) == {2: TOO_LONG_A_LINE, 3: TOO_LONG_A_LINE, 4: "3"}


@BLOCK_BYTES
async def test_a_malformed_row_is_set_aside_to_where_lenient_readers_end_it(folder, block_bytes):
    items, lines = await read(folder, 'record_id,n\n"123"456,x\n7,y\n', block_bytes)
    assert items == [Defect(MALFORMED, '"123"456,x', fingerprint('"123"456,x')), "7"]
    assert lines == [2, 3]
    assert await told(folder, 'record_id,n\n1,"a\n2,b\n3,"x"y\n4,d\n', block_bytes) == {
        2: MALFORMED,
        3: part_of(2, MALFORMED),
        4: part_of(2, MALFORMED),
        5: "4",
    }
    assert await told(folder, 'record_id,n\n"1"0,"a\n2,b\n3",c\n4,d\n', block_bytes) == {
        2: MALFORMED,
        3: part_of(2, MALFORMED),
        4: part_of(2, MALFORMED),
        5: "4",
    }


@BLOCK_BYTES
async def test_what_does_not_decode_and_carriage_returns_stand_in_such_a_field_as_anywhere(folder, block_bytes):
    data = b'n\trecord_id\r\n"oops\r\n\r\n\xff\t2\r\n\r\r\nb\rc\t3\r\n'
    items, lines = await read(folder, data, block_bytes, name="ids.tsv")
    raws = [b'"oops', b"\xff\t2", b"\r", b"b\rc\t3"]
    assert [item.fingerprint for item in items] == [hashlib.sha256(raw).digest()[:16] for raw in raws]
    assert [item.reason for item in items] == [ENDLESS, *[part_of(2, ENDLESS)] * 3]
    assert lines == [2, 4, 5, 6]


async def test_each_file_of_several_begins_anew(folder):
    (folder / "parts").mkdir()
    (folder / "parts" / "1.csv").write_text('n,record_id\n"oops,1\n')
    (folder / "parts" / "2.csv").write_text("n,record_id\na,2\n")
    source = open_source(folder / "parts" / "*.csv")
    items = [item async for rows in source.blocks() for item in rows.items]
    assert [item if isinstance(item, str) else item.reason for item in items] == [ENDLESS, "2"]


async def test_filters_in_such_a_field_are_set_aside_too(folder):
    assert await told(folder, 'sku,x\n007,"1\n008,2\n', filter_column="sku") == {2: ENDLESS, 3: part_of(2, ENDLESS)}
    assert await read(folder, 'sku,x\n007,"1"\n', filter_column="sku") == ([Filter("sku", "007")], [2])


@pytest.mark.parametrize("header", [b"x" * 2000, b"record_id\xff", b'"record_id', b'"a"b,record_id'])
async def test_a_header_that_cannot_be_read_is_refused(folder, header):
    with pytest.raises(SourceRefused, match="where the column names should stand"):
        await read(folder, header + b"\n1\n")


@pytest.mark.parametrize(
    ("comment", "reason"),
    [
        ('"oops\n', ENDLESS),
        ('"' + "x,2\n" * 20_000 + '",3\n', "more than 65536 bytes"),
        ('"a"b,2\n', "not well-formed"),
    ],
)
async def test_a_hold_list_with_such_a_field_is_refused(folder, comment, reason):
    path = folder / "holds.csv"
    path.write_text(f"why,record_id\nx,541278230707963208\n{comment}y,541278230707963245\n")
    with pytest.raises(HoldsRefused, match=rf"line 3: {reason}.*What it should hold back is not clear"):
        await read_holds([open_source(path)], HoldsSettings())


@pytest.mark.parametrize("block_bytes", [4096, 100_000, 256 * 1024, 1024 * 1024])
async def test_the_csv_modules_own_limit_is_no_crash(folder, block_bytes):
    limit, field = csv.field_size_limit(), "x" * 140_000
    own = "not well-formed: field larger than field limit (131072)"
    text = f'n,record_id\n{field},1\n"{field}",2\n"{field}\nz,3\n",4\n"y",5\n'
    found = await told(folder, text, block_bytes, max_line_bytes=1 << 20)
    assert found == {2: "1", 3: own, 4: own, 5: part_of(4, own), 6: part_of(4, own), 7: "5"}
    assert csv.field_size_limit() == limit


def fingerprint(raw):
    return hashlib.sha256(raw.encode("utf-8", "surrogateescape")).digest()[:16]


def expected(data):
    """Return what is to become of each line of *data*, by where the csv module ends rows if it is not strict."""
    raws = [raw.decode("utf-8", "surrogateescape") for raw in data.removesuffix(b"\n").split(b"\n")]
    lines = [f"{raw.removesuffix(chr(13))}\n".replace("\r", "\udc0d") for raw in raws]  # it ends a line at a return
    first = 0
    for _ in (reader := csv.reader(lines)):
        row, end = "".join(lines[first : reader.line_num]), reader.line_num
        whole = row.replace("\udc0d", "\r").removesuffix("\n")
        longest = max(len(raw.encode("utf-8", "surrogateescape")) for raw in raws[first:end])
        size = len(whole.encode("utf-8", "surrogateescape")) + 1
        try:
            fields = next(csv.reader(lines[first:end], strict=True))
        except csv.Error:
            fields = None
        is_row = fields is not None and longest <= LIMIT and (size <= LIMIT or end == first + 1)
        if is_row and (fields or end > first + 1):
            sound = len(fields) == 2 and not any(character >= "\udc80" for character in whole)
            yield first + 1, fields[0].replace("\udc0d", "\r") if sound else fingerprint(whole)
        elif not is_row:
            for at in range(first, end):
                raw = (
                    raws[at]
                    if len(raws[at].encode("utf-8", "surrogateescape")) > LIMIT
                    else raws[at].removesuffix("\r")
                )
                if raw:
                    yield at + 1, fingerprint(raw)
        first = end


pieces = st.sampled_from(
    [
        *('"', '"', '""', ",", "\n", "\n", "\r\n", "\r", "1", "x", '"a"', '\n"', ',"', '",', '"\n', '","', "\xff"),
        *("1234567890" * 30, "x" * 1100, '""' * 600, '","' * 400),
    ]
)
block_sizes = st.one_of(st.integers(1, 12), st.sampled_from([64, 1000, 4096, 256 * 1024]))


@given(st.lists(pieces, max_size=40), block_sizes)
async def test_rows_end_where_the_csv_module_ends_them_and_none_is_taken_from_within_another(
    folder, parts, block_bytes
):
    data = b"record_id,n\n" + "".join(parts).encode("latin-1")
    items, lines = await read(folder, data, block_bytes)
    found = [item.fingerprint if isinstance(item, Defect) else item for item in items]
    assert list(zip(lines, found, strict=True)) == list(expected(data))[1:]
    assert (items, lines) == await read(folder, data)
