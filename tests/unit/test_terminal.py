"""What a server says reaches the terminal as text and as nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkdelete.terminal import harmless


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("table not found", "table not found"),
        ("\x1b[2J\x1b[1;31mdone\x1b[0m", "done"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://example.com\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b31mred", "red"),
        ("one\ntwo\r\nthree\tfour", "one two three four"),
        ("a\x00b\x7fc\x85d", "abc d"),
        ("ab\u202edc\u2066e", "abdce"),
        ("lone \ud800", "lone \ufffd"),
        ("\x1b]never ended", "never ended"),
        ("Größe 表", "Größe 表"),
    ],
)
def test_controls_are_dropped_and_text_stays(said, shown):
    assert harmless(said) == shown


def test_a_long_message_is_cut_at_300_characters():
    assert harmless("x" * 301) == "x" * 297 + "..."
    assert harmless("x" * 300) == "x" * 300


@given(st.text(st.characters()))
def test_nothing_a_terminal_obeys_is_left(said):
    shown = harmless(said)
    assert not any(ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0 for character in shown)
    assert "\u202e" not in shown
    assert len(shown) <= 300
    shown.encode()
