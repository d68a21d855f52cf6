"""Files that were joined: their headers are no rows, and no row after one is sent by another column's value."""

from __future__ import annotations

import re
from dataclasses import replace
from uuid import UUID

import pytest

from bulkdelete import BulkDeleter, HoldsRefused, open_source
from bulkdelete.emulator import Emulator
from bulkdelete.records import Filter
from bulkdelete.settings import SourceSettings

TABLE_ID = "673af861ed69656ac0895b07"


def ids(count: int) -> list[str]:
    return [str(541_278_230_707_963_208 + 37 * number) for number in range(count)]


@pytest.fixture
async def emulator():
    async with Emulator(record_requests=True) as emulator:
        emulator.load(TABLE_ID, ids(100))
        yield emulator


@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize("columns", [("customer_no",), ("customer_no", "x"), ("x", "customer_no")])
async def test_the_header_of_a_file_that_was_joined_is_no_row(purge, columns, quote):
    def line(number):
        return ",".join(f"{quote}{number if one == 'customer_no' else one}{quote}" for one in columns)

    text = "\n".join(map(line, ["customer_no", ids(1)[0], "customer_no", ids(2)[1]]))
    sent, why = await purge("ids.csv", text, column="customer_no")
    assert (sent, why) == (ids(2), ["holds 'customer_no', the name of its column: a header that is repeated"])


async def test_that_header_is_no_filter_either(purge):
    rows = "customer_no,email\n,a@x.org\n1,b@x.org\ncustomer_no,email\n,email\n2,email\n"
    sent, why = await purge("ids.csv", rows, column="customer_no", filter_column="email")
    assert sent == [{"email": "a@x.org"}, "1", "2"]
    names = ["customer_no", "email"]
    assert why == [f"holds {name!r}, the name of its column: a header that is repeated" for name in names]


LOST = "a header that is repeated with its columns in another order.*which of its cells is meant is not clear"


@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize(
    "again", ["ref_id,user_id", "REF_ID, User_ID", "id,user_id", "customer,user_id", "Ref ID,User ID"]
)
async def test_after_the_header_of_a_joined_file_with_other_columns_there_no_row_is_sent(purge, again, quote):
    def lines(first, second):
        return [f"{quote}{one}{quote},{quote}{two}{quote}" for one, two in zip(first, second, strict=True)]

    users, refs = ids(100)[::2], ids(100)[1::2]
    header = ",".join(f"{quote}{name}{quote}" for name in again.split(","))
    text = "\n".join(["user_id,ref_id", *lines(users, refs), header, *lines(refs, users)])
    sent, why = await purge("ids.csv", text, column="user_id", sanity_check=True)
    assert sent == users
    assert len(why) == 1 + len(refs)
    assert all(re.match(LOST, one) for one in why)


@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize("other", ["kunde", "Kunden Nr 2", "\ufeffkunde", "\ufeffref_id", "\ufeffREF_ID"])
@pytest.mark.parametrize("named", ["User_ID", "userId", "user-id "])
@pytest.mark.parametrize("before", [1, 60])
async def test_so_it_is_where_any_name_stands_in_the_place_of_the_ids(purge, before, named, other, quote):
    users, refs = ids(50)[:before], ids(100)[50:]
    rows = [("user_id", "ref_id"), *((one, "7") for one in users), (other, named), *((one, "8") for one in refs)]
    text = "\n".join(",".join(f"{quote}{cell}{quote}" for cell in row) for row in rows)
    text = text.replace(f"{quote}\ufeff", f"\ufeff{quote}")
    sent, why = await purge("ids.csv", text, column="user_id", sanity_check=True)
    assert (sent, len(why)) == (users, 1 + len(refs))
    assert all(re.match(LOST, one) for one in why)


LIKE = {
    "numbers": [str(number) for number in range(7, 400, 9)],
    "short": [f"K{number}" for number in range(60)],
    "uuids": [str(UUID(int=int(one) ** 2)) for one in ids(60)],
    "addresses": [f"{letter}@x.org" for letter in "abcdefghijklmnopqrstuvwxyz"],
}


@pytest.mark.parametrize("values", LIKE.values(), ids=LIKE)
@pytest.mark.parametrize("is_filter", [False, True])
@pytest.mark.parametrize("block_bytes", [1, 64, 256 * 1024])
async def test_whatever_values_look_like_one_that_is_unlike_them_beside_its_column_s_name_begins_another_file(
    tmp_path, values, block_bytes, is_filter
):
    rows = [("kunde", "mutter"), *((one, "7") for one in values), ("haus", "kunde"), *((one, "8") for one in values)]
    (tmp_path / "ids.csv").write_text("\n".join(",".join(row) for row in rows))
    named = {"filter_column": "kunde"} if is_filter else {"column": "kunde"}
    source = replace(open_source(tmp_path / "ids.csv", SourceSettings(**named)), block_bytes=block_bytes)
    found = [item async for block in source.blocks() for item in block.items]
    assert found[: len(values)] == [Filter("kunde", one) if is_filter else one for one in values]
    assert all(re.match(LOST, one.reason) for one in found[len(values) :])


async def test_so_it_is_in_a_hold_list_which_would_hold_other_records(emulator, tmp_path):
    rows = [("record_id", "name"), *((one, "Ann") for one in ids(9)), ("kunde", "record_id"), ("7", ids(10)[9])]
    (tmp_path / "hold.csv").write_text("\n".join(map(",".join, rows)))
    async with BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key) as deleter:
        with pytest.raises(HoldsRefused, match=f"line 11: {LOST}.*Nothing was sent"):
            await deleter.delete(TABLE_ID, ids(20), holds=open_source(tmp_path / "hold.csv"))
    assert emulator.requests == 0


async def test_a_header_alone_hides_no_header_after_it_with_other_columns(purge):
    text = "\n".join(["user_id,name", "kunde,user_id", *(f"{one},7" for one in ids(50))])
    sent, why = await purge("ids.csv", text, column="user_id", sanity_check=True)
    assert (sent, len(why)) == (["kunde"], 50)


@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize("first", [0, 1])
async def test_row_numbers_that_have_no_name_are_no_ids(purge, first, quote):
    numbered = (f"{quote}{number}{quote},{one}" for number, one in enumerate(ids(50)[30:], first))
    for users in [str(number) for number in range(100, 120)], [f"K{number}" for number in range(30)]:
        text = "\n".join(["user_id,name", *(f"{one},7" for one in users), f"{quote}{quote},user_id", *numbered])
        sent, why = await purge("ids.csv", text, column="user_id", sanity_check=True)
        assert sent[-len(users) :] == users
        assert why[:1] == ["empty"]
        assert all(re.match(LOST, one) for one in why[1:])


@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize(
    ("header", "again"),
    [
        ("user_id,ref", "ref,user_id"),
        ("user_id,ref", "kunde,user_id"),
        ("user_id,ref", "\ufeffkunde,User_ID"),
        ("ref,user_id", "user_id,ref"),
        ("ref,user_id", "user_id,kunde"),
        ("x,user_id,ref", "ref,x,user_id"),
    ],
)
async def test_so_it_is_where_the_first_file_has_no_final_line_end(purge, header, again, quote):
    def lines(records):
        return [",".join(f"{quote}{one if name == 'user_id' else 7}{quote}" for name in columns) for one in records]

    columns = header.split(",")
    text = "\n".join([header, *lines(ids(50)), ""]).removesuffix("\n") + "\n".join([again, *lines(ids(100)[50:])])
    sent, why = await purge("ids.csv", text, column="user_id", sanity_check=True)
    assert (sent, len(why)) == (ids(49), 51)
    assert all(re.match(LOST, one) for one in why[1:])


@pytest.mark.parametrize("again", ["user_id,ref", "User_ID,kunde", "\ufeffuser_id,ref"])
async def test_where_that_header_has_the_column_in_its_place_the_rows_after_it_are_sent(purge, again):
    whole = "".join(f"{one},7\n" for one in ids(50))
    more = "".join(f"{one},8\n" for one in ids(100)[50:])
    for header, last in (("user_id,ref\n", 50), ("user_id,ref", 49)):
        first = "user_id,ref\n" + (whole if last == 50 else whole.removesuffix("\n"))
        sent, why = await purge("ids.csv", first + again + "\n" + more, column="user_id", sanity_check=True)
        assert (sent[-50:], len(sent[:last]), len(why)) == (ids(100)[50:], last, 1), header


AUDITED = {
    "numbers": "record_id,column\n5412,record_id\n5413,name\n5414,record_id\n",
    "words and numbers": "record_id,column\nabc,record_id\nx1,name\nabd,record_id\nx2,record_id\n",
    "other lengths": "record_id,column\n9,record_id\n10,name\n11,record_id\n",
    "uuids": f"record_id,column\n{UUID(int=7)},name\n{UUID(int=3**80)},record_id\n{UUID(int=9)},record_id\n",
    "uuids, hex": f"record_id,column\n{UUID(int=7)},name\n{UUID(int=3**80).hex},record_id\n{UUID(int=9)},x\n",
    "an empty name": ",record_id\nx,1\ny,2\n",
    "a number that does not go on": "record_id,column\n5412,record_id\nK1,name\nK2,record_id\n",
}


@pytest.mark.parametrize("text", AUDITED.values(), ids=AUDITED)
async def test_a_table_whose_cells_name_columns_is_sent_whole(purge, text):
    rows = [line.split(",") for line in text.splitlines()[1:]]
    at = text.splitlines()[0].split(",").index("record_id")
    sent, why = await purge("ids.csv", text, sanity_check=True)
    assert (sent, why) == ([row[at] for row in rows], [])


async def test_a_comma_without_quotes_in_such_a_table_harms_its_row_alone(purge):
    text = f"record_id,note\n{ids(1)[0]},seen\n{ids(2)[1]},a,b\n{ids(3)[2]},in Madrid, id\n{ids(4)[3]},record_id\n"
    sent, why = await purge("ids.csv", text, sanity_check=True)
    assert (sent, len(why)) == ([ids(1)[0], ids(4)[3]], 2)


async def test_nor_by_the_filters_of_another_column(purge):
    rows = "record_id,email,alt\n,a@x.org,b@x.org\nRECORD_ID,alt,email\n,c@x.org,d@x.org\n7,e@x.org,f@x.org\n"
    sent, why = await purge("ids.csv", rows, filter_column="email")
    assert (sent, len(why)) == ([{"email": "a@x.org"}], 3)
    assert all(re.match(LOST, one) for one in why)


async def test_a_header_of_a_joined_file_in_other_letters_is_no_row_and_those_after_it_are(purge):
    text = "\n".join(["user_id,ref_id", f"{ids(1)[0]},7", "USER_ID,Ref_Id", f"{ids(2)[1]},8"])
    sent, why = await purge("ids.csv", text, column="user_id")
    assert (sent, why) == (ids(2), ["holds 'USER_ID', the name of its column: a header that is repeated"])


@pytest.mark.parametrize(
    "text",
    ["user_id,kind\nabc,user_id\nname,email\n", "code,lang\nx1,code\nx2,id\n", "0,1\n1,0\n0x,1\n"],
)
async def test_a_value_that_is_the_name_of_a_column_is_no_header(purge, text):
    rows = [line.split(",") for line in text.split()]
    sent, why = await purge("ids.csv", text, column=rows[0][0])
    assert (sent, why) == ([row[0] for row in rows[1:]], [])


async def test_a_row_of_two_names_is_a_record_where_that_is_said(purge):
    text = "id,lang\nhome,en\ncontact,id\nimprint,de\n"
    sent, why = await purge("pages.csv", text, column="id", sanity_check=True)
    assert (sent, len(why)) == (["home"], 2)
    assert "if it is a record, say so with --no-sanity-check" in why[0]
    sent, why = await purge("pages.csv", text, column="id", sanity_check=False)
    assert (sent[1:], why) == (["home", "contact", "imprint"], [])
