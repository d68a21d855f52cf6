"""A disk that forgets: what was written and not synced survives a power cut sector by sector, at random.

Names are entries of one folder. Their changes survive up to some point in their order, as on a journaling file
system, and all of them once the folder was synced. A size may survive without what was written there: zeros.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

SECTOR_BYTES: Final = 512
SHARES_KEPT: Final = (0.0, 0.1, 0.5, 0.9, 1.0)
Event: TypeAlias = "tuple[str, *tuple[object, ...]]"
"""A method of :class:`Disk` by its name, with what it is given."""


@dataclass(slots=True)
class _File:
    synced: bytearray = field(default_factory=bytearray)
    unsynced: list[tuple[int, bytes | None]] = field(default_factory=list)
    """Writes at an offset; without bytes, it is a truncation to so many."""

    def sync(self) -> None:
        for offset, data in self.unsynced:
            _apply(self.synced, offset, data)
        self.unsynced.clear()

    def after_cut(self, dice: Random) -> bytes:
        found, share = bytearray(self.synced), dice.choice(SHARES_KEPT)
        most = len(found)
        for offset, data in self.unsynced:
            if data is None:
                if dice.random() < share:
                    _apply(found, offset, None)
                continue
            most = max(most, offset + len(data))
            at = 0
            while at < len(data):
                end = min(len(data), at + SECTOR_BYTES - (offset + at) % SECTOR_BYTES)
                if dice.random() < share:
                    _apply(found, offset + at, data[at:end])
                at = end
        if self.unsynced and dice.random() < share / 2:
            found.extend(bytes(max(0, most - len(found))))
        return bytes(found)


def _apply(content: bytearray, offset: int, data: bytes | None) -> None:
    if data is None:
        del content[offset:]
        return
    content.extend(bytes(max(0, offset - len(content))))
    content[offset : offset + len(data)] = data


class Disk:
    """One folder's files, by what was done to them; :meth:`after_cut` is what a power cut now leaves of it."""

    def __init__(self, files: Mapping[str, bytes], operations: int = 0) -> None:
        self._files: dict[str, _File] = {name: _File(bytearray(content)) for name, content in files.items()}
        self._on_disk = dict(self._files)
        self._changes: list[tuple[str, _File | None]] = []
        self.submitted = self.acknowledged = operations

    def do(self, event: Event) -> None:
        name, *given = event
        getattr(self, name)(*given)

    def write(self, name: str, offset: int, data: bytes) -> None:
        self._files[name].unsynced.append((offset, data))

    def truncate(self, name: str, size: int) -> None:
        self._files[name].unsynced.append((size, None))

    def sync(self, name: str) -> None:
        self._files[name].sync()

    def create(self, name: str) -> None:
        self._change(name, _File())

    def remove(self, name: str) -> None:
        self._change(name, None)

    def rename(self, old: str, new: str) -> None:
        self._change(new, self._files[old])
        self._change(old, None)

    def sync_folder(self) -> None:
        self._on_disk = dict(self._files)
        self._changes.clear()

    def submit(self, operations: int) -> None:
        self.submitted = operations

    def acknowledge(self, operations: int) -> None:
        self.acknowledged = operations

    def after_cut(self, dice: Random) -> dict[str, bytes]:
        names = dict(self._on_disk)
        for name, file in self._changes[: dice.randint(0, len(self._changes))]:
            _enter(names, name, file)
        return {name: file.after_cut(dice) for name, file in names.items()}

    def without_cut(self) -> dict[str, bytes]:
        """Return all that was written, which is what the operating system shows."""
        for file in self._files.values():
            file.sync()
        return {name: bytes(file.synced) for name, file in self._files.items()}

    def _change(self, name: str, file: _File | None) -> None:
        _enter(self._files, name, file)
        self._changes.append((name, file))


def _enter(names: dict[str, _File], name: str, file: _File | None) -> None:
    if file is None:
        names.pop(name, None)
    else:
        names[name] = file
