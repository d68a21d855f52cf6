"""What the first ids of a source give away: another column, or a spreadsheet."""

from __future__ import annotations

import json
import random
import re
import time
from base64 import b64encode, urlsafe_b64encode
from decimal import Decimal
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkdelete.records import Defect, Filter
from bulkdelete.sanity import _may_be_rounded, _rounded, another_format, looks_wrong

GOOD = [str(541_278_230_707_963_208 + 37 * number) for number in range(1000)]
ROUNDED = [f"{number}000" for number in range(541_278_230_707_963, 541_278_230_708_000)]


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        (["7"] * 3, "all of the first 3 ids are '7'"),
        ([""] * 500, "all of the first 500 ids are ''"),
        (list(map(str, range(1, 11))), "the ids are the row numbers 1 to 10"),
        (list(map(str, range(5000))), "the ids are the row numbers 0 to 4,999"),
        (["2026-11-24", "2026-11-25", "x"], "2 of the first 3 ids look like dates, such as '2026-11-24'"),
        (["24.11.2026", "1/2/26"], "dates"),
        (["2026-11-24T10:00:00Z", "2026-11-24 10:00"], "dates"),
        (["24.11.2026 10:00"], "dates"),
        (["a@example.com", "b@example.com", "7"], "2 of the first 3 ids look like e-mail addresses"),
        (ROUNDED, "37 of the first 37 long ids end in 000, such as 541278230707963000"),
        ([*GOOD[:200], *ROUNDED[:3]], "000"),
        (ROUNDED[:2], "2 of the first 2 long ids"),
        (["1", "2", *ROUNDED[:2]], "2 of the first 2 long ids"),
    ],
)
def test_what_looks_like_another_column_is_named(ids, said):
    assert said in looks_wrong(ids)


@pytest.mark.parametrize(
    "ids",
    [
        [],
        ["7"],
        ["7", "7"],
        list(map(str, range(1, 10))),
        list(map(str, range(2, 40))),
        ["2026-11-24", "x"],
        ["a@example.com", "x"],
        GOOD,
        [*GOOD[:200], *ROUNDED[:2]],
        [*GOOD[:300], *ROUNDED[:3]],
        ROUNDED[:1],
        ROUNDED[:1] * 2,
        ["1000", "2000", "3000"],
        ["20261124", "20261125"],
    ],
)
def test_what_ids_may_look_like_passes(ids):
    assert looks_wrong(ids) == ""


def test_defects_are_not_looked_at_and_filters_may_be_addresses_names_and_small_numbers():
    defects = [Defect("too long", "2026-11-24", b"")] * 50
    mails = [Filter("email", f"{number}@example.com") for number in range(50)]
    names = [Filter("name", f"Doe, {number} John") for number in range(50)]
    numbers = [Filter("number", number) for number in range(50)]
    assert looks_wrong([*mails, *names, *numbers, *defects]) == ""
    assert "e-mail" in looks_wrong([*mails, "a@example.com"])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["DE"] * 60, "in the filters by 'c', all of the first 60 values are 'DE'"),
        ([f"2024-01-{day}" for day in range(10, 31)], "values look like dates"),
        ([f"'u{number}@x.org'" for number in range(60)], "values stand in quotes.*take them away"),
        ([f'="u{number}"' for number in range(60)], "values stand in quotes"),
        ([f'{{"a": {number}}}' for number in range(60)], "are JSON objects"),
        ([one[:15] + "000" for one in GOOD], "long values end in 000"),
        ([int(float(one)) for one in GOOD], "long values are what a floating-point number leaves"),
    ],
)
def test_filters_are_looked_at_too(values, said):
    assert re.search(said, looks_wrong([Filter("c", value) for value in values]))
    assert re.search(said, looks_wrong([*GOOD, *(Filter("c", value) for value in values)]))
    assert looks_wrong([Filter("c", value) for value in GOOD]) == ""


RANDOM = [str(random.Random(number).randrange(10**17, 10**18)) for number in range(3000)]


def shortest(number: float) -> str:
    return str(int(Decimal(repr(number))))


@pytest.mark.parametrize("through", [lambda one: str(int(float(one))), lambda one: shortest(float(one))])
@pytest.mark.parametrize("count", [12, 100, 3000])
def test_ids_that_went_through_a_float_are_seen(through, count):
    assert looks_wrong(RANDOM[:count]) == ""
    assert re.search("end in 000|floating-point", looks_wrong([through(one) for one in RANDOM[:count]]))
    short = [one[:16] for one in RANDOM[:count]]
    assert looks_wrong([*short, *RANDOM[:1]]) == ""


def test_most_of_the_ids_are_enough_and_a_few_are_not():
    lost = [str(int(float(one))) for one in RANDOM[:60]]
    assert "floating-point" in looks_wrong([*RANDOM[100:140], *lost])
    assert looks_wrong([*RANDOM[100:200], *lost]) == ""
    assert looks_wrong(lost[:3] * 20) == ""


def test_ids_with_a_sequence_that_is_mostly_0_are_meant():
    assert looks_wrong([str(int(one) >> 22 << 22) for one in RANDOM[:100]]) == ""


@pytest.mark.parametrize("odd", ["id", "record_id", "NULL", r"\N"])
def test_a_header_or_an_empty_cell_hides_nothing(odd):
    assert "row numbers 0 to 49" in looks_wrong([odd, *map(str, range(50))])
    assert "all of the first 5" in looks_wrong([odd, *["7"] * 5])


@pytest.mark.parametrize("line", [" " * 30_000, "a@" + "." * 30_000, "[" + " " * 30_000 + "x"])
def test_long_lines_take_no_long_looks(line):
    began = time.process_time()
    looks_wrong([line] * 5)
    looks_wrong([Filter("c", line)] * 5)
    assert time.process_time() - began < 1


def test_a_number_that_no_float_holds_is_none_of_them():
    assert looks_wrong(["9" * 5000, "8" * 400, *GOOD]) == ""


def test_the_share_of_rounded_ids_can_be_another():
    assert looks_wrong([*GOOD[:50], *ROUNDED[:4]], 0.5) == ""
    assert "000" in looks_wrong([*GOOD[:3], *ROUNDED[:4]], 0.5)


@given(st.lists(st.integers(10**17, 10**18 - 1).map(str), max_size=50, unique=True))
def test_odd_ids_are_never_taken_for_anything(ids):
    assert looks_wrong([one for one in ids if int(one) % 2]) == ""


FEW = st.sampled_from(["541278230707963000", "541278230707964000", "541278230707963208", "1000", "x000", "a\n000", "7"])


@given(st.lists(FEW, max_size=12), st.lists(FEW, max_size=3), st.sampled_from([0.01, 0.5]))
def test_ends_are_looked_at_one_by_one_wherever_that_may_find_something(few, others, most):
    ids = [*few, *others * 60]
    found = _rounded(ids, most)
    assert _may_be_rounded(ids, "\n".join(ids) + "\n", most) or not found


PLAIN = {
    "decimal": st.integers(0, 10**18).map(str),
    "hex": st.binary(min_size=12, max_size=12).map(bytes.hex),
    "uuid": st.uuids().map(str),
    "uuid in braces": st.uuids().map(lambda one: f"{{{one}}}"),
    "uuid as urn": st.uuids().map(lambda one: one.urn),
    "base64": st.binary(min_size=1, max_size=24).map(lambda one: b64encode(one).decode()),
    "base64 for URLs": st.binary(min_size=1, max_size=24).map(lambda one: urlsafe_b64encode(one).decode()),
}


@pytest.mark.parametrize("kind", PLAIN)
@given(data=st.data())
def test_plain_ids_are_never_taken_for_another_format_whatever_few_others_hold(kind, data):
    ids = data.draw(st.lists(PLAIN[kind], min_size=1, max_size=30))
    odd = data.draw(st.lists(st.text(max_size=9), max_size=len(ids)))
    assert another_format(data.draw(st.permutations([*ids, *odd]))) == ""


ODD = st.sampled_from(["record_id,name", '"', "# made by hand", "[", "", "5,7", "x;y;z", "{}"])


@pytest.mark.parametrize(
    "line",
    ["{},n", "{};", "{}|x|y", "{}\tx", '"{}"', "'{}", "'{}',", "\u201c{}\u201d", '{{"record_id":"{}"}}', '"{}",n'],
)
@given(ids=st.lists(st.one_of(PLAIN["decimal"], PLAIN["uuid"]), min_size=9, max_size=30), odd=st.lists(ODD, max_size=8))
def test_another_format_is_seen_in_most_rows_whatever_the_others_are(line, ids, odd):
    assert another_format([*odd, *(line.format(one) for one in ids)])


@given(
    ids=st.lists(PLAIN["decimal"], min_size=1, max_size=30),
    indent=st.sampled_from([None, 0]),
    shape=st.sampled_from([list, lambda ids: [{"record_id": one} for one in ids], lambda ids: {"ids": ids}]),
    number=st.booleans(),
)
def test_a_json_document_is_seen_however_it_is_broken_into_lines(ids, indent, shape, number):
    document = shape([int(one) if number else one for one in ids])
    lines = json.dumps(document, indent=indent, separators=(",", ":")).split("\n")
    assert "JSON" in looks_wrong(lines)


TEXT = {"kind": "text"}
CSV = {"kind": "csv", "delimiter": ","}


@pytest.mark.parametrize(
    ("ids", "read_as", "said"),
    [
        (["record_id,n", "7,a"], TEXT, "2 of the first 2 ids have ',' in them, such as '7,a': read the source with"),
        (["7;a"], TEXT, "--format csv --delimiter ';' and --column NAME, or --no-header --column 1"),
        (["7\ta"], TEXT, "--format tsv"),
        (["7;a"], CSV, "name what stands between, with --delimiter ';'"),
        (["7|a"], {"kind": "iterable"}, "have '|' in them, such as '7|a'"),
        (['"7"'], TEXT, "read the source with --format jsonl"),
        (['"7"'], CSV, "take them away"),
        (["x" * 100 + ",", "7,"], TEXT, "--format csv"),
        (["7," + "x" * 100], TEXT, "x...'"),
    ],
)
def test_what_reads_another_format_right_depends_on_how_it_was_read(ids, read_as, said):
    assert said in another_format(ids, read_as)


@pytest.mark.parametrize("read_as", [CSV, {"kind": "iterable"}, {}])
def test_no_format_is_advised_for_what_is_not_read_as_text(read_as):
    assert "--format csv" not in another_format(["7,a", "8,b"], read_as)
    assert another_format(["7,a", "8,b"], read_as).endswith("such as '8,b'")


def test_uuids_in_braces_are_no_json_also_where_the_first_of_them_looks_like_its_beginning():
    assert another_format(["[", *(f"{{{uuid4()}}}" for _ in range(11))]) == ""
