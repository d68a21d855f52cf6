"""A campaign's own command in a process of its own, where nothing measures coverage: it plays much more."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

LONGEST_SECONDS = 110


def campaign(name: str, *words: object, longest_seconds: float = LONGEST_SECONDS, tree: Path | None = None) -> str:
    """Return what ``python -m tests.NAME WORDS`` prints, in this tree or another; it must end with 0, and in time."""
    command = ["-m", f"tests.{name}", *map(str, words)]
    process = subprocess.Popen(
        [sys.executable, "-u", *command],
        cwd=tree or Path(__file__).parents[1],
        env={name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    try:
        printed, complained = process.communicate(timeout=longest_seconds)
        ended = f"ended with {process.returncode}"
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # with the processes that it started
        printed, complained = process.communicate()
        ended = f"did not end within {longest_seconds:g} s"
    if ended != "ended with 0":
        pytest.fail(f"{shlex.join(['python', *command])} {ended}:\n{printed}{complained}", pytrace=False)
    return printed
