"""An image that a power cut left, the folder that it is judged in, and what came of it."""

from __future__ import annotations

import os
import tempfile
import traceback
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bulkdelete.errors import BulkDeleteError
from tests.powercuts.keeping import Fault

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

LEDGER: Final = "a.db"
MEMORY: Final = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""Where files are synced in no time: what a sync is worth is the disk's model here."""
OF_A_CAMPAIGN: Final = "powercuts-of-"
"""How a folder's name begins that a process plays in; its parent's id follows, which takes away what the dead left."""


@dataclass(frozen=True, slots=True)
class Image:
    """What a power cut left, after so many operations were acknowledged and so many submitted."""

    files: Mapping[str, bytes]
    acknowledged: int
    submitted: int


@dataclass(slots=True)
class Found:
    """What came of images: ``faults`` says what is wrong with those that are not sound, or with their making."""

    images: int = 0
    acknowledged: int = 0
    lost: int = 0
    faults: list[Fault] = field(default_factory=list)

    def add(self, other: Found) -> None:
        self.images += other.images
        self.acknowledged += other.acknowledged
        self.lost += other.lost
        self.faults += other.faults


async def judged(image: Image, fault_of: Callable[[Path, Image], Awaitable[tuple[str, int]]]) -> Found:
    """Lay out *image*, and return what *fault_of* finds wrong with the ledger there, and how much it finds lost."""
    found, fault = Found(images=1, acknowledged=image.acknowledged), ""
    with at_hand(image.files) as path:
        try:
            fault, found.lost = await fault_of(path, image)
        except BulkDeleteError as error:
            fault = f"it cannot be gone on with: {error}"
        except Exception:  # noqa: BLE001 - whatever it is, it is a fault of this image
            fault = f"it cannot be judged: {traceback.format_exc()}"
    found.faults = [Fault(fault)] if fault else []
    return found


@contextmanager
def at_hand(files: Mapping[str, bytes]) -> Iterator[Path]:
    """Put *files* into a folder of its own; give where the ledger is, or would be, in it."""
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix=f"{OF_A_CAMPAIGN}{os.getppid()}-") as folder:
        for name, data in files.items():
            Path(folder, name).write_bytes(data)
        yield Path(folder) / LEDGER
