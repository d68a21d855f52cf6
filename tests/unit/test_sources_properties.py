import csv
import gzip
import hashlib
import io
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkdelete.records import Defect, Filter
from bulkdelete.settings import SourceSettings
from bulkdelete.sources import from_iterable, open_source, spooled

unicode = st.characters(exclude_categories=["Cs"])
ids = st.text(st.one_of(unicode, st.sampled_from('\r",; 1\t\ufeff\x00\x85\u2028')), min_size=1, max_size=12).filter(
    lambda text: "\n" not in text
)
block_sizes = st.one_of(st.integers(1, 12), st.sampled_from([64, 4096, 256 * 1024]))
cells = st.text(st.one_of(unicode, st.sampled_from('",\n\n\r')), max_size=8)


@pytest.fixture(scope="module")
def folder():
    with tempfile.TemporaryDirectory() as path:
        yield Path(path)


async def read(path, block_bytes=256 * 1024, **settings):
    source = replace(open_source(path, SourceSettings(**settings)), block_bytes=block_bytes)
    items, lines = [], []
    async for rows in source.blocks():
        assert rows.first_row == len(items)
        assert len(rows.lines) == len(rows.items) > 0
        items += rows.items
        lines += rows.lines
    return items, lines


@given(
    st.lists(ids, max_size=30), block_sizes, st.sampled_from(["\n", "\r\n"]), st.tuples(st.booleans(), st.booleans())
)
async def test_text_gives_back_what_was_written(folder, rows, block_bytes, end, wrapping):
    bom, compressed = wrapping
    data = (b"\xef\xbb\xbf" if bom else b"") + "".join(row + end for row in rows).encode()
    path = folder / "ids"
    path.write_bytes(gzip.compress(data) if compressed else data)
    expected = [row.removesuffix("\r") if end == "\n" else row for row in rows]
    if expected and not bom:
        expected[0] = expected[0].removeprefix("\ufeff")
    lines = [number for number, row in enumerate(expected, 1) if row]
    assert await read(path, block_bytes) == ([row for row in expected if row], lines)


PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd", b"PK")
UTF_16 = (b"\xff\xfe", b"\xfe\xff")


@given(
    st.binary(max_size=60)
    | st.lists(st.sampled_from([b"\n", b"\r", b"1", b"\xc3", b"\xa9", b"\xef\xbb\xbf"])).map(b"".join),
    block_sizes,
)
async def test_any_bytes_as_text_give_one_row_for_each_line_that_is_not_blank(folder, data, block_bytes):
    if data.lstrip(b"\xef\xbb\xbf\r\n").startswith(PACKED + UTF_16):
        data = b"1" + data
    path = folder / "ids"
    path.write_bytes(data)
    items, lines = await read(path, block_bytes)
    raw = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    kept = [(number, line.removesuffix(b"\r")) for number, line in enumerate(raw, 1) if line.removesuffix(b"\r")]
    assert lines == [number for number, _ in kept]
    for item, (_, line) in zip(items, kept, strict=True):
        if isinstance(item, Defect):
            assert item.fingerprint == hashlib.sha256(line).digest()[:16]
            with pytest.raises(UnicodeDecodeError):
                line.decode()
        else:
            assert item.encode() == line


@given(st.lists(st.tuples(cells, ids, cells), max_size=20), block_sizes, st.sampled_from(",;\t|§"), st.booleans())
async def test_csv_gives_back_what_the_csv_module_wrote(folder, rows, block_bytes, delimiter, quote_all):
    text = io.StringIO(newline="")
    quoting = csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n", quoting=quoting)
    writer.writerow(["a", "record_id", "z"])
    lines, line = [], 2
    for row in rows:
        lines.append(line)
        writer.writerow(row)
        line += 1 + sum(cell.count("\n") for cell in row)
    path = folder / "ids.csv"
    path.write_bytes(text.getvalue().encode())
    found, found_lines = await read(path, block_bytes, delimiter=delimiter)
    assert found == [row[1] for row in rows]
    assert found_lines == lines


def reads_back(row: list[str]) -> bool:
    """Return whether the csv module writes *row* so that it can be read again: it does not quote a carriage return."""
    return row != [""] and not row[-1].endswith("\r")


ragged = st.lists(st.lists(cells, min_size=1, max_size=4).filter(reads_back), max_size=20)


@given(ragged, block_sizes, st.sampled_from(",;\t|§"), st.tuples(st.integers(1, 4), st.booleans()))
async def test_only_rows_with_as_many_fields_as_the_first_line_name_a_record(
    folder, rows, block_bytes, delimiter, first_line
):
    header_fields, header = first_line
    at = header_fields - 1
    names = [*map(str, range(at)), "record_id"] if header else ["x"] * header_fields
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows([names, *rows])
    path = folder / "ids.csv"
    path.write_bytes(text.getvalue().encode())
    column = "record_id" if header else str(header_fields)
    found, _ = await read(path, block_bytes, delimiter=delimiter, header=header, column=column)
    measure = "the header" if header else "the first row"
    expected = [
        row[at]
        if len(row) == header_fields
        else f"has {len(row)} field{'s' * (len(row) > 1)}; {measure} has {header_fields}"
        for row in rows
    ]
    first = [] if header else ["x"]
    assert [item.reason if isinstance(item, Defect) else item for item in found] == first + expected


@given(
    st.lists(st.sampled_from(['"', '""', ",", "\n", "\r\n", "\r", "1", "x", '"a"', '\n"', "\xff", "1234567890" * 30])),
    block_sizes,
    st.booleans(),
)
async def test_any_csv_gives_the_same_rows_wherever_a_block_ends(folder, parts, block_bytes, filtered):
    path = folder / "ids.csv"
    path.write_bytes(b"record_id,sku\n" + "".join(parts).encode("latin-1"))
    settings = {"filter_column": "sku" if filtered else "", "max_line_bytes": 1024}
    whole, lines = await read(path, **settings)
    assert await read(path, block_bytes, **settings) == (whole, lines)
    assert lines == sorted(set(lines))


json_ids = st.text(max_size=10)
values = st.one_of(
    json_ids, st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False)
)
records = st.one_of(json_ids, st.builds(Filter, st.text(max_size=5), values))


@given(st.lists(records, max_size=20), block_sizes, st.booleans(), st.booleans())
async def test_json_lines_give_back_the_records_written(folder, rows, block_bytes, bare, ascii_only):
    def line(record):
        if isinstance(record, Filter):
            return {"filter": {record.column: record.value}}
        return record if bare else {"record_id": record}

    path = folder / "ids.jsonl"
    path.write_bytes("".join(json.dumps(line(row), ensure_ascii=ascii_only) + "\n" for row in rows).encode())
    found, lines = await read(path, block_bytes)
    assert found == rows
    assert [type(item.value) for item in found if isinstance(item, Filter)] == [
        type(item.value) for item in rows if isinstance(item, Filter)
    ]
    assert lines == list(range(1, len(rows) + 1))


@given(
    st.lists(
        st.sampled_from(['"1"', '"', "\n", "{", "}", '{"record_id":"2"}', "1", ",", "\\", '"filter":', "\xff", "\r"])
    ),
    block_sizes,
)
async def test_any_json_lines_give_one_row_for_each_line_wherever_a_block_ends(folder, parts, block_bytes):
    path = folder / "ids.jsonl"
    path.write_bytes("".join(parts).encode("latin-1"))
    whole, lines = await read(path)
    assert await read(path, block_bytes) == (whole, lines)
    texts = path.read_bytes().split(b"\n")
    assert lines == [number for number, text in enumerate(texts, 1) if text.removesuffix(b"\r")]


surrogates = st.text(st.one_of(unicode, st.characters(categories=["Cs"]), st.sampled_from('\n\r"\\')), max_size=10)
anything = st.one_of(
    surrogates,
    st.builds(
        Filter,
        surrogates,
        st.one_of(surrogates, st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False)),
    ),
    st.none(),
    st.integers(),
    st.binary(max_size=5),
)


@given(st.lists(anything, max_size=30), block_sizes)
async def test_a_spool_gives_back_the_items_of_the_iterable(folder, given_rows, block_bytes):
    path = folder / "spool"
    path.unlink(missing_ok=True)
    original = [item async for rows in from_iterable(given_rows).blocks() for item in rows.items]
    assert len(original) == len(given_rows)
    source = replace(await spooled(from_iterable(iter(given_rows)), path), block_bytes=block_bytes)
    found = [item async for rows in source.blocks() for item in rows.items]
    assert found == original
    assert list(map(repr, found)) == list(map(repr, original))
