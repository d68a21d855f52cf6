"""Paths of a person written out, so that they mean the same from any folder."""

from __future__ import annotations

import os
from glob import has_magic
from pathlib import Path
from typing import Final

_UP: Final = ".."


def anywhere(path: str | Path) -> str:
    """Return *path* absolute and without ``..``, by the same symbolic links otherwise: they may come to lead elsewhere.

    What comes before ``..`` decides where that leads, and its links are followed. A pattern there is left as it is.
    """
    parts = Path(path).absolute().parts
    after = len(parts) - [*reversed(parts)].index(_UP) if _UP in parts else 0
    before = os.path.join("", *parts[:after])  # noqa: PTH118 - Path.resolve() fails where links go round
    if not after or (has_magic(before) and not os.path.exists(before)):  # noqa: PTH110 - as text
        return str(Path(*parts))
    return str(Path(os.path.realpath(before), *parts[after:]))


def program(path: str | Path) -> str:
    """Return the program *path* with its folder's symbolic links followed, and its own name."""
    at = Path(path).absolute()
    return str(Path(os.path.realpath(at.parent), at.name)) if at.name != _UP else os.path.realpath(at)
