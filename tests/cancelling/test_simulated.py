"""Nothing is swallowed, nothing is left behind, and a run after it ends as if nobody had cancelled anything."""

from __future__ import annotations

import pytest

from tests.cancelling.every_step import cancel_at, steps_of
from tests.simulation.campaign import fresh_folder
from tests.simulation.scenario import scenario

SEEDS = (0, 9, 51)


@pytest.mark.parametrize("durable", [True, False], ids=["with a ledger", "without a ledger"])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_job_may_be_cancelled_at_every_step(seed, durable):
    plain = scenario(seed)
    with fresh_folder() as folder:
        steps = steps_of(plain, folder, durable=durable)
        cancelled = cancel_at(plain, folder, range(1, steps + 1), durable=durable)
    assert cancelled == steps
    assert steps > 50
