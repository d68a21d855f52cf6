"""A campaign that fails or hangs says what was run, and all that it printed until then."""

from __future__ import annotations

import subprocess
import sys
import time

import psutil
import pytest

from tests.campaigning import campaign

HANGS = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("child", child.pid)
print("seed 41 went well")
print("seed 42 waits", file=sys.stderr)
time.sleep(600)
"""


@pytest.fixture
def tree(tmp_path):
    def written(text):
        (tmp_path / "tests" / "one").mkdir(parents=True)
        (tmp_path / "tests" / "__init__.py").touch()
        (tmp_path / "tests" / "one" / "__main__.py").write_text(text)
        return tmp_path

    return written


def is_alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def failure(*words, **how):
    with pytest.raises(pytest.fail.Exception) as raised:
        campaign(*words, **how)
    return str(raised.value)


def test_one_that_does_not_end_in_time_is_ended_with_its_children_and_shows_what_it_printed(tree):
    said = failure("one", "--seeds", 9, "a b", longest_seconds=6, tree=tree(HANGS))
    assert said.startswith("python -m tests.one --seeds 9 'a b' did not end within 6 s:\nchild ")
    assert "seed 41 went well" in said
    assert "seed 42 waits" in said
    child = int(said.split("child ")[1].split()[0])
    until = time.monotonic() + 20  # it was killed, and may still be about to die
    while is_alive(child) and time.monotonic() < until:
        time.sleep(0.01)
    assert not is_alive(child)


def test_one_that_fails_shows_its_command_its_code_and_what_it_printed(tree):
    said = failure("one", "--seed", 7, tree=tree("import sys; print('lost'); sys.exit('a row')"))
    assert said == "python -m tests.one --seed 7 ended with 1:\nlost\na row\n"


def test_one_that_is_killed_takes_its_processes_with_it():
    words = [sys.executable, "-m", "tests.simulation", "--seeds", "100000", "--jobs", "1"]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as run:
        while not any("spawn_main" in " ".join(one.cmdline()) for one in psutil.Process(run.pid).children()):
            assert run.poll() is None
            time.sleep(0.05)
        processes = psutil.Process(run.pid).children()
        run.kill()
    _, alive = psutil.wait_procs(processes, timeout=20)
    for one in alive:
        one.kill()
    assert alive == []
