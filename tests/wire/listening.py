"""A listener on loopback whose connections end with it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable

LARGEST_HEAD = 2**20


@asynccontextmanager
async def listening(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    tls: ssl.SSLContext | None = None,
    most_bytes: int = LARGEST_HEAD,
) -> AsyncIterator[int]:
    """Give the port on which *serve* is called for each connection; what breaks there ends that connection.

    Of what *serve* does not read, not much more than *most_bytes* leaves who sends it.
    """
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        try:
            await serve(reader, writer)
        except (OSError, EOFError, asyncio.LimitOverrunError, asyncio.CancelledError):
            pass
        finally:
            tasks.discard(asyncio.current_task())
            if writer.transport.is_closing():
                writer.transport.abort()
            await ended(writer)

    ours = socket.create_server(("127.0.0.1", 0))
    if most_bytes < LARGEST_HEAD:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, most_bytes)
    server = await asyncio.start_server(connected, sock=ours, ssl=tls, limit=most_bytes)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in [*tasks]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def ended(writer: asyncio.StreamWriter) -> None:
    """Close what *writer* writes to, and see it closed; a peer that does not take part in that is left."""
    writer.close()
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(0.2):
            await writer.wait_closed()
    writer.transport.abort()


def reset(writer: asyncio.StreamWriter) -> None:
    """End the connection with an RST: what the other side has not read yet is lost."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
