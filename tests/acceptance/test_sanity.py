"""A column that looks wrong is refused before anything is sent, with what was seen and what overrules it."""

from __future__ import annotations

import json

import pytest

from tests.acceptance.command import TABLE_ID, Command, fates, ids, purge, serving


@pytest.fixture
async def emulator():
    async with serving(ids(50)) as emulator:
        yield emulator


WRONG = [
    pytest.param(lambda row: "7", "all of the first 50 ids are '7'", id="all equal"),
    pytest.param(lambda row: str(row + 1), "the row numbers 1 to 50", id="row numbers"),
    pytest.param(lambda row: f"2026-11-{row % 28 + 1:02}", "look like dates, such as '2026-11-01'", id="dates"),
    pytest.param(lambda row: f"{row}@example.com", "look like e-mail addresses", id="addresses"),
    pytest.param(lambda row: f"5412782307079{row:02}000", "end in 000", id="rounded"),
]


@pytest.mark.parametrize(("cell", "said"), WRONG)
async def test_a_column_that_looks_wrong_is_refused_and_can_be_meant(tmp_path, emulator, cell, said):
    rows = [cell(row) for row in range(50)]
    (tmp_path / "ids.csv").write_text("record_id,why\n" + "".join(f"{one},x\n" for one in rows))
    refused = await purge(tmp_path, emulator, "ids.csv").run()
    assert (refused.code, emulator.requests) == (2, 0)
    assert said in refused.stderr
    assert "Nothing was sent" in refused.stderr
    assert "--no-sanity-check" in refused.stderr
    meant = await purge(tmp_path, emulator, "ids.csv", "--no-sanity-check").run()
    assert (meant.code, meant.report["acknowledged"]) == (0, len(set(rows))), meant.stderr


def as_csv(delimiter: str) -> str:
    return "".join(f"{one}{delimiter}n{row}\n" for row, one in enumerate(["record_id", *ids(50)]))


OTHER_FORMATS = {
    "csv": (as_csv(","), "'541278230707963208,n1'", ("--format", "csv")),
    "semicolons": (as_csv(";"), "51 of the first 51", ("--format", "csv", "--delimiter", ";")),
    "pipes": (as_csv("|"), "'|' in them", ("--format", "csv", "--delimiter", "|")),
    "tabs": (as_csv("\t"), r"'\t' in them", ("--format", "tsv")),
    "a comma at the end": (
        "".join(f"{one},\n" for one in ids(50)),
        "50 of the first 50",
        ("--format", "csv", "--no-header", "--column", "1"),
    ),
    "quotes": ("".join(f'"{one}"\n' for one in ids(50)), "stand in quotes", ("--format", "jsonl")),
    "objects": (
        "".join(f'{{"record_id":"{one}"}}\n' for one in ids(50)),
        "are JSON objects",
        ("--format", "jsonl"),
    ),
}


@pytest.mark.parametrize("stdin", [False, True], ids=["file", "stdin"])
@pytest.mark.parametrize("case", OTHER_FORMATS)
async def test_ids_that_look_like_another_format_are_refused_with_the_options_that_read_it_right(
    tmp_path, emulator, case, stdin
):
    text, said, options = OTHER_FORMATS[case]
    (tmp_path / "a.txt").write_text(text)
    source, given = ("-", text.encode()) if stdin else ("a.txt", None)
    refused = await purge(tmp_path, emulator, source).run(stdin=given)
    assert (refused.code, emulator.requests) == (2, 0), refused.everything
    shown = refused.stderr.replace("'", "")
    assert all(word in refused.stderr for word in (said, "Nothing was sent", "--no-sanity-check"))
    assert all(word in shown for word in options)
    done = await purge(tmp_path, emulator, source, *options).run(stdin=given)
    assert (done.code, fates(done.report)) == (0, {"acknowledged": 50}), done.stderr
    assert emulator.count(TABLE_ID) == 0


MENDED_BY_HAND = {
    "an apostrophe in front": ("a.txt", "'{}\n", 'stand in quotes, such as "\'541278230707963208"', ()),
    "also in a column": ("a.csv", "'{}\n", "stand in quotes", ("--no-header", "--column", "1")),
    "as a formula": ("a.csv", '="{}"\n', "stand in quotes", ("--no-header", "--column", "1")),
    "a column of two": ("a.csv", "{};n\n", "--delimiter ';'", ("--no-header", "--column", "1")),
    "a list of strings": ("a.txt", "'{}',\n", "take them away", ()),
}


@pytest.mark.parametrize("case", MENDED_BY_HAND)
async def test_what_no_format_reads_right_is_refused_and_can_be_meant(tmp_path, emulator, case):
    name, line, said, options = MENDED_BY_HAND[case]
    (tmp_path / name).write_text("".join(line.format(one) for one in ids(50)))
    refused = await purge(tmp_path, emulator, name, *options).run()
    assert (refused.code, emulator.requests) == (2, 0), refused.everything
    assert said in refused.stderr
    meant = await purge(tmp_path, emulator, name, *options, "--no-sanity-check").run()
    assert (meant.code, fates(meant.report)) == (0, {"acknowledged": 50}), meant.stderr


@pytest.mark.parametrize("indent", [0, None], ids=["an id a line", "in one line"])
async def test_a_json_document_is_refused_by_its_name_and_by_its_look(tmp_path, emulator, indent):
    text = json.dumps(ids(50), indent=indent, separators=(",", ":"))
    (tmp_path / "a.json").write_text(text)
    refused = await purge(tmp_path, emulator, "a.json").run()
    assert (refused.code, emulator.requests) == (2, 0)
    assert all(word in refused.stderr for word in ("--format jsonl", "--format text", "Nothing was sent"))
    for source, given in (("a.json", None), ("-", text.encode())):
        refused = await purge(tmp_path, emulator, source, "--format", "text").run(stdin=given)
        assert (refused.code, emulator.requests) == (2, 0)
        assert all(word in refused.stderr for word in ("a JSON document", "jq -c", "--no-sanity-check"))


async def test_ids_in_a_json_file_are_text_where_that_is_said(tmp_path, emulator):
    (tmp_path / "a.json").write_text("\n".join(ids(50)))
    done = await purge(tmp_path, emulator, "a.json", "--format", "text").run()
    assert (done.code, fates(done.report)) == (0, {"acknowledged": 50}), done.stderr


@pytest.mark.parametrize(("name", "line"), [("h.csv", "'{}\n"), ("h.csv", "{};n\n"), ("h.txt", '"{}"\n')])
async def test_a_hold_list_of_another_format_is_refused(tmp_path, emulator, name, line):
    (tmp_path / "ids.txt").write_text("\n".join(ids(50)))
    (tmp_path / name).write_text("record_id\n" * (name == "h.csv") + "".join(line.format(one) for one in ids(9)))
    refused = await purge(tmp_path, emulator, "ids.txt", "--holds", name).run()
    assert (refused.code, emulator.requests) == (2, 0), refused.everything
    assert "Nothing was sent" in refused.stderr


async def test_standard_input_and_json_lines_are_looked_at_and_filters_are_not(tmp_path, emulator):
    numbers = "".join(f"{number}\n" for number in range(1, 30))
    refused = await purge(tmp_path, emulator, "-").run(stdin=numbers.encode())
    assert (refused.code, emulator.requests) == (2, 0)
    assert "row numbers 1 to 29" in refused.stderr
    addresses = [f"{number}@example.com" for number in range(9)]
    (tmp_path / "ids.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in addresses))
    refused = await purge(tmp_path, emulator, "ids.jsonl").run()
    assert (refused.code, emulator.requests) == (2, 0)
    assert "e-mail" in refused.stderr
    emulator.create_table(TABLE_ID, ["email"])
    (tmp_path / "ids.jsonl").write_text("".join(f"{json.dumps({'filter': {'email': one}})}\n" for one in addresses))
    done = await purge(tmp_path, emulator, "ids.jsonl").run()
    assert fates(done.report) == {"acknowledged": 9}


async def test_after_a_refusal_the_right_column_goes_on_with_the_same_ledger(tmp_path, emulator):
    (tmp_path / "ids.csv").write_text("nr,record_id\n" + "".join(f"{n},{one}\n" for n, one in enumerate(ids(50), 1)))
    assert (await purge(tmp_path, emulator, "ids.csv", "--column", "nr").run()).code == 2
    done = await purge(tmp_path, emulator, "ids.csv").run()
    assert (done.code, fates(done.report)) == (0, {"acknowledged": 50}), done.stderr


async def test_rows_that_do_not_look_like_ids_of_the_table_are_set_aside_with_the_reason(tmp_path, emulator):
    rows = ids(4)
    (tmp_path / "ids.txt").write_text("\n".join([*rows, rows[0][:-1], "6" + rows[0][1:], rows[0][:-1] + "x"]))
    (tmp_path / "purge.toml").write_text(
        f'[identifiers.{TABLE_ID}]\nlengths = [18]\nprefixes = ["5"]\npattern = "[0-9]+"\n'
        "[identifiers.another]\nlengths = [3]\n"
    )
    done = await purge(tmp_path, emulator, "ids.txt", "-c", "purge.toml").run()
    assert (done.code, fates(done.report)) == (1, {"acknowledged": 4, "invalid": 3})
    listed = await Command(tmp_path, "failures", "purge.db").run()
    assert [json.loads(line)["reason"] for line in listed.stdout.splitlines()] == [
        "17 characters; ids of this table have 18",
        "ids of this table begin with '5'",
        "ids of this table match [0-9]+",
    ]
    assert all("record_id" not in json.loads(line) for line in listed.stdout.splitlines())
    (tmp_path / "purge.toml").write_text(f'[identifiers.{TABLE_ID}]\npattern = "["\n')
    refused = await purge(tmp_path, emulator, "ids.txt", "-c", "purge.toml").run()
    assert refused.code == 2
    assert f"identifiers.{TABLE_ID}.pattern: is no regular expression" in refused.stderr
