"""Files as databases and their tools write them: what is no record is set aside, and names no other one."""

from __future__ import annotations

import json
import re

import pytest

from bulkdelete.emulator import Emulator

TABLE_ID = "673af861ed69656ac0895b07"
NULLS = [r"\N", "(null)", "<null>", "[NULL]", "NA", "<NA>", "#N/A", "nil", "N/A", "NULL", "NaN", "None", "undefined"]
NULLS += ["<nil>", "NaT", "#VALUE!", "#REF!", "#NAME?", "#DIV/0!", "-", "--", "."]


def ids(count: int) -> list[str]:
    return [str(541_278_230_707_963_208 + 37 * number) for number in range(count)]


@pytest.fixture
async def emulator():
    async with Emulator(record_requests=True) as emulator:
        emulator.load(TABLE_ID, ids(100))
        yield emulator


@pytest.mark.parametrize(("name", "between"), [("ids.csv", ","), ("ids.tsv", "\t")])
async def test_where_a_null_stands_for_the_record_id_the_row_goes_by_its_filter(purge, name, between):
    rows = [("record_id", "email"), (ids(1)[0], "a@x.org"), *((null, f"{at}@x.org") for at, null in enumerate(NULLS))]
    sent, why = await purge(name, "".join(f"{between.join(row)}\n" for row in rows), filter_column="email")
    assert sent == [ids(1)[0], *({"email": f"{at}@x.org"} for at in range(len(NULLS)))]
    assert why == []


async def test_so_does_an_object_of_json_lines(purge):
    lines = [json.dumps({"record_id": null, "email": f"{at}@x.org"}) for at, null in enumerate([*NULLS, "", None])]
    sent, why = await purge("ids.jsonl", "\n".join(lines), filter_column="email")
    assert (sent, why) == ([{"email": f"{at}@x.org"} for at in range(len(NULLS) + 2)], [])


@pytest.mark.parametrize("name", ["ids.txt", "ids.csv", "ids.tsv", "ids.jsonl"])
async def test_without_a_filter_the_row_is_set_aside(purge, name):
    header = [] if name.endswith(("txt", "jsonl")) else ["record_id"]
    rows = [ids(1)[0], *NULLS, r"\.", ids(2)[1]]
    lines = map(json.dumps, rows) if name.endswith("jsonl") else [*header, *rows]
    sent, why = await purge(name, "".join(f"{line}\n" for line in lines))
    assert (sent, why) == (ids(2), [f"{null!r} is no id" for null in [*NULLS, r"\."]])


async def test_a_null_is_no_value_of_a_filter_and_namibia_is_one(purge):
    rows = "record_id,email\n,NA\n,\\N\nNA,[null]\n"
    sent, why = await purge("ids.csv", rows, filter_column="email")
    assert (sent, why) == ([{"email": "NA"}], [r"'\\N' is no value", "'[null]' is no value"])


@pytest.mark.parametrize("header", ["record_id", "id", "ID", "Record_ID"])
async def test_a_header_in_plain_text_is_no_id(purge, header):
    text = "\n".join([header, *ids(2), header, ids(3)[2]])
    assert await purge("ids.txt", text) == (ids(3), [f"{header!r} is the name of a column, and no id"] * 2)


BACKSLASH = (
    r"a backslash, which is part of other characters where databases write tsv; .* --format csv --delimiter '\\t'"
)


@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize("cell", [r"CORP\\u1", r"a\tb", r"a\\", "\\"])
async def test_a_cell_with_a_backslash_in_tsv_names_no_record(purge, cell, quote):
    text = f"x\\y\trecord_id\temail\n\\\t{ids(1)[0]}\t\\\nx\t{quote}{cell}{quote}\ta@x.org\n"
    for more in ({}, {"column": "2"}):
        sent, why = await purge("ids.tsv", text, **more)
        assert set(sent) == {ids(1)[0]}
        assert re.match(BACKSLASH, why.pop())
        assert not why
    assert re.match(BACKSLASH, (await purge("ids.tsv", ids(1)[0] + f"\n{cell}", header=False, column="1"))[1][0])


async def test_nor_does_a_filter_with_one(purge):
    text = "record_id\temail\n7\t\\\n\\N\tCORP\\\\u1\n\\N\t\\N\n"
    sent, why = await purge("ids.tsv", text, filter_column="email")
    assert sent == ["7"]
    assert re.match(BACKSLASH, why[0])
    assert why[1] == r"'\\N' is no value"


async def test_a_backslash_that_is_meant_is_read_as_csv(purge):
    text = f"name\trecord_id\nAnn\tCORP\\u1\nLee\t{ids(1)[0]}\n"
    assert await purge("ids.tsv", text, format="csv", delimiter="\t") == (["CORP\\u1", ids(1)[0]], [])
    assert await purge("ids.csv", text.replace("\t", ",")) == (["CORP\\u1", ids(1)[0]] * 2, [])
