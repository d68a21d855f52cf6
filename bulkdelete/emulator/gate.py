"""Where HTTP meets the API: the fault that strikes a request, its effect, its answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from aiohttp import web

from bulkdelete.emulator.answers import BAD_GATEWAY, OK, Refused, reply, too_many_requests
from bulkdelete.emulator.faults import Fault, Faults
from bulkdelete.emulator.seen import LoggedRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bulkdelete.emulator.answers import ErrorStatus, Reply
    from bulkdelete.emulator.endpoint import DeleteEndpoint
    from bulkdelete.emulator.seen import Seen

DROPPED: Final = "dropped"
HTML: Final = "html"
TOO_MANY_REQUESTS: Final = "429"

_NOT_CODES: Final = {
    Fault.DROP_BEFORE: DROPPED,
    Fault.DROP_AFTER: DROPPED,
    Fault.BAD_GATEWAY: HTML,
    Fault.TOO_MANY_REQUESTS: TOO_MANY_REQUESTS,
}
_APPLIED: Final = frozenset({Fault.NONE, Fault.DROP_AFTER, Fault.APPLIED_THEN_50000})
_BEARER: Final = "Bearer "


class Gate:
    """Handles requests: *faults* gives those in force, which number requests anew whenever they are other ones."""

    def __init__(
        self, endpoint: DeleteEndpoint, faults: Callable[[], Faults], error_status: ErrorStatus, seen: Seen
    ) -> None:
        self._endpoint = endpoint
        self._faults_now = faults
        self._error_status = error_status
        self._seen = seen
        self._faults = faults()
        self._next = 0

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one request, or drop its connection."""
        self._seen.requests += 1
        faults, number = self._count()
        fault, latency_seconds = faults.strike(number)
        try:
            body = await request.read()
        except ConnectionError:
            return web.Response()  # the client has gone away in the middle of its request
        if latency_seconds:
            await asyncio.sleep(latency_seconds)
        code, applied = self._apply(fault, _key(request), body)
        answer = _answer(fault, code)
        self._seen.answered(LoggedRequest(request.headers.get("X-Request-Id", ""), body, applied, answer))
        if answer == DROPPED:
            return _drop(request)
        return _response(self._reply(answer, faults), _headers(answer, faults))

    def _count(self) -> tuple[Faults, int]:
        faults = self._faults_now()
        if faults is not self._faults:
            self._faults, self._next = faults, 0
        self._next += 1
        return faults, self._next - 1

    def _apply(self, fault: Fault, key: str | None, body: bytes) -> tuple[int, Sequence[str]]:
        if fault not in _APPLIED:
            return OK, ()
        try:
            return OK, self._endpoint.apply(key, body)
        except Refused as refused:
            return refused.code, ()

    def _reply(self, answer: int | str, faults: Faults) -> Reply:
        if isinstance(answer, int):
            return reply(answer, self._error_status)
        return BAD_GATEWAY if answer == HTML else too_many_requests(as_json=faults.too_many_requests_body == "json")


def _answer(fault: Fault, code: int) -> int | str:
    if fault is Fault.NONE:
        return code
    if fault is Fault.APPLIED_THEN_50000:
        return int(Fault.INTERNAL_ERROR)
    return _NOT_CODES.get(fault) or int(fault)


def _key(request: web.Request) -> str | None:
    authorization = request.headers.get("Authorization", "")
    return authorization.removeprefix(_BEARER) if authorization.startswith(_BEARER) else None


def _headers(answer: int | str, faults: Faults) -> dict[str, str]:
    if answer != TOO_MANY_REQUESTS or faults.retry_after_seconds is None:
        return {}
    return {"Retry-After": f"{faults.retry_after_seconds:.3f}".rstrip("0").rstrip(".")}


def _response(answer: Reply, headers: dict[str, str]) -> web.Response:
    return web.Response(
        status=answer.status, body=answer.body, headers={"Content-Type": answer.content_type, **headers}
    )


def _drop(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
