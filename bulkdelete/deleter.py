"""One batch -> its outcomes: attempts, retries, splitting; no record of it unaccounted for."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Protocol

from bulkdelete import protocol, splitting
from bulkdelete.attempts import Post
from bulkdelete.capping import Outgrown
from bulkdelete.cases import Case
from bulkdelete.errors import CancelledElsewhere, CredentialsError, FatalAnswer, OutageTooLong, PauseTooLong
from bulkdelete.events import RetryPlanned
from bulkdelete.outcomes import outcome_of
from bulkdelete.pathfinding import Pathfinder
from bulkdelete.records import Fate, Outcome, VerdictKind
from bulkdelete.stopping import StopAsked

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from bulkdelete.cases import Part
    from bulkdelete.pathfinding import Turn
    from bulkdelete.records import Batch, Verdict
    from bulkdelete.retry import Attempted, Retry, Settled
    from bulkdelete.state import State
    from bulkdelete.stopping import Stop
    from bulkdelete.tally import Tally

_REFUSED: Final = frozenset({VerdictKind.INVALID, VerdictKind.TOO_LARGE})
_STOPPING: Final = frozenset({VerdictKind.FATAL, VerdictKind.UNAUTHORIZED})
_ENDS: Final = (StopAsked, PauseTooLong, OutageTooLong, CredentialsError, CancelledElsewhere, FatalAnswer)
"""What ends a batch before all of it is settled."""
_ANSWER_LOST: Final = "may already be deleted: an earlier request that held it got no final answer"
_REFUSED_IN_PART: Final = (
    "may already be deleted: an earlier request that held it and others was refused, and perhaps applied in part"
)
_NOT_PROBED: Final = "not tried one by one, because every record of its batch that was tried is refused"
_TOO_LARGE_ALONE: Final = "refused as too large, though it was sent alone"
_NOT_SENT: Final = "not sent, because the bounds on splitting are reached"
_SPLIT_ENOUGH: Final = "refused, and not split further: the bounds on splitting are reached"


class MakesAttempts(Protocol):
    """Makes one attempt after another."""

    async def make(self, post: Post, stop: Stop, tally: Tally) -> Attempted:
        """Send *post*; see :meth:`bulkdelete.attempts.Attempts.make`."""
        ...


class Deleter:
    """Sends the batches of one job to one table."""

    def __init__(self, table_id: str, attempts: MakesAttempts, retry: Retry, state: State) -> None:
        self._table_id = table_id
        self._envelope_bytes = protocol.envelope_bytes(table_id)
        self._attempts = attempts
        self._retry = retry
        self._stop, self._tally, self._suspicion = state.stop, state.tally, state.suspicion
        self._holds, self._cap, self._events = state.holds, state.cap, state.events
        self._pathfinder = Pathfinder(proven=bool(state.tally.acknowledged_before))
        self._split_turns = asyncio.Semaphore(splitting.AT_ONCE)

    async def send(self, batch: Batch) -> AsyncGenerator[Outcome, None]:
        """Yield the outcomes of *batch*: one, or one for each contiguous part as it is settled.

        The records of all outcomes together are the batch's open records, also when it raises: it has yielded before
        what became of each. Parts that never left come last: a batch is pending once nothing of it is on the wire.

        Raises:
            FatalAnswer: the API refused the table, the key or the plan, or even single records as too large.
            PauseTooLong: the API asks for a longer pause than ``max_pause_seconds``.
            OutageTooLong: nothing but failures came back for ``max_outage_seconds``.
            CredentialsError: the key cannot be read.
            CancelledElsewhere: the function that gives the key was cancelled.

        """
        async with self._pathfinder.turn() as turn:
            case = self._case_of(batch, turn)
            try:
                while case.todo:
                    part, settled = case.todo[0], None
                    if not (case.splitting and part.is_cut) or self._suspicion.may_send_part(case.part_requests):
                        settled = await self._until_settled(case, part)
                        if settled is None or self._is_split(case, part, settled):
                            await self._take_apart(case, part, settled)
                            continue
                        _stop_if_fatal(settled.last.verdict)
                    for outcome in self._ended(case, settled):
                        yield outcome
                for outcome in case.never_left:
                    yield outcome
            except _ENDS as reason:
                left = (*(_left(case.batch, part, str(reason)) for part in case.todo), *case.never_left)
                for outcome in sorted(left, key=lambda one: one.fate is Fate.PENDING):
                    yield outcome
                if not isinstance(reason, StopAsked):
                    raise
            finally:
                if case.splitting:
                    self._split_turns.release()

    def _case_of(self, batch: Batch, turn: Turn) -> Case:
        case = Case(batch, turn)
        if self._suspicion.probes_at_once and self._may_be_set_aside(case):
            case.put_probes_first()
        return case

    def _ended(self, case: Case, settled: Settled | None) -> Iterator[Outcome]:
        """Yield what became of the first part in the line, and of the rest where it is given up with it.

        It is *settled*, or may not be sent. What never left is kept until nothing of the batch is on the wire.
        """
        part = case.todo.popleft()
        if settled is not None:
            outcome = self._outcome(case, part, settled)
        elif part.sent:
            outcome = outcome_of(case.batch, part, Fate.UNRESOLVED, _SPLIT_ENOUGH, failed=True)
        else:  # its batch was taken apart before anything of it was sent
            outcome = outcome_of(case.batch, part, Fate.PENDING, _NOT_SENT, failed=True)
        if outcome.fate is Fate.PENDING:
            case.never_left.append(outcome)
        else:
            yield outcome
        yield from self._give_up_if_suspect(case)

    async def _until_settled(self, case: Case, part: Part) -> Settled | None:
        """Send *part* until that is settled; ``None`` where its body is, or becomes, larger than one may be by now."""
        batch, span = case.batch, part.span
        whole = len(span) == len(batch.records)
        records = batch.records if whole else batch.records[span.start : span.stop]
        joined = batch.joined if whole else b""
        self._holds.check_free(records, joined)
        body = protocol.encode(self._table_id, records, joined)

        async def attempt() -> Attempted:
            post = Post(body, retry=part.attempts > 0, records=len(records), calls=part.calls, events=self._events)
            try:
                attempted = await self._attempts.make(post, stop, self._tally)
            finally:
                part.take_in(post)
            self._tally.retries += part.attempts > 0
            if self._pathfinder.waiting:
                attempted = attempted._replace(alone=False)
            part.attempts += 1
            case.doubt |= part.ambiguous
            if attempted.verdict.kind is VerdictKind.ACKNOWLEDGED:
                case.turn.over()
            if case.splitting:
                case.part_requests += 1
                self._tally.split_requests += 1
            return attempted

        stop = self._cap.heeded_by(self._stop, len(body)) if len(span) > 1 else self._stop
        may_be_split = len(span) >= splitting.FEWEST_SLOW
        back_off = self._tally.counted(self._stop.sleep)

        async def sleep(seconds: float) -> None:
            self._tell_of_retry(part, seconds)
            await back_off(seconds)

        try:
            settled = await self._retry.until_settled(attempt, sleep, may_be_split=may_be_split)
        except Outgrown:
            return None
        if settled.last.verdict.kind is VerdictKind.TOO_LARGE:
            self._cap.refused(len(body), is_single=len(span) == 1)
            if self._cap.refuses_single_records:
                raise FatalAnswer(protocol.nothing_fits(settled.last.verdict), settled.last.verdict)
        return settled

    def _tell_of_retry(self, part: Part, seconds: float) -> None:
        if not self._events or part.last is None:
            return
        events, verdict = self._events, part.last.verdict
        why = verdict.kind, verdict.code, verdict.http_status
        sent = events.job, events.table_id, part.last.request_id, len(part.span), part.attempts
        events.hub.tell(RetryPlanned(*sent, seconds, *why))

    def _is_split(self, case: Case, part: Part, settled: Settled) -> bool:
        if settled.too_slow:
            return True
        if len(part.span) == 1 or settled.last.verdict.kind not in _REFUSED:
            return False
        too_large = settled.last.verdict.kind is VerdictKind.TOO_LARGE
        return too_large or self._suspicion.may_send_part(case.part_requests)

    async def _take_apart(self, case: Case, part: Part, settled: Settled | None) -> None:
        if settled is None:
            case.fit(part, self._cap.most_bytes - self._envelope_bytes)
            return
        is_refused = part.last is not None and part.last.verdict.kind is VerdictKind.INVALID
        if is_refused:
            part.in_part, part.leads = _REFUSED_IN_PART, True
        case.split(part)
        if not is_refused:
            if self._cap.is_in_doubt and case.may_be_probed:
                case.put_probes_first()
            return  # too large or too slow is no fault of a record, and costs nothing of what searching for one may
        if not case.splitting:
            await self._split_turns.acquire()
            case.splitting = True
        case.refused_parts += 1
        if self._suspicion.probes_first and self._may_be_set_aside(case) and case.is_probed_now:
            case.put_probes_first()

    def _may_be_set_aside(self, case: Case) -> bool:
        """Return whether a batch that is wholly refused may be left for the end of the run.

        One that a lost answer may explain is left only while nothing was acknowledged yet: the next batch tells more.
        """
        return not case.batch.thorough and not (case.doubt and self._pathfinder.is_proven)

    def _give_up_if_suspect(self, case: Case) -> Iterator[Outcome]:
        """Yield what is left of a batch all of whose probes were refused, as not probed; remember the batch."""
        if case.probes_left:
            case.probes_left -= 1
        at_end = not case.todo or case.probes_left == 0
        if not (at_end and case.refused_singly and not case.acknowledged and self._may_be_set_aside(case)):
            return
        # what a lost answer may explain is no sign of a wrong file
        self._suspicion.refused(*((0, 0) if case.doubt else (case.refused_singly, case.refused_soundly)))
        while case.todo:
            yield replace(_left(case.batch, case.todo.popleft(), _NOT_PROBED), again=True)

    def _outcome(self, case: Case, part: Part, settled: Settled) -> Outcome:
        verdict = settled.last.verdict
        if verdict.kind is VerdictKind.ACKNOWLEDGED:
            case.acknowledged += len(part.span)
            self._suspicion.cleared()
            self._cap.acknowledged()
            self._suspicion.refusals_are_harmless |= part.leads
            return outcome_of(case.batch, part, Fate.ACKNOWLEDGED)
        if verdict.kind not in _REFUSED:
            fate = Fate.UNRESOLVED if part.sent else Fate.PENDING
            return replace(outcome_of(case.batch, part, fate, failed=True), again=fate is Fate.UNRESOLVED)
        if len(part.span) > 1:
            return outcome_of(case.batch, part, Fate.UNRESOLVED, _SPLIT_ENOUGH, failed=True)
        if verdict.kind is VerdictKind.TOO_LARGE:
            return outcome_of(case.batch, part, Fate.UNRESOLVED, _TOO_LARGE_ALONE, failed=True)
        doubt = self._doubt(part)
        case.refused_parts += 1
        case.refused_singly += 1
        case.refused_soundly += not doubt
        return outcome_of(case.batch, part, Fate.REJECTED, doubt, failed=True)

    def _doubt(self, part: Part) -> str:
        """Return why a single record that is refused may be deleted already, if that may be."""
        if part.ambiguous:
            return _ANSWER_LOST
        return "" if self._suspicion.refusals_are_harmless else part.in_part


def _stop_if_fatal(verdict: Verdict) -> None:
    if verdict.kind in _STOPPING:
        raise FatalAnswer(protocol.advice(verdict), verdict)


def _left(batch: Batch, part: Part, reason: str) -> Outcome:
    """Return the outcome of a part that is not tried further: pending if it certainly never left."""
    fate = Fate.UNRESOLVED if part.sent else Fate.PENDING
    return outcome_of(batch, part, fate, reason)
