"""The long campaign: every target, or one of them, for so many seconds each."""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.fuzzing.campaign import Trial, at_hand, keep, run
from tests.fuzzing.targets import TARGETS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzzing", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long each target is fed")
    parser.add_argument("--target", choices=TARGETS, help="only this one")
    parser.add_argument("--seed", type=int, default=1)
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
    if given.here:
        return _here(given.target, given.seconds, given.seed, given.found)
    codes = [_in_a_process_of_its_own(name, given) for name in ([given.target] if given.target else TARGETS)]
    return 1 if any(codes) else 0


def _in_a_process_of_its_own(name: str, given: argparse.Namespace) -> int:
    """Run one target where its memory is its own, and where a hang ends nobody else."""
    words = ["--target", name, "--seconds", str(given.seconds), "--seed", str(given.seed), "--found", str(given.found)]
    left = at_hand(given.found, name)
    left.unlink(missing_ok=True)
    code = subprocess.run([sys.executable, "-m", "tests.fuzzing", *words, "--here"], check=False).returncode
    if code:
        print(f"{name} ended with {code}; from its seed again: python -m tests.fuzzing {' '.join(words)}", flush=True)
    if left.exists():
        print(f"it did not survive this input\nagain: {keep(name, left.read_bytes(), given.found)}", flush=True)
        left.unlink()
    with contextlib.suppress(OSError):  # where something was found
        left.parent.rmdir()
        given.found.rmdir()
    return code


def _here(name: str, seconds: float, seed: int, found: Path) -> int:
    figures = run(name, seconds, seed, found)
    print(figures, flush=True)
    if figures.failed is not None:
        print(f"{figures.fault}\nagain: {keep(name, figures.failed, found)}", flush=True)
    at_hand(found, name).unlink()
    if figures.hangs:
        os._exit(1)  # a thread that hangs would be waited for
    return figures.failed is not None


if __name__ == "__main__":
    sys.exit(main())
