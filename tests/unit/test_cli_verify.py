"""``verify`` on a real ledger and its source, without any server."""

from __future__ import annotations

import asyncio
import json
import os
import re

import pytest
from click.testing import CliRunner

from bulkdelete.cli.commands import group
from bulkdelete.digest import digest
from bulkdelete.ledger import open_ledger, read_ledger
from bulkdelete.records import Batch, Ended
from tests.unit.sound_ledger import IDS, damage, make
from tests.unit.test_ledger import IDENTITY, batch_of


@pytest.fixture
def closed_with(tmp_path) -> str:
    """The digest that the ledger was closed with."""
    return asyncio.run(make(tmp_path))


@pytest.fixture
def ledger(tmp_path, closed_with):
    return tmp_path / "a.db"


@pytest.fixture
def source(tmp_path, closed_with):
    return tmp_path / "ids.csv"


def run(*words):
    return CliRunner().invoke(group, [str(word) for word in ("verify", *words)])


def verified(*words):
    result = run(*words, "--json")
    return result.exit_code, json.loads(result.stdout)


def saved_report(folder, **values):
    (folder / "report.json").write_text(json.dumps(values))
    return folder / "report.json"


def test_a_sound_ledger_is_said_to_be_so_and_the_source_not_to_be_looked_at(ledger, closed_with):
    result = run(ledger)
    assert result.exit_code == 0, result.output
    for told in ("everything holds", "not looked at", "not compared", closed_with, "23 in 6 batches, 2 runs"):
        assert told in result.stdout
    assert re.search(r"^  rejected +1$", result.stdout, re.MULTILINE)


def test_the_json_has_everything(ledger, source, closed_with):
    code, found = verified(ledger, "--source", source, "--digest", closed_with)
    assert code == 0
    assert found == {
        "ledger": str(ledger),
        "ok": True,
        "problems": [],
        "problem_count": 0,
        "source_checked": True,
        "as_reported": True,
        "ledger_digest": closed_with,
        "table_id": "673af861ed69656ac0895b07",
        "runs": 2,
        "batches": 6,
        "rows": 23,
        "acknowledged": 8,
        "rejected": 1,
        "invalid": 3,
        "held": 1,
        "duplicate": 1,
        "unresolved": 5,
        "pending": 4,
        "exit_code": 0,
    }
    assert verified(ledger)[1]["source_checked"] is False
    assert verified(ledger)[1]["as_reported"] is None


def test_verifying_writes_nothing_and_leaves_nothing(ledger, source, closed_with):
    before = {file: file.read_bytes() for file in ledger.parent.iterdir()}
    run(ledger, "--source", source, "--digest", closed_with)
    assert {file: file.read_bytes() for file in ledger.parent.iterdir() if "-" not in file.name} == before


def test_what_does_not_hold_is_named_and_needs_a_person(ledger):
    damage(ledger, "UPDATE batch SET state = 9 WHERE first_row = 14; UPDATE run SET ended = '\x1b[31mred' WHERE id = 2")
    result = run(ledger)
    assert result.exit_code == 3
    assert "  - rows 14 to 17: 9 is no state of a batch" in result.stdout
    assert "things do not hold" in result.stdout
    assert "\x1b" not in result.stdout
    code, found = verified(ledger)
    assert (code, found["ok"], found["exit_code"]) == (3, False, 3)
    assert found["problem_count"] == len(found["problems"]) > 1


def test_a_table_that_is_missing_leaves_no_totals_and_the_rest_is_told(ledger, closed_with):
    damage(ledger, "DROP TABLE part")
    result = run(ledger, "--digest", closed_with)
    assert result.exit_code == 3
    assert re.search(r"^digest +not to be had$", result.stdout, re.MULTILINE)
    assert "acknowledged" not in result.stdout
    code, found = verified(ledger)
    assert (code, found["batches"], found["ledger_digest"], found["runs"]) == (3, None, "", 2)


def test_more_than_a_hundred_problems_are_counted(ledger):
    ghosts = ", ".join(f"({row}, 'held', '', '', '')" for row in range(100, 400))
    damage(ledger, f"INSERT INTO row (row, fate, reason, record, file) VALUES {ghosts}")
    code, found = verified(ledger)
    assert (code, len(found["problems"])) == (3, 100)
    assert found["problem_count"] >= 300
    assert f"and {found['problem_count'] - 100:,} more" in run(ledger).stdout


def changed_row(text):
    return text.replace(IDS[12], "541278230707960000")


def missing_row(text):
    return text.replace(f"{IDS[12]}\n", "")


def another_row_at_the_end(text):
    return f"{text}541278230707960000\n"


def shorter(text):
    return text.partition(IDS[16])[0]


def another_line_end(text):
    return text.replace("\n", "\r\n")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (changed_row, "rows 10 to 13 of the source are not those that the ledger holds"),
        (missing_row, "rows 10 to 13 of the source are not those that the ledger holds"),
        (missing_row, "the source ends after 22 rows; the ledger holds rows to 22"),
        (another_row_at_the_end, "the source goes on after row 22, where it ended: rows were added"),
        (shorter, "the source ends after 16 rows; the ledger holds rows to 17"),
        (another_line_end, "the source's content: it is sha256:"),
    ],
)
def test_a_source_that_is_not_as_it_was_is_found(ledger, source, change, said):
    source.write_text(change(source.read_text()))
    code, found = verified(ledger, "--source", source)
    assert code == 3
    assert any(problem.startswith(said) for problem in found["problems"]), found["problems"]
    assert any("the source's content" in problem for problem in found["problems"])


def test_only_the_ranges_that_changed_are_named(ledger, source):
    source.write_text(changed_row(source.read_text()))
    assert verified(ledger, "--source", source)[1]["problem_count"] == 2


def test_a_range_whose_digest_was_changed_in_the_ledger_is_found_by_the_source_only(ledger, source):
    damage(ledger, "UPDATE batch SET digest = zeroblob(16) WHERE first_row = 0")
    assert verified(ledger)[0] == 0
    code, found = verified(ledger, "--source", source)
    assert code == 3
    (problem,) = found["problems"]
    assert problem.startswith("rows 0 to 3 of the source are not those that the ledger holds")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("record = record || 'x' WHERE row = 5", f"row 5: the ledger keeps {IDS[5]}x as invalid, and the source holds"),
        ("record = 'other' WHERE row = 9", f"row 9: the ledger keeps other as rejected, and the source holds {IDS[9]}"),
        ("filter_column = 'c', record = '1' WHERE row = 6", "row 6: the ledger keeps c = 1 as held"),
        ("line = line + 1 WHERE row = 7", "row 7: the ledger has it in line 10 of ids.csv, and the source in line 9"),
        ("line = NULL WHERE row = 21", "row 21: the ledger has it in no line of ids.csv, and the source in line 23"),
        ("file = '', line = NULL WHERE row = 21", "row 21: the ledger has it in no line of no file, and the source in"),
        ("line = 11, file = 'ids.csv' WHERE row = 9", "row 9: the ledger has it in line 11 of ids.csv, and keeps no"),
    ],
)
def test_a_row_that_is_kept_as_the_source_does_not_hold_it_is_found_by_the_source_only(ledger, source, change, said):
    damage(ledger, f"UPDATE row SET {change}")
    assert verified(ledger)[0] == 0
    code, found = verified(ledger, "--source", source)
    assert code == 3
    (problem,) = found["problems"]
    assert problem.startswith(said)


def test_a_row_that_cannot_be_read_does_not_stop_the_comparison(ledger, source):
    damage(ledger, "UPDATE row SET fate = 'lost' WHERE row = 5; UPDATE row SET record = 'x' WHERE row = 22")
    code, found = verified(ledger, "--source", source)
    assert code == 3
    assert any(problem.startswith("row 22: the ledger keeps x") for problem in found["problems"])


def test_a_source_that_was_moved_is_read_where_it_is(ledger, source):
    moved = source.rename(source.with_name("moved.data"))
    assert verified(ledger, "--source", moved)[0] == 0


def test_a_source_of_other_files_is_found(ledger, source):
    source.with_name("more.csv").write_text("record_id\n1\n")
    code, found = verified(ledger, "--source", source, "--source", source.with_name("more.csv"))
    assert code == 3
    assert 'the source\'s files: it is ["ids.csv", "more.csv"], and was none' in found["problems"]


def test_a_source_that_breaks_while_it_is_read_is_a_problem(tmp_path):
    async def of_packed_file():
        (tmp_path / "ids.gz").write_bytes(b"\x1f\x8b\x08\x00 no gzip at all")
        ledger = await open_ledger(
            tmp_path / "a.db", {**IDENTITY, "source kind": "text", "source max_line_bytes": "65536"}
        )
        await ledger.intend(batch_of(0, "r"))
        await ledger.close(Ended.SIGNAL)

    asyncio.run(of_packed_file())
    code, found = verified(tmp_path / "a.db", "--source", tmp_path / "ids.gz")
    assert code == 3
    assert [problem[:33] for problem in found["problems"]] == ["the source cannot be read again: "]


def test_a_source_that_was_not_read_to_its_end_may_go_on(ledger, source):
    damage(ledger, "DELETE FROM job WHERE key IN ('source_rows', 'identity.source content')")
    source.write_text(another_row_at_the_end(source.read_text()))
    assert verified(ledger, "--source", source)[0] == 0


def test_ranges_that_make_no_sense_do_not_stop_the_comparison(ledger, source):
    damage(
        ledger,
        f"UPDATE batch SET end_row = {2**62} WHERE first_row = 4; UPDATE batch SET end_row = 0 WHERE first_row = 18",
    )
    code, found = verified(ledger, "--source", source)
    assert code == 3
    assert found["source_checked"]
    assert not any("of the source" in problem for problem in found["problems"])


def test_rows_that_came_from_python_cannot_be_read_again(tmp_path):
    async def of_iterable():
        ledger = await open_ledger(tmp_path / "a.db", {**IDENTITY, "source kind": "iterable"})
        await ledger.intend(Batch(0, 2, IDS[:2], range(2), digest(IDS[:2]), (), (range(2),)))
        await ledger.close(Ended.COMPLETE)

    asyncio.run(of_iterable())
    assert verified(tmp_path / "a.db")[0] == 0
    result = run(tmp_path / "a.db", "--source", tmp_path / "ids.txt")
    assert result.exit_code == 2
    assert "from Python" in result.stderr


def test_a_source_that_is_gone_is_refused_and_where_the_ledger_has_problems_told_beside_them(ledger, tmp_path):
    result = run(ledger, "--source", tmp_path / "no.csv")
    assert result.exit_code == 2
    assert "there is no such file" in result.stderr
    damage(ledger, "DELETE FROM run WHERE id = 1")
    code, found = verified(ledger, "--source", tmp_path / "no.csv")
    assert (code, found["source_checked"]) == (3, False)
    assert "run 1 is missing" in found["problems"]
    assert any("there is no such file" in problem for problem in found["problems"])


def test_a_saved_report_says_whether_the_ledger_was_changed_since(ledger, closed_with, tmp_path):
    report = saved_report(tmp_path, ledger_digest=closed_with, ledger_run=2)
    result = run(ledger, "--report", report)
    assert result.exit_code == 0
    assert "the ledger is as it was when that report was made" in result.stdout
    damage(ledger, "UPDATE batch SET changed_ms = changed_ms + 1 WHERE first_row = 0")
    for words in (("--report", report), ("--digest", closed_with)):
        code, found = verified(ledger, *words)
        assert (code, found["as_reported"], found["problem_count"]) == (3, False, 1)
        assert "was changed since that report was made" in found["problems"][0]
        assert found["ledger_digest"] in found["problems"][0]
    assert "no run began after it: something else changed the ledger" in run(ledger, "--report", report).stdout


TOLD = {"rows": 23, "acknowledged": 8, "rejected": 1, "invalid": 3, "held": 1, "duplicate": 1, "unresolved": 5}
TOLD |= {"pending": 4, "batches": 6, "requests": 5, "retries": 2, "ended": "signal", "settled_before": 0}
TOLD |= {"table_id": "673af861ed69656ac0895b07", "total_count_before": None, "canary": None}


def test_a_report_is_compared_with_the_ledger_number_by_number(ledger, closed_with, tmp_path):
    report = saved_report(tmp_path, ledger_digest=closed_with, ledger_run=2, **TOLD)
    assert verified(ledger, "--report", report)[0] == 0


@pytest.mark.parametrize(
    ("said", "holds"),
    [
        *[((name, 999_999), f"{TOLD[name]:,}") for name in [*TOLD][:11]],
        (("acknowledged", "8"), "8"),
        (("acknowledged", None), "8"),
        (("held", True), "1"),
        (("settled_before", 15), "at most 14"),
        (("total_count_after", 7), "none"),
        (("ended", "complete"), '"signal"'),
        (("table_id", "another"), '"673af861ed69656ac0895b07"'),
        (("ledger_run", 1), "2"),
        (("ledger_run", None), "2"),
    ],
)
def test_a_number_of_a_report_that_is_not_the_ledgers_is_named_with_both(ledger, closed_with, tmp_path, said, holds):
    name, value = said
    report = saved_report(tmp_path, **{"ledger_digest": closed_with, "ledger_run": 2, **TOLD, name: value})
    code, found = verified(ledger, "--report", report)
    assert code == 3
    told = f"{value:,}" if type(value) is int else json.dumps(value)
    assert f"the report says {name} {told}, and the ledger {holds}: the report was changed" in found["problems"]


def test_after_a_later_run_what_the_ledger_keeps_of_the_reports_own_run_is_compared(ledger, closed_with, tmp_path):
    run_once_more(ledger, Ended.COMPLETE)
    report = saved_report(tmp_path, **{"ledger_digest": closed_with, "ledger_run": 2, **TOLD, "requests": 6})
    code, found = verified(ledger, "--report", report)
    assert (code, found["problem_count"]) == (3, 2)
    assert found["problems"][1] == "the report says requests 6, and the ledger 5: the report was changed"


def run_once_more(path, ended):
    with read_ledger(path) as reader:
        facts = reader.facts.items()

    async def open_and_close():
        identity = {key.removeprefix("identity."): value for key, value in facts if key.startswith("identity.")}
        await (await open_ledger(path, identity)).close(ended)

    asyncio.run(open_and_close())


def test_a_later_run_is_named_as_what_may_change_a_ledger_by_right(ledger, closed_with, tmp_path):
    for ended in (Ended.QUOTA, None, *[Ended.COMPLETE] * 5):
        run_once_more(ledger, ended)
    report = saved_report(tmp_path, ledger_digest=closed_with, ledger_run=2)
    (problem,) = verified(ledger, "--report", report)[1]["problems"]
    assert "of run 2, and a later run changes it by right: run 9 began 20" in problem
    assert problem.endswith("and 2 before them")
    (problem,) = verified(ledger, "--digest", closed_with)[1]["problems"]
    assert "Every later run changes it by right" in problem
    damage(ledger, "DELETE FROM run WHERE id > 4")
    (problem,) = verified(ledger, "--report", report)[1]["problems"]
    assert re.search("run 4 began .* and ended by a kill, run 3 began .* and ended quota$", problem)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--digest", "sha256:12"), "no digest of a report"),
        (("--digest", "sha256:" + "0" * 64, "--report", "report.json"), "give one of them"),
        (("--report", "missing.json"), "missing.json: the report cannot be read: No such file"),
        (("--report", "ids.csv"), "ids.csv: this is no report of run --json"),
        (("--report", "list.json"), "list.json: this report has no ledger_digest"),
        (("--report", "empty.json"), "empty.json: this report has no ledger_digest"),
    ],
)
def test_what_cannot_be_compared_is_refused(ledger, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.json").write_text("[1]")
    saved_report(tmp_path, ledger_digest="", ledger_run=2).rename(tmp_path / "empty.json")
    result = run("a.db", *words, "--json")
    assert result.exit_code == 2
    assert said in result.stderr
    assert said in json.loads(result.stdout)["reason"]


async def test_the_ledger_of_a_running_job_is_not_verified_yet(tmp_path):
    ledger = await open_ledger(tmp_path / "a.db", IDENTITY)
    try:
        result = await asyncio.to_thread(run, tmp_path / "a.db", "--json")
    finally:
        await ledger.close(Ended.COMPLETE)
    assert result.exit_code == 75
    assert f"process {os.getpid()}" in result.stderr
    assert json.loads(result.stdout)["exit_code"] == 75
    assert (await asyncio.to_thread(run, tmp_path / "a.db")).exit_code == 0


def test_what_is_no_ledger_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("this is no ledger at all\n" * 100)
    for name in ("notes.txt", "missing.db"):
        result = run(tmp_path / name)
        assert result.exit_code == 2
        assert name in result.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_ledger_in_a_folder_that_cannot_be_written_is_verified(ledger, source, closed_with):
    ledger.parent.chmod(0o500)
    try:
        assert verified(ledger, "--source", source, "--digest", closed_with)[0] == 0
    finally:
        ledger.parent.chmod(0o700)
