"""Mistakes of users are refused with what to do about them, and never end as a fault of bulkdelete itself."""

from __future__ import annotations

import json

import pytest

from bulkdelete.planning import Plan
from tests.acceptance.command import TABLE_ID, Command, ids, serving, write_csv


@pytest.fixture
async def emulator():
    async with serving(ids(50)) as emulator:
        yield emulator


async def refused(folder, emulator, word, *words):
    """Run the command *word*; return what it said, which is a refusal, the same for people and for machines."""
    to = () if word == "verify" else ("--table-id", TABLE_ID, "--base-url", emulator.base_url)
    yes = ("--yes",) if word == "run" else ()
    for as_json in ((), ("--json",)):
        done = await Command(folder, word, *words, *to, *yes, *as_json).run()
        assert done.code == 2, done.everything
        assert "Traceback" not in done.stderr
        assert "fault of bulkdelete" not in done.stderr
        assert not as_json or json.loads(done.stdout)["exit_code"] == 2
    assert emulator.requests == 0
    return " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("word", "encoding"), [("plan", "utf-16"), ("run", "utf-16"), ("plan", "UTF_16"), ("run", "utf-32")]
)
async def test_an_encoding_with_a_mark_for_a_file_without_one_is_refused_with_those_that_need_none(
    tmp_path, emulator, word, encoding
):
    (tmp_path / "ids.txt").write_bytes("\n".join(ids(50)).encode(f"{encoding.lower().replace('_', '-')}-le"))
    said = await refused(tmp_path, emulator, word, "ids.txt", "--encoding", encoding)
    name = encoding.lower().replace("_", "-")
    assert f"--encoding {name}-le (or {name}-be)" in said
    done = await Command(
        tmp_path, "run", "ids.txt", "--encoding", f"{name}-le", "--table-id", TABLE_ID, "--base-url", emulator.base_url,
        "--yes",
    ).run()  # fmt: skip
    assert done.code == 0, done.stderr


async def test_the_same_is_so_for_a_hold_list(tmp_path, emulator):
    write_csv(tmp_path / "ids.csv", ids(50))
    (tmp_path / "holds.txt").write_bytes("\n".join(ids(5)).encode("utf-16-be"))
    (tmp_path / "purge.toml").write_text('[holds]\npath = "holds.txt"\nencoding = "utf-16"\n')
    said = await refused(tmp_path, emulator, "run", "ids.csv", "-c", "purge.toml")
    assert "the hold list cannot be read" in said
    assert "encoding = utf-16-le in [holds] of the configuration (or utf-16-be)" in said
    assert "--encoding" not in said


async def test_a_file_without_a_mark_among_several_is_named(tmp_path, emulator):
    (tmp_path / "a.txt").write_text("\n".join(ids(20)), "utf-16")
    (tmp_path / "b.txt").write_text("\n".join(ids(50)[20:]), "utf-16-le")
    said = await refused(tmp_path, emulator, "plan", "a.txt", "b.txt", "--encoding", "utf-16")
    assert "b.txt" in said


@pytest.mark.parametrize(("word", "source"), [("plan", "l1"), ("run", "l1"), ("plan", "l2"), ("run", "l1/ids.csv")])
async def test_links_that_go_round_are_no_source(tmp_path, emulator, word, source):
    (tmp_path / "l1").symlink_to("l1")
    (tmp_path / "l2").symlink_to("l3")
    (tmp_path / "l3").symlink_to("l2")
    said = await refused(tmp_path, emulator, word, source)
    assert source in said
    assert "Nothing was sent" in said


@pytest.mark.parametrize("options", [("--ledger", "l1"), ("--holds", "l1"), ("-c", "l1"), ("--plan", "l1")])
async def test_links_that_go_round_are_no_other_file_either(tmp_path, emulator, options):
    write_csv(tmp_path / "ids.csv", ids(50))
    (tmp_path / "l1").symlink_to("l1")
    assert "l1" in await refused(tmp_path, emulator, "run", "ids.csv", *options)


async def test_nor_is_such_a_ledger_of_what_is_read_once(tmp_path, emulator):
    (tmp_path / "l1").symlink_to("l1")
    words = ("run", "-", "--table-id", TABLE_ID, "--base-url", emulator.base_url, "--yes", "--ledger", "l1")
    done = await Command(tmp_path, *words).run(stdin="\n".join(ids(5)).encode())
    assert (done.code, emulator.requests) == (2, 0), done.everything
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("latency", ["nan", "inf", "1e308", "3601"])
async def test_a_latency_that_cannot_be_is_an_error_of_usage(tmp_path, emulator, latency):
    write_csv(tmp_path / "ids.csv", ids(50))
    words = ("plan", "ids.csv", "--table-id", TABLE_ID, "--base-url", emulator.base_url, "--latency", latency)
    done = await Command(tmp_path, *words).run()
    assert done.code == 2, done.everything
    assert "Invalid value for '--latency'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("batch", [None, {}, {"size": True}, {"size": 0}])
async def test_a_plan_without_a_batch_size_is_none_whatever_its_digest(tmp_path, emulator, batch):
    write_csv(tmp_path / "ids.csv", ids(50))
    words = ("ids.csv", "--table-id", TABLE_ID, "--base-url", emulator.base_url)
    assert (await Command(tmp_path, "plan", *words, "-o", "plan.json").run()).code == 0
    made = Plan.from_json((tmp_path / "plan.json").read_bytes(), "plan.json")
    settings = {**made.settings, "batch": batch} if batch is not None else {}
    (tmp_path / "plan.json").write_text(made.model_copy(update={"settings": settings}).as_json())
    (tmp_path / "purge.toml").touch()
    for more in ((), ("-c", "purge.toml")):
        said = await refused(tmp_path, emulator, "run", *words[:1], "--plan", "plan.json", *more)
        assert "plan.json is no plan that this bulkdelete made" in said


@pytest.mark.parametrize("holds", [5, None, [], {"path": None}, {"path": 5}, {"path": [5]}])
async def test_settings_of_a_plan_that_are_none_are_refused_before_an_option_adds_to_them(tmp_path, emulator, holds):
    write_csv(tmp_path / "ids.csv", ids(50))
    (tmp_path / "held.txt").write_text(ids(1)[0])
    words = ("ids.csv", "--table-id", TABLE_ID, "--base-url", emulator.base_url)
    assert (await Command(tmp_path, "plan", *words, "-o", "plan.json").run()).code == 0
    made = Plan.from_json((tmp_path / "plan.json").read_bytes(), "plan.json")
    settings = {**made.settings, "holds": holds}
    (tmp_path / "plan.json").write_text(made.model_copy(update={"settings": settings}).as_json())
    for more in (("--holds", "held.txt"), ("--holds-column", "1"), ()):
        assert "the plan: holds" in await refused(tmp_path, emulator, "run", "--plan", "plan.json", *more)


@pytest.mark.parametrize("word", ["plan", "run"])
@pytest.mark.parametrize("option", ["--column", "--holds-column", "--ledger"])
async def test_an_option_whose_variable_is_not_set_does_not_undo_the_configuration(tmp_path, emulator, word, option):
    records = ids(50)
    rows = "".join(f"{record},{int(record) + 10**17}\n" for record in records)
    (tmp_path / "ids.csv").write_text(f"record_id,duplicate_id\n{rows}")
    (tmp_path / "purge.toml").write_text('[source]\ncolumn = "duplicate_id"\n')
    said = await refused(tmp_path, emulator, word, "ids.csv", "-c", "purge.toml", option, "")
    assert f"{option}: the value is empty: perhaps a variable of a shell is not set. Nothing was sent" in said


@pytest.mark.parametrize("word", ["plan", "run"])
async def test_a_second_configuration_does_not_take_the_place_of_the_first_with_its_holds(tmp_path, emulator, word):
    write_csv(tmp_path / "ids.csv", ids(50))
    (tmp_path / "legal-hold.txt").write_text(ids(50)[0])
    (tmp_path / "safety.toml").write_text('[holds]\npath = "legal-hold.txt"\n[stop]\nmax_records = 10\n')
    (tmp_path / "purge.toml").write_text("[batch]\nsize = 10\n")
    said = await refused(tmp_path, emulator, word, "ids.csv", "-c", "safety.toml", "--config=purge.toml")
    assert "-c / --config is given twice or more" in said
    assert "Nothing was sent" in said


@pytest.mark.parametrize(
    "options",
    [
        ("--plan", "a.json", "--plan", "b.json"),
        ("--ledger", "a.db", "--ledger", "b.db"),
        ("--column=record_id", "--column", "1"),
        ("--max-records", "10", "--max-records", "1000"),
        ("--expect", "50", "--expect", "50"),
        ("--no-header", "--header"),
        ("--table-id", "another-table"),
    ],
)
async def test_nor_does_any_other_option_that_holds_one_value(tmp_path, emulator, options):
    write_csv(tmp_path / "ids.csv", ids(50))
    said = await refused(tmp_path, emulator, "run", "ids.csv", *options)
    assert f"{options[0].partition('=')[0]}" in said
    assert "is given twice or more: the last would take the place of those before it, and add nothing to them" in said


@pytest.mark.parametrize("word", ["plan", "run"])
@pytest.mark.parametrize(
    "words",
    [
        ("ids.csv", "--holds", "holds/a.csv", "holds/b.csv"),
        ("ids.csv", "--holds", "holds/a.csv", "holds/b.csv", "holds/c.csv", "--no-wait"),
        ("--holds", "holds/a.csv", "holds/b.csv", "ids.csv"),
        ("--holds", "holds/a.csv", "holds/b.csv", "-c", "purge.toml"),
    ],
)
async def test_hold_lists_that_a_shell_made_of_one_word_are_no_sources(tmp_path, emulator, word, words):
    write_csv(tmp_path / "ids.csv", ids(50))
    (tmp_path / "holds").mkdir()
    for number, name in enumerate("abc"):
        write_csv(tmp_path / "holds" / f"{name}.csv", ids(50)[number : number + 1])
    (tmp_path / "purge.toml").write_text('[source]\npath = "ids.csv"\n')
    said = await refused(tmp_path, emulator, word, *words)
    assert "--holds holds/a.csv is followed by holds/b.csv" in said
    assert "give --holds before each hold list" in said


@pytest.mark.parametrize(
    "words",
    [
        ("--holds", "holds/a.csv", "ids.csv"),
        ("ids.csv", "more.csv", "--holds", "holds/a.csv"),
        ("--holds", "holds/a.csv", "--", "ids.csv", "more.csv"),
        ("ids.csv", "--holds", "holds/a.csv", "--holds", "holds/b.csv"),
        ("ids.csv", "--holds=holds/*.csv"),
        ("--holds", "holds/a.csv", "-c", "purge.toml"),
        ("ids.csv", "--holds", "holds/a.csv", "-c", "purge.toml"),
    ],
)
async def test_sources_and_hold_lists_that_are_told_apart_are_taken(tmp_path, emulator, words):
    write_csv(tmp_path / "ids.csv", ids(50)[:25])
    write_csv(tmp_path / "more.csv", ids(50)[25:])
    (tmp_path / "holds").mkdir()
    for number, name in enumerate("ab"):
        write_csv(tmp_path / "holds" / f"{name}.csv", ids(50)[number : number + 1])
    (tmp_path / "purge.toml").write_text('[source]\npath = "ids.csv"\n')
    there = "--table-id", TABLE_ID, "--base-url", emulator.base_url
    done = await Command(tmp_path, "plan", *there, *words).run()
    assert done.code == 0, done.everything


async def test_names_of_files_that_follow_a_hold_list_move_no_cursor(tmp_path, emulator):
    said = await refused(tmp_path, emulator, "run", "ids.csv", "--holds", "a.csv", "b\x08\x07.csv")
    assert "is followed by b" in said
    assert said.isprintable()
