"""One target, fed for some seconds: how many inputs, the slowest, the memory; and the first input that fails it."""

from __future__ import annotations

import faulthandler
import hashlib
import math
import os
import sys
import tempfile
import time
import traceback
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from tests.fuzzing import keys
from tests.fuzzing.mutating import Mutator
from tests.fuzzing.targets import TARGETS
from tests.hanging import Hangs, bounded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.fuzzing.targets import Target

CORPUS = Path(__file__).parent / "corpus"
MOST_CPU_SECONDS = 3.0
"""So much may one input of at most 128 KiB cost, which takes milliseconds where all goes well."""
MOST_GROWTH_BYTES = 160 * 1024 * 1024
"""So much more than at the beginning may the process ever have taken: a packed 64 MiB is always fine, a bomb is not."""
IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""Where the files of a target lie: on a disk, to write one again can take longer than all else."""
AT_HAND = "at-hand"
"""The name of the input that is being read, below the folder of what was found: it is there where a process died."""
FAILED = 3
"""A guided process ends so where an input failed and it has told that. Whatever else but 0, it has told nothing."""
FRESH, LOG = "fresh", "log"
"""What a guided process adds to its corpus, and what libFuzzer says, in the folder that it is given."""
_HANGS_AFTER_SECONDS = 30.0
_MINIMISED_WITHIN_SECONDS = 20.0


@dataclass
class Figures:
    """What a campaign of one target came to; ``failed`` is the smallest input found that fails it."""

    target: str
    seed: int
    inputs: int = 0
    seconds: float = 0.0
    slowest_cpu_seconds: float = 0.0
    growth_bytes: int = 0
    failed: bytes | None = None
    fault: str = ""
    hangs: bool = False
    coverage: str = ""

    def __str__(self) -> str:
        return (
            f"{self.target:10} {self.inputs:>9,} inputs in {self.seconds:6.1f} s, slowest "
            f"{self.slowest_cpu_seconds:.2f} CPU seconds, memory +{self.growth_bytes / 2**20:.0f} MiB, seed {self.seed}"
            f"{self.coverage}"
        )


def corpus_of(target: Target) -> list[bytes]:
    """Return the inputs kept of earlier campaigns, and those that the target begins with."""
    kept = sorted((CORPUS / target.name).glob("*"))
    return [*(path.read_bytes() for path in kept), *target.seeds()]


def run(name: str, seconds: float, seed: int, found: Path | None = None) -> Figures:
    """Replay the corpus of the target *name*, and then fuzz it for so many *seconds*; stop at the first failure.

    Each input lies in *found* while it is read, so that it is known also where this process does not survive it.
    """
    target = TARGETS[name]
    corpus = corpus_of(target)
    fresh = Mutator(seed, corpus, target.words).inputs()
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        feeding = Feeding(name, seed, Path(folder), found)
        began = time.monotonic()
        with feeding.trial.many():
            for data in chain(corpus, _for(seconds, fresh)):
                if not feeding.goes_well(data):
                    break
        feeding.figures.seconds = time.monotonic() - began
    return feeding.figures


class Feeding:
    """Feeds the target *name*, with files in *folder*, and writes down in ``figures`` what that comes to."""

    def __init__(self, name: str, seed: int, folder: Path, found: Path | None) -> None:
        self.figures = Figures(name, seed)
        self.trial = Trial(TARGETS[name], folder, None if found is None else at_hand(found, name))
        self.trial.fault_of(corpus_of(TARGETS[name])[0])  # what is imported or made once costs nobody anything
        self._before = _forget_peak()

    def goes_well(self, data: bytes) -> bool:
        """Feed *data*; where that fails, write down the smallest input that fails, too, which is the last then."""
        figures, trial = self.figures, self.trial
        figures.inputs += 1
        figures.fault = trial.fault_of(data)
        figures.slowest_cpu_seconds = max(figures.slowest_cpu_seconds, trial.cpu_seconds)
        figures.growth_bytes = _peak_bytes() - self._before
        if not figures.fault and figures.growth_bytes > MOST_GROWTH_BYTES:
            figures.fault = f"the process grew by {figures.growth_bytes:,} bytes"
        if figures.fault:
            figures.hangs = trial.hangs
            is_small = figures.hangs or "grew" in figures.fault  # to try again costs too much, or tells nothing
            figures.failed = data if is_small else minimised(trial, data)
        return not figures.fault


class Trial:
    """Feeds one input to *target*, with files in *folder*; ``cpu_seconds`` is what the last one cost.

    Each is written to *at_hand* first. One that hangs is told as a fault; where it holds the interpreter, so that
    nothing of Python runs any more, the process ends.
    """

    def __init__(self, target: Target, folder: Path, at_hand: Path | None = None) -> None:
        self._target = target
        self._folder = folder
        self._at_hand = at_hand or folder / AT_HAND
        self.cpu_seconds = 0.0
        self.hangs = False
        self._many: int | None = None
        self._watched_since = -math.inf

    @contextmanager
    def many(self) -> Iterator[None]:
        """Keep one watch, and one open file, for many inputs: new ones take longer than most inputs do."""
        self._watched_since = -math.inf
        self._many = os.open(self._at_hand, os.O_WRONLY | os.O_CREAT)
        try:
            yield
        finally:
            os.close(self._many)
            self._many = None
            faulthandler.cancel_dump_traceback_later()

    def fault_of(self, data: bytes) -> str:
        """Return what is not as promised with *data*; nothing where all is."""
        self._lay(data)
        self._watch()
        began = time.process_time()
        try:
            with bounded(f"an input of {len(data):,} bytes", _HANGS_AFTER_SECONDS), keys.at_hand():
                self._target.run(data, self._folder)
        except (Exception, Hangs) as error:  # noqa: BLE001 - whatever it is, it is what a campaign looks for
            self.hangs = isinstance(error, Hangs)
            return traceback.format_exc()
        finally:
            if self._many is None:
                faulthandler.cancel_dump_traceback_later()
            self.cpu_seconds = time.process_time() - began
        if self.cpu_seconds > MOST_CPU_SECONDS:
            return f"{len(data):,} bytes cost {self.cpu_seconds:.1f} CPU seconds"
        return ""

    def _lay(self, data: bytes) -> None:
        if self._many is None:
            self._at_hand.write_bytes(data)
        else:
            os.pwrite(self._many, data, 0)
            os.ftruncate(self._many, len(data))

    def _watch(self) -> None:
        now = time.monotonic()
        if self._many is None or now - self._watched_since > _HANGS_AFTER_SECONDS / 2:
            seconds = 2 * _HANGS_AFTER_SECONDS
            faulthandler.dump_traceback_later(seconds, exit=True, file=sys.__stderr__ or sys.stderr)
            self._watched_since = now


def minimised(trial: Trial, data: bytes) -> bytes:
    """Return a smaller input that fails, too: *data* without every piece that it fails without."""
    until, piece = time.monotonic() + _MINIMISED_WITHIN_SECONDS, len(data) // 2
    while piece:
        at = 0
        while at < len(data) and time.monotonic() < until:
            less = data[:at] + data[at + piece :]
            if trial.fault_of(less):
                data = less
            else:
                at += piece
        piece //= 2
    return data


def at_hand(found: Path, name: str) -> Path:
    """Return where the input of the target *name* lies in *found* while it is read; the folder is there then."""
    path = found / name / AT_HAND
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def keep(name: str, data: bytes, found: Path) -> str:
    """Write an input that failed to *found*; return the command that replays it."""
    path = at_hand(found, name).with_name(hashlib.sha256(data).hexdigest()[:12])
    path.write_bytes(data)
    return f"python -m tests.fuzzing --target {name} --replay {path}"


def told(figures: Figures, found: Path) -> str:
    """Return what a campaign that has ended says; keep what failed, and nothing that is only at hand."""
    says = f"{figures}\n"
    if figures.failed is not None:
        says += f"{figures.fault}\nagain: {keep(figures.target, figures.failed, found)}\n"
    at_hand(found, figures.target).unlink()
    return says


def _for(seconds: float, inputs: Iterable[bytes]) -> Iterator[bytes]:
    end = time.monotonic() + seconds
    for data in inputs:
        if time.monotonic() >= end:
            return
        yield data


def _forget_peak() -> int:
    """Begin to measure the peak of memory anew, whatever others took in this process; return what it is now."""
    Path("/proc/self/clear_refs").write_text("5")
    return _peak_bytes()


def _peak_bytes() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
