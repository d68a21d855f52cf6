"""One target, fed by libFuzzer with what reaches code that nothing before it reached; a process of its own.

libFuzzer never returns, and says what it reached on file descriptor 2 alone: who starts this gives it a file there,
and a folder for whatever is written, and takes both away when this has ended.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import atheris

with contextlib.redirect_stderr(io.StringIO()), atheris.instrument_imports(include=["bulkdelete", "tomllib"]):
    from tests.fuzzing.campaign import FAILED, FRESH, LOG, Feeding, corpus_of, told
    from tests.fuzzing.mutating import MOST_BYTES, Mutator
    from tests.fuzzing.targets import TARGETS

if TYPE_CHECKING:
    from typing import NoReturn

_REACHED: Final = re.compile(r"^#\d+\t.* cov: (\d+) ft: (\d+) corp: (\d+)/", re.MULTILINE)


class Guided:
    """Feeds the target *name* in *folder* for *seconds*, counted from the first input that is not of the corpus."""

    def __init__(self, name: str, seconds: float, seed: int, folder: Path, found: Path) -> None:
        self._name = name
        self._seconds = seconds
        self._seed = seed
        self._folder = folder
        self._found = found
        self._corpus = corpus_of(TARGETS[name])
        self._mutator = Mutator(seed, self._corpus, TARGETS[name].words)
        self._until: float | None = None
        for place in (FRESH, "seeds", "files"):
            (folder / place).mkdir()
        for number, data in enumerate(self._corpus):
            (folder / "seeds" / f"{number:04}").write_bytes(data)
        self._feeding = Feeding(name, seed, folder / "files", found)
        self._began = time.monotonic()

    def run(self) -> NoReturn:
        flags = {
            "seed": self._seed,
            "max_len": MOST_BYTES,
            "timeout": 86_400,  # what hangs is our business
            "rss_limit_mb": 0,
            "artifact_prefix": f"{self._folder}/files/",  # not where this was started
            "handle_int": 0,
            "handle_segv": 0,
        }
        places = [str(self._folder / place) for place in (FRESH, "seeds")]
        words = [f"-{name}={value}" for name, value in flags.items()]
        atheris.Setup([sys.argv[0], *words, *places], self._feed, custom_mutator=self._changed)
        with self._feeding.trial.many():
            atheris.Fuzz()
        raise AssertionError("libFuzzer never returns")

    def _feed(self, data: bytes) -> None:
        if not self._feeding.goes_well(data):
            self._end(FAILED)
        if self._until is not None and time.monotonic() >= self._until:
            self._end(0)

    def _changed(self, data: bytes, most_bytes: int, seed: int) -> bytes:
        """Let libFuzzer change *data*; every other time make moves of ours, of which many know the format's words."""
        if self._until is None:
            self._until = time.monotonic() + self._seconds
        return atheris.Mutate(data, most_bytes) if seed % 2 else self._mutator.changed(data, seed)[:most_bytes]

    def _end(self, code: int) -> NoReturn:
        figures = self._feeding.figures
        figures.seconds = time.monotonic() - self._began
        reached = _REACHED.findall((self._folder / LOG).read_text("utf-8", "replace"))
        added = len([*(self._folder / FRESH).iterdir()])
        if reached:
            edges, features, _ = reached[-1]
            figures.coverage = f", {edges} edges, {features} features, {added} inputs added to {len(self._corpus)}"
        sys.stdout.write(told(figures, self._found))
        sys.stdout.flush()
        os._exit(code)


def main() -> NoReturn:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzzing.guided")
    parser.add_argument("--target", choices=TARGETS, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--found", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    given = parser.parse_args()
    Guided(given.target, given.seconds, given.seed, given.folder, given.found).run()


if __name__ == "__main__":
    main()
