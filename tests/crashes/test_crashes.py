"""The crash campaign's short version; the long one is ``python -m tests.crashes --kills 500``."""

from __future__ import annotations

import pytest

from tests.crashes.campaign import HITS, Figures, killed_at_every_step, killed_so_often
from tests.crashes.launcher import STEPS

KILLS = 10
PARTS = 4


@pytest.mark.parametrize("seed", [0, 100])
async def test_sigkill_at_twenty_random_moments_loses_nothing_and_acknowledges_nothing_false(seed):
    figures = Figures()
    await killed_so_often(figures, seed, KILLS)
    assert figures.crashes == KILLS
    assert figures.counts.asked_for == 0 < figures.counts.pending  # a stop leaves rows that are certainly not sent


@pytest.mark.parametrize(("part", "hit"), [*zip(range(PARTS), [*HITS, *HITS], strict=True)])
async def test_sigkill_before_and_after_every_step_of_the_write_path_loses_nothing(part, hit):
    await killed_at_every_step(Figures(), part, list(STEPS)[part::PARTS], hit)
