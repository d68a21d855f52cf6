"""What is never sent: what cannot be a record, and what stands in its batch already."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bulkdelete.protocol import encode
from bulkdelete.records import Defect, Filter
from bulkdelete.screening import fault, identity, plain_joined

MOST = 256


def all_plain(items, most_characters):
    joined = plain_joined(items, most_characters)
    assert joined in {None, "\n".join(map(str, items)).encode("utf-8", "surrogatepass")}
    return joined is not None


SPACES = "\t\n\v\f\r \x1c\x1d\x1e\x1f\x85\xa0\u1680\u2003\u2028\u2029\u202f\u205f\u3000"
CONTROLS = "\x00\x01\x07\x08\x1b\x7f\x80\x9b\x9f"
INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u180e\u206f\u3164\ufe0f\U000e0020\u200b\u200e\u200f\u202a\u202e\u2060\u2066\u2069\ufeff"
)
LONE = "\ud800\udbff\udc00\udfff"
NO_VALUES = ["nan", "NaN", "NAN", "null", "NULL", "Null", "none", "None", "undefined", "Undefined"]
NO_VALUES += ["nil", "NIL", r"\N", r"\n", r"\.", "(null)", "(NULL)", "<null>", "[NULL]", "<NA>", "#N/A", "N/A", "n/a"]
NO_VALUES += ["<nil>", "#VALUE!", "#REF!", "#NAME?", "#DIV/0!", "#NUM!", "#NULL!"]
BY_CHANCE_VALUES = ["NA", "na", "NaT", "nat", "-", "--", "."]
HEADERS = ["id", "ID", "Id", "record_id", "RECORD_ID", "Record_Id"]
LOST = ["5.41e+17", "5.41E+17", "5.41278230707963e+17", "541278230707963208.0", "541278230707963208.", "-1.5", "+1.0"]
LOST += ["541278230707963208,0", "5,41278230707963E+17", "-1,5", "1e+5", "1E-5", "0.0", "5.e+17", "541e+15"]
GOOD = ["1", "0", "541278230707963208", "673af861ed69656ac0895b07", "abc-DEF_1.txt", "é", "中文", "😀", "a" * MOST]
GOOD += [
    "NAM",
    "nilly",
    "#N/A!",
    r"\N1",
    r"\..",
    "nano",
    "nullable",
    "541e17",
    "1.2.3",
    "v1.0",
    "=1+1",
    "-5",
    "+5",
    '"',
    "\\",
    "'",
    "\u0301",
    "---1",
    "-.",
    "nato",
]


@pytest.mark.parametrize("record_id", GOOD)
def test_what_may_be_an_id_is_sent(record_id):
    assert fault(record_id, MOST) == ""


@pytest.mark.parametrize("character", [*SPACES, *CONTROLS, *INVISIBLE, *LONE])
def test_an_id_with_a_space_a_control_or_a_lone_surrogate_anywhere_is_invalid(character):
    for record_id in (character, f"{character}1", f"1{character}", f"1{character}2", f"1\n{character}"):
        assert "holds a space, a control or invisible character, or a lone surrogate" in fault(record_id, MOST)
        assert not all_plain([record_id], MOST)


def test_an_empty_id_is_invalid():
    assert fault("", MOST) == "empty"
    assert fault(Filter("column", ""), MOST) == "empty"


@pytest.mark.parametrize("most", [1, 18, 256, 4096])
def test_an_id_or_value_is_at_most_so_long(most):
    for record in ("a" * most, Filter("column", "a" * most), "中" * most):
        assert fault(record, most) == ""
    for record in ("a" * (most + 1), Filter("column", "a" * (most + 1)), "中" * (most + 1)):
        assert fault(record, most) == f"longer than {most} characters"


@pytest.mark.parametrize("text", NO_VALUES)
def test_what_stands_for_no_value_is_no_id_and_no_value(text):
    assert fault(text, MOST) == f"{text!r} is no id"
    assert fault(Filter("column", text), MOST) == f"{text!r} is no value"


@pytest.mark.parametrize("text", BY_CHANCE_VALUES)
def test_namibia_is_a_value_and_no_id(text):
    assert fault(text, MOST) == f"{text!r} is no id"
    assert fault(Filter("country", text), MOST) == ""


@pytest.mark.parametrize("text", HEADERS)
def test_the_name_of_a_column_is_no_id(text):
    assert fault(text, MOST) == f"{text!r} is the name of a column, and no id"
    assert fault(Filter("column", text), MOST) == ""


@pytest.mark.parametrize("text", [*NO_VALUES, *HEADERS, *BY_CHANCE_VALUES])
def test_the_quick_look_sees_what_stands_for_no_id_wherever_it_stands(text):
    for items in ([text], [text, "673af861"], ["673af861", text], ["673af861", text, "ab"]):
        assert not all_plain(items, MOST)


@pytest.mark.parametrize("text", LOST)
def test_an_id_that_was_a_floating_point_number_has_lost_digits(text):
    assert "its digits are lost" in fault(text, MOST)


@pytest.mark.parametrize(
    "text", ["5.41e+17", "5.41E+17", "541278230707963208.0", "541278230707963208,", "5,41E+17", "1e17", "5E22"]
)
def test_a_filter_s_value_that_was_a_long_floating_point_number_has_lost_digits(text):
    assert "its digits are lost" in fault(Filter("column", text), MOST)


@pytest.mark.parametrize(
    "value", ["1.50", "0.0", "-1.5", "two words", "12.0", "1e5", "é", True, False, 0, -1, 1.5, -0.0]
)
def test_what_may_be_a_value_is_sent(value):
    assert fault(Filter("column", value), MOST) == ""


@pytest.mark.parametrize("value", [2.0**53, -(2.0**53), 541278230707963208.0, 1e300])
def test_a_number_beyond_what_a_float_holds_exactly_has_lost_digits(value):
    assert "lost its digits" in fault(Filter("column", value), MOST)
    assert fault(Filter("column", value / abs(value) * (2.0**53 - 1)), MOST) == ""


@pytest.mark.parametrize("value", [2**63, 2**64 - 1, -(2**63)])
def test_the_largest_integers_of_json_are_sent(value):
    assert fault(Filter("column", value), MOST) == ""
    encode("table", [Filter("column", value)])


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1, 10**30, math.nan, math.inf, -math.inf, None, [], {}, b"1"])
def test_what_json_cannot_hold_as_a_value_is_invalid(value):
    assert fault(Filter("column", value), MOST) != ""


@pytest.mark.parametrize("text", [" a", "a ", "\ta", "a\u3000", "a\x00b", "a\nb", "\ud800", "a\x9b", "\x7f"])
def test_a_value_or_column_with_a_control_or_surrounding_spaces_is_invalid(text):
    assert fault(Filter("column", text), MOST) != ""
    assert fault(Filter(text, "value"), MOST) != ""


@pytest.mark.parametrize("column", ["", "c" * 257, 5, None])
def test_a_filter_without_a_column_is_invalid(column):
    assert fault(Filter(column, "value"), MOST) == "the filter names no column"


def test_a_filter_s_column_of_256_characters_is_sent():
    assert fault(Filter("c" * 256, "value"), MOST) == ""


def test_the_same_record_twice_is_one_and_values_of_different_kinds_are_not():
    assert identity("1") == identity("1")
    assert identity(Filter("c", "1")) == identity(Filter("c", "1"))
    different = ["1", "01", *(Filter("c", value) for value in ("1", 1, 1.0, True)), Filter("d", "1"), Filter("d", 1)]
    assert len({identity(record) for record in different}) == len(different)


# --- the quick look at a whole batch

RISKY = st.text("0123456789.eE+-nulaNofid \n\t\x7fé\ud800", max_size=6)
ITEMS = st.one_of(
    st.integers(0, 30).map(str),
    st.sampled_from(NO_VALUES + HEADERS + LOST + GOOD),
    RISKY,
    st.text(max_size=4),
    st.just("a" * 257),
)


@given(st.lists(ITEMS, min_size=1, max_size=12))
@example(["1", "1"])
@example(["12", "3\n4"])
@example(["null", "1234"])
@example(["1", "null"])
@example(["1", "22", "null", "1.0"])
def test_the_quick_look_passes_only_rows_that_each_pass_alone_and_stand_there_once(items):
    if all_plain(items, MOST):
        assert [fault(item, MOST) for item in items] == [""] * len(items)
        assert len(set(items)) == len(items)


@given(st.lists(st.text("".join(map(chr, range(0x21, 0x7F))), min_size=1, max_size=9), min_size=1, unique=True))
def test_the_quick_look_fails_no_printable_ascii_that_passes_row_by_row(items):
    assert all_plain(items, MOST) == (not any(fault(item, MOST) for item in items))


@given(st.integers(1, 20), st.integers(1, 20), st.integers(2, 9))
def test_the_quick_look_sees_a_length_that_is_too_long(length, most, count):
    items = [str(number) * length for number in range(1, count + 1)]
    assert all_plain(items, most) == (length <= most)
    assert all_plain([*items, "ab"], most) == (max(length, 2) <= most)


@given(st.one_of(st.builds(Filter, st.text(), st.integers()), st.builds(Defect, st.text(), st.text(), st.binary())))
def test_the_quick_look_passes_ids_only(item):
    assert not all_plain([item], MOST)
    assert not all_plain(["1", item, "2"], MOST)


RECORDS = st.one_of(
    st.text(),
    st.builds(Filter, st.text(), st.one_of(st.text(), st.integers(), st.floats(), st.booleans())),
    st.text(st.characters()),
)


@given(RECORDS)
def test_what_passes_can_be_encoded(record):
    if not fault(record, MOST):
        encode("table", [record])


@given(st.text(st.characters(), max_size=5))
def test_an_id_that_passes_is_one_line_of_one_word(record_id):
    if not fault(record_id, MOST):
        assert record_id.split() == [record_id]
        assert record_id.splitlines() == [record_id]


@pytest.mark.parametrize("record_id", ["5,41278E+17", "541278230707963208,0", "5.41e+17", "5E+17"])
def test_numbers_of_any_locale_that_lost_digits_are_refused(record_id):
    assert "digits" in fault(record_id, MOST)
    assert not all_plain([record_id], MOST)


@pytest.mark.parametrize(
    ("value", "fine"), [(5.41278230707963e17, False), (2.0**53, False), (12.5, True), (2**53 + 1, True)]
)
def test_a_filter_number_that_a_float_cannot_hold_is_refused(value, fine):
    assert (not fault(Filter("n", value), MOST)) is fine
