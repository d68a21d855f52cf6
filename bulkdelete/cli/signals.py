"""SIGINT, SIGTERM and SIGHUP while a job runs: the first lets it end in order, the second ends it at once."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from bulkdelete.cli.waiting import signals_to

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from bulkdelete.job import Job
    from bulkdelete.reports import Report

_ECHO_SECONDS: Final = 0.05


class Signals:
    """While entered, SIGINT, SIGTERM and SIGHUP stop *job*, and from the second one on cancel *task*.

    ``received`` is the first signal that came, or ``None``. *say* shows a line to the person. Launchers often deliver
    one Ctrl-C twice, so only what comes after the person was told counts as the second.
    """

    def __init__(self, job: Job, task: asyncio.Task[Report], say: Callable[[str], None]) -> None:
        self._job = job
        self._task = task
        self._say = say
        self._telling: asyncio.TimerHandle | None = None
        self._told = False
        self._watching = ExitStack()
        self.received: signal.Signals | None = None

    def __enter__(self) -> Self:
        self._watching.enter_context(signals_to(self._receive))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._watching.close()
        if self._telling is not None:
            self._telling.cancel()

    def _receive(self, number: signal.Signals) -> None:
        if self.received is None:
            self.received = number
            self._job.stop(f"{number.name} received")
            self._telling = asyncio.get_running_loop().call_later(_ECHO_SECONDS, self._tell)
        elif self._told:
            self._task.cancel()
            self._say(
                f"stopping at once: {self._in_flight} requests in flight get a last moment; once more ends that too"
            )

    def _tell(self) -> None:
        self._told = True
        self._say(f"stopping: {self._in_flight} requests in flight finish; press Ctrl-C again to stop at once")

    @property
    def _in_flight(self) -> int:
        return self._job.snapshot().in_flight
