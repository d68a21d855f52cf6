"""What ``run`` refuses before anything is sent, and how it says so."""

from __future__ import annotations

import json
import re

import click
import pytest
from click.testing import CliRunner

from bulkdelete.cli.commands import group
from bulkdelete.cli.options import SETTINGS

TABLE_ID = "673af861ed69656ac0895b07"
KEY = "canary-key-never-to-be-seen"


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BULKDELETE_API_KEY", KEY)
    (tmp_path / "ids.csv").write_text("record_id\n541278230707963208\n")
    (tmp_path / "empty.csv").write_text("record_id\n")

    def invoke(*words):
        result = CliRunner().invoke(group, ["run", *words, "--base-url", "http://127.0.0.1:9"])
        assert KEY not in result.output
        assert "Traceback" not in result.output
        return result

    return invoke


def test_neither_source_nor_table_is_a_clear_error(run):
    result = run()
    assert result.exit_code == 2
    assert "SOURCE" in result.stderr
    assert "--table-id" in result.stderr


def test_without_a_terminal_it_needs_yes_and_leaves_no_ledger(run, tmp_path):
    result = run("ids.csv", "--table-id", TABLE_ID)
    assert result.exit_code == 2
    assert "--yes" in result.stderr
    assert "541278230707963208" in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty.csv", "ids.csv"]


def test_standard_input_needs_yes(run):
    result = run("-", "--table-id", TABLE_ID)
    assert result.exit_code == 2
    assert "--yes" in result.stderr


def test_an_empty_source_is_refused(run):
    result = run("empty.csv", "--table-id", TABLE_ID, "--yes")
    assert result.exit_code == 2
    assert "--allow-empty" in result.stderr


def test_a_source_that_is_not_there_is_named(run):
    result = run("missing.csv", "--table-id", TABLE_ID, "--yes")
    assert result.exit_code == 2
    assert "missing.csv" in result.stderr


def test_no_key_is_refused_before_anything_is_asked(run, monkeypatch):
    monkeypatch.delenv("BULKDELETE_API_KEY")
    result = run("ids.csv", "--table-id", TABLE_ID)
    assert result.exit_code == 2
    assert "BULKDELETE_API_KEY" in result.stderr
    assert "--yes" not in result.stderr


def test_with_json_a_refusal_is_one_object_too(run):
    result = run("ids.csv", "--table-id", TABLE_ID, "--json")
    refusal = json.loads(result.stdout)
    assert refusal["ended"] == "refused"
    assert "--yes" in refusal["reason"]
    assert refusal["exit_code"] == result.exit_code == 2


def test_every_option_has_the_words_of_its_setting():
    text = " ".join(CliRunner().invoke(group, ["run", "--help"]).output.split())
    for flag in SETTINGS:
        assert flag in text
    assert "its quotas count requests" in text
    assert not re.search(r"--api-key|--key|--token", text)


def test_help_and_version_need_nothing_else():
    assert CliRunner().invoke(group, ["--version"]).output == "bulkdelete 0.1.0\n"
    listed = CliRunner().invoke(group, ["--help"]).output
    for command in ("run", "status", "failures", "emulator", "demo"):
        assert re.search(rf"^  {command} +\w", listed, re.MULTILINE)


@pytest.mark.parametrize("name", group.list_commands(click.Context(group)))
def test_whatever_the_command_an_option_that_holds_one_value_is_given_once(name):
    command = group.get_command(click.Context(group), name)
    assert command is not None
    options = [option for option in command.params if isinstance(option, click.Option) and not option.multiple]
    for option in options:
        if option.is_flag and not option.secondary_opts:
            continue
        word = _word(option)
        words = ["argument" for param in command.params if isinstance(param, click.Argument)]
        result = CliRunner().invoke(group, [name, *words, *word, *word])
        assert (result.exit_code, "is given twice or more" in result.stderr) == (2, True), result.output
        assert option.opts[-1] in result.stderr
        assert "Usage:" in CliRunner().invoke(group, [name, *words, *word, *word, "--help"]).stdout


def _word(option):
    if option.is_flag:
        return (option.opts[0],)
    value = option.type.choices[0] if isinstance(option.type, click.Choice) else "1"
    return (option.opts[0], value)


def test_a_flag_may_be_repeated_and_says_the_same(run):
    assert "--yes" in run("ids.csv", "--table-id", TABLE_ID, "--json", "--json").stderr
    assert "no such file" in run("missing.csv", "--table-id", TABLE_ID, "--yes", "--yes").stderr


def test_an_unknown_command_is_a_usage_error():
    assert CliRunner().invoke(group, ["rnu"]).exit_code == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--host", "0.0.0.0"), "this machine only"),
        (("--load", "table"), "TABLE_ID=FILE"),
    ],
)
def test_the_emulator_refuses_what_it_should_not_do(words, said):
    result = CliRunner().invoke(group, ["emulator", *words])
    assert result.exit_code == 2
    assert said in result.stderr


def test_the_demo_keeps_its_files_in_a_new_folder_only(tmp_path):
    (tmp_path / "mine.txt").touch()
    result = CliRunner().invoke(group, ["demo", "--keep", str(tmp_path)])
    assert result.exit_code == 2
    assert "not empty" in result.stderr
