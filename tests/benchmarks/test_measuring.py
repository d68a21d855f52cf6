"""What is measured of a program is its own."""

from __future__ import annotations

import sys

from benchmarks.measuring import ended


def test_the_peak_memory_of_a_program_is_not_that_of_who_starts_it():
    held = bytearray(b"x") * 300_000_000
    seen = ended([sys.executable, "-c", "print('here'); raise SystemExit(3)"])
    assert held[-1] == ord("x")
    assert (seen.printed, seen.exit_code) == ("here\n", 3)
    assert 1 < seen.peak_mib < 100
    assert 0 < seen.cpu_seconds <= seen.wall_seconds + 0.1
