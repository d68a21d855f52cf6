"""Signals before there is a job to stop: they end the process at once, as nothing was begun that has to finish."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import FrameType

_UNHEARD: Final = {
    signal.SIGINT: signal.default_int_handler,  # which ends an import with a traceback
    signal.SIGTERM: signal.SIG_DFL,  # with which the kernel keeps these two from PID 1 of a container
    signal.SIGHUP: signal.SIG_DFL,
}
_SIGNAL_BASE: Final = 128


def heed_signals() -> None:
    """Let SIGINT, SIGTERM and SIGHUP end the process; what is ignored, as nohup has it, stays ignored."""
    for number, handler in _UNHEARD.items():
        if signal.getsignal(number) is handler:
            signal.signal(number, _end)


def heed_ctrl_c() -> None:
    """Let SIGINT be an exception again, now that the imports are over: so a command ends in order."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(number: int, _: FrameType | None) -> None:
    os._exit(_SIGNAL_BASE + number)
