"""Decimal ids of one length as bytes are, to everybody who looks, the list of those ids."""

from __future__ import annotations

from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkdelete.digest import digest
from bulkdelete.ids import Ids
from bulkdelete.protocol import encode
from bulkdelete.screening import plain_joined

numbers = st.integers(1, 6).flatmap(
    lambda length: st.lists(st.text("0123456789", min_size=length, max_size=length), min_size=1, max_size=30)
)


@given(numbers, st.data())
def test_ids_are_the_list_of_them(ids, data):
    kept = Ids.of("\n".join(ids).encode())
    assert kept is not None
    assert (len(kept), list(kept), kept == ids) == (len(ids), ids, True)
    at = data.draw(st.integers(-len(ids), len(ids) - 1))
    assert kept[at] == ids[at]
    start, stop = data.draw(st.integers(0, 40)), data.draw(st.integers(0, 40))
    assert list(kept[start:stop]) == ids[start:stop]
    assert list(kept[start:][:stop]) == ids[start:][:stop]
    assert digest(kept) == digest(ids)
    assert encode("t", kept) == encode("t", ids)
    assert plain_joined(kept, 256) == plain_joined(ids, 256)
    assert plain_joined(kept, len(ids[0]) - 1) is None


@pytest.mark.parametrize(
    "joined", [b"", b"\n", b"12\n", b"\n12", b"12\n123", b"12\n1a", b"1\n\n2", b"1a", b"12\n3\n45"]
)
def test_anything_else_is_not_kept_so(joined):
    assert Ids.of(joined) is None


@given(st.lists(numbers, min_size=1, max_size=4))
def test_parts_laid_together_are_the_ids_of_all_where_they_are_of_one_length(parts):
    ids = [Ids.of("\n".join(part).encode()) for part in parts]
    together = Ids.of_parts(ids)
    assert together is None if len({len(part[0]) for part in parts}) > 1 else together == list(chain(*parts))


def test_parts_are_no_ids_together_with_what_is_none():
    ids = Ids.of(b"12\n34")
    assert Ids.of_parts([]) is None
    assert Ids.of_parts([ids, ["56"]]) is None
    assert Ids.of_parts([ids, ids[:0], ids]) is None


def test_an_index_beyond_the_end_is_an_error_and_ids_have_no_hash():
    kept = Ids.of(b"12\n34")
    assert repr(kept) == "<2 ids of 2 digits>"
    with pytest.raises(IndexError):
        kept[2]
    with pytest.raises(TypeError):
        hash(kept)
