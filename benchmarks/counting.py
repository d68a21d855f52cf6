"""Counting what jobs of two lengths do, in a process of its own that runs nothing else.

    PYTHONHASHSEED=0 python -m benchmarks.counting bytecodes|instructions FOLDER FIRST SECOND

Jobs of so many batches. A call is one of Python or of C, a bytecode one step of the interpreter: both are the same
every time, and printed by file. Instructions are those of the processor, and counted by callgrind, which runs this.
"""

from __future__ import annotations

import gc
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.in_memory import InMemoryLoop, virtual_clock
from benchmarks.measuring import TABLE_ID, write_ids

if TYPE_CHECKING:
    from types import CodeType, FrameType

    from bulkdelete import Report

LATENCY_SECONDS = 0.02
MOST_SECONDS_OF_ASKING = 60.0
ROOT = Path(__file__).parents[1]
NOT_THE_CLIENT = "benchmarks/", "tests/"


class Count:
    """The calls and bytecodes of all that runs while entered, by the code that they are in."""

    def __init__(self) -> None:
        self._codes: dict[int, CodeType] = {}
        self._calls: Counter[int] = Counter()
        self._bytecodes: Counter[int] = Counter()

    def __enter__(self) -> None:
        gc.disable()
        sys.setprofile(self._profile)
        sys.settrace(self._enter)

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)
        sys.setprofile(None)
        gc.enable()

    def _profile(self, frame: FrameType, event: str, _: Any) -> None:  # noqa: ANN401 - as sys has it
        if event in {"call", "c_call"}:
            self._codes[id(frame.f_code)] = frame.f_code
            self._calls[id(frame.f_code)] += 1

    def _enter(self, frame: FrameType, _event: str, _: Any) -> Any:  # noqa: ANN401 - as sys has it
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return self._step

    def _step(self, frame: FrameType, event: str, _: Any) -> None:  # noqa: ANN401 - as sys has it
        if event == "opcode":
            self._bytecodes[id(frame.f_code)] += 1

    def by_file(self) -> dict[str, tuple[int, int]]:
        """Return the calls and bytecodes of each file of ours, and those of each library."""
        calls, bytecodes = Counter[str](), Counter[str]()
        for at, code in self._codes.items():
            name = _name(code.co_filename)
            calls[name] += self._calls[at]
            bytecodes[name] += self._bytecodes[at]
        return {name: (calls[name], bytecodes[name]) for name in calls if not name.startswith(NOT_THE_CLIENT)}


def _name(path: str) -> str:
    """Return a file of ours by its path here, and any other by the library that it is of."""
    *_, within = path.rpartition(f"{ROOT}/")
    if within != path and within.startswith(("bulkdelete/", "benchmarks/", "tests/")):
        return within
    _, installed, rest = path.partition("/site-packages/")
    return rest.partition("/")[0] if installed else "python"


def job(loop: InMemoryLoop, source: Path) -> None:
    """Run a job from a text file of ids and with a ledger."""
    from bulkdelete import BulkDeleter, open_source  # noqa: PLC0415 - after the clock was made virtual

    async def report() -> Report:
        async with BulkDeleter(base_url="http://127.0.0.1:1", api_key="benchmark") as deleter:
            return await deleter.delete(TABLE_ID, open_source(source), ledger=source.with_suffix(".db"))

    random.seed(0)
    found = loop.run_until_complete(report())
    if not found.rows or found.acknowledged != found.rows:
        raise RuntimeError(f"the job ended otherwise: {found}")


def main(how: str, folder: str, first: str, second: str) -> None:
    """Count jobs of *first* and of *second* batches, after two that do not count."""
    sources = [Path(folder) / f"{name}.txt" for name in ("warm", "warmer", "first", "second")]
    for source, batches in zip(sources, (2, 2, int(first), int(second)), strict=True):
        write_ids(source, batches * 1000)
    loop = InMemoryLoop(LATENCY_SECONDS)
    virtual_clock(loop)
    (bytecodes if how == "bytecodes" else instructions)(loop, *sources)


def bytecodes(loop: InMemoryLoop, warm: Path, warmer: Path, *sources: Path) -> None:
    """Print the calls and bytecodes of each of *sources*, by file."""
    job(loop, warm)
    counts = []
    for source in (warmer, *sources):  # since 3.12 the first that is counted is counted in part
        count = Count()
        with count:
            job(loop, source)
        counts.append(count.by_file())
    print(json.dumps(counts[1:]))


def instructions(loop: InMemoryLoop, warm: Path, warmer: Path, *sources: Path) -> None:
    """Below callgrind: leave a file of the instructions of each of *sources*."""
    job(loop, warm)
    gc.disable()
    tell_valgrind("instrumentation", "on")
    job(loop, warmer)
    tell_valgrind("zero")
    for source in sources:
        job(loop, source)
        tell_valgrind("dump")


def tell_valgrind(*words: str) -> None:
    """Give a command to the valgrind that this process is run by; it listens while the process is busy."""
    asking = subprocess.Popen(["vgdb", f"--pid={os.getpid()}", *words], stdout=sys.stderr)  # noqa: S607 - from PATH
    until = time.process_time() + MOST_SECONDS_OF_ASKING
    while asking.poll() is None and time.process_time() < until:
        pass
    if asking.poll() != 0:
        asking.kill()
        raise RuntimeError(f"vgdb {' '.join(words)}: exit code {asking.returncode}")


if __name__ == "__main__":
    main(*sys.argv[1:])
