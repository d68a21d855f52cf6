"""A campaign's own command in a process of its own, where nothing measures coverage: it plays much more."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

LONGEST_SECONDS = 110


def campaign(name: str, *words: object) -> str:
    """Return what ``python -m tests.NAME WORDS`` prints; it must end with 0."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    command = [sys.executable, "-m", f"tests.{name}", *map(str, words)]
    try:
        done = subprocess.run(
            command,
            cwd=Path(__file__).parents[1],
            env=env,
            capture_output=True,
            text=True,
            timeout=LONGEST_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        said = b"".join(told if isinstance(told, bytes) else b"" for told in (late.stdout, late.stderr))
        raise AssertionError(f"{command} took more than {LONGEST_SECONDS} s, and said:\n{said.decode()}") from None
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
