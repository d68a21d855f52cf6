"""What the README shows runs, and what it lists is complete."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from pathlib import Path
from textwrap import indent

import pytest
from click.testing import CliRunner

from bulkdelete import BulkDeleteError, BulkDeleter
from bulkdelete.cli.commands import group
from bulkdelete.emulator import Emulator, Fault, Switches, read_config
from bulkdelete.ledger import schema
from bulkdelete.records import FATES
from bulkdelete.settings import Settings

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
TABLE_ID = "673af861ed69656ac0895b07"


def blocks(language: str) -> list[str]:
    found = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    assert found
    return found


def test_the_toml_blocks_are_valid_settings(tmp_path):
    for block in blocks("toml"):
        if block.startswith("# emulator.toml"):
            (tmp_path / "emulator.toml").write_text(block)
            read_config(tmp_path / "emulator.toml")
        else:
            Settings.from_mapping(tomllib.loads(block))


async def test_the_python_blocks_run_against_the_emulator(capsys):
    [block] = [block for block in blocks("python") if "def erase(customer_ids)" in block]
    [streaming] = [block for block in blocks("python") if "async def erase_and_tell(" in block]
    async with Emulator() as emulator:
        emulator.load(TABLE_ID, ["541278230707963208", "541278230707963209"])
        names: dict[str, object] = {}
        source = block.replace("https://altatech.ai", emulator.base_url).replace('"..."', f'"{emulator.api_key}"')
        exec(compile(source, "README.md", "exec"), names)
        assert await names["erase"](["541278230707963208"]) == 1  # type: ignore[operator]
        assert emulator.count(TABLE_ID) == 1
        exec(compile(streaming, "README.md", "exec"), names)
        async with BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key) as deleter:
            report = await names["erase_and_tell"](deleter, ["541278230707963209"])  # type: ignore[operator]
        assert report.acknowledged == 1
        assert capsys.readouterr().out == "acknowledged 1 541278230707963209\n"


async def test_the_start_up_of_a_service_goes_on_with_what_was_left(tmp_path, capsys):
    [block] = [block for block in blocks("python") if "async def at_start_up(" in block]
    names: dict[str, object] = {}
    exec(compile(block.replace("/var/lib/erasure", str(tmp_path)), "README.md", "exec"), names)
    async with Emulator() as emulator:
        emulator.load(TABLE_ID, ["541278230707963208", "541278230707963209"])
        async with BulkDeleter(base_url=emulator.base_url, api_key=lambda: "not this") as deleter:
            with pytest.raises(BulkDeleteError):
                await names["erase_durably"](deleter, "request/1", ["541278230707963208"])  # type: ignore[operator]
        async with BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key) as deleter:
            [report] = (await names["at_start_up"](deleter)).values()  # type: ignore[operator]
            assert await names["at_start_up"](deleter) == {}  # type: ignore[operator]
        assert (report.acknowledged, emulator.count(TABLE_ID)) == (1, 1)
    assert capsys.readouterr().out.startswith("request%2f1.db ended: ")


def test_the_test_shown_passes_with_strict_markers_and_warnings_as_errors(pytester):
    *_, block = blocks("python")
    [plugins] = re.findall(r"`(pytest_plugins = [^`]*)`", README)
    pytester.makeconftest(plugins)
    pytester.makepyfile(block)
    words = ("-p", "no:asyncio", "-p", "no:cov", "-p", "no:cacheprovider", "--strict-markers", "-W", "error")
    pytester.runpytest_subprocess(*words, timeout=100).assert_outcomes(passed=1)


def test_every_switch_stands_in_the_table_with_its_default_first_and_every_fault_is_named():
    rows = {
        name: row[1]
        for row in re.findall(r"^\| (`.*?`) \| (.*) \|$", README, re.MULTILINE)
        for name in row[0].split(", ")
    }
    for one in fields(Switches):
        default = {None: "unset", True: "`true`"}.get(one.default, f"`{one.default}`")
        assert rows[f"`{one.name}`"].startswith(default), one.name
    for word in Fault:
        assert f"`{word}`" in README, word


@pytest.mark.parametrize("line", [line for block in blocks("sh") for line in block.replace("\\\n", " ").splitlines()])
def test_every_bulkdelete_command_shown_has_the_options_shown(line):
    shown = re.search(r"(?:^|&& |/)bulkdelete (\w+)(.*)", line.split("#")[0])
    if shown is None:
        return
    helped = CliRunner().invoke(group, [shown[1], "--help"])
    assert helped.exit_code == 0
    for option in re.findall(r"--[a-z-]+|(?<= )-[a-z]\b", shown[2]):
        assert option in helped.output, option


def test_every_fate_and_every_table_of_the_ledger_is_described():
    for fate in FATES:
        assert f"| `{fate}` |" in README
    for table in re.findall(r"CREATE TABLE (\w+)", schema.TABLES):
        assert f"| `{table}` |" in README


def test_the_tree_names_every_module():
    for module in (ROOT / "bulkdelete").glob("*.py"):
        if module.stem not in {"__init__", "__main__"}:
            assert module.name in README, module.name


def test_the_examples_shown_are_what_the_files_hold_and_every_file_is_shown():
    [section] = re.findall(r"^## Examples\n(.*?)^## ", README, re.DOTALL | re.MULTILINE)
    shown = re.findall(r"\]\((tests/examples/[\w.-]+)\)", section)
    assert {(ROOT / name).name for name in shown} == {
        path.name
        for path in (ROOT / "tests" / "examples").iterdir()
        if path.is_file() and not re.fullmatch(r"(__init__|processes|test_\w+)\.py", path.name)
    }
    for paragraph, block in re.findall(r"^(\[A .*?)```\w+\n(.*?)```", section, re.DOTALL | re.MULTILINE):
        [name, *_] = re.findall(r"\]\((tests/examples/[\w.-]+)\)", paragraph)
        text = (ROOT / name).read_text()
        assert any(indent(block, " " * spaces) in text for spaces in range(0, 13, 2)), f"{name}\n{block}"
    assert len(re.findall("^```$", section, re.MULTILINE)) == 4


def test_the_set_up_commands_are_what_ci_runs():
    ci = (ROOT / ".ci" / "run").read_text()
    [command] = [line for block in blocks("sh") for line in block.splitlines() if "pytest" in line]
    steps = [step.replace(".venv/", "").replace(" -q", "") for step in command.split(" && ")]
    for step in steps[1:]:
        assert step in ci.replace(".ci/venv/", "").replace(" --quiet", ""), step
