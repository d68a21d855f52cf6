"""An event loop whose time jumps to the next timer when nothing is ready: minutes of waiting take milliseconds.

Mark a module or a test with ``pytest.mark.virtual_time``, or call :func:`run`. Real input and output still work, but
the time they take is not waited for: what uses threads, subprocesses or sockets belongs on a real loop.
"""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")


class _JumpingSelector(selectors.DefaultSelector):
    """Never waits: what it would have waited is added to ``now``. Where it *is_deaf*, nothing comes from outside."""

    now = 0.0
    is_deaf = False

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = [] if self.is_deaf else super().select(0)
        if not events and timeout is None:
            raise RuntimeError("a deadlock: every task waits, and no timer would wake any of them")
        self.now += 0.0 if events or timeout is None else max(timeout, 0.0)
        return events


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A loop with a clock of its own, which begins at 0; a deadlock is an error, not a hang."""

    def __init__(self, *, is_deaf: bool = False) -> None:
        self._clock = _JumpingSelector()
        self._clock.is_deaf = is_deaf
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run *main* on a virtual loop of its own, for example for each example of a property test."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)
