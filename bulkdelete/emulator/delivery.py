"""How an answer gets to the client: whole, a byte at a time, without an end, or not at all."""

from __future__ import annotations

import asyncio
from itertools import repeat
from typing import TYPE_CHECKING, Final

from aiohttp import web

from bulkdelete.emulator.faults import Fault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from bulkdelete.emulator.answers import Reply
    from bulkdelete.emulator.faults import Faults

_BLOCK_BYTES: Final = 65_536


def drop(request: web.Request) -> web.StreamResponse:
    """Break the connection of *request*."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def deliver(
    request: web.Request, reply: Reply, headers: Mapping[str, str], fault: Fault, faults: Faults
) -> web.StreamResponse:
    """Answer *request* in the way of *fault*; a client that goes away meanwhile ends it."""
    headers = {"Content-Type": reply.content_type, **headers}
    if fault is Fault.DRIP:
        return await _stream(request, reply, headers, _drip(reply.body, faults.drip_seconds), len(reply.body))
    if fault is Fault.HUGE:
        size_bytes = max(faults.huge_bytes, len(reply.body))
        return await _stream(request, reply, headers, _padded(reply.body, size_bytes), size_bytes)
    if fault is Fault.ENDLESS:
        return await _stream(request, reply, headers, _endless(reply.body, faults.drip_seconds), None)
    return web.Response(status=reply.status, body=reply.body, headers=headers)


async def _stream(
    request: web.Request, reply: Reply, headers: Mapping[str, str], parts: AsyncIterator[bytes], size_bytes: int | None
) -> web.StreamResponse:
    response = web.StreamResponse(status=reply.status, headers=headers)
    response.content_length = size_bytes
    try:
        await response.prepare(request)
        async for part in parts:
            await response.write(part)
    except ConnectionError:
        drop(request)
    return response


async def _drip(body: bytes, seconds: float) -> AsyncIterator[bytes]:
    for byte in body:
        await asyncio.sleep(seconds)
        yield bytes((byte,))


async def _padded(body: bytes, size_bytes: int) -> AsyncIterator[bytes]:
    yield body
    left_bytes = size_bytes - len(body)
    while left_bytes > 0:
        yield b" " * min(left_bytes, _BLOCK_BYTES)
        left_bytes -= _BLOCK_BYTES


async def _endless(body: bytes, seconds: float) -> AsyncIterator[bytes]:
    yield body
    for spaces in repeat(b" " if seconds else b" " * _BLOCK_BYTES):
        await asyncio.sleep(seconds)
        yield spaces
