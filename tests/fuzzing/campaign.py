"""One target, fed for some seconds: how many inputs, the slowest, the memory; and the first input that fails it."""

from __future__ import annotations

import faulthandler
import hashlib
import sys
import tempfile
import time
import traceback
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
AT_HAND = "at-hand"
"""The name of the input that is being read, below the folder of what was found: it is there where a process died."""
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

    def __str__(self) -> str:
        return (
            f"{self.target:10} {self.inputs:>9,} inputs in {self.seconds:6.1f} s, slowest "
            f"{self.slowest_cpu_seconds:.2f} CPU seconds, memory +{self.growth_bytes / 2**20:.0f} MiB, seed {self.seed}"
        )


def corpus_of(target: Target) -> list[bytes]:
    """Return the inputs kept of earlier campaigns, and those that the target begins with."""
    kept = sorted((CORPUS / target.name).glob("*"))
    return [*(path.read_bytes() for path in kept), *target.seeds()]


def run(name: str, seconds: float, seed: int, found: Path | None = None) -> Figures:
    """Replay the corpus of the target *name*, and then fuzz it for so many *seconds*; stop at the first failure.

    Each input lies in *found* while it is read, so that it is known also where this process does not survive it.
    """
    target, figures = TARGETS[name], Figures(name, seed)
    corpus = corpus_of(target)
    fresh = Mutator(seed, corpus, target.words).inputs()
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(target, Path(folder), None if found is None else at_hand(found, name))
        trial.fault_of(corpus[0])  # what is imported or made once costs nobody anything
        before = _forget_peak()
        began = time.monotonic()
        for data in chain(corpus, _for(seconds, fresh)):
            figures.inputs += 1
            figures.fault = trial.fault_of(data)
            figures.slowest_cpu_seconds = max(figures.slowest_cpu_seconds, trial.cpu_seconds)
            figures.growth_bytes = _peak_bytes() - before
            if not figures.fault and figures.growth_bytes > MOST_GROWTH_BYTES:
                figures.fault = f"the process grew by {figures.growth_bytes:,} bytes"
            if figures.fault:
                figures.hangs = trial.hangs
                is_small = figures.hangs or "grew" in figures.fault  # to try again costs too much, or tells nothing
                figures.failed = data if is_small else minimised(trial, data)
                break
        figures.seconds = time.monotonic() - began
    return figures


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

    def fault_of(self, data: bytes) -> str:
        """Return what is not as promised with *data*; nothing where all is."""
        self._at_hand.write_bytes(data)
        faulthandler.dump_traceback_later(2 * _HANGS_AFTER_SECONDS, exit=True, file=sys.__stderr__ or sys.stderr)
        began = time.process_time()
        try:
            with bounded(f"an input of {len(data):,} bytes", _HANGS_AFTER_SECONDS), keys.at_hand():
                self._target.run(data, self._folder)
        except (Exception, Hangs) as error:  # noqa: BLE001 - whatever it is, it is what a campaign looks for
            self.hangs = isinstance(error, Hangs)
            return traceback.format_exc()
        finally:
            faulthandler.cancel_dump_traceback_later()
            self.cpu_seconds = time.process_time() - began
        if self.cpu_seconds > MOST_CPU_SECONDS:
            return f"{len(data):,} bytes cost {self.cpu_seconds:.1f} CPU seconds"
        return ""


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
