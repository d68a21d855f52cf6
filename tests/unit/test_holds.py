"""What is on hold, what a list proves, and the last look before a request leaves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkdelete.errors import HoldViolated
from bulkdelete.holds import ON_HOLD, Holds
from bulkdelete.ids import Ids
from bulkdelete.records import Fate, Filter

HELD = (Fate.HELD, ON_HOLD)
TEXTS = st.text(st.characters(), max_size=4)
RECORDS = st.one_of(
    st.integers(0, 30).map(str),
    TEXTS,
    st.builds(Filter, st.sampled_from(["a", "b"]), st.one_of(TEXTS, st.integers(), st.floats(), st.booleans())),
)


def holds_of(*lists) -> Holds:
    holds = Holds()
    for records in lists:
        holds.begin_list()
        holds.add(records)
    return holds


def is_not_provable(found) -> bool:
    return found is not None and found[0] is Fate.INVALID and "not provable" in found[1]


@given(st.lists(RECORDS, max_size=10), st.lists(RECORDS, max_size=10))
def test_a_record_that_was_added_is_never_to_be_sent_and_without_any_everything_is(held, others):
    holds = holds_of(held)
    for record in held:
        assert holds.fate(record) is not None
        with pytest.raises(HoldViolated):
            holds.check_free([*others, record])
    for record in others:
        if not held:
            assert holds.fate(record) is None
            holds.check_free(others)


@given(st.lists(st.integers(0, 30).map(str), min_size=1), st.lists(st.integers(0, 40).map(str), min_size=1))
def test_the_look_at_joined_ids_says_what_the_look_at_each_says(held, ids):
    holds = holds_of(held)
    free = all(holds.fate(one) is None for one in ids)
    assert holds.spare_none_of("\n".join(ids).encode()) == free
    if free:
        holds.check_free(ids, "\n".join(ids).encode())
    else:
        with pytest.raises(HoldViolated, match="a fault of bulkdelete"):
            holds.check_free(ids, "\n".join(ids).encode())


def test_ids_in_the_bytes_they_came_in_are_held_like_any_other():
    joined = Ids.of(b"541278230707963208\n541278230707963209")
    assert joined is not None
    holds, same = holds_of(joined), holds_of(list(joined))
    assert [holds.fate(one) for one in joined] == [HELD, HELD]
    assert holds.fate("541278230707963210") is None
    assert (len(holds), holds.digest) == (2, same.digest)
    assert repr(holds) == "<Holds 2 ids, 0 filters>"


def test_an_empty_list_holds_nothing_back_and_has_no_digest():
    holds = holds_of([])
    assert (len(holds), holds.digest) == (0, "")
    assert holds.fate("1") is holds.fate(Filter("email", "a")) is None
    assert holds.spare_none_of(b"1")


def test_the_digest_knows_what_is_held():
    lists = [["1"], ["2"], ["1", "2"], [Filter("a", "1")], [Filter("b", "1")], [Filter("a", 1)]]
    assert len({holds_of(one).digest for one in lists}) == len(lists)


@pytest.mark.parametrize(
    ("held", "sent"),
    [
        (5, "5"),
        ("5", 5),
        (5.0, 5),
        (5.0, "5"),
        (True, "true"),
        ("A@Example.com", "a@example.COM"),
        ("\xe9", "e\u0301"),
        ("stra\xdfe", "STRASSE"),
        ("a@x.org\u200b", "a@x.org"),
        ("\u2121", "tel"),
        ("h", "\u210c"),
        ("a@x.org", "\ufeffa@x\xad.org\u200e"),
    ],
)
def test_values_that_the_api_might_take_for_one_are_one(held, sent):
    assert holds_of([Filter("c", held)]).fate(Filter("c", sent)) == HELD


@pytest.mark.parametrize(("held", "sent"), [("5", "05"), (5, 5.5), ("a", "b"), (1, True)])
def test_other_values_are_others(held, sent):
    assert holds_of([Filter("c", held)]).fate(Filter("c", sent)) is None


def test_what_a_list_names_otherwise_than_the_source_is_not_provable():
    by_id, by_mail = holds_of(["1"]), holds_of([Filter("email", "a")])
    assert is_not_provable(by_id.fate(Filter("email", "b")))
    assert is_not_provable(by_mail.fate("2"))
    assert is_not_provable(by_mail.fate(Filter("Email", "b")))
    assert by_mail.fate(Filter("email", "b")) is None
    assert not by_mail.spare_none_of(b"2")


def test_a_list_that_names_some_records_in_one_way_and_some_in_another_proves_neither():
    both = holds_of(["1", Filter("email", "a")])
    assert is_not_provable(both.fate("2"))
    assert is_not_provable(both.fate(Filter("email", "b")))
    assert both.fate("1") == both.fate(Filter("email", "a")) == HELD


def test_of_several_lists_each_must_name_records_as_the_source_does():
    apart = holds_of(["1"], [Filter("email", "a")], [])
    assert is_not_provable(apart.fate("2"))
    assert is_not_provable(apart.fate(Filter("email", "b")))
    alike = holds_of(["1"], ["3"], [])
    assert alike.fate("2") is None
    assert alike.fate("3") == HELD
    assert is_not_provable(alike.fate(Filter("email", "b")))


def test_the_digest_knows_which_list_holds_what_and_how_each_names_records():
    an_id, a_filter = "541278230707963208", Filter("email", "a@b.c")
    splits = ([[an_id, a_filter]], [[an_id], [a_filter]], [[an_id, a_filter], []], [[], [an_id, a_filter]])
    digests = set()
    for lists in splits:
        holds = Holds()
        for records in lists:
            holds.begin_list()
            holds.add(records)
        digests.add(holds.digest)
    assert len(digests) == len(splits)


@pytest.mark.parametrize(
    ("held", "sent"),
    [
        ("caf\u00e9", "cafe\u0301"),
        ("cafe\u0301", "caf\u00e9"),
        ("\uff11\uff12", "12"),
        ("12", "\uff11\uff12"),
        ("\u212b", "\u00c5"),
    ],
)
def test_an_id_is_held_in_whatever_form_of_unicode_it_is_written(held, sent):
    holds = holds_of([held])
    assert holds.fate(sent) == HELD
    with pytest.raises(HoldViolated):
        holds.check_free([sent])
    if sent.isascii():
        assert not holds.spare_none_of(sent.encode())


def test_the_case_of_an_id_counts():
    assert holds_of(["\u00c9a"]).fate("\u00e9a") is None
