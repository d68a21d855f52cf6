"""What is true of every question at a terminal."""

from __future__ import annotations

import sys
import termios
from contextlib import suppress


def forget_typed() -> None:
    """Forget what was typed before the question: whoever typed it cannot have read that."""
    with suppress(termios.error):
        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)
