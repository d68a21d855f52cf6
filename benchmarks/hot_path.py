"""How many calls, bytecodes and instructions does one more batch of a job take, from the text file to the ledger?

Counts repeat where seconds do not. The job is the whole one, but for the socket, the threads and the clock
(``benchmarks/in_memory.py``): a long one less a short one, so that beginning and end cancel out. Calls and bytecodes
do not see what C does inside of one call (hashing, JSON, SQLite). Instructions do; they take valgrind, and are those of
one build of Python.
"""

from __future__ import annotations

import json
import platform
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from benchmarks.measuring import ended
from benchmarks.results import Measured

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.suite import Size

BATCHES = 50, 100
BATCHES_BELOW_VALGRIND = 16, 32
BASELINE = Path(__file__).with_suffix(".json")
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
KINDS = "calls", "bytecodes"
WITHOUT_VALGRIND = "valgrind is not installed, so instructions were not counted"
Counts: TypeAlias = dict[str, dict[str, float]]
"""By kind, and then by file or library."""


def build() -> str:
    """Return what decides about the instructions of the same program: the interpreter, its compiler, libc, valgrind."""
    python = f"{platform.python_implementation()} {platform.python_version()}, {platform.python_compiler()}"
    return ", ".join((python, platform.machine(), "-".join(platform.libc_ver()), _valgrind()))


def _valgrind() -> str:
    return ended(["valgrind", "--version"]).printed.strip() if shutil.which("valgrind") else WITHOUT_VALGRIND


def measure(size: Size) -> Iterator[Measured]:
    """Give the counts for one batch: all calls and bytecodes, those of our own files, and all instructions."""
    counts, found = counted(), [one for _ in range(size.times) if (one := instructions()) is not None]
    note = "" if found else WITHOUT_VALGRIND
    for kind in KINDS:
        ours = sum(count for name, count in counts[kind].items() if name.startswith("bulkdelete/"))
        yield Measured({"of": "all"}, kind, "per batch", [sum(counts[kind].values())], note)
        yield Measured({"of": "bulkdelete"}, kind, "per batch", [ours], note)
    if found:
        yield Measured({"of": "all"}, "instructions", "per batch", found)


def counted() -> Counts:
    """Return the calls and bytecodes per batch."""
    first, second = BATCHES
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-m", "benchmarks.counting", "bytecodes", folder, str(first), str(second)]
        done = ended(words, {"PYTHONHASHSEED": "0"})
    if done.exit_code:
        raise RuntimeError(f"the counted job ended with {done.exit_code}")
    short, long = json.loads(done.printed)
    return {
        kind: {
            name: (counts[at] - short.get(name, (0, 0))[at]) / (second - first)
            for name, counts in long.items()
            if counts[at] != short.get(name, (0, 0))[at]
        }
        for at, kind in enumerate(KINDS)
    }


def instructions() -> float | None:
    """Return the instructions per batch; ``None`` where valgrind is not installed."""
    valgrind, (first, second) = shutil.which("valgrind"), BATCHES_BELOW_VALGRIND
    if valgrind is None or shutil.which("vgdb") is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "callgrind"
        how = ["-q", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={out}"]
        words = [valgrind, *how, sys.executable, "-m", "benchmarks.counting", "instructions", folder]
        done = ended([*words, str(first), str(second)], {"PYTHONHASHSEED": "0"})
        if done.exit_code:
            raise RuntimeError(f"the counted job ended with {done.exit_code}")
        short, long = (_total(Path(f"{out}.{number}")) for number in (1, 2))
    return (long - short) / (second - first)


def _total(file: Path) -> int:
    [total] = [line.split()[1] for line in file.read_text().splitlines() if line.startswith("summary:")]
    return int(total)


def baseline() -> dict[str, Any]:
    """Return the committed counts: by version of Python, and the instructions by build."""
    kept: dict[str, Any] = json.loads(BASELINE.read_text())
    return kept


def renew() -> None:
    """Count, and write the baseline for this version and this build of Python."""
    kept = baseline() if BASELINE.is_file() else {"counts": {}, "instructions": {}}
    kept["counts"][VERSION] = {
        kind: {name: round(count, 2) for name, count in of.items()} for kind, of in counted().items()
    }
    if (found := instructions()) is not None:
        kept["instructions"][build()] = round(found)
    BASELINE.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")


def difference(kind: str, now: Counts, before: Counts) -> str:
    """Say which files differ by how much, the largest difference first."""
    names = now[kind].keys() | before[kind].keys()
    by = {name: now[kind].get(name, 0.0) - before[kind].get(name, 0.0) for name in names}
    ordered = sorted((name for name in names if by[name]), key=lambda name: -abs(by[name]))
    return "\n".join(f"{by[name]:+10.2f}  {name}" for name in ordered)
