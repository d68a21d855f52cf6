"""A campaign that fails in any way keeps the image, and prints the command that shows the fault again."""

from __future__ import annotations

import asyncio
import re
import shlex
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from bulkdelete.ledger import open_ledger
from tests.powercuts.campaign import AS_SET, EMPTY, History, judge_all, judged_again
from tests.powercuts.histories import Begin, Note
from tests.powercuts.judging import Image
from tests.powercuts.keeping import Keeper
from tests.unit.test_ledger import IDENTITY

TREE = Path(__file__).parents[2]
BROKEN = """
import asyncio, os, signal, sqlite3, sys
from tests.powercuts import __main__, campaign, keeping

keeping.HANGS_AFTER_SECONDS = 8
real = campaign.History.{method}

async def breaking(self, *given):
    if {when}:
        {how}
    return await real(self, *given)

campaign.History.{method} = breaking
sys.argv[1:] = ["--seed", "3", "--history", "2", "--jobs", "1"]
sys.exit(__main__.main())
"""
AT_AN_IMAGE = {"method": "_fault", "when": "given[1].submitted > 1"}
WHILE_RECORDING = {"method": "record", "when": "True"}


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """Let what is kept be kept here, by subprocesses too."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def said_by(*words: str) -> tuple[int, str]:
    done = subprocess.run([sys.executable, *words], cwd=TREE, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("await asyncio.Event().wait()", "was ended after 8 s"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "a process ended"),
    ],
)
def test_an_image_whose_judging_hangs_or_kills_is_kept_and_can_be_judged_again(how, told):
    code, said = said_by("-c", BROKEN.format(how=how, **AT_AN_IMAGE))
    assert (code, told in said) == (1, True), said
    commands = re.findall(r"^  python (-m tests\.powercuts --judge .+)$", said, re.MULTILINE)
    assert commands, said
    assert said_by(*shlex.split(commands[0])) == (0, "sound\n")


def test_a_history_that_cannot_be_recorded_is_played_again_by_its_number():
    code, said = said_by("-c", BROKEN.format(how="raise sqlite3.OperationalError('disk I/O error')", **WHILE_RECORDING))
    assert code == 1, said
    assert "OperationalError: disk I/O error" in said
    assert f"\n  python -m tests.powercuts --seed 3 --history 2 --synchronous {AS_SET}\n" in said, said


async def ledger_that_lacks_a_table(folder: Path) -> History:
    """Make a ledger in *folder* as a history leaves it, but for a table; return the history."""
    history = History([[Begin()], [Note(1)]])
    await history.play_one_by_one({}, [EMPTY])
    ledger = await open_ledger(folder / "a.db", IDENTITY)
    await ledger.close(None)
    with closing(sqlite3.connect(folder / "a.db")) as connection:
        connection.executescript("DROP TABLE event")
    return history


def test_an_image_that_sqlite_refuses_is_a_fault_of_it_alone(tmp_path):
    history = asyncio.run(ledger_that_lacks_a_table(tmp_path))
    unsound = Image({"a.db": (tmp_path / "a.db").read_bytes()}, 0, 2)
    new = Image({}, 0, 2)
    found = asyncio.run(judge_all(history, [new, unsound, new], Keeper(1, 0, tmp_path, AS_SET)))
    (fault,) = found.faults
    assert "OperationalError: no such table: event" in fault.text
    assert "no such table: event" in judged_again(fault.image)
    assert [*tmp_path.glob("*.image")] == [fault.image]
