"""The gates that every commit passes: linter, formatter, type checker, and the size of files and functions."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TypeAlias

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "bulkdelete"
FILES = sorted(PACKAGE.rglob("*.py"))
Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef

MOST_LINES_OF_A_FILE = 300
MOST_LINES_OF_A_FUNCTION = 60
MOST_PARAMETERS = 6
NAMES_THAT_SAY_NOTHING = {"utils", "util", "helpers", "helper", "models", "base", "manager", "common", "misc"}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("command", ["ruff check .", "ruff format --check .", "mypy"])
def test_a_tool_has_nothing_to_say(command):
    done = subprocess.run(
        [sys.executable, "-m", *command.split()], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


@cache
def functions(path: Path) -> list[Function]:
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, Function)]


def length(function: Function) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def parameters(function: Function) -> int:
    arguments = function.args
    names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    stars = [star for star in (arguments.vararg, arguments.kwarg) if star is not None]
    return len(names) - (names[:1] in (["self"], ["cls"])) + len(stars)


def test_no_file_is_longer_than_300_lines():
    lines = {name(path): len(path.read_text().splitlines()) for path in FILES}
    assert {path: count for path, count in lines.items() if count > MOST_LINES_OF_A_FILE} == {}


def test_no_function_is_longer_than_60_lines():
    lengths = {f"{name(path)} {function.name}": length(function) for path in FILES for function in functions(path)}
    assert {at: lines for at, lines in lengths.items() if lines > MOST_LINES_OF_A_FUNCTION} == {}


def test_no_function_has_more_than_6_parameters_without_a_reason():
    reason = re.compile(r"# noqa: .*PLR0913.* - \S")
    for path in FILES:
        lines = path.read_text().splitlines()
        for function in functions(path):
            if (count := parameters(function)) > MOST_PARAMETERS:
                assert reason.search(lines[function.lineno - 1]), f"{name(path)} {function.name} has {count} parameters"


def test_most_functions_are_short():
    bodies = [length(function) for path in FILES for function in functions(path)]
    assert statistics.median(bodies) <= 10
    assert statistics.quantiles(bodies, n=10)[-1] <= 30


def test_no_module_has_a_name_that_says_nothing():
    assert {path.stem for path in FILES} & NAMES_THAT_SAY_NOTHING == set()


def test_every_silenced_finding_has_its_reason():
    reason = re.compile(r"# (?:noqa: [A-Z0-9, ]+ - |type: ignore\[[a-z, -]+\]  # )\S")
    for path in FILES:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if "# noqa" in line or "# type: ignore" in line:
                assert reason.search(line), f"{name(path)}:{number}: {line}"
