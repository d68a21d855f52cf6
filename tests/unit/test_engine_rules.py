"""No record that does not look like an id of the table is sent from the moment that a rule says so."""

from __future__ import annotations

from contextlib import suppress

import pytest

from bulkdelete.errors import SettingsError, SourceRefused
from bulkdelete.ledger import read_ledger
from bulkdelete.records import Ended
from tests.api_model import ApiModel
from tests.unit.test_engine_holds import TABLE_ID, fates, job, run_until

RULES = {"identifiers": {TABLE_ID: {"lengths": [18]}}}
NO_RULES = {"identifiers": {TABLE_ID: {}}}


def some(count: int) -> list[str]:
    """Return ids, of which every third has lost six digits."""
    return [f"{number + 10 ** (17 if number % 3 else 11)}" for number in range(count)]


@pytest.mark.parametrize(
    ("since", "fits"),
    [
        (RULES, lambda one: len(one) == 18),
        ({"batch": {"size": 3, "max_id_characters": 17}}, lambda one: len(one) == 12),
        ({"identifiers": {TABLE_ID: {"prefixes": ["9"]}}}, lambda _: False),
    ],
)
async def test_what_an_earlier_run_cut_and_left_is_sent_only_where_it_fits_the_rules_of_now(tmp_path, since, fits):
    records = some(12)
    api = ApiModel()
    sections = {"batch": {"size": 3}, "flow": {"concurrency": 1, "cancel_grace_seconds": 0}}
    await run_until(job(api, records, tmp_path / "purge.db", **sections), api, 2)
    asked, before = len(api.requests), api.acknowledged.copy()
    last = await job(api, records, tmp_path / "purge.db", **{**sections, **since}).run()
    assert all(fits(one) for request in api.requests[asked:] for one in request)
    assert fates(last) == {
        "acknowledged": sum(one in before or fits(one) for one in records),
        "invalid": sum(one not in before and not fits(one) for one in records),
    }
    with read_ledger(tmp_path / "purge.db") as reader:
        failures = [*reader.failures()]
    assert {one.record for one in failures} == {one for one in records if one not in before and not fits(one)}
    assert any("a request that held it was sent before" in one.reason for one in failures)


async def test_a_resume_that_forgets_the_rules_is_refused_and_one_that_drops_them_is_not(tmp_path):
    records = some(6)
    api = ApiModel()
    ledger = tmp_path / "purge.db"
    assert fates(await job(api, records, ledger, **RULES, stop={"limit": 2}).run())["acknowledged"] == 2
    asked = len(api.requests)
    with pytest.raises(SettingsError, match=rf"(?s)identifiers\.{TABLE_ID}.*Nothing was sent.*empty"):
        await job(api, records, ledger).run()
    assert len(api.requests) == asked
    assert (await job(api, records, ledger, **NO_RULES).run()).balanced
    assert (await job(api, records, ledger).run()).remaining == 0


@pytest.mark.parametrize(
    ("records", "sections"),
    [(some(6), {"stop": {"max_records": 1}}), (["1"] * 20, {"source": {"sanity_check": True}})],
)
async def test_rules_of_a_run_that_ended_before_it_sent_anything_are_not_forgotten(tmp_path, records, sections):
    api, ledger = ApiModel(), tmp_path / "purge.db"
    with suppress(SourceRefused):
        assert (await job(api, records, ledger, **RULES, **sections).run()).ended is Ended.MAX_RECORDS
    with pytest.raises(SettingsError, match=rf"identifiers\.{TABLE_ID}"):
        await job(api, records, ledger).run()
    assert not api.requests
