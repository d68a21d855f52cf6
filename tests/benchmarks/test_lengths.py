"""What the benchmarks of long jobs are made of: the ids, the digests, and what of two lengths is compared."""

from __future__ import annotations

import pytest

from benchmarks.digesting import digests
from benchmarks.generated import generated
from benchmarks.measuring import ids, write_ids
from benchmarks.resume import Turn, beyond_start
from bulkdelete.digest import digest


def test_generated_ids_are_different_and_the_same_each_time():
    made = list(generated(3000))
    assert len(set(made)) == 3000
    assert {len(one) for one in made} == {18}
    assert sorted(made) != made == list(generated(3000))


async def test_the_bare_loop_digests_the_ranges_that_a_job_has(tmp_path):
    source, rows = tmp_path / "ids.txt", list(ids(25_000))
    write_ids(source, len(rows))
    found = [one async for one in digests(source, 24_000)]
    assert found == [(first, digest(rows[first : first + 1000])) for first in range(0, 24_000, 1000)]


@pytest.mark.parametrize(("power", "ratio"), [(1, 1.0), (2, 10.0)])
def test_what_is_quadratic_shows_beyond_what_starting_costs(power, ratio):
    costs = [Turn(1.0 + (rows**power if rows > 1 else 0), 0.0, 0.0, 0.0) for rows in (1, 100, 1000)]
    assert beyond_start("resume_cpu", tuple(costs)) == pytest.approx(ratio)
