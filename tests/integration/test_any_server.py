"""Whatever the server is and whatever goes wrong: only what was meant is gone, and what is acknowledged is gone."""

from __future__ import annotations

import asyncio
from dataclasses import fields

from hypothesis import given, settings
from hypothesis import strategies as st

from bulkdelete import BulkDeleteError, BulkDeleter, Settings
from bulkdelete.emulator import Emulator, Fault, Faults, Switches
from tests.integration.asking import TABLE_ID, ids
from tests.properties import often

ROWS, SURVIVORS, POISONED = ids(120), ids(30, first=700_000_000_000_000_000), ids(120)[50:52]
HASTY = Settings.from_mapping(
    {
        "batch": {"size": 20},
        "retry": {"first_backoff_seconds": 0, "max_attempts": 4},
        "http": {"answer_timeout_seconds": 0.5},
        "flow": {"concurrency": 4, "max_pause_seconds": 0, "max_outage_seconds": 1.0},
        "stop": {"max_duration_seconds": 1.5},  # where most attempts fail, retries are bought at one a second
    }
)
FATAL = {Fault.UNAUTHORIZED, Fault.TABLE_NOT_FOUND, Fault.NO_PERMISSION}
PAUSES = {Fault.TOO_MANY_REQUESTS, Fault.MINUTE_LIMIT}
MILD = sorted(set(Fault) - FATAL - PAUSES - {Fault.ENDLESS, Fault.DRIP})
SOMETIMES_A_LIMIT = st.sampled_from([*[None] * 20, 3, 20])
NUMBERS = {
    "requests_per_minute": SOMETIMES_A_LIMIT,
    "requests_per_hour": SOMETIMES_A_LIMIT,
    "requests_per_day": SOMETIMES_A_LIMIT,
    "capacity": st.none() | st.integers(1, 3),
    "thrash_exponent": st.floats(0, 2),
}
CHOICES = {one.name: st.sampled_from(one.metadata["values"]) for one in fields(Switches) if "values" in one.metadata}

any_switches = st.builds(Switches, rate_limit_headers=st.booleans(), **CHOICES, **NUMBERS)
any_faults = st.builds(
    Faults,
    seed=st.integers(0, 99),
    script=st.lists(st.sampled_from(MILD), max_size=12),
    applied_then_50000_rate=st.floats(0, 0.2),
    drop_after_rate=st.floats(0, 0.2),
    not_json_rate=st.floats(0, 0.2),
    latency_seconds=st.sampled_from([0, 0.002]),
    huge_bytes=st.just(100_000),
)


async def purge(emulator: Emulator):
    async with BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key, settings=HASTY) as deleter:
        try:
            return await deleter.delete(TABLE_ID, ROWS)
        except BulkDeleteError as error:
            return error.report


@settings(max_examples=often(40))
@given(any_switches, any_faults, st.booleans())
def test_only_what_was_meant_is_gone_and_what_is_acknowledged_is_gone(switches, faults, poisoned):
    async def run() -> None:
        async with Emulator(switches=switches, faults=faults) as emulator:
            emulator.load(TABLE_ID, ROWS + SURVIVORS)
            emulator.poison(TABLE_ID, POISONED if poisoned else [])
            report = await purge(emulator)
            remaining = set(emulator.remaining(TABLE_ID))
        assert remaining >= set(SURVIVORS)
        assert len(remaining) - len(SURVIVORS) <= len(ROWS) - report.acknowledged
        fates = (report.acknowledged, report.rejected, report.unresolved, report.pending)
        assert sum(fates) == report.rows

    asyncio.run(run())
