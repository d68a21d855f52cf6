"""A server that reads whole requests and acknowledges each after a fixed delay: the client's limit, not the API's.

Run as a process of its own: prints its port, serves until its standard input closes, then prints what it saw as JSON:
``first`` (Unix time of the first request), ``first_after_quiet`` (of
the last one that came after half a second without any) and ``requests``.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

QUIET_SECONDS = 0.5
BODY = b'{"code": 0, "message": "OK"}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " + b"%d\r\n\r\n" % len(BODY) + BODY


class Seen:
    """What the server saw."""

    def __init__(self) -> None:
        self.first: float | None = None
        self.requests = 0
        self.first_after_quiet = 0.0
        self._last = 0.0

    def request(self) -> None:
        """Count a whole request."""
        now = time.time()
        self.requests += 1
        if self.first is None:
            self.first = now
        if now - self._last > QUIET_SECONDS:
            self.first_after_quiet = now
        self._last = now

    def as_dict(self) -> dict[str, object]:
        """Return it as plain values."""
        return {
            "first": self.first,
            "first_after_quiet": self.first_after_quiet,
            "requests": self.requests,
        }


class Requests:
    """What comes on one connection: requests one after another, told apart by their Content-Length."""

    def __init__(self) -> None:
        self._head = b""
        self._missing = 0

    def take(self, data: bytes) -> bool:
        """Take in a piece of a request; return whether it is whole now."""
        if self._missing:
            self._missing -= len(data)
            return self._missing <= 0
        self._head += data
        end = self._head.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = self._head[:end].lower()
        at = head.index(b"content-length:") + len(b"content-length:")
        length = int(head[at:].split(b"\r\n", 1)[0])
        self._missing = length - (len(self._head) - end - 4)
        self._head = b""
        return self._missing <= 0


class NullProtocol(asyncio.Protocol):
    """One connection."""

    def __init__(self, seen: Seen, delay_seconds: float) -> None:
        self._seen = seen
        self._delay_seconds = delay_seconds
        self._loop = asyncio.get_running_loop()
        self._requests = Requests()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport to answer on."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what create_server gives
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take in a piece of a request; answer it when it is whole."""
        if not self._requests.take(data):
            return
        self._seen.request()
        if self._delay_seconds:
            self._loop.call_later(self._delay_seconds, self._reply)
        else:
            self._reply()

    def _reply(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(ANSWER)


async def serve(delay_seconds: float) -> None:
    """Serve until standard input closes."""
    seen = Seen()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: NullProtocol(seen, delay_seconds), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()
    print(json.dumps(seen.as_dict()), flush=True)


if __name__ == "__main__":
    asyncio.run(serve(float(sys.argv[1])))
