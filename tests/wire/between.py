"""An HTTP server between the engine and the emulator: it passes requests on, and answers some in its own way."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from tests.wire.listening import ended, listening

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable

    Reply: TypeAlias = "Callable[[asyncio.StreamReader, asyncio.StreamWriter, bytes], Awaitable[None]]"

TRUE_BODY = b'{"code": 0, "message": "OK"}'


def whole(body: bytes = TRUE_BODY, status: str = "200 OK", headers: str = "", length: int | str | None = None) -> bytes:
    """Return an answer; *length* is what it says of its body."""
    said = len(body) if length is None else length
    return (
        f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {said}\r\n{headers}\r\n".encode()
        + body
    )


@dataclass(frozen=True)
class Odd:
    """An odd answer: *reply* gets the connection and the emulator's answer, or, not *forwarded*, what looks like it.

    What is not forwarded is not applied: no answer to it may acknowledge anything. ``early``: it is answered when its
    head has come. ``ends``: why the job ends where every answer is so, and is not tried again. ``written``: how many
    bytes were taken of each answer that nobody needs to read to its end.
    """

    name: str
    reply: Reply
    forwarded: bool = False
    early: bool = False
    ends: str = ""
    written: list[int] = field(default_factory=list)


class Between:
    """Passes requests on to *port*; answers in the *odd* way those whose number, from 0, *strikes* takes."""

    def __init__(self, port: int, odd: Odd | None = None, strikes: Callable[[int], bool] = lambda number: number == 1):
        self._upstream = port
        self.odd = odd
        self.strikes = strikes
        self.requests = 0
        self.struck = 0
        self.wrote = 0
        self.port = 0

    @asynccontextmanager
    async def started(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[Between]:
        async with listening(self._serve, tls) as self.port:
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            number, self.requests = self.requests, self.requests + 1
            odd = self.odd if self.strikes(number) else None
            body = b"" if odd is not None and odd.early else await reader.readexactly(length_of(head))
            if odd is None:
                writer.write(await self._answer(head, body))
                await writer.drain()
                continue
            self.struck += 1
            real = await self._answer(head, body) if odd.forwarded else whole()
            await odd.reply(reader, writer, real)

    async def _answer(self, head: bytes, body: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._upstream)
        try:
            writer.write(head + body)
            answer_head = await reader.readuntil(b"\r\n\r\n")
            return answer_head + await reader.readexactly(length_of(answer_head))
        finally:
            await ended(writer)


def length_of(head: bytes) -> int:
    return int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
