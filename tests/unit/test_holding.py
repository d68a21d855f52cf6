"""Hold lists are read whole, and closed: what is not clear stops the job."""

from __future__ import annotations

import bz2
import gzip
import json
import os
from uuid import UUID

import pytest

from bulkdelete.api import BulkDeleter
from bulkdelete.errors import HoldsRefused, SourceError
from bulkdelete.holding import hold_sources, read_holds
from bulkdelete.records import Fate, Filter
from bulkdelete.settings import HoldsSettings, IdentifierSettings, Settings
from bulkdelete.sources import from_iterable, open_source

IDS = [str(541_278_230_707_963_208 + 37 * number) for number in range(50)]


@pytest.fixture
def at(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


async def read(*paths, identifiers=None, now=None, **settings):
    chosen = HoldsSettings(path=tuple(map(str, paths)), **settings)
    clock = {} if now is None else {"wall_clock": lambda: now}
    return await read_holds(hold_sources(chosen), chosen, identifiers, **clock)


def lines(ids):
    return "".join(f"{one}\n" for one in ids)


async def test_lists_of_every_kind_are_held_together(at, tmp_path):
    (tmp_path / "more").mkdir()
    at("more/a.txt", lines(IDS[30:35]))
    at("more/b.txt", lines(IDS[35:40]))
    holds = await read(
        at("text", lines(IDS[:10])),
        at("packed.csv.gz", gzip.compress(("record_id\n" + lines(IDS[10:20])).encode())),
        at("packed.jsonl.bz2", bz2.compress(lines(f'{{"record_id": "{one}"}}' for one in IDS[20:30]).encode())),
        tmp_path / "more",
        at("mixed.jsonl", lines([f'"{one}"' for one in IDS[40:45]] + ['{"record_id": "x"}'])),
        at("other.csv", f'name,record_id\n"a,b",{IDS[45]}\n'),
    )
    assert len(holds) == 47
    assert all(holds.fate(one) == (Fate.HELD, "on a hold list") for one in [*IDS[:46], "x"])
    assert holds.fate(IDS[46]) is None


async def test_an_id_may_hold_a_quote_or_an_equals_sign_where_it_is_no_wrapping(at):
    odd = ["o'neill", "a=b", "x;y", "x;7", "a1|b2", "auth0|5f7c0123456789abcdefabcd"]
    assert len(await read(at("h.csv", "record_id\n" + lines([*odd, *IDS])))) == 56


async def test_a_wrapping_that_is_meant_can_be_said_to_be(at):
    meant = ["'t-hooft", "=1", 'inches"']
    for one in meant:
        with pytest.raises(HoldsRefused, match="--no-holds-sanity-check"):
            await read(at("h.jsonl", json.dumps({"record_id": one})))
    holds = await read(at("h.jsonl", lines(json.dumps({"record_id": one}) for one in meant)), sanity_check=False)
    assert all(holds.fate(one) for one in meant)


async def test_several_ids_in_one_cell_that_are_one_can_be_said_to_be(at):
    one = f"{IDS[0]};{IDS[1]}"
    holds = await read(at("h.csv", f"record_id\n{one}\n"), sanity_check=False)
    assert [holds.fate(each) is not None for each in (one, IDS[0])] == [True, False]


@pytest.mark.parametrize(
    "ids",
    [
        IDS,
        [str(UUID(int=int(one) ** 2)) for one in IDS],
        [f"{{{UUID(int=int(one) ** 2)}}}" for one in IDS],
        ["12345678-1234-4234-9234-123456789012", "{12345678-1234-4234-9234-123456789012}"],
        ["12-3456", "AB-1001", "541278230707963208-x", "user_541278230707963208", "a[1]b", "\xe9"],
    ],
)
async def test_ids_that_may_be_meant_are_not_taken_for_numbers_with_other_characters(at, ids):
    assert len(await read(at("h.csv", lines(["record_id", *ids])))) == len(ids)


@pytest.mark.parametrize("one", ["auth0|5f7c0123456789abcdefabcd", "google-oauth2|1034567", "o'neill", "x;7"])
async def test_a_line_of_text_with_what_stands_between_fields_can_be_said_to_be_one_id(at, one):
    said = "line 1: .*--holds-format csv; if the whole line is one id, say so with --no-holds-sanity-check"
    with pytest.raises(HoldsRefused, match=said):
        await read(at("h.txt", f"{one}\n"))
    assert (await read(at("h.txt", f"{one}\n"), sanity_check=False)).fate(one)[0] is Fate.HELD


@pytest.mark.parametrize(
    "value", ["Anderson,Michael", "Main Street 5, 12345 Berlin", "a(b)", "x <y>", "+49-151-1000003", "auth0|5f7c"]
)
async def test_a_value_of_a_filter_may_hold_a_comma_and_other_characters(at, value):
    assert len(await read(at("h.csv", f'name\n"{value}"\n'), filter_column="name")) == 1


@pytest.mark.parametrize("column", ["customer", "tenant", "id", "sku"])
async def test_an_id_may_hold_the_name_of_its_column(at, column):
    ids = [f"{column}-1", f"{column}7", f"main-{column}", f"x{column}"]
    assert len(await read(at("h.csv", lines([column, *ids])), column=column)) == 4


@pytest.mark.parametrize("cell", ["a1@x;b@x", "a1@x; ", "Ann <a@x>; Bob <b@x>", "a@x|b@x", "12|7", "K4712;K4713"])
async def test_several_values_in_one_cell_are_refused_as_ids_are(at, cell):
    with pytest.raises(HoldsRefused, match="line 1: it looks like several values in one cell"):
        await read(at("h.jsonl", json.dumps({"filter": {"code": cell.rstrip()}}) + "\n"))


@pytest.mark.parametrize("cell", ['="0012"', "'0012", '"""0012"""'])
async def test_a_filter_in_quotes_is_refused_too(at, cell):
    with pytest.raises(HoldsRefused, match="line 2: it stands in quotes"):
        await read(at("h.csv", f"code\n{cell}\n"), filter_column="code")


async def test_a_list_that_another_one_holds_already_is_not_empty(at):
    assert len(await read(at("all", lines(IDS)), at("some", lines(IDS[:3])))) == 50


async def test_rows_of_one_value_of_many_lengths_are_held_one_by_one(at):
    holds = await read(at("mixed", lines(["1", "22", "22", "\xe9"])))
    assert [holds.fate(one) is not None for one in ("1", "22", "\xe9", "2")] == [True, True, True, False]


async def test_filters_are_held_by_the_column_that_the_settings_name(at):
    holds = await read(at("h.csv", "email\nA@x.org\n"), filter_column="email")
    assert holds.fate(Filter("email", "a@X.org")) == (Fate.HELD, "on a hold list")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("h.txt", "", "h.txt is empty.*Nothing was sent.*--allow-empty-holds"),
        ("h.txt", "\n\n", "is empty"),
        ("h.csv", "record_id\n", "is empty"),
        ("h.csv", "customer,id\n1,2\n", "no column 'record_id'.*'customer', 'id'.*Nothing was sent.*--holds-column"),
        ("h.csv", "record_id,why\n,legal\n", "line 2: empty"),
        ("h.csv", 'record_id\n"1\n', "line 2: .*What it should hold back is not clear"),
        ("h.txt", "541278230707963208 \n", "line 1: holds a space"),
        ("h.txt", "541278230707963208\n\xa0541278230707963245\n", "line 2: holds a space"),
        ("h.txt", "5.41278230707963e+17\n", "line 1: .*digits are lost"),
        ("h.txt", "null\n", "'null' is no id"),
        ("h.txt", b"5\xff\n", "not UTF-8"),
        ("h.txt", "5" * 5000 + "\n", "longer than 4096"),
        ("h.txt", "541278230707963208,litigation\n", "line 1: it holds a quote.*--holds-format csv"),
        ("h.txt", "541278230707963208;x\n", "what stands between fields"),
        ("h.txt", '"541278230707963208"\n', "it holds a quote"),
        ("h.txt", "'541278230707963208\n", "it holds a quote"),
        ("h.txt", "=541278230707963208\n", "begins with ="),
        ("h.csv", 'record_id\n="541278230707963208"\n', "line 2: it stands in quotes, or begins with =.*spreadsheets"),
        ("h.csv", f"record_id\n{lines(IDS[:9])}'{IDS[9]}\n", "line 11: it stands in quotes"),
        ("h.csv", f"record_id\n\u201c{IDS[0]}\u201d\n", "line 2: it stands in quotes"),
        ("h.tsv", f"record_id\n{IDS[0]}`\n", "line 2: it stands in quotes"),
        ("h.jsonl", lines([f'"{IDS[0]}"', f'"\'{IDS[1]}"']), "line 2: it stands in quotes"),
        ("h.csv", f"record_id\n{IDS[0]};{IDS[1]}\n", "line 2: it looks like several ids in one cell.*a row of its own"),
        ("h.csv", f'record_id\n{IDS[0]}\n"{IDS[1]},{IDS[2]},{IDS[3]}"\n', "line 3: it looks like several ids"),
        ("h.jsonl", '"12|7"', "line 1: it looks like several ids in one cell.*--no-holds-sanity-check"),
        ("h.csv", 'record_id\n"K4712,K4713"\n', "line 2: it looks like several ids in one cell"),
        ("h.csv", "record_id\nK471;x12;9\n", "line 2: it looks like several ids in one cell"),
        ("h.jsonl", '"ab-cd-ef;ab-cd-e0"', "line 1: it looks like several ids in one cell"),
        ("h.txt", "(541278230707963208)\n", "line 1: it is a number with other characters"),
        ("h.jsonl", '"ObjectId(541278230707963208)"', "line 1: it is a number with other characters"),
        ("h.csv", f"record_id\n{IDS[0]}record_id\n{IDS[1]}\n", "line 2: it begins or ends with the name of its column"),
        ("h.txt", f"{IDS[0]}record_id\n", "line 1: it begins or ends with .*, record_id.*--no-holds-sanity-check"),
        ("h.jsonl", f'"record_id={IDS[0]}"', "line 1: it begins or ends with the name of its column"),
        ("h.txt", "<TD>ab</TD>\n", "line 1: it is a number with other characters.*--no-holds-sanity-check"),
        ("h.tsv", "record_id\n5412782307079632\\\n", r"line 2: .*delimiter = '.t' in .holds. of the configuration"),
        ("h.jsonl", "541278230707963208\n", "a JSON number; quote it"),
        ("h.jsonl", '{"id": "1"}\n', "'record_id' is missing"),
        ("h.txt", "1\n2\n".encode("utf-16"), "encoded in UTF-16.*encoding = utf-16 in .holds. of the configuration"),
        ("h.gz", gzip.compress(b"1\n2\n", mtime=0)[:-3], "cut short.*Nothing was sent"),
        ("h.gz", gzip.compress(b"\n" * 70_000_000, mtime=0), "holds.max_expansion"),
        ("h.txt", lines(f"{one[:15]}000" for one in IDS), "50 of the first 50 long ids end in 000"),
        ("h.csv", "record_id\n" + "2026-11-24 10:00\n", "holds a space"),
        ("h.csv", "record_id\n" + lines(map(str, range(1, 30))), "row numbers 1 to 29.*--no-holds-sanity-check"),
    ],
)
async def test_a_list_that_is_not_clear_is_refused_and_says_why(at, name, content, said):
    with pytest.raises(HoldsRefused, match=f"(?s){said}") as raised:
        await read(at(name, content))
    assert str(raised.value).count("Nothing was sent") == 1
    assert name in str(raised.value)


async def test_a_bad_row_of_a_directory_is_named_with_its_file(at, tmp_path):
    (tmp_path / "d").mkdir()
    at("d/a.txt", "1\n")
    at("d/b.txt", "2\n3 \n")
    with pytest.raises(HoldsRefused, match=r"d/b\.txt, line 2"):
        await read(tmp_path / "d")


@pytest.mark.parametrize(
    ("path", "said"), [("gone", "no such file"), ("", "is empty: perhaps a variable"), ("*.x", "no f")]
)
def test_a_list_that_is_not_there_is_refused(path, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(HoldsRefused, match=f"the hold list cannot be read: .*{said}"):
        hold_sources(HoldsSettings(path=path))


async def test_what_breaks_while_it_is_read_is_refused():
    def breaking():
        yield "1"
        raise SourceError("the disk failed")

    with pytest.raises(HoldsRefused, match=r"the disk failed.*Nothing was sent"):
        await read_holds([from_iterable(breaking())], HoldsSettings())


async def test_a_number_in_a_python_list_is_no_record():
    with pytest.raises(HoldsRefused, match="row 1: an int; ids are strings"):
        await read_holds([from_iterable(["1", 2])], HoldsSettings())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", r"b\.txt is empty.*Nothing was sent.*--allow-empty-holds"),
        (lines(f"a{number:010}@xy.org" for number in range(9)), r"b\.txt: 9 of the first 9 ids look like e-mail"),
        (lines(f"{one[:15]}000" for one in IDS), r"b\.txt: 50 of the first 50 long ids end in 000.*Nothing was sent"),
        (lines(f"customer-{number}" for number in range(9)), r"b\.txt: none of its ids looks like one of this table"),
    ],
)
@pytest.mark.parametrize("given", ["d", "d/*.txt", "both"])
async def test_each_file_is_judged_as_if_it_were_given_alone(at, tmp_path, content, said, given):
    (tmp_path / "d").mkdir()
    files = [at("d/a.txt", lines(str(541_278_230_707_963_208 + 37 * number) for number in range(15_000)))]
    files.append(at("d/b.txt", content))
    source = open_source(files if given == "both" else tmp_path / given, HoldsSettings())
    alone = open_source(files[1], HoldsSettings())
    for judged in (source, alone):
        with pytest.raises(HoldsRefused, match=said):
            await read_holds([judged], HoldsSettings(), IdentifierSettings(lengths=(18,)))
    meant = HoldsSettings(allow_empty=True, sanity_check=False)
    assert len(await read_holds([source], meant)) == 15_000 + len(set(content.split()))


async def test_what_small_files_have_in_common_is_seen_too(at, tmp_path):
    (tmp_path / "d").mkdir()
    for number in range(1, 12):
        at(f"d/{number:02}.txt", f"{number}\n")
    with pytest.raises(HoldsRefused, match=r"11 files\): the ids are the row numbers 1 to 11"):
        await read(tmp_path / "d")


async def test_each_file_of_a_directory_is_a_list_that_must_name_records_as_the_others_do(at, tmp_path):
    (tmp_path / "d").mkdir()
    at("d/a.jsonl", f'"{IDS[0]}"\n')
    at("d/b.jsonl", '{"filter": {"email": "a@x.org"}}\n')
    holds = [await read(tmp_path / "d"), await read(tmp_path / "d/a.jsonl", tmp_path / "d/b.jsonl")]
    for one in holds:
        assert one.fate(IDS[1])[0] is one.fate(Filter("email", "b@x.org"))[0] is Fate.INVALID
    assert holds[0].digest == holds[1].digest


async def test_what_is_meant_is_taken(at):
    assert len(await read(at("h.txt", ""), allow_empty=True)) == 0
    assert len(await read(at("n.txt", lines(map(str, range(1, 30)))), sanity_check=False)) == 29


async def test_a_list_without_a_single_id_of_the_table_is_refused(at):
    of_the_table = IdentifierSettings(lengths=(18,))
    customers = lines(f"customer-{number}" for number in range(3))
    with pytest.raises(HoldsRefused, match="none of its ids looks like one of this table"):
        await read(at("h.txt", customers), identifiers=of_the_table)
    assert len(await read(at("h.txt", customers), identifiers=of_the_table, sanity_check=False)) == 3
    assert len(await read(at("h.jsonl", '{"filter": {"a": "b"}}\n'), identifiers=of_the_table)) == 1


async def test_an_id_that_cannot_be_one_of_the_table_is_refused_among_others_that_can(at):
    of_the_table = IdentifierSettings(lengths=(18, 17), prefixes=("54",))
    for odd, why in (
        (IDS[5] + IDS[6], "36 characters; ids of this table have 18 or 17"),
        ("x" + IDS[5][1:], "begin with"),
    ):
        path = at("h.txt", lines([*IDS[:5], odd, *IDS[7:]]))
        with pytest.raises(HoldsRefused, match=f"h.txt, line 6: '{odd}' is no id of this table.*: .*{why}") as refused:
            await read(path, identifiers=of_the_table)
        assert "Nothing was sent" in str(refused.value)
        assert "if it is meant, say so with --no-holds-sanity-check" in str(refused.value)
        assert len(await read(path, identifiers=of_the_table, sanity_check=False)) == 49
    sound = [*IDS, IDS[0], IDS[1][:17]]
    assert len(await read(at("h.txt", lines(sound)), identifiers=of_the_table)) == 51
    mixed = [f'"{IDS[0]}"', '{"filter": {"a": "b"}}']
    assert len(await read(at("h.jsonl", lines(mixed)), identifiers=of_the_table)) == 2


async def test_the_oldest_file_says_how_old_a_list_is(at, tmp_path):
    (tmp_path / "d").mkdir()
    for name, written in (("a.txt", 1000), ("b.txt", 1500)):
        os.utime(at(f"d/{name}", lines(IDS[:2])), (written, written))
    assert len(await read(tmp_path / "d", max_age_seconds=600, now=1600)) == 2
    with pytest.raises(HoldsRefused, match=r"last written 601 s ago; holds.max_age_seconds is 600.*Nothing was sent"):
        await read(tmp_path / "d", max_age_seconds=600, now=1601)


async def test_a_list_of_the_future_is_refused_where_an_age_is_asked_for_as_it_would_never_be_too_old(tmp_path):
    (tmp_path / "d").mkdir()
    for name, written in (("a.txt", 1000), ("b.txt", 2000)):
        (tmp_path / "d" / name).write_text(f"{541278230707963208 + written}\n")
        os.utime(tmp_path / "d" / name, (written, written))
    assert len(await read(tmp_path / "d", max_age_seconds=1000, now=1940)) == 2
    assert len(await read(tmp_path / "d", now=1)) == 2
    with pytest.raises(HoldsRefused, match=r"b.txt was last written 61 s in the future.*Nothing was sent"):
        await read(tmp_path / "d", max_age_seconds=1000, now=1939)


async def test_what_has_no_age_is_refused_where_one_is_asked_for(at):
    settings = HoldsSettings(max_age_seconds=60)
    for source in (from_iterable(["1"]), open_source("-")):
        with pytest.raises(HoldsRefused, match="has no age"):
            await read_holds([source], settings)
    path = at("h.txt", "1\n")
    source = open_source(path)
    path.unlink()
    with pytest.raises(HoldsRefused, match="cannot be read"):
        await read_holds([source], settings)


async def test_a_list_that_is_written_to_while_it_is_read_is_refused(at):
    path = at("h.txt", lines(IDS * 2000))
    source = open_source(path)
    blocks = source.blocks()
    original = type(source).blocks

    def meddling(self):
        async def read():
            async for rows in blocks:
                with path.open("a") as file:
                    file.write("1\n")
                yield rows

        return read()

    type(source).blocks = meddling
    try:
        with pytest.raises(
            HoldsRefused,
            match=r"was written to, or replaced, while it was read.*Nothing was sent\. Run .* when it is whole$",
        ):
            await read_holds([source], HoldsSettings(sanity_check=False))
    finally:
        type(source).blocks = original


async def test_a_file_of_a_directory_that_would_be_passed_over_is_not_passed_over_in_silence(at, tmp_path):
    (tmp_path / "d").mkdir()
    for name in ("a.txt", ".hidden"):
        at(f"d/{name}", lines(IDS[:2]))
    at("d/_SUCCESS", "")
    assert len(await read(tmp_path / "d")) == 2
    at("d/_legal.txt", lines(IDS[2:4]))
    with pytest.raises(HoldsRefused, match=r"where _legal\.txt would not be read.*Nothing was sent"):
        await read(tmp_path / "d")


async def test_the_holds_of_a_call_add_to_those_of_the_settings(at):
    settings = Settings(holds=HoldsSettings(path=(str(at("h.txt", lines(IDS[:2]))),)))
    async with BulkDeleter(base_url="http://127.0.0.1:9", api_key="k", settings=settings) as deleter:
        both = deleter.job("t", IDS, holds=IDS[5:7])._order.holds
        assert [one.name for one in both] == [settings.holds.path[0], "an iterable"]
        assert len(deleter.job("t", IDS)._order.holds) == 1
