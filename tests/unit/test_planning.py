"""A plan says what the run then does, comes back from its file as it was, and notices every change."""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bulkdelete.errors import PlanRefused, SourceRefused
from bulkdelete.holding import read_holds
from bulkdelete.ledger import UnrecordedLedger
from bulkdelete.ledger.facts import COMPARED
from bulkdelete.orders import Order, differences, what_is_deleted
from bulkdelete.planning import Plan, make_plan
from bulkdelete.preparing import prepare
from bulkdelete.settings import Settings
from bulkdelete.sources import from_iterable, open_source
from tests.api_model import ApiModel
from tests.properties import often
from tests.unit.test_engine import QUICK, TABLE_ID, fates, rows
from tests.unit.test_job_canary import job

PLAIN = Settings.from_mapping({"source": {"sanity_check": False}})


def source_of(folder: str, records) -> Path:
    path = Path(folder) / "ids.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


async def plan_of(path, held=(), chosen=PLAIN) -> Plan:
    holds = (from_iterable(held),) if held else ()
    return await make_plan(Order(TABLE_ID, open_source(path), holds=holds), chosen)


@given(rows, st.integers(1, 9), st.data())
@settings(max_examples=often(40), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_counts_of_a_plan_are_those_of_its_run(records, size, data):
    valid = [record for record in records if record not in {"", "5.4e+17", "a b"}]
    held = data.draw(st.lists(st.sampled_from(valid), max_size=5)) if valid else []
    chosen = Settings.from_mapping({**QUICK, "batch": {"size": size}})
    with tempfile.TemporaryDirectory() as folder:
        path = source_of(folder, records)
        plan = asyncio.run(plan_of(path, held, chosen))
        api = ApiModel()
        report = asyncio.run(job(api, records, None, held=held, batch={"size": size}).run())
    assert plan.rows == report.rows
    assert {name: getattr(plan, name) for name in ("invalid", "held", "duplicate")} == {
        name: fates(report).get(name, 0) for name in ("invalid", "held", "duplicate")
    }
    assert plan.records == report.acknowledged
    assert plan.batches == len(api.requests)
    assert not set(held) & {sample for sample in plan.samples if isinstance(sample, str)}


async def _prepared(path, plan, held, chosen):
    ledger = UnrecordedLedger()
    holds = (from_iterable(held),) if held else ()
    source = open_source(path)
    order = Order(TABLE_ID, source, holds=holds, approved=plan.approved)
    await prepare(order, chosen, ledger, await source.fingerprint())
    assert ledger.facts[COMPARED].startswith(plan.digest)


@given(rows, st.integers(1, 9), st.integers(1, 9), st.data())
@settings(max_examples=often(40), deadline=None)
def test_whatever_the_batch_size_a_plan_fits_what_it_counted_and_no_other_count(records, size, other_size, data):
    valid = [record for record in records if record not in {"", "5.4e+17", "a b"}]
    held = data.draw(st.lists(st.sampled_from(valid), max_size=5)) if valid else []
    plain = {"source": {"sanity_check": False}, "holds": {"sanity_check": False}}
    chosen, other = (Settings.from_mapping({**plain, "batch": {"size": one}}) for one in (size, other_size))
    with tempfile.TemporaryDirectory() as folder:
        path = source_of(folder, records)
        plan = asyncio.run(plan_of(path, held, chosen))
        asyncio.run(_prepared(path, plan, held, other))
        name = data.draw(st.sampled_from(["rows", "records", "invalid", "held", "duplicate", "batches"]))
        wrong = plan.model_copy(update={name: getattr(plan, name) + 1})
        with pytest.raises(PlanRefused, match=f"{name}: is .*, was .* in the plan"):
            asyncio.run(_prepared(path, wrong, held, other))


@given(rows)
@settings(max_examples=often(30), deadline=None)
def test_a_plan_comes_back_from_its_file_as_it_was(records):
    with tempfile.TemporaryDirectory() as folder:
        plan = asyncio.run(plan_of(source_of(folder, records)))
    assert Plan.from_json(plan.as_json().encode(), "plan.json") == plan


@given(st.data())
@settings(max_examples=often(60), deadline=None)
def test_any_change_of_a_value_in_a_plan_file_is_noticed(data):
    with tempfile.TemporaryDirectory() as folder:
        plan = asyncio.run(plan_of(source_of(folder, ["541278230707963208", "a b"])))
    values = json.loads(plan.as_json())
    name = data.draw(st.sampled_from(sorted(values)))
    other = data.draw(st.integers() | st.text() | st.dictionaries(st.text(), st.text()) | st.lists(st.text()))
    if values[name] == other:
        return
    with pytest.raises(PlanRefused, match="Nothing was sent"):
        Plan.from_json(json.dumps({**values, name: other}).encode(), "plan.json")


@given(st.binary(max_size=200) | st.recursive(st.none() | st.text(), st.lists).map(lambda v: json.dumps(v).encode()))
def test_any_bytes_are_no_plan_and_no_crash(data):
    with pytest.raises(PlanRefused):
        Plan.from_json(data, "plan.json")


async def test_a_hold_list_with_one_record_less_has_another_digest():
    ids = ["541278230707963208", "541278230707963209"]
    digests = [(await read_holds([from_iterable(held)], PLAIN.holds)).digest for held in (ids, ids[:1])]
    assert len(set(digests)) == 2


async def test_a_source_that_can_be_read_once_cannot_be_planned():
    with pytest.raises(SourceRefused, match="can be read only once"):
        await make_plan(Order(TABLE_ID, from_iterable(["541278230707963208"])), PLAIN)


def test_how_fast_is_no_part_of_what_is_deleted(tmp_path):
    order = Order(TABLE_ID, open_source(source_of(str(tmp_path), ["1"])))
    fast = Settings.from_mapping({"flow": {"concurrency": 64}, "batch": {"size": 10}, "retry": {"max_attempts": 1}})
    assert what_is_deleted(order, fast, "", "") == what_is_deleted(order, Settings(), "", "")
    strict = Settings.from_mapping({"batch": {"max_id_characters": 18}})
    changed = differences(what_is_deleted(order, Settings(), "", ""), what_is_deleted(order, strict, "", ""))
    assert changed == ["batch.max_id_characters: is 18, was 256 in the plan"]


def test_what_is_described_for_no_table_is_no_difference_between_two_tables(tmp_path):
    source = open_source(source_of(str(tmp_path), ["1"]))
    one, other = (what_is_deleted(Order(table, source), PLAIN, "", "") for table in (TABLE_ID, "f" * 24))
    assert differences(one, other) == [f"table_id: is {'f' * 24}, was {TABLE_ID} in the plan"]
    described = Settings.from_mapping({"identifiers": {"f" * 24: {"lengths": [18]}}})
    changed = differences(one, what_is_deleted(Order("f" * 24, source), described, "", ""))
    assert [line.partition(":")[0] for line in changed] == [f"identifiers.{'f' * 24}", "table_id"]
