"""A server that repeats the key it was given, wherever an answer has room for it."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tests.wire.between import length_of
from tests.wire.listening import listening

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Callable

BEFORE_THE_CUT = 300


@asynccontextmanager
async def echoing(answer: Callable[[str], bytes]) -> AsyncIterator[str]:
    """Give the base URL of a server whose every answer is what *answer* makes of the key in the request."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(length_of(head))
            key = head.split(b"Authorization: Bearer ")[1].split(b"\r\n")[0].decode()
            writer.write(answer(key))
            await writer.drain()

    async with listening(serve) as port:
        yield f"http://127.0.0.1:{port}"


def saying(code: int | None, message: str, status: str = "200 OK", headers: str = "") -> bytes:
    """Return an answer in the documented envelope, or without a *code*, *message* as it is."""
    body = (message if code is None else json.dumps({"code": code, "message": message})).encode()
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body
