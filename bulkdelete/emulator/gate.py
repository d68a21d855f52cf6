"""Where HTTP meets the API: the limits, the fault that strikes a request, its effect, its answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from aiohttp import web

from bulkdelete.emulator.answers import (
    DROPPED,
    EMPTY,
    HTML,
    INTERNAL_ERROR,
    NOT_JSON,
    TOO_MANY_REQUESTS,
    UNAUTHORIZED,
    Effect,
    Refused,
    reply_to,
)
from bulkdelete.emulator.capacity import Capacity
from bulkdelete.emulator.delivery import deliver, drop
from bulkdelete.emulator.faults import Fault
from bulkdelete.emulator.limits import Limits, Passage
from bulkdelete.emulator.seen import LoggedRequest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from bulkdelete.emulator.endpoint import Endpoint
    from bulkdelete.emulator.faults import Faults
    from bulkdelete.emulator.keys import Keys
    from bulkdelete.emulator.seen import Seen
    from bulkdelete.emulator.switches import Switches

_SAID: Final[Mapping[Fault, int | str]] = {
    Fault.APPLIED_THEN_50000: INTERNAL_ERROR,
    Fault.DROP_BEFORE: DROPPED,
    Fault.DROP_AFTER: DROPPED,
    Fault.BAD_GATEWAY: HTML,
    Fault.TOO_MANY_REQUESTS: TOO_MANY_REQUESTS,
    Fault.NOT_JSON: NOT_JSON,
    Fault.EMPTY: EMPTY,
}
_TRUE_ANSWER: Final = frozenset({Fault.NONE, Fault.DRIP, Fault.HUGE, Fault.ENDLESS})
_APPLIED: Final = _TRUE_ANSWER | {Fault.DROP_AFTER, Fault.APPLIED_THEN_50000}
_BEARER: Final = "Bearer "


class _Arrival(NamedTuple):
    """A request at the door: its key, whether the limits let it pass, and the fault that strikes it if they do."""

    key: str | None
    passage: Passage
    faults: Faults
    fault: Fault
    latency_seconds: float


class Gate:
    """Handles requests; *switches* and *faults* give those in force.

    Other faults number the requests anew.
    """

    def __init__(
        self, keys: Keys, switches: Callable[[], Switches], faults: Callable[[], Faults], seen: Seen, limits: Limits
    ) -> None:
        self._keys = keys
        self._switches = switches
        self._faults_now = faults
        self._seen = seen
        self._limits = limits
        self._capacity = Capacity(switches)
        self._faults = faults()
        self._next = 0

    def handler(self, endpoint: Endpoint) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Return what aiohttp calls with each request for *endpoint*."""

        async def handle(request: web.Request) -> web.StreamResponse:
            self._seen.requests += 1
            arrival = self._arrive(request)
            try:
                body = await request.read()
            except ConnectionError:
                return web.Response()  # the client has gone away in the middle of its request
            fault, effect = await self._serve(arrival, body, endpoint)
            request_id = request.headers.get("X-Request-Id", "")
            self._seen.answered(LoggedRequest(request.path, request_id, body, effect.applied, effect.answer))
            if effect.answer == DROPPED:
                return drop(request)
            switches = self._switches()
            reply = reply_to(effect, switches.error_status, switches.too_many_requests_body)
            return await deliver(request, reply, _headers(arrival, fault), fault, arrival.faults)

        return handle

    def _arrive(self, request: web.Request) -> _Arrival:
        authorization = request.headers.get("Authorization", "")
        key = authorization.removeprefix(_BEARER) if authorization.startswith(_BEARER) else None
        known = key is not None and self._keys.known(key)
        passage = self._limits.take(key or "", self._switches()) if known else Passage()
        faults = self._faults_now()
        if faults is not self._faults:
            self._faults, self._next = faults, 0
        fault, latency_seconds = faults.strike(self._next)
        self._next += 1
        return _Arrival(key, passage, faults, fault, latency_seconds)

    async def _serve(self, arrival: _Arrival, body: bytes, endpoint: Endpoint) -> tuple[Fault, Effect]:
        """Return what was done, and the fault that struck: none where the server's own nature refused the request."""
        if arrival.passage.refused is not None:
            return Fault.NONE, Effect(arrival.passage.refused)
        if not await self._capacity.serve(arrival.latency_seconds):
            as_429 = self._switches().cliff_answer == "429"
            return Fault.NONE, Effect(TOO_MANY_REQUESTS if as_429 else INTERNAL_ERROR)
        return arrival.fault, _struck(arrival, body, endpoint)


def _struck(arrival: _Arrival, body: bytes, endpoint: Endpoint) -> Effect:
    fault = arrival.fault
    if fault not in _APPLIED:
        return Effect(_said(fault))
    effect = _apply(endpoint, arrival.key, body)
    return effect if fault in _TRUE_ANSWER else Effect(_said(fault), effect.applied)


def _said(fault: Fault) -> int | str:
    return _SAID[fault] if fault in _SAID else int(fault)


def _apply(endpoint: Endpoint, key: str | None, body: bytes) -> Effect:
    if key is None:
        return Effect(UNAUTHORIZED)
    try:
        return endpoint(key, body)
    except Refused as refused:
        return Effect(refused.code)


def _headers(arrival: _Arrival, fault: Fault) -> Mapping[str, str]:
    wait_seconds = arrival.faults.retry_after_seconds
    if fault is not Fault.TOO_MANY_REQUESTS or wait_seconds is None:
        return arrival.passage.headers
    return {**arrival.passage.headers, "Retry-After": f"{wait_seconds:.3f}".rstrip("0").rstrip(".")}
