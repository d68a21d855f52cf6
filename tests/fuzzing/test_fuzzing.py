"""Every target keeps what it promises, with its corpus and with some fresh inputs; and a breach is seen."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from bulkdelete.errors import HoldsRefused, LedgerError, PlanRefused, SettingsError, SourceError
from tests.fuzzing.campaign import CORPUS, Trial, corpus_of, keep, minimised, run
from tests.fuzzing.keys import KEY_VARIABLE
from tests.fuzzing.mutating import MOST_BYTES, Mutator
from tests.fuzzing.targets import TARGETS, Target

ROOT = Path(__file__).parents[2]
SECONDS = 0.2
FOUND = Path(tempfile.gettempdir()) / "fuzzing-found"
"""Where inputs that fail are kept. One that ends this process itself is told by the campaign's own command."""
pytestmark = pytest.mark.filterwarnings("ignore:Possible (nested set|set difference):FutureWarning")  # of a pattern


@pytest.mark.parametrize("name", TARGETS)
def test_whatever_it_is_fed_it_reads_or_refuses_in_bounded_time_and_memory(name):
    figures = run(name, SECONDS, seed=1)
    if figures.fault:
        again = keep(name, figures.failed, FOUND)
        pytest.fail(f"{figures.fault}\n{figures}\n{again}")
    assert figures.inputs > len(corpus_of(TARGETS[name]))


def target(read):
    return Target("x", read, (), list)


def test_a_crash_is_seen_and_its_input_made_small(tmp_path):
    def crashing(data, folder):
        assert b"!" not in data

    trial = Trial(target(crashing), tmp_path)
    assert trial.fault_of(b"fine") == ""
    assert "AssertionError" in trial.fault_of(b"fine" * 100 + b"!" + b"fine" * 100)
    assert minimised(trial, b"fine" * 100 + b"!" + b"fine" * 100) == b"!"


def test_what_takes_too_long_is_seen(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.fuzzing.campaign.MOST_CPU_SECONDS", 0.1)

    def slow(data, folder):
        until = time.process_time() + 0.1
        while time.process_time() <= until:
            pass

    assert "CPU seconds" in Trial(target(slow), tmp_path).fault_of(b"")


HANGING = """
import itertools, time
from collections import deque
from tests.fuzzing import campaign, targets

def hang(data, folder):
    if b"!" in data:
        {how}

targets.TARGETS["hanging"] = targets.Target("hanging", hang, (), lambda: [b"fine", b"this hangs!"])
campaign._HANGS_AFTER_SECONDS = 0.3
"""


GUIDED = pytest.param(["--guided"], marks=pytest.mark.skipif(find_spec("atheris") is None, reason="no atheris here"))


@pytest.mark.parametrize("guided", [[], GUIDED])
@pytest.mark.parametrize(
    ("how", "telling"),
    [("time.sleep(600)", "takes more than 0.3 s"), ("deque(itertools.repeat(0), 0)", "it did not survive this input")],
    ids=["in Python", "where nothing of Python runs any more"],
)
def test_an_input_that_hangs_is_kept_where_the_command_that_replays_it_says(how, telling, guided, tmp_path):
    done = fuzz("hanging", HANGING.format(how=how), ["--seconds", "1", *guided], tmp_path)
    assert done.returncode == 1
    assert telling in done.stdout
    [kept] = (tmp_path / "found" / "hanging").iterdir()
    assert kept.read_bytes() == b"this hangs!"
    assert f"again: python -m tests.fuzzing --target hanging --replay {kept}\n" in done.stdout


SOUGHT = """
import atheris
from tests.fuzzing import targets

@atheris.instrument_func
def sought(data, folder):
    assert data[:8] != b"\\x8e\\x17Wr5T!q"

targets.TARGETS["sought"] = targets.Target("sought", sought, (), lambda: [b"fine"])
"""


@pytest.mark.skipif(find_spec("atheris") is None, reason="no atheris here")
def test_what_chance_does_not_find_is_found_by_what_the_code_compares_with(tmp_path):
    by_chance = fuzz("sought", SOUGHT, ["--seconds", "1"], tmp_path)
    assert by_chance.returncode == 0, by_chance.stdout
    done = fuzz("sought", SOUGHT, ["--seconds", "60", "--guided"], tmp_path)  # it ends once it has found it
    assert done.returncode == 1, done.stdout
    assert re.search(r" seed 1, \d+ edges, \d+ features, \d+ inputs added to 1\n", done.stdout)
    [kept] = (tmp_path / "found" / "sought").iterdir()
    assert kept.read_bytes() == b"\x8e\x17Wr5T!q"
    assert f"again: python -m tests.fuzzing --target sought --replay {kept}\n" in done.stdout


def fuzz(name, code, words, tmp_path):
    """Run the campaign's command on a target that *code* makes."""
    (tmp_path / "sitecustomize.py").write_text(code)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    command = [sys.executable, "-m", "tests.fuzzing", "--target", name, *words, "--found", str(tmp_path / "found")]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)


def test_what_takes_too_much_memory_is_seen(monkeypatch):
    def greedy(data, folder):
        assert bytearray(300 * 2**20) != data

    greedy_one = Target("greedy", greedy, (), lambda: [b""])
    monkeypatch.setitem(TARGETS, "greedy", greedy_one)
    monkeypatch.setattr("tests.fuzzing.campaign.Trial.fault_of", after_the_first(Trial.fault_of))
    assert "grew by" in run("greedy", 1, seed=1).fault


def after_the_first(fault_of):
    calls = []

    def fault_of_all_but_the_first(self, data):
        calls.append(data)
        return fault_of(self, data) if len(calls) > 1 else ""

    return fault_of_all_but_the_first


def test_a_seed_makes_the_same_inputs_again_and_none_is_too_large():
    def first(seed):
        inputs = Mutator(seed, [b"541278230707963208\n" * 100], [b'"', b","]).inputs()
        return [next(inputs) for _ in range(300)]

    assert first(7) == first(7) != first(8)
    assert max(map(len, first(7))) <= MOST_BYTES
    assert len(set(first(7))) > 150


def test_every_target_has_a_corpus_of_small_files_and_no_other_is_there():
    kept = {path.name: [*path.iterdir()] for path in CORPUS.iterdir()}
    assert kept.keys() == TARGETS.keys()
    assert all(kept.values())
    assert max(path.stat().st_size for paths in kept.values() for path in paths) < 40_000
    assert not [path for paths in kept.values() for path in paths if re.fullmatch("[0-9a-f]{12}", path.stem)]


@pytest.mark.parametrize(
    ("name", "broken", "telling"),
    [
        ("echo", "bulkdelete.attempts.without", lambda key, text: text),
        ("config", "bulkdelete.cli.settings_file._parsed", lambda data: ({}, data.decode())),
        ("plan", "bulkdelete.cli.plan_files.Plan.from_json", lambda data, name: refuse(data.decode())),
        ("text", "bulkdelete.sources.file.open_stream", lambda *_, **__: break_off(SourceError)),
        ("holds", "bulkdelete.holding._check_age", lambda *_: break_off(HoldsRefused)),
        ("ledger", "bulkdelete.ledger.opening.connect", lambda *_, **__: break_off(LedgerError)),
        ("report", "bulkdelete.cli.verify.kept", lambda *_: break_off(SettingsError)),
        (
            "headers",
            "bulkdelete.waiting._date",
            lambda _: logging.getLogger("bulkdelete").debug(os.environ[KEY_VARIABLE]),
        ),
    ],
)
def test_a_key_that_gets_out_is_seen(name, broken, telling, tmp_path, monkeypatch):
    seed = TARGETS[name].seeds()[0]
    assert Trial(TARGETS[name], tmp_path).fault_of(seed) == ""
    monkeypatch.setattr(broken, telling)
    assert "the key, or enough of it, stands in" in Trial(TARGETS[name], tmp_path).fault_of(seed)


def refuse(text):
    raise PlanRefused(text)


def break_off(kind):
    raise kind(f"what is said of it names {os.environ[KEY_VARIABLE]}")
