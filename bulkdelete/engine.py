"""The job: source -> batches -> channel -> workers -> ledger, with intent before effect."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from bulkdelete.breathing import Breath
from bulkdelete.channel import Channel, ChannelClosed
from bulkdelete.deferring import GENTLY, Deferred
from bulkdelete.errors import (
    CancelledElsewhere,
    CredentialsError,
    FatalAnswer,
    LedgerError,
    OutageTooLong,
    PauseTooLong,
    SourceChanged,
    SourceError,
)
from bulkdelete.masking import without_passwords
from bulkdelete.outcomes import log_outcome, never_sent, not_sent
from bulkdelete.records import Ended, Outcome
from bulkdelete.splitting import OR_APPLIED_IN_PART, WHOLLY_WRONG

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable

    from bulkdelete.deleter import Deleter
    from bulkdelete.head_start import HeadStart
    from bulkdelete.ledger import Ledger
    from bulkdelete.records import Batch
    from bulkdelete.state import State

_log = logging.getLogger(__name__)
_CUT_IN_A_TURN: Final = 1  # eight, one upon another, keep everybody else from the event loop too long
_ENDINGS: Final[tuple[tuple[type[Exception], Ended], ...]] = (
    (PauseTooLong, Ended.QUOTA),
    (OutageTooLong, Ended.OUTAGE),
    (FatalAnswer, Ended.FATAL_ANSWER),
    (CredentialsError, Ended.FATAL_ANSWER),
    (LedgerError, Ended.STORAGE),
    (SourceChanged, Ended.SOURCE_CHANGED),
    (SourceError, Ended.SOURCE_BROKEN),
)


@dataclass(frozen=True, slots=True)
class Crew:
    """How many batches may be sent at once, which may change, and how many may wait to be."""

    workers: Callable[[], int]
    waiting: int


class _TooManyFailedBeforeError(Exception):
    """The ledger holds more rejected rows than may fail: nothing is to be sent."""


class Engine:
    """Runs one job once; afterwards ``ended``, ``reason`` and ``problem`` say how it ended.

    At most ``crew.workers()`` batches are being sent, and ``crew.waiting`` wait in the channel.
    """

    def __init__(
        self, deleter: Deleter, ledger: Ledger, state: State, crew: Crew, *, max_failures: int | None = None
    ) -> None:
        self._deleter = deleter
        self._ledger = ledger
        self._stop, self._tally, self._suspicion = state.stop, state.tally, state.suspicion
        self._deliver = state.deliver
        self._events = state.events
        self._max_failures = max_failures
        self._workers = crew.workers
        self._channel: Channel[tuple[Batch, asyncio.Future[None]]] = Channel(crew.waiting)
        self._crew: list[asyncio.Task[None]] = []
        self._producer: asyncio.Task[None] | None = None
        self._grace: asyncio.Task[None] | None = None
        self._begun: tuple[Batch, HeadStart] | None = None
        self._unsent: list[Batch] = []
        self._deferred = Deferred()
        self.ended = Ended.COMPLETE
        self.reason = ""
        self.problem: Exception | None = None
        self.resume_at_unix_seconds: float | None = None

    @property
    def waits_for(self) -> str:
        """Return what the workers wait for, where they do: ``retries``, ``source`` or ``ledger``."""
        if self._tally.backs_off(sum(not worker.done() for worker in self._crew)):
            return "retries"
        if len(self._channel):
            return "ledger"
        return "" if self._producer is None or self._producer.done() else "source"

    async def run(
        self, batches: AsyncGenerator[Batch, None], cancel_grace_seconds: float, begun: HeadStart | None = None
    ) -> None:
        """Send *batches*; return when each has its outcome in the ledger, or when the job had to end before.

        Where there is a head start, *begun*, it has sent the only batch already.

        Being cancelled stops the reading, gives what is in flight *cancel_grace_seconds*, and goes through; being
        cancelled again ends that grace.
        """
        if begun is None and not self._stop.asked:
            self._producer = asyncio.create_task(self._produce(batches), name="bulkdelete producer")
        try:
            if begun is not None:
                await self._take_over(begun, batches)
            await self._drained()
            if self._deferred and not (self._stop.asked or self._suspicion.nothing_but_suspects):
                await self._drive_again()
        except asyncio.CancelledError:
            self.halt(Ended.CANCELLED, "the awaiting task was cancelled")
            self._grace = asyncio.create_task(self._drained(), name="bulkdelete grace")
            await asyncio.wait({self._grace}, timeout=cancel_grace_seconds)
            raise
        finally:
            await self._finish()
        if self._suspicion.nothing_but_suspects:
            self.halt(Ended.WHOLLY_WRONG, OR_APPLIED_IN_PART)

    def halt(self, ended: Ended, reason: str = "", problem: Exception | None = None) -> None:
        """Let nothing new be sent; what is in flight finishes. The first reason given stays."""
        if self.ended is Ended.COMPLETE:
            self.ended, self.reason, self.problem = ended, reason, problem
            _log.info("nothing new is sent: %s %r", ended.value, reason)
        if isinstance(problem, PauseTooLong):
            self.resume_at_unix_seconds = problem.until_unix_seconds
        self._unsent += [batch for batch, _ in self._channel.drain()]
        if self._producer is not None and not self._stop.asked:
            self._producer.cancel()
        self._stop.ask()

    async def _take_over(self, begun: HeadStart, batches: AsyncGenerator[Batch, None]) -> None:
        """Go on from *begun*, which has sent the only one of *batches*, and with what befell the job meanwhile.

        Nothing here lets go of the event loop: until a worker has the batch, nobody would know that it was sent.
        """
        self._channel.close()
        async with aclosing(batches):
            async for batch in batches:
                intent = self._ledger.intend(batch)
                self._tally.take_in(batch)
                self._begun = batch, begun
                begun.befall(self.halt)
                worker = asyncio.create_task(self._work((batch, intent)), name="bulkdelete worker 0")
                self._crew += [worker, begun.attempt]
        begun.raise_if_cancelled()

    async def _produce(self, batches: AsyncGenerator[Batch, None]) -> None:
        breath = Breath(_CUT_IN_A_TURN)
        try:
            async with aclosing(batches):
                async for batch in batches:
                    await breath.taken()
                    self._check_that_it_may_be_sent(batch)
                    intent = self._ledger.intend(batch)
                    self._tally.take_in(batch)
                    is_told = self._deliver or self._events
                    await (self._hand_over(batch, intent) if batch.spans or is_told else intent)
        except _TooManyFailedBeforeError:
            self._look_at_failures()
        except SourceError as problem:  # what was read before is sound: the workers drain
            if not self._stop.asked:
                self.ended, self.reason, self.problem = _ending_of(problem), str(problem), problem
        except Exception as problem:  # noqa: BLE001 - the first problem ends the job, and is raised when it has ended
            self.halt(_ending_of(problem), _said(problem), problem)
        finally:
            self._channel.close()

    def _check_that_it_may_be_sent(self, batch: Batch) -> None:
        if batch.spans and self._tally.too_many_failures(self._max_failures):
            raise _TooManyFailedBeforeError

    async def _hand_over(self, batch: Batch, intent: asyncio.Future[None]) -> None:
        if len(self._crew) < self._workers():
            self._crew.append(asyncio.create_task(self._work(), name=f"bulkdelete worker {len(self._crew)}"))
        try:
            await self._channel.put((batch, intent))
        except (ChannelClosed, asyncio.CancelledError):
            self._unsent.append(batch)
            raise

    async def _work(self, begun: tuple[Batch, asyncio.Future[None]] | None = None) -> None:
        try:
            if begun is not None:
                await self._settle(*begun)
            while True:
                await self._settle(*await self._channel.get())
        except ChannelClosed:
            pass
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            problem = CancelledElsewhere("something that a worker awaited")
            self.halt(Ended.FAULT, str(problem), problem)
        except Exception as problem:  # noqa: BLE001 - the first problem ends the job, and is raised when it has ended
            self.halt(_ending_of(problem), _said(problem), problem)

    async def _settle(self, batch: Batch, intent: asyncio.Future[None]) -> None:
        await intent
        await self._give_set_aside(batch)
        if not batch.spans:
            return
        async with aclosing(self._deleter.send(batch)) as outcomes:
            async for outcome in outcomes:
                self._begun = None
                await self._ledger.record(outcome)
                is_deferred = self._deferred.takes(outcome, self._tally.batches)
                self._tally.settle(replace(outcome, failed=False) if is_deferred else outcome)
                log_outcome(outcome)
                if self._events:
                    self._events.reached(outcome)
                self._look_at_failures()
                if not is_deferred:
                    await self._give((outcome,))

    async def _drive_again(self) -> None:
        """Send once more, a few at a time, what was set aside."""
        _log.info("%d batches are sent once more", len(self._deferred))
        parts = self._deferred.give_back()
        self._channel = Channel(len(parts))
        for part in parts:
            await self._channel.put((part, self._ledger.intend(part)))
        self._channel.close()
        gently = min(GENTLY, self._workers())
        self._crew = [asyncio.create_task(self._work(), name=f"bulkdelete worker {n}") for n in range(gently)]
        await self._drained()

    def _look_at_failures(self) -> None:
        if self._suspicion.wholly_wrong:
            self.halt(Ended.WHOLLY_WRONG, WHOLLY_WRONG)
        elif self._tally.too_many_failures(self._max_failures):
            counts = f"{self._tally.failed} of {self._tally.sent} records sent are rejected or unresolved"
            most = f"more than max_failures, {self._tally.most_failures(self._max_failures)}, allows"
            before = "" if self._tally.batches else "; nothing was sent in this run"
            then = "see bulkdelete failures, and raise --max-failures (stop.max_failures) to go on"
            self.halt(Ended.MAX_FAILURES, f"{counts}, {most}{before}; {then}")

    async def _drained(self) -> None:
        """Wait until the producer has ended, and then until every worker has."""
        if self._producer is not None:
            await asyncio.wait({self._producer})
        if self._crew:
            await asyncio.wait(self._crew)

    async def _finish(self) -> None:
        """End what is left, and write down what was certainly not sent in this run."""
        tasks = [*self._crew, *(task for task in (self._producer, self._grace) if task is not None)]
        if running := [task for task in tasks if not task.done()]:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        if self._begun is not None and self._begun[1].is_unsent:  # its worker was cancelled too early to know
            self._unsent.append(self._begun[0])
        if not (self._unsent or self._deferred):
            return
        left = [outcome for batch in self._unsent for outcome in not_sent(batch)]
        await asyncio.gather(*map(self._ledger.record, left), return_exceptions=True)
        if self._events:
            for outcome in left:
                self._events.reached(outcome)
        for batch in self._unsent:
            await self._give_set_aside(batch)
        await self._give(left)
        for batch in self._deferred.give_back():
            await self._give(not_sent(batch))

    async def _give_set_aside(self, batch: Batch) -> None:
        """Tell of the rows of *batch* that are never sent, and let whoever wants them have them."""
        for outcome in never_sent(batch):
            if self._events:
                self._events.reached(outcome)
            await self._give((outcome,))

    async def _give(self, outcomes: Iterable[Outcome]) -> None:
        """Let whoever wants them have *outcomes*, which are final and in the ledger."""
        if self._deliver is not None:
            for outcome in outcomes:
                await self._deliver(outcome)


def _ending_of(problem: Exception) -> Ended:
    return next((ended for kind, ended in _ENDINGS if isinstance(problem, kind)), Ended.FAULT)


def _said(problem: Exception) -> str:
    return without_passwords(str(problem)) or type(problem).__name__
