"""``bulkdelete plan``, and ``run --plan``: what is applied is what was planned, or nothing is."""

from __future__ import annotations

import json
import stat

import pytest

from bulkdelete.ledger import read_ledger
from bulkdelete.planning import Plan
from tests.acceptance.command import CANARY_KEY, TABLE_ID, Command, fates, ids, serving, write_csv


@pytest.fixture
async def emulator():
    async with serving(ids(3_000)) as emulator:
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


async def apply(folder, *more, key=CANARY_KEY):
    return await Command(folder, "run", "--plan", "plan.json", "--yes", "--json", *more, key=key).run()


async def test_a_plan_counts_everything_sends_nothing_and_needs_no_key(folder, emulator):
    planned = await plan(folder, "-o", "plan.json", "--json")
    assert planned.code == 0, planned.stderr
    found = planned.report
    counts = {name: found[name] for name in ("rows", "records", "invalid", "held", "duplicate", "batches")}
    assert counts == {"rows": 2_502, "records": 2_499, "invalid": 1, "held": 2, "duplicate": 0, "batches": 3}
    assert found["on_hold"] == 2
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


@pytest.mark.parametrize(
    ("held", "said"),
    [
        (ids(2_500)[7:9], "holds.txt: 2 records\n"),
        (["541278230799999999"], "holds.txt: 1 record, none of it in the source; if some should be, see that both"),
    ],
)
async def test_a_plan_says_how_much_is_on_hold_and_where_none_of_it_is_in_the_source(folder, held, said):
    (folder / "holds.txt").write_text("\n".join(held))
    planned = await plan(folder)
    assert planned.code == 0, planned.stderr
    assert said in planned.stdout


async def test_the_forecast_is_in_the_plan_for_machines_too(folder):
    planned = await plan(
        folder, "-o", "plan.json", "--json", "--quota", "1/hour", "--latency", "2", "--concurrency", "1"
    )
    assert planned.report["forecast"] == [
        {"quota": None, "name": "", "seconds": 6.0},
        {"quota": "1/hour", "name": "", "seconds": 10_800.0},
    ]
    assert (await apply(folder)).code == 1
    usual = await plan(folder, "--json")
    assert [told["name"] for told in usual.report["forecast"]] == ["", "Professional", "Free"]
    own = await plan(folder, "--json", "--requests-per-hour", "2")
    assert [told["quota"] for told in own.report["forecast"]] == [None, "2/hour"]


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


async def test_a_plan_made_in_another_folder_finds_the_same_check_and_files(folder, emulator):
    for inner in ("sub", "tools"):
        (folder / inner).mkdir()
    (folder / "tools" / "look.sh").write_text("#!/bin/sh\nexec cat > /dev/null\n")
    (folder / "tools" / "look.sh").chmod(0o700)
    (folder / "look").symlink_to("tools/look.sh")
    (folder / "key").write_text(CANARY_KEY)
    (folder / "key").chmod(0o600)
    with (folder / "purge.toml").open("r+") as file:
        text = file.read()
        file.seek(0)
        file.write(f'api_key_file = "key"\n{text}[canary]\nrecords = 10\ncheck_command = ["./look"]\n')
    words = ("plan", "-c", "../purge.toml", "-o", "../plan.json")
    planned = await Command(folder / "sub", *words, key=None).run()
    assert planned.code == 0, planned.stderr
    kept = json.loads((folder / "plan.json").read_text())["settings"]
    assert kept["canary"]["check_command"] == [str(folder / "look")]
    assert kept["ledger"]["path"] == str(folder / "purge.db")
    assert kept["holds"]["path"] == [str(folder / "holds.txt")]
    assert kept["source"]["path"] == [str(folder / "ids.csv")]
    assert kept["api_key_file"] == str(folder / "key")
    (folder / "sub").rmdir()
    done = await Command(folder, "run", "-c", "purge.toml", "--plan", "plan.json", "--yes", "--limit", 99).run()
    assert done.code == 75, done.stderr
    done = await Command(folder / "tools", "run", "--plan", "../plan.json", "--yes", "--json", key=None).run()
    assert done.code == 1, done.stderr
    assert done.report["acknowledged"] == 2_499


async def test_what_decides_only_how_fast_may_change(folder):
    await plan(folder, "-o", "plan.json")
    applied = await apply(folder, "--concurrency", "adaptive", "--batch-size", "100", "--limit", "1000")
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
    assert "is none, was none" not in applied.stderr
    assert emulator.requests == 0


async def test_records_on_hold_may_not_move_from_one_list_to_another(folder, emulator):
    by_mail = {"filter": {"email": "a@example.com"}}
    (folder / "a.jsonl").write_text(f"{json.dumps(ids(1)[0])}\n")
    (folder / "b.jsonl").write_text(f"{json.dumps(by_mail)}\n")
    words = ("--holds", "a.jsonl", "--holds", "b.jsonl", "--allow-empty-holds")
    (folder / "purge.toml").write_text((folder / "purge.toml").read_text().replace('[holds]\npath = "holds.txt"\n', ""))
    planned = await plan(folder, "-o", "plan.json", "--json", *words)
    assert planned.report["records"] == 0
    (folder / "a.jsonl").write_text(f"{json.dumps(ids(1)[0])}\n{json.dumps(by_mail)}\n")
    (folder / "b.jsonl").write_text("")
    applied = await apply(folder)
    assert applied.code == 2
    assert "holds: is sha256:" in applied.stderr
    assert emulator.requests == 0


async def test_what_a_plan_counted_is_counted_again_before_anything_is_sent(folder, emulator):
    await plan(folder, "-o", "plan.json")
    made = Plan.from_json((folder / "plan.json").read_bytes(), "plan.json")
    other = made.model_copy(update={"records": 0, "held": 2_501})
    (folder / "plan.json").write_text(other.as_json())
    applied = await apply(folder)
    assert applied.code == 2
    assert "held: is 2, was 2501 in the plan" in applied.stderr
    assert "records: is 2499, was 0 in the plan" in applied.stderr
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


async def test_a_digest_binds_the_plan_that_was_approved(folder, emulator):
    await plan(folder, "-o", "plan.json")
    digest = json.loads((folder / "plan.json").read_text())["digest"]
    await plan(folder, "-o", "plan.json", "--max-records", "9999")
    applied = await apply(folder, "--plan-digest", digest)
    assert applied.code == 2
    assert f"and {digest} was approved" in applied.stderr
    assert emulator.requests == 0
    alone = await Command(folder, "run", "-c", "purge.toml", "--yes", "--plan-digest", digest).run()
    assert (alone.code, emulator.requests) == (2, 0)
    await plan(folder, "-o", "plan.json")
    digest = json.loads((folder / "plan.json").read_text())["digest"]
    assert (await apply(folder, "--plan-digest", digest)).code == 1


async def test_a_plan_file_with_a_key_twice_is_refused(folder, emulator):
    await plan(folder, "-o", "plan.json")
    text = (folder / "plan.json").read_text()
    (folder / "plan.json").write_text(text.replace('{\n  "', '{\n  "records": 0,\n  "', 1))
    applied = await apply(folder)
    assert (applied.code, emulator.requests) == (2, 0)
    assert "is no plan" in applied.stderr


@pytest.mark.parametrize(
    ("guards", "told"),
    [
        ("", "canary.records: is none, was 1000 in the plan"),
        ('[canary]\nrecords = 999\ncheck_command = ["true"]\n', "canary.records: is 999, was 1000 in the plan"),
        ('[canary]\nrecords = 1000\ncheck_command = ["true", "1"]\n', "canary.check_command: is ['true', '1'], was"),
        ("", "holds.max_age_seconds: is none, was 3600.0 in the plan"),
    ],
)
async def test_what_guards_a_job_may_become_stricter_than_approved_and_not_weaker(folder, emulator, guards, told):
    plain = (folder / "purge.toml").read_text()
    aged = plain.replace("[holds]\n", "[holds]\nmax_age_seconds = 3600\n")
    (folder / "purge.toml").write_text(f'{aged}[canary]\nrecords = 1000\ncheck_command = ["true"]\n')
    assert (await plan(folder, "-o", "plan.json")).code == 0
    (folder / "purge.toml").write_text(plain + guards)
    applied = await apply(folder, "-c", "purge.toml")
    assert applied.code == 2
    assert told in applied.stderr
    assert emulator.requests == 0
    (folder / "purge.db").unlink()
    stricter = await apply(folder, "--canary", "1200", "--holds-max-age", "3000")
    assert stricter.code == 1, stricter.stderr
    assert stricter.report["canary"]["sent"] == 1_200


async def test_a_smaller_canary_than_the_plan_s_is_refused_and_nothing_is_sent(folder, emulator):
    with (folder / "purge.toml").open("a") as file:
        file.write('[canary]\nrecords = 100\ncheck_command = ["true"]\n')
    await plan(folder, "-o", "plan.json")
    applied = await apply(folder, "--canary", "1")
    assert (applied.code, emulator.requests) == (2, 0)
    assert "canary.records: is 1, was 100 in the plan; it may become stricter, and not weaker" in applied.stderr
    larger = await apply(folder, "--canary", "101", "--limit", "200")
    assert (larger.code, larger.report["canary"]["sent"]) == (75, 101), larger.stderr


def with_canary(folder, check, records=50):
    plain = (folder / "purge.toml").read_text().partition("[canary]")[0]
    canary = f'[canary]\nrecords = {records}\ncheck_command = ["sh", "-c", {json.dumps(check)}]\n'
    (folder / "purge.toml").write_text(plain + canary)


async def test_what_was_approved_before_a_plan_does_not_stand_for_it_and_its_canary_is_asked_about(folder, emulator):
    with_canary(folder, "true")
    earlier = await Command(folder, "run", "-c", "purge.toml", "--yes", "--limit", "60").run()
    assert earlier.code == 75, earlier.stderr
    with_canary(folder, "cat > seen.json; false")
    await plan(folder, "-o", "plan.json")
    for _ in range(2):
        refused = await apply(folder)
        assert (refused.code, refused.report["ended"]) == (3, "canary"), refused.stderr
        assert json.loads((folder / "seen.json").read_text())["canary"]["sent"] == 60
    assert emulator.count(TABLE_ID) == 2_940


async def test_what_was_approved_under_a_plan_stands_for_it_and_not_for_another(folder, emulator):
    with_canary(folder, "echo asked >> asked")
    await plan(folder, "-o", "plan.json")
    for _ in range(2):
        assert (await apply(folder, "--limit", "60")).code == 75
    assert (folder / "asked").read_text() == "asked\n"
    with_canary(folder, "echo asked >> asked; false")
    await plan(folder, "-o", "plan.json")
    other = await apply(folder)
    assert (other.code, other.report["ended"]) == (3, "canary"), other.stderr
    assert emulator.count(TABLE_ID) == 2_880


@pytest.mark.parametrize("victim", ["ids.csv", "holds.txt", "purge.toml", "purge.db"])
async def test_a_plan_takes_the_place_of_an_older_one_and_of_nothing_else(folder, victim):
    assert (await plan(folder, "-o", "plan.json")).code == 0
    assert (await plan(folder, "-o", "plan.json", "--max-records", "2601")).code == 0
    assert json.loads((folder / "plan.json").read_text())["what"]["stop.max_records"] == "2601"
    (folder / "purge.db").write_bytes(b"SQLite format 3\0")
    before = (folder / victim).read_bytes()
    refused = await plan(folder, "-o", victim)
    assert refused.code == 2
    assert f"{victim} is there already, and is no plan" in refused.stderr
    assert (folder / victim).read_bytes() == before


async def test_no_key_or_key_command_is_in_a_plan(folder):
    with (folder / "purge.toml").open("r+") as file:
        text = file.read()
        file.seek(0)
        file.write(f'api_key_command = ["printf", "{CANARY_KEY}"]\n{text}')
    planned = await plan(folder, "-o", "plan.json", "--json")
    assert planned.code == 0
    assert CANARY_KEY not in planned.everything + (folder / "plan.json").read_text()


@pytest.mark.parametrize("key", [f'api_key_command = ["printf", "{CANARY_KEY}"]', 'api_key_file = "key"'])
async def test_a_run_that_lacks_the_place_of_the_key_says_that_the_plan_has_none_and_needs_the_configuration(
    folder, emulator, key
):
    with (folder / "purge.toml").open("r+") as file:
        text = file.read()
        file.seek(0)
        file.write(f"{key}\n{text}")
    assert (await plan(folder, "-o", "plan.json")).code == 0
    (folder / "key").write_text(CANARY_KEY)
    (folder / "key").chmod(0o600)
    refused = await apply(folder, key=None)
    assert (refused.code, emulator.requests) == (2, 0), refused.everything
    assert "no API key" in refused.stderr
    assert "A plan keeps no api_key_command, and no api_key_file that was not there" in refused.stderr
    assert "give that too, with -c" in refused.stderr
    assert (await apply(folder, "-c", "purge.toml", key=None)).code == 1


async def test_without_any_place_of_a_key_in_the_configuration_a_plan_is_not_blamed(folder):
    assert (await plan(folder, "-o", "plan.json")).code == 0
    refused = await apply(folder, "-c", "purge.toml", key=None)
    assert refused.code == 2
    assert "no API key" in refused.stderr
    assert "A plan keeps" not in refused.stderr
