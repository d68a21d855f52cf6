"""What tells that a file is still the one that was looked at before, and that nobody has written to it."""

from __future__ import annotations

import os
from typing import NamedTuple


class Stamp(NamedTuple):
    """A file's own place, and what changes with whoever writes to it.

    When it was last written can be set back; when its inode was changed last, ``inode_changed_ns``, cannot: that also
    changes with its name or its permissions, which stops a job that need not have stopped.
    """

    device: int
    inode: int
    size_bytes: int
    written_ns: int
    inode_changed_ns: int


def stamp_of(descriptor: int) -> Stamp:
    """Return the stamp of the open file *descriptor*."""
    status = os.fstat(descriptor)
    return Stamp(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
