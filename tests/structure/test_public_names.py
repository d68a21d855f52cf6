"""The package's public names: one list, each of them to be had, and none of them paid for before it is used."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import bulkdelete

INIT = Path(bulkdelete.__file__)


def names_for_types() -> set[str]:
    tree = ast.parse(INIT.read_text())
    blocks = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    imports = [node for block in blocks for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.asname or alias.name for node in imports for alias in node.names}


def test_the_list_of_names_is_what_can_be_had_and_what_type_checkers_see():
    lazy = [name for names in bulkdelete._HOMES.values() for name in names]
    assert len(set(lazy)) == len(lazy)
    assert set(bulkdelete.__all__) == {*lazy, "__version__"} == {*names_for_types(), "__version__"}
    assert bulkdelete.__all__ == sorted(bulkdelete.__all__)
    assert dir(bulkdelete) == bulkdelete.__all__


@pytest.mark.parametrize("name", bulkdelete.__all__)
def test_every_public_name_can_be_had_and_is_documented(name):
    thing = getattr(bulkdelete, name)
    assert thing is not None
    if name != "__version__":
        assert thing.__name__ == name
        assert thing.__doc__


def test_any_other_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'bulkdelete' has no attribute 'BulkDelete'"):
        _ = bulkdelete.BulkDelete


def test_the_tree_of_errors_is_public():
    errors = {name for name in bulkdelete.__all__ if isinstance(getattr(bulkdelete, name), type)}
    errors = {name for name in errors if issubclass(getattr(bulkdelete, name), Exception)}
    assert "BulkDeleteError" in errors
    assert all(issubclass(getattr(bulkdelete, name), bulkdelete.BulkDeleteError) for name in errors)


def python(program: str) -> str:
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    words = [sys.executable, "-c", program]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    "program", ["import bulkdelete; bulkdelete.__version__; dir(bulkdelete)", "import bulkdelete.errors"]
)
def test_importing_the_package_imports_no_library(program):
    heavy = "{'aiohttp', 'pydantic', 'pydantic_settings', 'click', 'rich', 'tenacity', 'orjson', 'sqlite3', 'asyncio'}"
    assert python(f"import sys; {program}; print(*sorted({heavy} & set(sys.modules)))") == ""


def test_the_words_of_the_library_need_no_library():
    program = (
        "import sys; from bulkdelete import Filter, Report; print(*sorted({'aiohttp', 'pydantic'} & set(sys.modules)))"
    )
    assert python(program) == ""


def test_the_library_does_without_the_terminal():
    program = "import sys; from bulkdelete import BulkDeleter; print(*sorted({'click', 'rich'} & set(sys.modules)))"
    assert python(program) == ""


def test_a_job_in_a_log_does_without_the_library_for_terminals():
    assert python("import sys; import bulkdelete.cli.run; print(*sorted({'rich'} & set(sys.modules)))") == ""


@pytest.mark.parametrize("words", ["--help", "--version", "", "rnu"])
def test_what_concerns_no_command_imports_none(words):
    program = f"""
import sys
from bulkdelete.cli import main
sys.argv = ["bulkdelete", *{words!r}.split()]
try:
    main()
except SystemExit:
    print("imported:", *sorted({{"aiohttp", "pydantic", "rich", "tenacity", "sqlite3"}} & set(sys.modules)))
"""
    assert python(program).endswith("imported:")
