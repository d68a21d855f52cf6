"""A masked text can be sent and compared, and is not seen."""

from __future__ import annotations

import pytest

from bulkdelete.masking import MASK, Masked, masked, without

SECRET = "canary-7f3a91-never-print-me"


def test_a_masked_text_is_the_text_and_its_repr_is_a_mask():
    key = masked(SECRET)
    assert key == SECRET
    assert f"Bearer {key}" == f"Bearer {SECRET}"
    assert repr(key) == repr(key[:20]) == repr([key])[1:-1] == repr(MASK)


@pytest.mark.parametrize("value", [None, 5, b"bytes", print])
def test_what_is_no_text_is_left_as_it_is(value):
    assert masked(value) is value


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("OK", "OK"),
        ("", ""),
        (f"bad {SECRET}!", f"bad {MASK}!"),
        (f"{SECRET}{SECRET}", MASK + MASK),
        (f"bad {SECRET[:-1]}", f"bad {MASK}"),
        (f"{SECRET} and {SECRET[:4]}", f"{MASK} and {MASK}"),
        (f"ends with {SECRET[:3]}", f"ends with {SECRET[:3]}"),
        (f"wrapped {SECRET[:13]} {SECRET[13:]}", f"wrapped {MASK} {MASK}"),
        (f"...{SECRET[-12:]} is no key, nor {SECRET[5:20]}...", f"...{MASK} is no key, nor {MASK}..."),
        (f"{SECRET[:14]}{SECRET[10:]}", MASK),
        (f"too little of it: {SECRET[-7:]}", f"too little of it: {SECRET[-7:]}"),
        (f"bad {SECRET[:9]}*{SECRET[10:]}!", f"bad {MASK}*{MASK}!"),
        (f"bad {SECRET[5:13]}", f"bad {MASK}"),
        (f"bad {SECRET[5:12]}!", f"bad {SECRET[5:12]}!"),
    ],
)
def test_a_secret_in_a_text_is_taken_out_also_where_the_text_was_cut_in_it(text, left):
    assert without(Masked(SECRET), text) == left
