"""What is true of every question at a terminal."""

from __future__ import annotations

import sys
import termios
from contextlib import suppress

from bulkdelete.cli import talking


def bare(question: str) -> str:
    """Return what of *question* is to be shown as it is: nothing where it was logged, and nobody looks at stderr."""
    if not talking.is_json():
        return question
    talking.say(question)
    return question if sys.stderr.isatty() else ""


def forget_typed() -> None:
    """Forget what was typed before the question: whoever typed it cannot have read that."""
    with suppress(termios.error):
        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)
