"""A record on hold is never sent: not at first, not again, not in a part, not by the next run."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import re

import pytest

from bulkdelete.emulator import Emulator, Faults
from tests.acceptance.command import (
    TABLE_ID,
    Command,
    fates,
    finished,
    ids,
    killed,
    purge,
    serving,
    write,
    write_csv,
)


@pytest.fixture
async def emulator():
    async with serving([]) as emulator:
        yield emulator


def asked_for(emulator: Emulator, since: int = 0) -> set[str]:
    return {entry["record_id"] for request in emulator.log[since:] for entry in request.entries}


async def test_records_on_hold_are_spared_and_listed_row_by_row_and_the_list_deletes_nothing(tmp_path, emulator):
    rows = ids(2_500)
    emulator.load(TABLE_ID, rows)
    write_csv(tmp_path / "ids.csv", rows)
    (tmp_path / "held.csv.gz").write_bytes(gzip.compress(f"case,id\n7,{rows[3]}\n".encode()))
    write(tmp_path / "more.txt", [rows[1_700], "999999999999999999"])
    (tmp_path / "purge.toml").write_text('[holds]\npath = "held.csv.gz"\nformat = "auto"\ncolumn = "id"\n')
    refused = await purge(tmp_path, emulator, "ids.csv", "-c", "purge.toml", "--holds", "more.txt").run()
    assert (refused.code, emulator.requests) == (2, 0)  # the column is meant for both
    assert "more.txt is read as text" in refused.stderr
    write_csv(tmp_path / "more.csv", [rows[1_700]]).write_text(f"id\n{rows[1_700]}\n")
    done = await purge(tmp_path, emulator, "ids.csv", "-c", "purge.toml", "--holds", "more.csv").run()
    assert done.code == 0, done.stderr
    assert fates(done.report) == {"acknowledged": 2_498, "held": 2}
    assert sorted(emulator.remaining(TABLE_ID)) == sorted([rows[3], rows[1_700]])
    listed = await Command(tmp_path, "failures", "purge.db", "--all").run()
    found = [json.loads(line) for line in listed.stdout.splitlines()]
    assert [(one["row"], one["fate"], one["reason"], one["line"]) for one in found] == [
        (3, "held", "on a hold list", 5),
        (1_700, "held", "on a hold list", 1_702),
    ]
    assert [one["not_sent"] for one in found] == [{"record_id": rows[3]}, {"record_id": rows[1_700]}]
    (tmp_path / "again.jsonl").write_text(listed.stdout)
    again = await purge(tmp_path, emulator, "again.jsonl", "--ledger", "again.db").run()
    assert fates(again.report) == {"invalid": 2}
    assert emulator.count(TABLE_ID) == 2


async def test_a_number_calls_the_same_column_in_all_lists_or_none_is_taken(tmp_path, emulator):
    rows = ids(20)
    emulator.load(TABLE_ID, rows)
    write(tmp_path / "ids.txt", rows)
    (tmp_path / "a.csv").write_text(f"name,record_id\nAnn,{rows[0]}\n")
    (tmp_path / "b.csv").write_text(f"record_id,name\n{rows[1]},Bob\n")
    (tmp_path / "purge.toml").write_text('[holds]\npath = "a.csv"\n')
    for given in (("--holds", "a.csv", "--holds", "b.csv"), ("-c", "purge.toml", "--holds", "b.csv")):
        words = ("ids.txt", *given, "--holds-column", "2")
        refused = await purge(tmp_path, emulator, *words).run()
        assert (refused.code, emulator.requests) == (2, 0)
        assert "column 2 is called 'record_id' in a.csv, and 'name' in b.csv" in refused.stderr
        assert not re.search("--(column|no-sanity-check)|one by one", refused.stderr)
    done = await purge(tmp_path, emulator, "ids.txt", *given, "--holds-column", "record_id").run()
    assert fates(done.report) == {"acknowledged": 18, "held": 2}, done.stderr


@pytest.mark.parametrize(
    ("value", "held", "said"),
    [
        (
            "user1@example.com",
            "user1@example.com;user2@example.com",
            "line 2: it looks like several values in one",
        ),
        ("user1@example.com", '"user1@example.com, user2@example.com"', "line 2: it looks like several values"),
        ("user1@example.com", "<user1@example.com>", "line 2: it is an address with something around it"),
        ("user1@example.com", "Ann <user1@example.com>", "line 2: it is an address with something around it"),
        ("user1@example.com", "mailto:user1@example.com", "line 2: it is an address with something around it"),
        (
            "mailto:user1@example.com",
            "user1@example.com",
            "has 'mailto:user1@example.com' for 'email', which would not",
        ),
        ("0042", "42", "'42' is on hold, and the source has '0042' for 'email', which would not be held back"),
        ("12345", '"12,345"', "line 2: it looks like several values"),
        ("12345", "12.345", "'12.345' is a number with other characters"),
        (
            "0af3c1d2-aaaa-4bbb-8ccc-000000000005",
            "0af3c1d2aaaa4bbb8ccc000000000005",
            "'0af3c1d2aaaa4bbb8ccc000000000005' is on hold, and the source has",
        ),
    ],
)
async def test_a_value_of_a_filter_that_is_written_otherwise_than_in_the_source_stops_everything(
    tmp_path, emulator, value, held, said
):
    emulator.create_table(TABLE_ID, ["email"])
    (tmp_path / "ids.csv").write_text(f"email\n{value}\n")
    (tmp_path / "held.csv").write_text(f"email\n{held}\n")
    words = ("ids.csv", "--filter-column", "email", "--holds", "held.csv", "--holds-filter-column", "email")
    refused = await purge(tmp_path, emulator, *words).run()
    assert (refused.code, emulator.requests) == (2, 0)
    assert said in refused.stderr
    assert "--no-holds-sanity-check" in refused.stderr
    meant = await purge(tmp_path, emulator, *words, "--no-holds-sanity-check").run()
    assert fates(meant.report) == {"acknowledged": 1}


async def test_the_summary_names_the_hold_lists_and_the_text_report_says_how_to_see_them(tmp_path, emulator):
    emulator.load(TABLE_ID, ids(5))
    write(tmp_path / "ids.txt", ids(5))
    write(tmp_path / "held.txt", ids(1))
    words = [word for word in purge(tmp_path, emulator, "ids.txt", "--holds", "held.txt").words if word != "--json"]
    done = await Command(tmp_path, *words).run()
    assert re.search(r"^ *holds +held\.txt$", done.stderr, re.MULTILINE)
    assert "bulkdelete failures purge.db --all" in done.stdout


async def test_hold_lists_from_standard_input_a_fifo_and_a_directory_hold_alike(tmp_path, emulator):
    rows = ids(30)
    emulator.load(TABLE_ID, rows)
    write(tmp_path / "ids.txt", rows)
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "lists").mkdir()
    write(tmp_path / "lists" / "a.txt", rows[:2])
    write(tmp_path / "lists" / "b.txt", rows[2:4])
    words = ("ids.txt", "--holds", "-", "--holds", "fifo", "--holds", "lists")
    async with purge(tmp_path, emulator, *words).started(stdin=b"") as process:
        feeding = asyncio.to_thread((tmp_path / "fifo").write_text, "\n".join(rows[4:6]))
        done, _ = await asyncio.gather(finished(process, "\n".join(rows[6:8]).encode()), feeding)
    assert done.code == 0, done.stderr
    assert fates(done.report) == {"acknowledged": 22, "held": 8}
    assert asked_for(emulator) == set(rows[8:])


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "lists/b.txt is empty. Nothing was sent."),
        ([f"{one[:15]}000" for one in ids(15_000)[14_000:14_100]], "lists/b.txt: 100 of the first 100 long ids end in"),
        ([f"a{number}@x.org" for number in range(100)], "lists/b.txt: 100 of the first 100 ids look like e-mail"),
    ],
)
@pytest.mark.parametrize("given", ["lists", "lists/*"])
async def test_a_wrong_file_among_good_ones_stops_everything_and_is_named(tmp_path, emulator, rows, said, given):
    emulator.load(TABLE_ID, ids(15_000))
    write(tmp_path / "ids.txt", ids(15_000))
    (tmp_path / "lists").mkdir()
    write(tmp_path / "lists" / "a.txt", ids(10_000))
    write(tmp_path / "lists" / "b.txt", rows)
    refused = await purge(tmp_path, emulator, "ids.txt", "--holds", given).run()
    assert (refused.code, emulator.requests) == (2, 0)
    assert said in refused.stderr


async def test_a_directory_that_a_glob_of_lists_matches_stops_everything_and_a_narrower_one_helps(tmp_path, emulator):
    rows = ids(30)
    emulator.load(TABLE_ID, rows)
    write(tmp_path / "ids.txt", rows)
    (tmp_path / "lists" / "more").mkdir(parents=True)
    write(tmp_path / "lists" / "a.txt", rows[:2])
    write(tmp_path / "lists" / "more" / "x.txt", rows[2:4])
    refused = await purge(tmp_path, emulator, "ids.txt", "--holds", "lists/*").run()
    assert (refused.code, emulator.requests) == (2, 0)
    assert "lists/* matches the directory lists/more" in refused.stderr
    assert "'lists/*.txt'" in refused.stderr
    assert "'lists/**/*.txt'" in refused.stderr
    done = await purge(tmp_path, emulator, "ids.txt", "--holds", "lists/**/*.txt").run()
    assert (done.code, fates(done.report)) == (0, {"acknowledged": 26, "held": 4})
    assert asked_for(emulator).isdisjoint(rows[:4])


@pytest.mark.parametrize(
    ("content", "options", "said"),
    [
        ("", [], "--allow-empty-holds"),
        ("541278230707963208 \n", [], "held.txt, line 1: holds a space"),
        ("541278230707963208,case 7\n", [], "held.txt, line 1"),
        ("541278230707963208\n", ["--holds", "gone.txt"], "gone.txt: there is no such file"),
        ("541278230707963208\n", ["--holds", ""], "name of a file is empty"),
        ("541278230707963208\n", ["--holds-max-age", "60"], "last written"),
        ("541278230707963208\n", ["--holds", "-", "--holds", "-"], "named twice"),
        ("541278230707963000\n541278230707964000\n", [], "as a spreadsheet leaves them"),
        (
            "name,record_id\nSmith,John,541278230707963208\n",
            ["--holds-format", "csv"],
            "held.txt, line 2: has 3 fields; the header has 2",
        ),
    ],
)
async def test_a_hold_list_that_is_not_clear_stops_everything(tmp_path, emulator, content, options, said):
    emulator.load(TABLE_ID, ids(5))
    write(tmp_path / "ids.txt", ids(5))
    (tmp_path / "held.txt").write_text(content)
    os.utime(tmp_path / "held.txt", (1_000_000_000, 1_000_000_000))
    refused = await purge(tmp_path, emulator, "ids.txt", "--holds", "held.txt", *options).run()
    assert refused.code == refused.report["exit_code"] == 2
    assert said in refused.stderr
    assert "Nothing was sent" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert emulator.requests == 0


async def test_a_list_that_grows_after_a_limit_counts_for_what_is_left_and_none_may_be_forgotten(tmp_path, emulator):
    rows = ids(3_000)
    emulator.load(TABLE_ID, rows)
    source = write(tmp_path / "ids.txt", rows)
    one, two = write(tmp_path / "one.txt", rows[:2]), write(tmp_path / "two.txt", rows[2_000:2_100])
    first = await purge(tmp_path, emulator, source, "--holds", one, "--holds", two, "--limit", 500).run()
    assert (first.code, fates(first.report)) == (75, {"acknowledged": 500, "held": 2})
    for lists in ((), ("--holds", one)):
        refused = await purge(tmp_path, emulator, source, *lists).run()
        assert (refused.code, emulator.requests) == (2, 1)
        assert "an earlier run of this job had" in refused.stderr
    write(one, rows[:700])
    last = await purge(tmp_path, emulator, source, "--holds", one, "--holds", two).run()
    assert last.code == 0, last.stderr
    assert fates(last.report) == {"acknowledged": 2_700, "held": 300}
    assert asked_for(emulator, since=1).isdisjoint([*rows[:700], *rows[2_000:2_100]])


@pytest.mark.parametrize("source", ["ids.txt", "-"])
async def test_lists_of_a_run_that_was_refused_are_not_forgotten_when_its_source_is_corrected(
    tmp_path, emulator, source
):
    async def run(count: int, *more: object):
        write(tmp_path / "ids.txt", rows[:count])
        stdin = (tmp_path / "ids.txt").read_bytes() if source == "-" else None
        return await purge(tmp_path, emulator, source, "--expect", 5, *more).run(stdin)

    rows = ids(5)
    emulator.load(TABLE_ID, rows)
    held = write(tmp_path / "held.txt", rows[:2])
    assert (await run(4, "--holds", held)).report["ended"] == "unexpected"
    for _ in range(2):
        forgetful = await run(5)
        assert (forgetful.code, emulator.requests) == (2, 0)
        assert "an earlier run of this job had 1 hold list, and this one has none. Nothing was sent" in forgetful.stderr
    write(held, rows[:1])
    shorter = await run(5, "--holds", held)
    assert (shorter.code, emulator.requests) == (2, 0)
    assert "held 2 records back in the run before, and hold 1 now" in shorter.stderr
    done = await run(5, "--holds", held, "--holds-may-shrink")
    assert (done.code, fates(done.report)) == (0, {"acknowledged": 4, "held": 1}), done.stderr


async def test_a_list_that_shrank_since_the_last_run_releases_nothing_unless_that_is_meant(tmp_path, emulator):
    rows = ids(3_000)
    emulator.load(TABLE_ID, rows)
    source = write(tmp_path / "ids.txt", rows)
    held = write(tmp_path / "held.txt", rows[2_000:2_100])
    words = (source, "--holds", held)
    assert (await purge(tmp_path, emulator, *words, "--limit", 500).run()).code == 75
    write(held, rows[2_000:2_099] * 2)
    for _ in range(2):
        refused = await purge(tmp_path, emulator, *words).run()
        assert (refused.code, emulator.requests) == (2, 1)
        assert "held 100 records back in the run before, and hold 99 now" in refused.stderr
        assert "--holds-may-shrink" in refused.stderr
        capped = await purge(tmp_path, emulator, *words, "--holds-may-shrink", "--max-records", 1).run()
        assert (capped.report["ended"], emulator.requests) == ("max_records", 1)
    done = await purge(tmp_path, emulator, *words, "--holds-may-shrink").run()
    assert fates(done.report) == {"acknowledged": 2_901, "held": 99}


@pytest.mark.parametrize("ends", ["a cap", "another column", "killed as it copied"])
async def test_a_list_that_shrank_since_a_run_that_sent_nothing_releases_nothing_either(tmp_path, emulator, ends):
    rows = ids(300)
    emulator.load(TABLE_ID, rows)
    held = write(tmp_path / "held.txt", rows[:50])
    source = "-" if ends == "killed as it copied" else write(tmp_path / "ids.txt", rows)

    def command(*more: object) -> Command:
        return purge(tmp_path, emulator, source, "--holds", held, *more)

    async def run(*more: object):
        return await command(*more).run("\n".join(rows).encode() if source == "-" else None)

    if ends == "a cap":
        assert (await run("--max-records", 10)).report["ended"] == "max_records"
    elif ends == "another column":
        write(tmp_path / "ids.txt", ["1970-01-01"] * 300)
        assert "This does not look like the column of record ids" in (await run()).stderr
        write(tmp_path / "ids.txt", rows)
    else:
        async with command().started(stdin=b"") as process, asyncio.timeout(30):
            while not [*tmp_path.glob("purge.db.spool*")]:
                await asyncio.sleep(0.02)
            await killed(process)
    write(held, rows[:2])
    for _ in range(2):
        refused = await run()
        assert (refused.code, emulator.requests) == (2, 0)
        assert "held 50 records back in the run before, and hold 2 now" in refused.stderr
    write(held, rows[:50])
    done = await run()
    assert (done.code, fates(done.report)) == (0, {"acknowledged": 250, "held": 50}), done.stderr


@pytest.mark.parametrize("wrong", ["of another length", "not the plan's"])
async def test_a_list_that_was_itself_refused_is_corrected_by_one_that_holds_less(tmp_path, emulator, wrong):
    rows = ids(300)
    emulator.load(TABLE_ID, rows)
    given = job = write(tmp_path / "ids.txt", rows), "--holds", write(tmp_path / "held.txt", rows[:50])
    if wrong == "not the plan's":
        where = ("--table-id", TABLE_ID, "--base-url", emulator.base_url)
        assert (await Command(tmp_path, "plan", *job, *where, "-o", "plan.json").run()).code == 0
        job = ("--plan", "plan.json")
    for limit in (5, 0):
        write(tmp_path / "held.txt", [f"0{one}" for one in rows] if wrong == "of another length" else rows)
        refused = await purge(tmp_path, emulator, *job).run()
        assert (refused.code, emulator.requests) == (2, 1 if limit == 0 else 0), refused.stderr
        write(tmp_path / "held.txt", rows[:50])
        done = await purge(tmp_path, emulator, *job, "--limit", limit).run()
        assert (done.code, done.report["ended"]) == (75, "limit"), done.stderr
    write(tmp_path / "held.txt", rows[:49])
    assert "held 50 records back" in (await purge(tmp_path, emulator, *given).run()).stderr


async def test_a_list_that_grows_after_sigkill_spares_what_was_not_acknowledged(tmp_path, emulator):
    rows = ids(20_000)
    emulator.load(TABLE_ID, rows)
    emulator.poison(TABLE_ID, [rows[1_003]])
    emulator.faults = Faults(latency_seconds=0.05, drop_before_rate=0.2, internal_error_rate=0.1)
    write(tmp_path / "ids.txt", rows)
    held = write(tmp_path / "held.txt", rows[5:10])
    (tmp_path / "quick.toml").write_text("[retry]\nfirst_backoff_seconds = 0.01\nmax_attempts = 30\n")
    command = purge(tmp_path, emulator, "ids.txt", "--holds", held, "--concurrency", 4, "-c", "quick.toml")
    async with command.started() as process:
        async with asyncio.timeout(30):
            while emulator.requests < 8 and process.returncode is None:
                await asyncio.sleep(0.002)
        await killed(process)
    async with asyncio.timeout(30):
        while len(emulator.log) < emulator.requests:  # what was in flight may still be applied
            await asyncio.sleep(0.01)
    assert emulator.count(TABLE_ID) > 10_000
    left = sorted(emulator.remaining(TABLE_ID), key=int)
    now_held = {*left[::3], rows[5], rows[6], rows[7], rows[8], rows[9]} - {rows[1_003]}
    write(held, sorted(now_held))
    emulator.faults = Faults(drop_before_rate=0.2, internal_error_rate=0.1)
    before = len(emulator.log)
    last = await command.run()
    assert last.code == 1, last.stderr
    assert asked_for(emulator, since=before).isdisjoint(now_held)
    assert set(emulator.remaining(TABLE_ID)) == now_held | {rows[1_003]}
    counts = fates(last.report)
    assert counts == {"rejected": 1, "held": len(now_held), "acknowledged": 19_999 - len(now_held)}


async def test_filters_are_set_aside_while_a_list_holds_ids_and_what_lists_them_deletes_nothing(tmp_path, emulator):
    emulator.create_table(TABLE_ID, ["email"])
    emulator.load(TABLE_ID, ids(2), [{"email": "a@example.com"}, {"email": "b@example.com"}])
    lines = [{"filter": {"email": "a@example.com"}}, {"record_id": ids(2)[1]}]
    (tmp_path / "ids.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    write(tmp_path / "held.txt", ["1"])
    first = await purge(tmp_path, emulator, "ids.jsonl", "--holds", "held.txt").run()
    assert first.code == 1
    assert fates(first.report) == {"acknowledged": 1, "invalid": 1}
    listed = await Command(tmp_path, "failures", "purge.db").run()
    assert "the hold list names no 'email'" in listed.stdout
    (tmp_path / "again.jsonl").write_text(listed.stdout)
    again = await purge(tmp_path, emulator, "again.jsonl", "--ledger", "again.db").run()
    assert fates(again.report) == {"invalid": 1}
    assert emulator.count(TABLE_ID) == 1
    (tmp_path / "mail.csv").write_text("email\nB@example.com\n")
    words = ("ids.jsonl", "--holds", "mail.csv", "--holds-filter-column", "email", "--ledger", "mail.db")
    by_mail = await purge(tmp_path, emulator, *words).run()
    assert fates(by_mail.report) == {"acknowledged": 1, "invalid": 1}
    assert emulator.count(TABLE_ID) == 0


async def test_many_small_lists_are_not_refused_for_the_few_rounded_ids_that_chance_has_in_one_of_them(
    tmp_path, emulator
):
    emulator.load(TABLE_ID, ids(10))
    (tmp_path / "lists").mkdir()
    rounded = [f"54127823070796{number}000" for number in range(4)]
    for number in range(20):
        listed = ids(200, first=600_000_000_000_000_208 + 10_000_000 * number)
        write(tmp_path / "lists" / f"{number}.txt", [*listed, *(rounded if number == 7 else ())])
    source = write(tmp_path / "ids.txt", ids(10))
    done = await purge(tmp_path, emulator, source, "--holds", "lists").run()
    assert done.code == 0, done.stderr


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
async def test_a_list_in_pieces_loses_no_id_at_the_cut(tmp_path, emulator, pack):
    rows = [str(95_000 + 731 * number) for number in range(30)]
    emulator.load(TABLE_ID, rows)
    write(tmp_path / "ids.txt", rows)
    data = "".join(f"{one}\n" for one in rows[3:25]).encode()
    cut = data.index(b"102310") + 5
    (tmp_path / "holds").mkdir()
    for name, piece in ("a", data[:cut]), ("b", b""), ("c", data[cut:]):
        (tmp_path / "holds" / name).write_bytes(pack(piece))
    words = ("ids.txt", "--holds", "holds", "--allow-empty-holds")
    refused = await purge(tmp_path, emulator, *words).run()
    assert (refused.code, emulator.requests) == (2, 0)
    assert "holds/c, line 1: the rest of a line, it seems: it has 1 digit, and the ids around it 5" in refused.stderr
    assert (
        "Nothing was sent. Give the list whole, in one file, or, if no id was cut, end the last line" in refused.stderr
    )
    (tmp_path / "whole.txt").write_bytes(data)
    done = await purge(tmp_path, emulator, "ids.txt", "--holds", "whole.txt").run()
    assert sorted(emulator.remaining(TABLE_ID)) == sorted(rows[3:25]), done.stderr


@pytest.mark.parametrize("ending", ["", "\n"])
async def test_lists_of_which_each_is_whole_are_none_in_pieces(tmp_path, emulator, ending):
    rows = ids(40)
    emulator.load(TABLE_ID, rows)
    write(tmp_path / "ids.txt", rows)
    (tmp_path / "holds").mkdir()
    for name, held in ("a", rows[:3]), ("b", rows[3:4]), ("c", rows[4:9]):
        (tmp_path / "holds" / name).write_text("\n".join(held) + ending)
    done = await purge(tmp_path, emulator, "ids.txt", "--holds", "holds/*").run()
    assert fates(done.report) == {"acknowledged": 31, "held": 9}, done.stderr


async def test_lists_joined_without_a_line_break_delete_nothing_and_sound_ones_of_the_same_ids_hold(tmp_path, emulator):
    rows = [f"{237 + number}-{9_549_656 + number}-{1_058_756 + number}" for number in range(30)]
    emulator.load(TABLE_ID, rows)
    write(tmp_path / "ids.txt", rows)
    (tmp_path / "held.txt").write_text("\n".join(rows[:3]) + "\n".join(rows[3:6]) + "\n")
    refused = await purge(tmp_path, emulator, "ids.txt", "--holds", "held.txt").run()
    assert (refused.code, emulator.requests) == (2, 0)
    assert f"held.txt, line 3: '{rows[2]}{rows[3]}' looks like two ids" in refused.stderr
    write(tmp_path / "held.txt", rows[:6])
    done = await purge(tmp_path, emulator, "ids.txt", "--holds", "held.txt").run()
    assert (done.code, fates(done.report)) == (0, {"acknowledged": 24, "held": 6}), done.stderr
