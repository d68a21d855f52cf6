"""The reference is in the docstrings: all that a user meets is described, and shown by an example that runs.

The rule: every public class and function has an example of its own, in its docstring. A method or property has one too,
or the example of its class uses it. What a function raises by itself stands in its docstring, or in that of its class.
An example runs as it stands after the one of the package's own docstring, against the emulator, in an empty directory.
"""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import io
import pkgutil
import re
import sys
import textwrap
import traceback
from contextlib import redirect_stdout

import pytest

import bulkdelete
from tests.structure.surface import MEMBERS, THINGS

pytest_plugins = ["pytester"]

RUN_BY_PYTEST = "bulkdelete.testing.bulkdelete_emulator"
PARSER, FINDER, CHECKER = doctest.DocTestParser(), doctest.DocTestFinder(), doctest.OutputChecker()
DOCUMENTED = {**THINGS, **{name: member for name, (_, member) in MEMBERS.items()}}


def examples(thing: object) -> list[doctest.Example]:
    return PARSER.get_examples(getattr(thing, "__doc__", None) or "")


def source_of(thing: object) -> str:
    return "".join(example.source for example in examples(thing))


def test_every_public_class_and_function_is_described_and_has_an_example():
    assert [name for name, thing in THINGS.items() if not examples(thing)] == []


def test_every_method_and_property_is_described_and_has_an_example_or_that_of_its_class():
    assert [name for name, (_, member) in MEMBERS.items() if not (member.__doc__ or "").strip()] == []
    assert [name for name, (kind, member) in MEMBERS.items() if not is_shown(name, kind, member)] == []


def is_shown(name: str, kind: object, member: object) -> bool:
    return bool(examples(member) or re.search(rf"\.{name.rpartition('.')[2]}\b", source_of(kind)))


def raised_by(function: object) -> set[str]:
    """Return the names of the errors that *function* itself makes and raises."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(getattr(function, "__func__", function)))))
    calls = [node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)]
    return {call.func.id for call in calls if isinstance(call.func, ast.Name) and call.func.id[0].isupper()}


def test_what_a_function_raises_by_itself_stands_in_its_docstring():
    functions = {name: thing for name, thing in DOCUMENTED.items() if inspect.isfunction(thing)}
    unsaid = [(name, error) for name, one in functions.items() for error in raised_by(one) if error not in one.__doc__]
    assert unsaid == []


def every_example() -> dict[str, list[doctest.Example]]:
    """Return all examples of the package by the name of what they belong to, those of its own docstring excepted."""
    modules = [one.name for one in pkgutil.walk_packages(bulkdelete.__path__, "bulkdelete.")]
    named = [importlib.import_module(name) for name in modules if not name.endswith("__main__")]
    return {test.name: test.examples for module in named for test in FINDER.find(module) if test.examples}


EXAMPLES = every_example()


async def run(examples: list[doctest.Example], names: dict[str, object]) -> None:
    """Run *examples*, as ``python -m asyncio`` does, and compare what they print."""
    for example in examples:
        code = compile(example.source, "<example>", "single", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        printed = io.StringIO()
        with redirect_stdout(printed):
            try:
                running = eval(code, names)
                if inspect.iscoroutine(running):
                    await running
            except Exception as error:  # noqa: BLE001 - whatever it is, the example may show it
                assert example.exc_msg is not None, f"{example.source}{traceback.format_exc()}"
                want, got = example.exc_msg, traceback.format_exception_only(error)[-1]
            else:
                want, got = example.want, printed.getvalue()
        assert CHECKER.check_output(want, got, doctest.ELLIPSIS), f"{example.source}gave\n{got}and not\n{want}"


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name != RUN_BY_PYTEST])
async def test_an_example_runs_and_gives_what_it_shows(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BULKDELETE_API_KEY", "")  # an example may set it
    monkeypatch.setattr(sys, "displayhook", lambda value: None if value is None else print(repr(value)))  # noqa: T201
    names: dict[str, object] = {"__name__": "__main__"}
    await run(examples(bulkdelete), names)
    async with names["stack"]:  # type: ignore[attr-defined]
        await run(EXAMPLES[name], names)


def test_the_example_of_the_fixture_passes_as_a_test(pytester):
    pytester.makeconftest('pytest_plugins = ["bulkdelete.testing"]')
    pytester.makepyfile(source_of(THINGS[RUN_BY_PYTEST]))
    words = ("-p", "no:asyncio", "-p", "no:cov", "-p", "no:cacheprovider", "--strict-markers", "-W", "error")
    pytester.runpytest_subprocess(*words, timeout=100).assert_outcomes(passed=1)
