"""One attempt: one permit, one HTTP call, one verdict. Pauses and a key that is read again are no attempts."""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from bulkdelete import protocol
from bulkdelete.errors import AnswerLost, ConnectionRefusedForGood, CredentialsError, NotSent
from bulkdelete.events import AttemptEnded
from bulkdelete.limiter.gauging import SampleKind
from bulkdelete.masking import without
from bulkdelete.records import Verdict, VerdictKind
from bulkdelete.retry import Attempted
from bulkdelete.terminal import harmless
from bulkdelete.waiting import told

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from bulkdelete.credentials import Credentials
    from bulkdelete.exchange import Reply
    from bulkdelete.limiter import Limiter
    from bulkdelete.protocol import Call
    from bulkdelete.stopping import Stop
    from bulkdelete.tally import Tally
    from bulkdelete.telling import JobEvents
    from bulkdelete.transport import Transport


T = TypeVar("T")
_log = logging.getLogger(__name__)

_MAY_EXPIRE_WITHIN_SECONDS = 10.0
"""A key that was read so long before its request left, because of a pause or a quota, may have been a good one then."""
_MOST_RENEWALS = 5
"""So many keys for one attempt: whoever refuses them all refuses every key, however long each has waited."""


@dataclass(slots=True)
class Post:
    """A body that is sent, as *call* says, until an answer settles the attempt. *retry*: one for its records failed.

    ``heard`` is what came of it last, also where that is no attempt: a pause, or a refused key. ``sent``: the API has
    seen it, or may have. ``calls`` were made with the same body so far; each is told to ``events``, as one of so many
    ``records``.
    """

    body: bytes
    call: Call = protocol.DELETE
    retry: bool = False
    heard: Attempted | None = None
    sent: bool = False
    records: int = 0
    calls: int = 0
    events: JobEvents | None = None


class Attempts:
    """Makes attempts through one transport, one limiter and one key; a service shares it between its calls."""

    def __init__(
        self,
        transport: Transport,
        limiter: Limiter,
        credentials: Credentials,
        codes: Mapping[int, VerdictKind] = protocol.CODES,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._transport = transport
        self._limiter = limiter
        self._credentials = credentials
        self._codes = codes
        self._wall_clock = wall_clock
        self._prefix = secrets.token_hex(6)
        self._numbers = itertools.count(1)
        self._refusal: Verdict | None = None

    async def make(self, post: Post, stop: Stop, tally: Tally) -> Attempted:
        """Send *post* and return the verdict; what the API asks to pause for, everybody waits for.

        Whatever it raises, *post* says whether the API has seen it, and what it said last.

        Raises:
            PauseTooLong: the pause is longer than ``max_pause_seconds``.
            OutageTooLong: nothing but failures came back for ``max_outage_seconds``.
            StopAsked: the job was asked to stop before a request left, or another one.
            CredentialsError: the key cannot be read.

        """
        renewals = 0
        now = asyncio.get_running_loop().time
        while True:
            if self._credentials.known is None:
                stop.check()  # each who began to read it would have it read anew
                await stop.unless_asked(self._with_refusal(self._credentials.key()))
            permit = await self._limiter.acquire(stop, retry=post.retry, size=len(post.body))
            api_key, read_at = self._credentials.known, self._credentials.read_at
            if api_key is None:  # it was refused meanwhile, and is being read again
                self._limiter.abandon(permit, left=False)
                continue
            tally.requests += 1
            request_id = f"{self._prefix}-{next(self._numbers):x}"
            try:
                verdict, reply = await self._post(post, api_key, request_id, partial(self._limiter.left, permit))
            except BaseException:
                self._limiter.abandon(permit)
                _count(post, request_id, now() - permit.sent_at, None)
                raise
            post.sent |= reply is not None or verdict.ambiguous
            seconds = now() - permit.sent_at
            said = told(reply.headers, self._wall_clock()) if reply is not None else None
            self._limiter.heard(permit, said, left=reply is not None or verdict.ambiguous)
            tally.last_failure = _failure(verdict)
            self._limiter.answered(permit, _kind(verdict), verdict.retry_after_seconds or None, tally.last_failure)
            if verdict.kind is not VerdictKind.ACKNOWLEDGED:
                what = verdict.kind.value, verdict.code, verdict.http_status
                _log.info("request %s: %s (code %s, HTTP %s)", request_id, *what)
                _log.debug("request %s: the API said %r", request_id, verdict.message)  # which may name ids
            post.heard = Attempted(
                verdict, request_id, seconds, b"" if reply is None else reply.body, permit.in_outage, permit.alone
            )  # no local of the body: the next wait may raise, and a traceback show it
            _count(post, request_id, seconds, verdict)
            if verdict.kind is VerdictKind.PAUSE:
                continue
            if verdict.kind is VerdictKind.UNAUTHORIZED and not stop.asked:
                is_old = permit.sent_at - read_at >= _MAY_EXPIRE_WITHIN_SECONDS and renewals < _MOST_RENEWALS
                if (renewals == 0 or is_old) and await stop.unless_asked(self._renew(api_key, verdict)):
                    renewals += 1
                    _log.info("the API key was read again, and is another one")
                    continue
            return post.heard

    async def _renew(self, api_key: str, refusal: Verdict) -> bool:
        """Read the key again after *refusal*; return whether there is another one to try."""
        self._refusal = refusal
        return await self._with_refusal(self._credentials.renew(api_key))

    async def _with_refusal(self, reading: Awaitable[T]) -> T:
        """Return what *reading* the key gives; where it fails and the key was refused before, the error says so."""
        try:
            return await reading
        except CredentialsError as error:
            if self._refusal is None:
                raise
            raise CredentialsError(
                f"{protocol.advice(self._refusal)}. The key was read again, and that failed: {error}. What is "
                "acknowledged stays acknowledged, and the same command goes on with the rest once the key can be read"
            ) from None

    async def _post(
        self, post: Post, api_key: str, request_id: str, leaves: Callable[[], object]
    ) -> tuple[Verdict, Reply | None]:
        try:
            reply = await self._transport.post(post.body, api_key, request_id, post.call.path, leaves)
        except NotSent as error:
            return Verdict(VerdictKind.RETRY, message=str(error)), None
        except AnswerLost as error:
            return Verdict(VerdictKind.RETRY, message=str(error), ambiguous=True, timed_out=error.timed_out), None
        except ConnectionRefusedForGood as error:
            return Verdict(VerdictKind.FATAL, message=str(error)), None
        now = self._wall_clock()
        verdict = post.call.classify(reply.status, reply.headers, reply.body, self._codes, now)
        said = without(api_key, harmless(verdict.message))  # in this order: controls may stand within a key
        if said != verdict.message:  # some servers echo what they were sent
            verdict = replace(verdict, message=said)
        return verdict, reply


def _count(post: Post, request_id: str, seconds: float, verdict: Verdict | None) -> None:
    """Count a call with *post*, and tell of it; it was cancelled where there is no *verdict*."""
    events, before = post.events, post.calls
    post.calls += 1
    if not events:
        return
    sent = events.job, events.table_id, request_id, post.call.path, post.records, before, seconds
    if verdict is None:
        events.hub.tell(AttemptEnded(*sent, None, ambiguous=True))
        return
    came = verdict.kind, verdict.code, verdict.http_status, verdict.ambiguous, verdict.timed_out
    events.hub.tell(AttemptEnded(*sent, *came))


def _kind(verdict: Verdict) -> SampleKind | None:
    """Return what *verdict* tells of the server's load: ``None`` where it is about the request itself."""
    kind = verdict.kind
    if kind is VerdictKind.ACKNOWLEDGED:
        return SampleKind.SUCCESS
    if kind is VerdictKind.PAUSE:
        return SampleKind.REFUSED
    return SampleKind.FAILED if kind is VerdictKind.RETRY else None


def _failure(verdict: Verdict) -> str:
    """Return what failed, in words that name no ids: where an answer came, its numbers alone; empty where nothing did.

    What the API says in words may name ids.
    """
    if verdict.kind not in {VerdictKind.RETRY, VerdictKind.UNKNOWN, VerdictKind.PAUSE}:
        return ""
    if verdict.http_status is None:
        return verdict.message
    return f"{'' if verdict.code is None else f'code {verdict.code}, '}HTTP {verdict.http_status}"
