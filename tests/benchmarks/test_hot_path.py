"""One more batch costs no more than it did when the baseline was committed: in counts, which repeat."""

from __future__ import annotations

import shutil

import pytest

from benchmarks import hot_path

MOST = 1.05
RENEW = "Mend it; or, where it is worth its price, renew the baseline with `python -m benchmarks renew`, and say why."


def test_a_batch_takes_no_more_calls_and_bytecodes_than_the_baseline():
    before = hot_path.baseline()["counts"].get(hot_path.VERSION)
    if before is None:
        pytest.skip(f"there is no baseline for Python {hot_path.VERSION}: `python -m benchmarks renew` makes one")
    now = hot_path.counted()
    for kind in hot_path.KINDS:
        for of, belongs in (("in all", ""), ("of bulkdelete", "bulkdelete/")):
            was, is_ = (
                sum(count for name, count in counts[kind].items() if name.startswith(belongs))
                for counts in (before, now)
            )
            assert is_ <= was * MOST, (
                f"{is_:.0f} {kind} a batch {of}, {is_ / was - 1:+.1%} to the {was:.0f} of the baseline:\n"
                f"{hot_path.difference(kind, now, before)}\n{RENEW}"
            )


@pytest.mark.timeout(400)  # below valgrind everything takes some twenty times as long
def test_a_batch_takes_no_more_instructions_than_the_baseline():
    if shutil.which("valgrind") is None:
        pytest.skip(hot_path.WITHOUT_VALGRIND)
    was = hot_path.baseline()["instructions"].get(hot_path.build())
    if was is None:
        pytest.skip(f"there is no baseline for {hot_path.build()}: `python -m benchmarks renew` makes one")
    found = hot_path.instructions()
    assert found is not None
    assert found <= was * MOST, (
        f"{found:,.0f} instructions a batch, {found / was - 1:+.1%} to the {was:,.0f} of the baseline. {RENEW}"
    )


def test_a_difference_names_files_the_largest_first():
    before = {"calls": {"a.py": 10.0, "b.py": 5.0, "gone.py": 1.0}}
    now = {"calls": {"a.py": 10.0, "b.py": 25.5, "new.py": 2.0}}
    told = [line.split() for line in hot_path.difference("calls", now, before).splitlines()]
    assert told == [["+20.50", "b.py"], ["+2.00", "new.py"], ["-1.00", "gone.py"]]
