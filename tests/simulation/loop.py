"""A loop of virtual time on which one seed gives one order of everything, and on which threads take turns with tasks.

Whatever is ready runs in an order of the dice, which is more than asyncio ever does: it keeps the order of asking. What
is given to ``run_in_executor`` runs on the loop itself, a while later, in the order of asking for each executor; that
it is done is told a step later, so that a step in between can be cut. Each callback is a step, and has a number.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any
from unittest import mock

from bulkdelete.ledger import writer
from tests.virtual_time import VirtualTimeLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

EXECUTOR_SECONDS = (0, 0, 0, 0.0002, 0.001, 0.004, 0.3)
MOST_STEPS = 20_000
"""A run that takes more never ends; the longest takes a tenth of that."""


class Clock:
    """The time of the world, which goes on from one loop to the next."""

    def __init__(self) -> None:
        self.base = 1_795_500_000.0
        self.loop: SimulatedLoop | None = None

    def __call__(self) -> float:
        return self.base + (0.0 if self.loop is None else self.loop.time())

    def leave(self, seconds: float) -> None:
        """End the loop that runs, and let *seconds* pass."""
        self.base, self.loop = self() + seconds, None


class Trace:
    """All that happens, in its order: as a digest, and where *kept* as lines too; nothing where it *is_deaf*."""

    def __init__(self, *, kept: bool = False, is_deaf: bool = False) -> None:
        self.is_deaf = is_deaf
        self._digest = hashlib.blake2b(digest_size=16)
        self.lines: list[str] | None = [] if kept else None

    def add(self, line: str) -> None:
        if self.is_deaf:
            return
        self._digest.update(line.encode())
        if self.lines is not None:
            self.lines.append(line)

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()


class SimulatedLoop(VirtualTimeLoop):
    """A loop for one run of a job. *on_step* is called before each step, with its number."""

    def __init__(self, dice: Random, trace: Trace, on_step: Callable[[int], None]) -> None:
        super().__init__(is_deaf=True)
        self._dice = dice
        self._trace = trace
        self._on_step = on_step
        self._lines: dict[object, deque[tuple[asyncio.Future[Any], Callable[[], Any]]]] = {}
        self._ready = _Shuffled(self)
        self.steps = 0
        self.executor_seconds = 0.0
        self.complaints: list[str] = []
        self._tasks: list[asyncio.Task[Any]] = []
        self.set_exception_handler(lambda _, context: self.complaints.append(str(context)))

    def chosen(self, handles: deque[asyncio.Handle]) -> int:
        """Return which of *handles* is the next step."""
        self.steps += 1
        assert self.steps < MOST_STEPS, f"it never ends: this is step {self.steps}"
        self._on_step(self.steps)
        return int(self._dice.random() * len(handles))

    def took(self, handle: asyncio.Handle) -> None:
        if not self._trace.is_deaf:
            self._trace.add(f"{self.time():.6f} {_name(handle)}")

    def call_soon_threadsafe(self, callback: Callable[..., Any], *args: Any, context: Any = None) -> asyncio.Handle:
        return self.call_soon(callback, *args, context=context)

    def create_task(self, coro: Any, **how: Any) -> asyncio.Task[Any]:
        task = super().create_task(coro, **how)
        self._tasks.append(task)
        return task

    def swallowed(self) -> list[str]:
        """Return the names of the tasks that were cancelled, ended, and did not end as cancelled."""
        return [task.get_name() for task in self._tasks if task.done() and task.cancelling() and not task.cancelled()]

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        future = self.create_future()
        self._lines.setdefault(executor, deque()).append((future, partial(func, *args)))
        seconds = self._dice.choice(EXECUTOR_SECONDS)
        self.executor_seconds += seconds
        self.call_later(seconds, self._take_turn, executor)
        return future

    def _take_turn(self, executor: object) -> None:
        future, call = self._lines[executor].popleft()
        if future.cancelled():
            return
        try:
            self.call_soon(_finish, future, call(), None)
        except Exception as error:  # noqa: BLE001 - the future tells it
            self.call_soon(_finish, future, None, error)


class _Shuffled(deque["asyncio.Handle"]):
    """A loop's ready callbacks, of which any may be the next."""

    def __init__(self, loop: SimulatedLoop) -> None:
        super().__init__()
        self._loop = loop

    def popleft(self) -> asyncio.Handle:
        at = self._loop.chosen(self)
        handle = self[at]
        del self[at]
        self._loop.took(handle)
        return handle


def _finish(future: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
    if future.cancelled():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


def _name(handle: asyncio.Handle) -> str:
    callback = handle._callback
    task = getattr(callback, "__self__", None)
    named = task.get_coro() if isinstance(task, asyncio.Task) else callback
    return getattr(named, "__qualname__", type(named).__name__)


@contextmanager
def simulated_time(clock: Clock) -> Iterator[None]:
    """While entered, it is as late as *clock* says, and the ledger's thread does not lie down between its turns."""
    with (
        mock.patch("time.time", clock),
        mock.patch("time.monotonic", clock),
        mock.patch.object(writer, "GATHERING_SECONDS", 0.0),
    ):
        yield
