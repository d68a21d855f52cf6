"""Nothing is swallowed, nothing is left behind, and a run after it ends as if nobody had cancelled anything."""

from __future__ import annotations

import re

from tests.campaigning import campaign

SEED = 11
"""Much fails in it, and it stops where a whole file seems to be wrong; the campaign plays others."""

READ = 4
"""Few records, of which some are refused."""


def test_a_job_with_a_ledger_and_without_one_may_be_cancelled_at_every_step():
    said = campaign("cancelling", "--first", SEED, "--seeds", 1, "--jobs", 1, "--alone")
    cancelled, steps = re.search(
        r"(\d+) times cancelled and run again, at each of their (\d+) steps, in", said
    ).groups()
    assert int(cancelled) == int(steps) > 100


def test_whoever_reads_what_becomes_of_a_job_may_be_cancelled_at_every_step_and_leave_at_every_outcome():
    said = campaign("cancelling", "--first", READ, "--seeds", 1, "--jobs", 1, "--read")
    cancelled, steps, left = re.search(
        r"(\d+) times cancelled and run again, at each of their (\d+) steps, and (\d+) times left by its reader, in",
        said,
    ).groups()
    assert int(cancelled) == int(steps) > 100
    assert int(left) > 20
