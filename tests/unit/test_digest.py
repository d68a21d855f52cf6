"""The digest of a range: equal for the same rows only, whatever the rows hold and however they could be confused."""

from __future__ import annotations

from hashlib import sha256
from itertools import combinations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bulkdelete.digest import DIGEST_BYTES, digest
from bulkdelete.records import Defect, Filter

ANY_TEXT = st.text(st.characters(), max_size=6)
TEXT = st.one_of(ANY_TEXT, st.text('\n0,:"[]difx', max_size=6), st.text("\ud83d\ude00\U0001f600a", max_size=3))
VALUES = st.one_of(TEXT, st.booleans(), st.integers(), st.floats(allow_nan=False), st.sampled_from([0, 1, 0.0, 1.0]))
DEFECTS = st.builds(Defect, st.just("reason"), st.just("text"), st.binary(max_size=16))
ITEMS = st.one_of(TEXT, st.builds(Filter, TEXT, VALUES), DEFECTS)
ROWS = st.lists(ITEMS, max_size=6)


def form(items) -> list[tuple]:
    """Spell out what must make two rows different: 1, 1.0, -0.0 and True are."""
    return [
        ("id", item)
        if isinstance(item, str)
        else ("defect", item.fingerprint)
        if isinstance(item, Defect)
        else ("filter", item.column, type(item.value), repr(item.value))
        for item in items
    ]


@given(ROWS, ROWS)
@example([Filter("c", "\ud83d\ude00")], [Filter("c", "\U0001f600")])
@example([], [""])
@example([""], ["", ""])
def test_two_digests_are_equal_exactly_when_the_rows_are(some, others):
    assert (digest(some) == digest(others)) == (form(some) == form(others))


@given(st.lists(TEXT, min_size=2, max_size=6), st.data())
def test_rows_split_or_joined_elsewhere_have_another_digest(items, data):
    separator = data.draw(st.sampled_from(["", "\n", ",", "i1:"]))
    at = data.draw(st.integers(1, len(items) - 1))
    joined = [*items[: at - 1], items[at - 1] + separator + items[at], *items[at + 1 :]]
    assert digest(joined) != digest(items)


CONFUSABLE = [
    [],
    [""],
    ["", ""],
    ["\n"],
    ["1", "2"],
    ["2", "1"],
    ["12"],
    ["1\n2"],
    ["1", "2", ""],
    ["", "1", "2"],
    ["1\n", "2"],
    ["1", "\n2"],
    ["i1:1i1:2"],
    ["items 2"],
    [Filter("1", "2")],
    [Filter("1", 2)],
    [Filter("1", 2.0)],
    [Filter("c", 1)],
    [Filter("c", 1.0)],
    [Filter("c", value=True)],
    [Filter("c", "1")],
    [Filter("c", "true")],
    ['["c", "1"]'],
    [Filter('c", "1', "")],
    [Filter("c", '", "1')],
    ["\ud800\udc00"],
    ["\U00010000"],
    [Filter("c", "\ud800\udc00")],
    [Filter("c", "\U00010000")],
    [Filter("c", "\\ud800\\udc00")],
    [Defect("a reason", "1", b"1")],
    [Defect("a reason", "1", b"2")],
    [Defect("a reason", "1", b"")],
    ["1", Defect("a reason", "1", b"1")],
    [Defect("a reason", "1", b"1"), "1"],
]


def test_rows_that_could_be_confused_are_not():
    for some, others in combinations(CONFUSABLE, 2):
        assert digest(some) != digest(others), (some, others)


def test_a_defect_counts_by_its_raw_row_and_not_by_how_it_is_explained():
    assert digest([Defect("one reason", "text", b"raw")]) == digest([Defect("another", "words", b"raw")])


@given(ROWS)
def test_a_digest_has_16_bytes_and_the_kind_of_sequence_does_not_matter(items):
    assert len(digest(items)) == DIGEST_BYTES == 16
    assert digest(tuple(items)) == digest(items)


@pytest.mark.parametrize(
    ("items", "form"),
    [
        (["1", "2", "3"], b"lines 3\n1\n2\n3"),
        (["1", "é"], b"lines 2\n1\n\xc3\xa9"),
        (["1\n2"], b"items 1\ni3:1\n2"),
        ([], b"items 0\n"),
        (["1", Filter("c", 1), Filter("é", "a")], 'items 3\ni1:1f8:["c", 1]f11:["é", "a"]'.encode()),
        (["1", Defect("a reason", "text", b"raw")], b"items 2\ni1:1d3:raw"),
    ],
)
def test_a_digest_is_the_same_in_every_version_for_ledgers_live_long(items, form):
    assert digest(items) == sha256(form).digest()[:16]
