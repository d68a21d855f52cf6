"""What starting costs: CPU time, and of several starts the least, so that a busy machine is no failure."""

from __future__ import annotations

import sys

from benchmarks import start
from benchmarks.measuring import ended

MOST_TIMES_AIOHTTP = 3.5
"""It was 2.1 to 2.9 times on a busy machine. Mostly it is the models of the settings."""


def test_importing_the_package_adds_little_to_aiohttp_and_the_deleter_not_much():
    assert start.added_ms("bulkdelete") <= 120
    assert start.added_ms("bulkdelete.api") <= MOST_TIMES_AIOHTTP * start.cpu_ms("import aiohttp")


def test_help_is_there_at_once():
    assert start.cpu_ms("bulkdelete --help") <= 200


def test_importing_the_deleter_imports_no_extra_and_nothing_of_the_command_line():
    others = "{'uvloop', 'zstandard', 'prometheus_client', 'opentelemetry', 'click', 'rich'}"
    program = f"import sys, bulkdelete.api, bulkdelete.folder; print(*sorted({others} & set(sys.modules)))"
    assert ended([sys.executable, "-c", program]).printed == "\n"


def test_looking_at_a_ledger_imports_no_models_of_settings_and_no_client():
    others = "{'pydantic', 'aiohttp', 'tenacity', 'rich'}"
    program = f"import sys, bulkdelete.cli.status; print(*sorted({others} & set(sys.modules)))"
    assert ended([sys.executable, "-c", program]).printed == "\n"
