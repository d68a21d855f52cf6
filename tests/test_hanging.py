"""What no process can be given ends a campaign at once, and by its own name."""

from __future__ import annotations

import pickle

import pytest

from tests.hanging import in_processes


def test_what_cannot_be_pickled_is_told_and_not_waited_for():
    with pytest.raises((pickle.PicklingError, AttributeError, TypeError), match=r"pickle|local"):
        list(in_processes(str, ["sound", *[lambda: 0] * 5], 2))


def test_what_the_processes_return_comes_back():
    assert sorted(in_processes(abs, [-1, -2, 3], 2)) == [1, 2, 3]
