"""A command that is printed works where it is pasted, also where the command's folder is not on the PATH."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from bulkdelete.cli import invoking

INSTALLED = Path(sys.executable).with_name("bulkdelete")


@pytest.mark.parametrize(
    ("argv0", "on_the_path", "printed"),
    [
        (INSTALLED, True, "bulkdelete"),
        (INSTALLED, False, str(INSTALLED)),
        ("bin/bulkdelete", True, "bin/bulkdelete"),  # another one
        ("/opt/bulk delete/bin/bulkdelete", False, "'/opt/bulk delete/bin/bulkdelete'"),
        (Path(invoking.__file__).parents[1] / "__main__.py", False, "bulkdelete"),
        ("bulkdelete", False, "bulkdelete"),
    ],
)
def test_a_command_begins_as_this_one_was_begun(argv0, on_the_path, printed, monkeypatch):
    monkeypatch.setattr(sys, "argv", [str(argv0), "run"])
    monkeypatch.setenv("PATH", str(INSTALLED.parent) if on_the_path else os.devnull)
    assert invoking.command("failures", "a b.db") == f"{printed} failures 'a b.db'"


def test_what_the_installed_command_prints_can_be_pasted_without_an_active_environment(tmp_path):
    (tmp_path / "ids.txt").write_text("two words\n")  # so that nothing is sent
    options = (
        "--table-id",
        "t",
        "--base-url",
        "http://127.0.0.1:9",
        "--ledger",
        "l.db",
        "--yes",
        "--max-outage",
        "0.1",
    )
    env = {"PATH": "/usr/bin:/bin", "BULKDELETE_API_KEY": "k", "HOME": str(tmp_path)}
    done = subprocess.run(
        [INSTALLED, "run", "ids.txt", *options], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    [pasted] = [line for line in done.stdout.splitlines() if line.startswith("those rows")]
    words = shlex.split(pasted.removeprefix("those rows"))
    listed = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    assert "two words" in listed.stdout
