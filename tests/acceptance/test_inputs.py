"""What a job reads: several files as one, packed or not, and what is refused before anything is sent."""

from __future__ import annotations

import asyncio
import bz2
import gzip
import json
import lzma
import os
import sqlite3
import sys
from contextlib import closing

import pytest
import zstandard

from bulkdelete.cli import plan_files
from bulkdelete.emulator import Emulator
from bulkdelete.ledger import read_ledger
from tests.acceptance.command import (
    CANARY_KEY,
    TABLE_ID,
    Command,
    fates,
    finished,
    ids,
    purge,
    serving,
    write,
    write_csv,
)
from tests.acceptance.terminal import at_terminal


@pytest.fixture
async def emulator():
    async with serving(ids(5_000)) as emulator:
        yield emulator


async def test_a_directory_of_files_that_differ_in_packing_and_columns_is_one_job(tmp_path, emulator):
    rows, folder = ids(5_000), tmp_path / "ids \u2603 [1]"
    folder.mkdir()
    write_csv(folder / "1.csv", rows[:1_000])
    (folder / "2.csv.gz").write_bytes(
        gzip.compress(("why,record_id\n" + "".join(f"x,{one}\n" for one in rows[1_000:2_000])).encode())
    )
    (folder / "3.csv.bz2").write_bytes(bz2.compress(("record_id\n" + "\n".join(rows[2_000:3_000])).encode()))
    lines = "\n".join(f"{one}," for one in [*rows[3_000:3_500], "a b"])
    (folder / "4.csv.xz").write_bytes(lzma.compress(f'record_id,"x, y"\n{lines}'.encode()))
    packed = [zstandard.ZstdCompressor().compress(text.encode()) for text in ("record_id\n", "\n".join(rows[3_500:]))]
    (folder / "5.csv.zst").write_bytes(b"".join(packed))
    (folder / "6.csv").touch()
    (folder / "7.csv").write_text("record_id\n")
    write_csv(folder / "8 \n odd;name.csv", rows[:1])
    done = await purge(tmp_path, emulator, folder).run()
    assert done.code == 1, done.stderr
    assert fates(done.report) == {"acknowledged": 5_001, "invalid": 1}
    assert emulator.count(TABLE_ID) == 0
    listed = await Command(tmp_path, "failures", "purge.db").run()
    [invalid] = [json.loads(line) for line in listed.stdout.splitlines()]
    assert (invalid["row"], invalid["file"], invalid["line"]) == (3_500, str(folder / "4.csv.xz"), 502)


@pytest.mark.parametrize("name", ["[1]", "{1}?", "*"])
async def test_the_patterns_of_a_configuration_are_looked_for_in_its_own_folder(tmp_path, emulator, name):
    rows, own, other = ids(5_000), tmp_path / name, tmp_path / "1"
    for folder, first in (own, 0), (other, 10):
        folder.mkdir()
        write(folder / "ids-1.txt", rows[first : first + 3])
        write(folder / "held-1.txt", rows[first : first + 1])
    (own / "purge.toml").write_text('[source]\npath = ["ids-*.txt"]\n[holds]\npath = ["held-*.txt"]\n')
    done = await purge(tmp_path, emulator, "-c", f"{name}/purge.toml").run()
    assert fates(done.report) == {"acknowledged": 2, "held": 1}, done.stderr
    assert set(rows) - {*emulator.remaining(TABLE_ID)} == {*rows[1:3]}
    (own / "held-1.txt").unlink()
    (own / "purge.toml").write_text('[source]\npath = ["ids-*.txt"]\n[holds]\npath = ["held-1.txt"]\n')
    asked = emulator.requests
    refused = await purge(tmp_path, emulator, "-c", f"{name}/purge.toml", "--ledger", "2.db").run()
    assert (refused.code, emulator.requests) == (2, asked), refused.stderr
    assert "held-1.txt: there is no such file" in refused.stderr


async def test_the_patterns_of_a_plan_are_looked_for_in_the_folder_where_it_was_made(tmp_path, emulator):
    rows, own, other = ids(5_000), tmp_path / "[1]", tmp_path / "1"
    for folder, first in (own, 0), (other, 10):
        folder.mkdir()
        write(folder / "ids-1.txt", rows[first : first + 3])
        write(folder / "held-1.txt", rows[first : first + 1])
    given = ("ids-*.txt", "--table-id", TABLE_ID, "--base-url", emulator.base_url, "--holds", "held-*.txt")
    planned = await Command(own, "plan", *given, "-o", "plan.json").run()
    assert planned.code == 0, planned.stderr
    done = await Command(tmp_path, "run", "--plan", "[1]/plan.json", "--yes", "--json").run()
    assert fates(done.report) == {"acknowledged": 2, "held": 1}, done.stderr
    assert set(rows) - {*emulator.remaining(TABLE_ID)} == {*rows[1:3]}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda folder: write_csv(folder / "d.csv", ids(1)), "source files: 1 new: d.csv"),
        (lambda folder: (folder / "b.csv").unlink(), "source files: 1 gone: b.csv"),
        (lambda folder: (folder / "c.csv").rename(folder / "e.csv"), "source files: 1 new: e.csv; 1 gone: c.csv"),
        (lambda folder: write_csv(folder / "b.csv", ids(1)), "source content"),
    ],
)
async def test_a_file_that_is_new_gone_or_renamed_at_a_resume_is_named_and_nothing_is_sent(
    tmp_path, emulator, change, said
):
    folder = tmp_path / "ids"
    folder.mkdir()
    for name, rows in (("a", ids(1_000)), ("b", ids(2_000)[1_000:]), ("c", ids(3_000)[2_000:])):
        write_csv(folder / f"{name}.csv", rows)
    await purge(tmp_path, emulator, folder, "--limit", 1_500).run()
    asked = emulator.requests
    change(folder)
    refused = await purge(tmp_path, emulator, folder).run()
    assert (refused.code, emulator.requests) == (2, asked)
    assert said in refused.stderr
    assert "Nothing was sent" in refused.stderr


async def test_a_directory_that_holds_the_ledger_itself_can_be_resumed_and_moved(tmp_path, emulator):
    folder = tmp_path / "ids"
    folder.mkdir()
    write_csv(folder / "a.csv", ids(1_500))
    write_csv(folder / "b.csv", ids(3_000)[1_500:])
    (folder / "a.csv").chmod(0o644)
    first = await purge(tmp_path, emulator, folder, "--ledger", folder / "purge.db", "--limit", 1_200).run()
    assert first.code == 75
    moved = folder.rename(tmp_path / "moved")
    last = await purge(tmp_path, emulator, moved, "--ledger", moved / "purge.db").run()
    assert last.code == 0, last.stderr
    assert fates(last.report) == {"acknowledged": 3_000}


async def test_a_later_file_without_the_column_is_found_before_anything_of_the_first_is_sent(tmp_path, emulator):
    write_csv(tmp_path / "a.csv", ids(3_000) * 5)
    (tmp_path / "b.csv").write_text("id\n1\n")
    refused = await purge(tmp_path, emulator, "a.csv", "b.csv").run()
    assert (refused.code, emulator.requests) == (2, 0)
    assert "b.csv: there is no column 'record_id'. The columns are 'id'" in refused.stderr


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        ([""], "the name of a file is empty"),
        (["*.json"], "no file matches *.json"),
        (["a.csv", "gone.csv"], "gone.csv: there is no such file"),
        (["a.csv", "link.csv"], "named twice"),
        (["dangling.csv"], "there is no such file"),
        (["folder"], "holds the directory deep"),
        (["empty"], "empty holds no file"),
        (["a.csv", "-"], "standard input cannot be one of several"),
        (["purge.db"], "is a SQLite database"),
        (["x" * 300], "cannot be read: File name too long"),
    ],
    ids=str,
)
async def test_what_is_no_list_of_records_is_refused_in_words(tmp_path, emulator, paths, said):
    write_csv(tmp_path / "a.csv", ids(5))
    (tmp_path / "link.csv").symlink_to("a.csv")
    (tmp_path / "dangling.csv").symlink_to("nowhere")
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    (tmp_path / "empty").mkdir()
    if "purge.db" in paths:
        await purge(tmp_path, emulator, "a.csv", "--expect", 4).run()
    refused = await purge(tmp_path, emulator, *paths).run()
    assert refused.code == 2
    assert said in refused.stderr
    assert "Nothing was sent" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert emulator.requests == 0


async def test_a_fifo_is_a_source_and_is_copied_before_it_is_sent(tmp_path, emulator):
    os.mkfifo(tmp_path / "fifo")
    async with purge(tmp_path, emulator, "fifo", "--limit", 5).started() as process:
        feeding = asyncio.to_thread((tmp_path / "fifo").write_text, "\n".join(ids(20)))
        first, _ = await asyncio.gather(finished(process), feeding)
    assert (first.code, fates(first.report)) == (75, {"acknowledged": 5}), first.stderr
    assert (tmp_path / "purge.db.spool").exists()


def without_a_ledger(folder, emulator, *words) -> list[str]:
    return [word for word in purge(folder, emulator, *words).words if word not in {"--ledger", "purge.db"}]


async def in_bash(folder, script, words):
    """Run *script*, in which "$@" is the command with *words*."""
    bash = ("bash", "-c", script, "bash", sys.executable, "-m", "bulkdelete", *words)
    pipes = {"stdin": asyncio.subprocess.DEVNULL, "stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.PIPE}
    return await finished(await asyncio.create_subprocess_exec(*bash, cwd=folder, env=Command(folder).env, **pipes))


@pytest.mark.parametrize("name", ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"])
async def test_standard_input_by_any_of_its_names_has_the_same_ledger_at_the_next_run(tmp_path, emulator, name):
    write_csv(tmp_path / "ids.csv", ids(20))
    for source, left, before in ((name, 4_992, 0), ("-", 4_984, 8)):
        words = without_a_ledger(tmp_path, emulator, source, "--format", "csv", "--limit", 8)
        done = await in_bash(tmp_path, 'cat ids.csv | "$@"', words)
        assert (done.code, emulator.count(TABLE_ID)) == (75, left), done.stderr
        assert done.report["settled_before"] == before
        assert done.report["ledger"] == f"stdin.{TABLE_ID}.bulkdelete.db"


@pytest.mark.parametrize(
    "script", ['"$@" <(cat ids)', 'exec 7< <(cat ids); "$@" /dev/fd/7', '"$@" /proc/self/fd/7 7<<<1']
)
async def test_a_pipe_without_a_path_that_lasts_needs_a_ledger_that_is_named(tmp_path, emulator, script):
    (tmp_path / "ids").write_text("\n".join(ids(20)))
    refused = await in_bash(tmp_path, script, without_a_ledger(tmp_path, emulator))
    assert (refused.code, emulator.requests) == (2, 0), refused.stderr
    assert "has no path that lasts" in refused.stderr
    assert "--ledger" in refused.stderr
    assert "Nothing was sent" in refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["ids"]


async def test_a_pipe_without_a_path_that_lasts_goes_on_where_it_was_by_the_ledger_that_is_named(tmp_path, emulator):
    (tmp_path / "ids").write_text("\n".join(ids(20)))
    for before in (0, 8):
        words = purge(tmp_path, emulator, "--limit", 8).words
        done = await in_bash(tmp_path, '"$@" <(cat ids)', words)
        assert (done.code, done.report["settled_before"]) == (75, before), done.stderr


async def test_a_fifo_that_is_named_needs_no_ledger_that_is(tmp_path, emulator):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "ids").write_text("\n".join(ids(20)))
    done = await in_bash(tmp_path, 'cat ids > fifo & "$@" fifo', without_a_ledger(tmp_path, emulator))
    assert (done.code, done.report["ledger"]) == (0, f"fifo.{TABLE_ID}.bulkdelete.db"), done.stderr


async def test_encoding_delimiter_and_header_are_said_by_options(tmp_path, emulator):
    text = "".join(f"{one};\xe9t\xe9\r\n" for one in ids(20))
    (tmp_path / "ids.csv").write_bytes(text.encode("utf-16"))
    asked = await purge(tmp_path, emulator, "ids.csv", "--delimiter", ";", "--no-header", "--column", 1).run()
    assert asked.code == 2
    assert "--encoding utf-16" in asked.stderr
    words = ("--delimiter", ";", "--no-header", "--column", 1, "--encoding", "utf-16")
    done = await purge(tmp_path, emulator, "ids.csv", *words).run()
    assert (done.code, fates(done.report)) == (0, {"acknowledged": 20}), done.stderr
    refused = await purge(tmp_path, emulator, "ids.csv", "--encoding", "punycode").run()
    assert refused.code == 2
    assert "is no text encoding" in refused.stderr


async def test_a_name_that_leaves_no_room_for_the_ledger_s_gets_a_shorter_one(tmp_path, emulator):
    name = "\u2603" * 80
    write_csv(tmp_path / name, ids(5))
    done = await Command(tmp_path, *without_a_ledger(tmp_path, emulator, name, "--format", "csv")).run()
    assert done.code == 0, done.stderr


async def test_a_run_of_an_empty_source_is_no_confirmation_of_the_next_one(tmp_path, emulator):
    write_csv(tmp_path / "ids.csv", [])
    assert (await purge(tmp_path, emulator, "ids.csv", "--allow-empty").run()).code == 0
    write_csv(tmp_path / "ids.csv", ids(5))
    words = [word for word in purge(tmp_path, emulator, "ids.csv").words if word != "--yes"]
    refused = await Command(tmp_path, *words).run()
    assert (refused.code, emulator.requests) == (2, 0)
    assert "--yes" in refused.stderr
    assert "forecast    about 5 rows in 1 requests" in refused.stderr


async def test_a_row_with_a_field_too_many_deletes_nothing_of_another_column(tmp_path, emulator):
    emulator.load(TABLE_ID, ["641278230707963208", "234"])
    lines = ["amount,record_id", f"1,641278230707963208,{ids(2)[0]}", f"1,234,{ids(2)[0]}", f"7,{ids(2)[1]}"]
    (tmp_path / "ids.csv").write_text("\n".join(lines) + "\n")
    done = await purge(tmp_path, emulator, "ids.csv").run()
    assert done.code == 1, done.stderr
    assert fates(done.report) == {"acknowledged": 1, "invalid": 2}
    assert set(emulator.remaining(TABLE_ID)) == {"641278230707963208", "234", *ids(5_000)} - {ids(2)[1]}
    listed = await Command(tmp_path, "failures", "purge.db").run()
    assert listed.stdout.count("has 3 fields; the header has 2") == 2


@pytest.mark.parametrize("changed", ["overwritten", "replaced"])
@pytest.mark.parametrize("sources", [("a.csv",), ("a.csv", "b.csv")])
async def test_what_was_confirmed_is_what_is_deleted_or_nothing_is(tmp_path, emulator, sources, changed):
    rows = ids(5_000)
    for number, name in enumerate(sources):
        write_csv(tmp_path / name, rows[number : number + 1])
    words = ("run", *sources, "--table-id", TABLE_ID, "--base-url", emulator.base_url, "--ledger", "purge.db")
    async with at_terminal(Command(tmp_path, *words)) as terminal:
        await terminal.until_shown("Type the table id")
        if changed == "replaced":
            (tmp_path / sources[-1]).rename(tmp_path / "old.csv")
        write_csv(tmp_path / sources[-1], rows[9:11])
        terminal.type(TABLE_ID)
        code, _ = await terminal.ended()
    assert (code, emulator.requests) == (2, 0)
    said = " ".join(terminal.shown.split())
    assert f"{sources[-1]} is not the file any more that was shown" in said
    assert "Nothing was sent" in said
    async with at_terminal(Command(tmp_path, *words)) as terminal:
        await terminal.until_shown("Type the table id")
        terminal.type(TABLE_ID)
        assert (await terminal.ended())[0] == 0
    assert emulator.count(TABLE_ID) == 5_000 - len(sources) - 1


async def test_with_a_closed_standard_input_it_says_that_it_needs_yes(tmp_path, emulator):
    write_csv(tmp_path / "ids.csv", ids(5))
    words = purge(tmp_path, emulator, "ids.csv")
    command = Command(tmp_path, *(word for word in words.words if word != "--yes"))
    shell = ("sh", "-c", 'exec "$@" 0<&-', "sh", sys.executable, "-m", "bulkdelete", *command.words)
    process = await asyncio.create_subprocess_exec(
        *shell, cwd=tmp_path, env=command.env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    refused = await finished(process)
    assert (refused.code, emulator.requests) == (2, 0)
    assert "no terminal to ask for a confirmation: it needs --yes" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "0<&- 1>&- 2>&-"])
async def test_with_closed_standard_streams_a_job_ends_as_with_open_ones(tmp_path, emulator, closed, loop):
    write_csv(tmp_path / "ids.csv", ids(5))
    command = purge(tmp_path, emulator, "ids.csv", "--event-loop", loop)
    shell = ("sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-m", "bulkdelete", *command.words)
    process = await asyncio.create_subprocess_exec(*shell, cwd=tmp_path, env=command.env)
    await process.wait()
    with read_ledger(tmp_path / "purge.db") as ledger:
        assert (ledger.totals().acknowledged, ledger.runs()[-1].ended) == (5, "complete")
    assert process.returncode in {0, 3}  # where there is nowhere to print the report to


REPLACED_BY = {
    "another file of its name": "cp other new; touch -r {file} new; mv new {file}",
    "other bytes": "touch -r {file} new; cat other > {file}; touch -r new {file}",
}


@pytest.mark.parametrize("kind", REPLACED_BY)
@pytest.mark.parametrize(("files", "victim"), [(["ids.txt"], "ids.txt"), (["a.txt", "ids.txt"], "ids.txt")])
async def test_a_file_that_is_replaced_during_the_job_is_noticed_though_its_size_and_time_are_kept(
    tmp_path, kind, files, victim
):
    rows, others = ids(40), ids(40, first=700_000_000_000_000_000)
    for number, name in enumerate(files):
        (tmp_path / name).write_text("\n".join(rows[20 * number : 20 * number + 20]))
    (tmp_path / "other").write_text("\n".join(others[:20]))
    check = ["sh", "-c", REPLACED_BY[kind].format(file=victim)]
    async with Emulator(record_requests=True) as emulator:
        emulator.add_key(CANARY_KEY)
        emulator.load(TABLE_ID, rows + others)
        (tmp_path / "purge.toml").write_text(
            f'base_url = "{emulator.base_url}"\ntable_id = "{TABLE_ID}"\n[ledger]\npath = "purge.db"\n'
            f"[canary]\nrecords = 5\ncheck_command = {json.dumps(check)}\n[source]\nsanity_check = false\n"
        )
        done = await Command(tmp_path, "run", "-c", "purge.toml", *files, "--yes", "--json").run()
        assert set(others) <= set(emulator.remaining(TABLE_ID))
    assert done.code == 2, done.stderr
    assert "ids.txt was written to, or replaced" in done.stderr


NAMED = ("--column", "record_id")


@pytest.mark.parametrize("orders", [((), NAMED), (NAMED, ())], ids=["then named", "first named"])
@pytest.mark.parametrize("old", [False, True], ids=["a ledger of today", "an older ledger"])
async def test_the_default_column_is_the_same_job_whether_it_is_named_or_not(tmp_path, emulator, orders, old):
    first, then = orders
    write_csv(tmp_path / "ids.csv", ids(30))
    assert (await purge(tmp_path, emulator, "ids.csv", *first, "--limit", 10).run()).code == 75
    if old:  # which kept the column as it was given
        with closing(sqlite3.connect(tmp_path / "purge.db", isolation_level=None)) as ledger:
            column = ("".join(first[1:]),)
            ledger.execute("UPDATE job SET value = ? WHERE key = 'identity.source column'", column)
    checked = await Command(tmp_path, "verify", "purge.db", "--source", "ids.csv").run()
    assert checked.code == 0, checked.everything
    done = await purge(tmp_path, emulator, "ids.csv", *then).run()
    assert (done.code, fates(done.report)) == (0, {"acknowledged": 30}), done.stderr


@pytest.mark.parametrize("old", [False, True], ids=["a plan of today", "an older plan"])
async def test_a_plan_of_the_default_column_fits_the_job_that_names_it(tmp_path, emulator, old):
    write_csv(tmp_path / "ids.csv", ids(30))
    job = ("--table-id", TABLE_ID, "--base-url", emulator.base_url)
    assert (await Command(tmp_path, "plan", "ids.csv", *job, "-o", "plan.json").run()).code == 0
    if old:
        plan = plan_files.read(str(tmp_path / "plan.json"))
        plan = plan.model_copy(update={"what": {**plan.what, "source column": ""}})
        (tmp_path / "plan.json").write_text(plan.as_json())
    done = await purge(tmp_path, emulator, "ids.csv", "--plan", "plan.json", *NAMED).run()
    assert done.code == 0, done.stderr


async def test_another_column_is_another_job_also_where_there_is_a_default(tmp_path, emulator):
    (tmp_path / "ids.csv").write_text("other,record_id\n" + "".join(f"{one},{one}\n" for one in ids(30)))
    (tmp_path / "ids.jsonl").write_text("".join(f'{{"record_id": "{one}"}}\n' for one in ids(30)))
    for first, then in ((("ids.csv",), ("ids.csv", "--column", "other")), (("ids.jsonl",), ("ids.jsonl", *NAMED))):
        (tmp_path / "purge.db").unlink(missing_ok=True)
        assert (await purge(tmp_path, emulator, *first, "--limit", 10).run()).code == 75
        refused = await purge(tmp_path, emulator, *then).run()
        assert refused.code == 2
        assert f"source column: {then[-1]}, was" in refused.stderr
