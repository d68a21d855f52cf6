"""The long campaign: every target, or one of them, for so many seconds each."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from tests.fuzzing.campaign import FAILED, FRESH, IN_MEMORY, LOG, Trial, at_hand, keep, run, told
from tests.fuzzing.targets import TARGETS

_MOST_TOLD = 4000


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzzing", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long each target is fed")
    parser.add_argument("--target", choices=TARGETS, help="only this one")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--guided", action="store_true", help="by coverage, with atheris, rather than at random")
    parser.add_argument("--added", type=Path, help="where to copy what a guided run added to the corpus")
    parser.add_argument("--replay", type=Path, help="feed this file to --target, and nothing else")
    parser.add_argument("--found", type=Path, default=Path("fuzzing-found"), help="where inputs that fail are kept")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.replay:
        if not given.target:
            parser.error("--replay needs --target")
        with tempfile.TemporaryDirectory() as folder:
            fault = Trial(TARGETS[given.target], Path(folder)).fault_of(given.replay.read_bytes())
        print(fault or "as promised")
        return 1 if fault else 0
    if given.guided and find_spec("atheris") is None:
        parser.error("--guided needs atheris, which has wheels for CPython 3.11 to 3.13 on Linux on x86-64")
    if given.here:
        return _here(given.target, given.seconds, given.seed, given.found)
    codes = [_in_a_process_of_its_own(name, given) for name in ([given.target] if given.target else TARGETS)]
    return 1 if any(codes) else 0


def _in_a_process_of_its_own(name: str, given: argparse.Namespace) -> int:
    """Run one target where its memory is its own, and where a hang ends nobody else."""
    words = ["--target", name, "--seconds", str(given.seconds), "--seed", str(given.seed), "--found", str(given.found)]
    left = at_hand(given.found, name)
    left.unlink(missing_ok=True)
    code, said = _guided(words, given.added and given.added / name) if given.guided else _unguided(words)
    if code:
        how = " --guided" if given.guided else ""
        print(
            f"{name} ended with {code}; from its seed again: python -m tests.fuzzing{how} {' '.join(words)}", flush=True
        )
    if left.exists():
        print(f"it did not survive this input\nagain: {keep(name, left.read_bytes(), given.found)}", flush=True)
        left.unlink()
    print(said, end="", file=sys.stderr, flush=True)
    with contextlib.suppress(OSError):  # where something was found
        left.parent.rmdir()
        given.found.rmdir()
    return code


def _unguided(words: list[str]) -> tuple[int, str]:
    return subprocess.run([sys.executable, "-m", "tests.fuzzing", *words, "--here"], check=False).returncode, ""


def _guided(words: list[str], added: Path | None) -> tuple[int, str]:
    """Return how the process ended, and where it could not tell that itself, what else it said."""
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder, (log := Path(folder, LOG)).open("w") as errors:
        command = [sys.executable, "-m", "tests.fuzzing.guided", *words, "--folder", folder]
        code = subprocess.run(command, stderr=errors, check=False).returncode
        if added is not None and Path(folder, FRESH).is_dir():
            shutil.copytree(Path(folder, FRESH), added, dirs_exist_ok=True)
        return code, "" if code in {0, FAILED} else log.read_text("utf-8", "replace")[-_MOST_TOLD:]


def _here(name: str, seconds: float, seed: int, found: Path) -> int:
    figures = run(name, seconds, seed, found)
    print(told(figures, found), end="", flush=True)
    if figures.hangs:
        os._exit(1)  # a thread that hangs would be waited for
    return figures.failed is not None


if __name__ == "__main__":
    sys.exit(main())
