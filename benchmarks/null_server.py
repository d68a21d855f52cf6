"""A server that reads whole requests and acknowledges each after a fixed delay: the client's limit, not the API's.

Run as a process of its own: prints its port, serves until its standard input closes, then prints what it saw as JSON:
``first`` (Unix time of the first request), ``first_after_quiet`` (of
the last one that came after half a second without any), ``answers`` (for each tenth of a second) and ``requests``.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter

QUIET_SECONDS = 0.5
BODY = b'{"code": 0, "message": "OK"}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " + b"%d\r\n\r\n" % len(BODY) + BODY


class Seen:
    """What the server saw."""

    def __init__(self) -> None:
        self.first: float | None = None
        self.requests = 0
        self.answers: Counter[int] = Counter()
        self.first_after_quiet = 0.0
        self.latency_seconds = 0.0
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
            "latency_seconds": self.latency_seconds / max(1, self.requests),
            "answers": dict(self.answers),
        }

    def answer(self, seconds: float) -> None:
        """Count an answer that took *seconds*, in its tenth of a second."""
        self.latency_seconds += seconds
        self.answers[int((time.time() - (self.first or 0)) * 10)] += 1


class NullProtocol(asyncio.Protocol):
    """One connection: requests one after another, told apart by their Content-Length."""

    def __init__(self, seen: Seen, delay_seconds: float) -> None:
        self._seen = seen
        self._delay_seconds = delay_seconds
        self._loop = asyncio.get_running_loop()
        self._head = b""
        self._missing = 0
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport to answer on."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what create_server gives
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take in a piece of a request."""
        if self._missing:
            self._missing -= len(data)
            self._finish_if_whole()
            return
        self._head += data
        end = self._head.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._head[:end].lower()
        at = head.index(b"content-length:") + len(b"content-length:")
        length = int(head[at:].split(b"\r\n", 1)[0])
        self._missing = length - (len(self._head) - end - 4)
        self._head = b""
        self._finish_if_whole()

    def _finish_if_whole(self) -> None:
        if self._missing > 0:
            return
        self._missing = 0
        self._seen.request()
        if self._delay_seconds:
            self._loop.call_later(self._delay_seconds, self._reply, self._loop.time())
        else:
            self._reply(self._loop.time())

    def _reply(self, asked: float) -> None:
        if not self._transport.is_closing():
            self._seen.answer(self._loop.time() - asked)
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
