"""``bulkdelete plan``, and ``run --plan``: what is applied is what was planned, or nothing is."""

from __future__ import annotations

import json
import stat

import pytest

from bulkdelete.emulator import Emulator
from bulkdelete.ledger import read_ledger
from tests.acceptance.command import CANARY_KEY, TABLE_ID, Command, fates, ids, write_csv


@pytest.fixture
async def emulator():
    async with Emulator(record_requests=True) as emulator:
        emulator.add_key(CANARY_KEY)
        emulator.load(TABLE_ID, ids(3_000))
        yield emulator


@pytest.fixture
def folder(tmp_path, emulator):
    write_csv(tmp_path / "ids.csv", [*ids(2_500), "a b", ids(1)[0]])
    (tmp_path / "holds.txt").write_text("\n".join(ids(2_500)[7:9]))
    (tmp_path / "purge.toml").write_text(
        f'base_url = "{emulator.base_url}"\ntable_id = "{TABLE_ID}"\n[source]\npath = "ids.csv"\n'
        '[holds]\npath = "holds.txt"\n[stop]\nmax_records = 2600\n[ledger]\npath = "purge.db"\n'
    )
    return tmp_path


async def plan(folder, *more):
    return await Command(folder, "plan", "-c", "purge.toml", *more, key=None).run()


async def apply(folder, *more):
    return await Command(folder, "run", "--plan", "plan.json", "--yes", "--json", *more).run()


async def test_a_plan_counts_everything_sends_nothing_and_needs_no_key(folder, emulator):
    planned = await plan(folder, "-o", "plan.json", "--json")
    assert planned.code == 0, planned.stderr
    found = planned.report
    counts = {name: found[name] for name in ("rows", "records", "invalid", "held", "duplicate", "batches")}
    assert counts == {"rows": 2_502, "records": 2_499, "invalid": 1, "held": 2, "duplicate": 0, "batches": 3}
    assert [told["record"] for told in found["set_aside"]["held"]] == ids(2_500)[7:9]
    assert found["set_aside"]["invalid"][0]["record"] == "a b"
    assert found["set_aside"]["invalid"][0]["line"] == 2_502
    assert set(found["samples"]) <= set(ids(2_500))
    assert json.loads((folder / "plan.json").read_text()) == found
    assert stat.S_IMODE((folder / "plan.json").stat().st_mode) == 0o600
    assert emulator.requests == 0
    assert not (folder / "purge.db").exists()


async def test_a_plan_for_people_says_what_it_would_do_and_how_long_it_takes(folder):
    planned = await plan(folder, "--quota", "1/hour")
    assert planned.code == 0, planned.stderr
    for told in ("2,502", "2,499  would be sent", "ids.csv line 2502: a b:", "max_records 2,600", "plan digest"):
        assert told in planned.stdout
    assert "3 h 0 min at 1 requests an hour" in planned.stdout


async def test_a_plan_is_applied_without_the_configuration_it_was_made_from(folder, emulator):
    await plan(folder, "-o", "plan.json")
    (folder / "purge.toml").unlink()
    applied = await apply(folder)
    assert applied.code == 1, applied.stderr
    assert fates(applied.report) == {"acknowledged": 2_499, "invalid": 1, "held": 2}
    assert set(emulator.remaining(TABLE_ID)) == {*ids(3_000)[2_500:], *ids(2_500)[7:9]}
    with read_ledger(folder / "purge.db") as reader:
        events = {event.kind: event.detail for event in reader.events()}
    assert events["plan"]["digest"] == json.loads((folder / "plan.json").read_text())["digest"]
    assert events["confirmation"]["by"] == "--yes"
    assert {"user", "host", "pid", "bulkdelete", "python", "sqlite", "aiohttp"} <= events["confirmation"].keys()


async def test_what_decides_only_how_fast_may_change(folder):
    await plan(folder, "-o", "plan.json")
    applied = await apply(folder, "--concurrency", "2", "--batch-size", "100", "--limit", "1000")
    assert applied.code == 75, applied.stderr
    again = await apply(folder, "-c", "purge.toml")
    assert again.code == 1, again.stderr
    assert fates(again.report) == {"acknowledged": 2_499, "invalid": 1, "held": 2}


def one_id_changed(folder):
    write_csv(folder / "ids.csv", [*ids(2_499), ids(3_000)[-1], "a b", ids(1)[0]])


def one_hold_less(folder):
    (folder / "holds.txt").write_text(ids(2_500)[7])


def another_length_of_ids(folder):
    with (folder / "purge.toml").open("a") as file:
        file.write(f"[identifiers.{TABLE_ID}]\nlengths = [18]\n")


@pytest.mark.parametrize(
    ("change", "options", "told"),
    [
        (one_id_changed, (), "source content: is sha256:"),
        (one_hold_less, (), "holds: is sha256:"),
        (another_length_of_ids, ("-c", "purge.toml"), f"identifiers.{TABLE_ID}: is "),
        (None, ("--table-id", "f" * 24), f"table_id: is {'f' * 24}, was {TABLE_ID}"),
        (None, ("--max-records", "9000"), "stop.max_records: is 9000, was 2600"),
        (None, ("--column", "1", "--no-header"), "source header: is no, was yes"),
    ],
)
async def test_what_decides_what_is_deleted_may_not_change(folder, emulator, change, options, told):
    await plan(folder, "-o", "plan.json")
    if change is not None:
        change(folder)
    applied = await apply(folder, *options)
    assert applied.code == 2
    assert told in applied.stderr
    assert "in the plan" in applied.stderr
    assert emulator.requests == 0


async def test_a_plan_file_that_was_edited_is_refused(folder, emulator):
    await plan(folder, "-o", "plan.json")
    text = (folder / "plan.json").read_text()
    (folder / "plan.json").write_text(text.replace('"records": 2499', '"records": 2500'))
    applied = await apply(folder)
    assert applied.code == 2
    assert "was changed after it was made" in applied.stderr
    assert emulator.requests == 0


@pytest.mark.parametrize("data", [b"", b"[]", b'{"digest": 1}', b"\xff" * 100, b"[" * 100_000, b'{"a": 1}'])
async def test_what_is_no_plan_is_refused(folder, data):
    (folder / "plan.json").write_bytes(data)
    applied = await apply(folder)
    assert applied.code == 2
    assert "is no plan" in applied.stderr
    assert "Traceback" not in applied.everything


@pytest.mark.parametrize("cap", [("--max-records", "2498"), ("--expect", "2500")])
async def test_a_plan_that_passes_a_cap_ends_with_3_and_so_does_its_run(folder, emulator, cap):
    planned = await plan(folder, "-o", "plan.json", *cap)
    assert planned.code == 3
    assert "CAP PASSED" in planned.stdout
    applied = await apply(folder)
    assert applied.code == 3
    assert emulator.requests == 0


async def test_what_can_be_read_once_cannot_be_planned(folder):
    planned = await Command(folder, "plan", "-", "--table-id", TABLE_ID).run(b"541278230707963208\n")
    assert planned.code == 2
    assert "can be read only once" in planned.stderr


async def test_no_key_or_key_command_is_in_a_plan(folder):
    with (folder / "purge.toml").open("r+") as file:
        text = file.read()
        file.seek(0)
        file.write(f'api_key_command = ["printf", "{CANARY_KEY}"]\n{text}')
    planned = await plan(folder, "-o", "plan.json", "--json")
    assert planned.code == 0
    assert CANARY_KEY not in planned.everything + (folder / "plan.json").read_text()
