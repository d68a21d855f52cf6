"""What the type checkers of a user say of the package: nothing, in strict mode, whatever of it is used."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib import resources
from pathlib import Path

from tests.structure.surface import MEMBERS, THINGS

API = Path(__file__).parents[1] / "typing" / "api.py"
FOR_ITSELF = {"bulkdelete.emulator.Faults.strike"}  # what the emulator asks
STRICT = {
    "typeCheckingMode": "strict",
    "enableTypeIgnoreComments": False,  # those are for mypy, which has its own say in test_gates.py
    "reportUnnecessaryTypeIgnoreComment": "error",
    "pythonVersion": "3.11",
}


def test_all_that_a_user_meets_is_used_in_the_file_that_is_type_checked():
    uses = API.read_text().partition("\n# --- ")[2]
    unused = {name for name in {*THINGS, *MEMBERS} - FOR_ITSELF if not re.search(use_of(name), uses)}
    assert unused == set()


def use_of(name: str) -> str:
    last = name.rpartition(".")[2]
    return rf"\.{last}\b" if name in MEMBERS else rf"\b{last}\b"


def test_pyright_has_nothing_to_say_of_a_program_that_uses_the_installed_package(tmp_path):
    (tmp_path / "program.py").write_text(API.read_text())
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(STRICT))
    words = [sys.executable, "-m", "pyright", "--project", str(tmp_path), "--pythonpath", sys.executable]
    env = {**os.environ, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=100, env=env, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    assert resources.files("bulkdelete").joinpath("py.typed").is_file()
