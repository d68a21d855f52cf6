import hashlib
import json
from dataclasses import replace

import pytest

from bulkdelete.records import Defect, Filter
from bulkdelete.settings import SourceSettings
from bulkdelete.sources import open_source


@pytest.fixture
def read(tmp_path):
    async def from_lines(*lines, block_bytes=256 * 1024, **settings):
        path = tmp_path / "ids.jsonl"
        path.write_bytes(b"".join((line if isinstance(line, bytes) else line.encode()) + b"\n" for line in lines))
        source = replace(open_source(path, SourceSettings(**settings)), block_bytes=block_bytes)
        items, numbers = [], []
        async for rows in source.blocks():
            assert rows.first_row == len(items)
            items += rows.items
            numbers += rows.lines
        assert len(items) == len(numbers)
        return items, numbers

    return from_lines


@pytest.fixture
def item(read):
    async def from_line(line, **settings):
        items, lines = await read(line, **settings)
        assert lines == [1]
        return items[0]

    return from_line


@pytest.fixture
def reason(item):
    async def from_line(line, **settings):
        found = await item(line, **settings)
        assert isinstance(found, Defect)
        raw = line if isinstance(line, bytes) else line.encode()
        assert found.fingerprint == hashlib.sha256(raw).digest()[:16]
        assert found.text == raw.decode("utf-8", "backslashreplace")[:300]
        return found.reason

    return from_line


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('"541278230707963208"', "541278230707963208"),
        ('{"record_id":"1"}', "1"),
        ('{"record_id": "1"}', "1"),
        ('  { "record_id" : "1" }\r', "1"),
        ('{"record_id": "\\u00e9\\n\\""}', 'é\n"'),
        ('""', ""),
        ('"\\ud800"', "\ud800"),
        ('{"filter": {"sku": "a"}}', Filter("sku", "a")),
        ('{"filter": {"sku": "\\udc00"}}', Filter("sku", "\udc00")),
        ('{"filter": {"sku": "a"}, "record_id": "1"}', "1"),
        ('{"row": 5, "fate": "rejected", "reason": "why", "record_id": "7"}', "7"),
        ('{"row": 5, "fate": "rejected", "reason": "why", "filter": {"n": 3}}', Filter("n", 3)),
        ('{"record_id": "1", "x": {"a": 1, "a": 2}}', "1"),
        ('{"record_id": "1", "x": [' + "[]," * 5000 + '"' + '\\"[{' * 1000 + '"]}', "1"),
        ('{"record_id": "1", "x": ' + "[" * 399 + "]" * 399 + "}", "1"),
    ],
)
async def test_a_record_is_a_string_or_an_object_that_names_it(item, line, expected):
    assert await item(line) == expected


@pytest.mark.parametrize("value", ["a", 1, -5, 1.5, 0.1 + 0.2, 1e300, -0.0, True, False, 2**53 + 1])
async def test_a_filter_keeps_its_values_type(item, value):
    for line, settings in (
        (json.dumps({"filter": {"n": value}}), {}),
        (json.dumps({"n": value}), {"filter_column": "n"}),
    ):
        found = await item(line, **settings)
        assert (found, type(found.value)) == (Filter("n", value), type(value))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("541278230707963208", "a JSON number; quote it, because numbers this large lose digits"),
        ('{"record_id": 541278230707963208}', "a JSON number; quote it, because numbers this large lose digits"),
        ('{"record_id": 5.41278230707963208e17}', "a JSON number; quote it"),
        ('{"record_id": null}', "the field 'record_id' is null"),
        ('{"record_id": true}', "true or false"),
        ('{"record_id": ["1"]}', "an array"),
        ('{"record_id": {"x": "1"}}', "an object"),
        ("null", "null"),
        ("true", "true or false"),
        ('["1"]', "an array"),
        ("{}", "the field 'record_id' is missing"),
        ('{"id": "1"}', "the field 'record_id' is missing"),
        ('{"record_id": "1", "record_id": "2"}', "gives the field 'record_id' twice"),
        ('{"x": 1, "record_id": "1", "x": 2}', "gives the field 'x' twice"),
        ('{"filter": {}}', "the filter is empty"),
        ('{"filter": {"a": 1, "b": 2}}', "names 2 columns"),
        ('{"filter": {"a": 1, "a": 1}}', "gives the column 'a' twice"),
        ('{"filter": {"a": null}}', "'a' is null"),
        ('{"filter": {"a": [1]}}', "'a' is an array"),
        ('{"filter": {"a": {}}}', "'a' is an object"),
        ('{"filter": {"a": 541278230707963208.5}}', "more digits than numbers keep"),
        ('{"filter": {"a": 1e999}}', "more digits than numbers keep"),
        ('{"filter": {"a": 1e-999}}', "more digits than numbers keep"),
        ('{"filter": {"a": 1e99999999999999999999}}', "more digits than numbers keep"),
        ('{"filter": "a"}', "the filter is a string"),
        ('{"filter": null}', "the filter is null"),
        ('{"filter": {"a": NaN}}', "invalid JSON: NaN"),
        ('{"record_id": "1"', "invalid JSON"),
        ('"1" "2"', "invalid JSON"),
        ('"1","2"', "invalid JSON"),
        ("'1'", "invalid JSON"),
        ('"a\tb"', "invalid JSON"),
        ("   ", "invalid JSON"),
        ("[" * 60_000, "too deeply nested"),
        ('{"filter":' * 6000, "too deeply nested"),
        ('{"record_id": "1", "x": ' + "[" * 400 + "]" * 400 + "}", "too deeply nested"),
        ('{"record_id": ' + "9" * 5000 + "}", "a number with too many digits"),
        (b'"\xff"', "bytes that are not UTF-8"),
    ],
)
async def test_anything_else_is_a_defect_that_says_why(reason, line, words):
    assert words in await reason(line)


async def test_a_field_of_another_name_is_taken_where_the_settings_name_it(item, reason):
    assert await item('{"id": "1", "record_id": "2"}', column="id") == "1"
    assert await item('{"id":"1"}', column="id") == "1"
    assert "the field 'id' is missing" in await reason('{"record_id": "2"}', column="id")
    assert "the field 'id' is missing" in await reason('{"filter": {"a": 1}}', column="id")
    assert "expected an object" in await reason('"1"', column="id")
    assert "a JSON number; quote it" in await reason('{"id": 1}', column="id")


async def test_a_filters_field_is_taken_where_there_is_no_record_id(item, reason):
    assert await item('{"record_id": "1", "sku": 2}', filter_column="sku") == "1"
    assert await item('{"record_id": "", "sku": 2}', filter_column="sku") == Filter("sku", 2)
    assert await item('{"record_id": null, "sku": 2}', filter_column="sku") == Filter("sku", 2)
    assert await item('{"id": "1", "sku": 2}', filter_column="sku", column="id") == "1"
    assert await item('{"sku": 2}', filter_column="sku", column="id") == Filter("sku", 2)
    assert "neither the field 'record_id' nor the field 'sku'" in await reason("{}", filter_column="sku")
    assert "'sku' is null" in await reason('{"sku": null}', filter_column="sku")


@pytest.mark.parametrize("block_bytes", [1, 7, 64, 256 * 1024])
async def test_lines_are_read_alike_wherever_a_block_ends(read, block_bytes):
    lines = ['"1"', '"2"', "", '{"record_id":"3"}', '"a\\"b"', '{"record_id":"4"}', '"1","2"', "[1", '2]"', '"x"']
    items, numbers = await read(*lines, block_bytes=block_bytes)
    shown = [found if isinstance(found, str) else found.reason[:12] for found in items]
    assert shown == ["1", "2", "3", 'a"b', "4", "invalid JSON", "invalid JSON", "invalid JSON", "x"]
    assert numbers == [1, 2, 4, 5, 6, 7, 8, 9, 10]


@pytest.mark.parametrize("form", ['"{}"', '{{"record_id":"{}"}}', '{{"record_id": "{}"}}'])
@pytest.mark.parametrize("value", ['"', "\\", '","', '"}', "a\tb", '"x', 'x","record_id":"y'])
async def test_a_line_that_only_looks_simple_is_parsed(read, form, value):
    line = form.format(value)
    items, _ = await read(form.format("1"), line, form.format("2"))
    assert [items[0], items[2]] == ["1", "2"]
    assert isinstance(items[1], Defect)
    items, _ = await read(line)
    assert isinstance(items[0], Defect)


async def test_a_line_too_long_is_a_defect_in_its_place(read):
    items, lines = await read('"1"', '"' + "x" * 2000 + '"', '"2"', max_line_bytes=1024)
    assert [items[0], items[1].reason, items[2]] == ["1", "a line longer than 1024 bytes", "2"]
    assert lines == [1, 2, 3]
