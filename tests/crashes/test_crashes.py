"""The crash campaign's short version; the long one is ``python -m tests.crashes --kills 500``."""

from __future__ import annotations

import itertools

import pytest

from tests.crashes.campaign import Figures, killed_at_every_step, killed_at_random_moments, uninterrupted

KILLS = 60


@pytest.mark.timeout(300)
async def test_sigkill_at_sixty_random_moments_loses_nothing_and_acknowledges_nothing_false():
    figures = Figures()
    await uninterrupted(figures, 0)
    for seed in itertools.count(1):
        await killed_at_random_moments(figures, seed, KILLS - figures.crashes)
        if figures.crashes >= KILLS:
            break
    assert figures.crashes == KILLS


@pytest.mark.timeout(300)
async def test_sigkill_before_and_after_every_step_of_the_write_path_loses_nothing():
    await killed_at_every_step(Figures(), 1)
