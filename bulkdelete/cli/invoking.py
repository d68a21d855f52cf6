"""The commands that are printed for somebody to paste: they begin as this one was begun."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from typing import Final

_NAME: Final = "bulkdelete"


def command(*words: str) -> str:
    """Return ``bulkdelete`` with *words* for a shell; by its path where it was begun so, and its name finds no such."""
    return shlex.join([_program(), *words])


def _program() -> str:
    given, found = sys.argv[0], shutil.which(_NAME)
    if Path(given).name != _NAME or (found is not None and Path(found).resolve() == Path(given).resolve()):
        return _NAME
    return given
