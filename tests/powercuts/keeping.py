"""What is kept of a campaign: each image from before it is judged until it is sound, and how to see a fault again.

So an image is kept however its judging ends: with a fault, with an error of any kind, with a hang, or with the end of
the process.
"""

from __future__ import annotations

import faulthandler
import pickle
import shlex
import shutil
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from collections.abc import Iterator

HANGS_AFTER_SECONDS: Final = 60.0
_PLAYING: Final = ".playing"
_IMAGE: Final = ".image"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, with an *image* where there is one; *history* are the words that play its history again."""

    text: str
    history: tuple[str, ...] = ()
    image: Path | None = None

    def __str__(self) -> str:
        """What is wrong, and the command that shows it again, for which the image is moved to where it stays."""
        words = self.history
        if self.image is not None:
            words = ("--judge", str(_stays(self.image)))
        return f"{self.text}\n  python -m tests.powercuts {shlex.join(words)}"


class Keeper:
    """Keeps the images of one history in *folder*; while entered, a mark there tells that it is being played."""

    def __init__(self, seed: int, number: int, folder: Path, synchronous: str) -> None:
        self.seed, self.number, self.synchronous = seed, number, synchronous
        self._folder = folder
        self._mark = self._folder / f"{number}{_PLAYING}"
        self._history = b""
        self._images = 0

    def __enter__(self) -> Self:
        self._mark.write_bytes(pickle.dumps(self._words))
        return self

    def __exit__(self, *_: object) -> None:
        self._mark.unlink()

    @property
    def _words(self) -> tuple[str, ...]:
        return ("--seed", str(self.seed), "--history", str(self.number), "--synchronous", self.synchronous)

    def begin(self, history: object) -> None:
        """Take *history* for the one that the next images are of."""
        self._history = pickle.dumps(history)

    def put(self, image: object) -> Path:
        """Keep *image* with its history; return the file."""
        self._images += 1
        path = self._folder / f"{self.number}-{self._images}{_IMAGE}"
        path.write_bytes(self._history + pickle.dumps(image))
        return path

    def fault(self, text: str, image: Path | None = None) -> Fault:
        return Fault(text, self._words, image)


def kept(path: Path) -> tuple[Any, Any]:
    """Return the history and the image in a file that was kept."""
    with path.open("rb") as file:
        return pickle.load(file), pickle.load(file)


def left_by_the_dead(folder: Path) -> Iterator[Fault]:
    """Yield a fault for each image in *folder*, where processes ended; and for each history that had none."""
    ended = f"a process ended, or was ended after {HANGS_AFTER_SECONDS:g} s"
    for image in sorted(folder.glob(f"*{_IMAGE}")):
        yield Fault(f"{ended}: this image was judged then, or was unsound before", image=image)
    for mark in sorted(folder.glob(f"*{_PLAYING}")):
        if not [*folder.glob(f"{mark.stem}-*{_IMAGE}")]:
            yield Fault(f"{ended}: history {mark.stem} was recorded then", pickle.loads(mark.read_bytes()))


@contextmanager
def within_time() -> Iterator[None]:
    """End the process where what is entered does not come to its end, and say on stderr where it hangs."""
    faulthandler.dump_traceback_later(HANGS_AFTER_SECONDS, exit=True, file=sys.__stderr__ or sys.stderr)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def _stays(image: Path) -> Path:
    if image.exists():
        stays = Path(tempfile.mkdtemp(prefix="powercut-")) / image.name
        shutil.move(image, stays)
        return stays
    return image
