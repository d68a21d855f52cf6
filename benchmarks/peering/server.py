"""A server for peers: ``python -m benchmarks.peering.server DIALECT DELAY_SECONDS [IDS KILL_AFTER]``.

Prints its port, serves until its standard input closes, then prints what it saw as JSON. With a file of ids it is an
ordeal: what arrives is kept by record, one request in a hundred fails, a record is refused each time, and the client,
whose process id is the first line of standard input, is killed once so many requests have been answered.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Protocol

from benchmarks.peering.dialects import DIALECTS, Dialect
from benchmarks.peering.ordeal import Ordeal


class Answers(Protocol):
    """What a server does with a request, and what it saw; *lives* counts how often the client was killed."""

    lives: int

    def answer(self, body: bytes) -> bytes:
        """Take in the body of a request, and return the whole answer."""
        ...

    def may_reply(self, life: int) -> bool:
        """Whether an answer goes out on a connection that was made in this life of the client."""
        ...

    def stretch(self) -> float:
        """Return by how much the delay of this answer is longer than that of all."""
        ...

    def seen(self) -> dict[str, object]:
        """Return what is printed at the end."""
        ...


class Acknowledging:
    """Acknowledges every request."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._requests = 0
        self.lives = 0

    def answer(self, body: bytes) -> bytes:
        """Acknowledge the request."""
        self._requests += 1
        return self._dialect.done(body)

    def may_reply(self, _life: int) -> bool:
        """Every answer goes out."""
        return True

    def stretch(self) -> float:
        """Return 1: every answer takes the same."""
        return 1.0

    def seen(self) -> dict[str, object]:
        """Return the number of requests."""
        return {"requests": self._requests}


class Connection(asyncio.Protocol):
    """One connection: requests one after another, told apart by their Content-Length."""

    def __init__(self, answers: Answers, delay_seconds: float) -> None:
        self._answers = answers
        self._life = answers.lives
        self._delay_seconds = delay_seconds
        self._loop = asyncio.get_running_loop()
        self._read = bytearray()
        self._whole = 0
        self._body_at = 0
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport to answer on."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what create_server gives
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take in a piece of a request."""
        self._read += data
        while self._heading() and len(self._read) >= self._whole:
            body = bytes(self._read[self._body_at : self._whole])
            del self._read[: self._whole]
            self._whole = 0
            reply = self._answers.answer(body)
            if self._delay_seconds:
                self._loop.call_later(self._delay_seconds * self._answers.stretch(), self._reply, reply)
            else:
                self._reply(reply)

    def _heading(self) -> bool:
        """Read how long the request is, once its head is there."""
        if not self._whole and (end := self._read.find(b"\r\n\r\n")) >= 0:
            _, _, length = bytes(self._read[:end]).lower().partition(b"content-length:")
            self._body_at = end + 4
            self._whole = self._body_at + int(length.split(b"\r\n", 1)[0])
        return bool(self._whole)

    def _reply(self, reply: bytes) -> None:
        if not self._transport.is_closing() and self._answers.may_reply(self._life):
            self._transport.write(reply)


async def serve(answers: Answers, delay_seconds: float) -> None:
    """Serve until standard input closes; its first line, if there is one, is for an ordeal."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(answers, delay_seconds), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    began = time.perf_counter()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        if isinstance(answers, Ordeal):
            answers.watch(int(line))
    server.close()
    busy = time.process_time() / (time.perf_counter() - began)
    print(json.dumps({**answers.seen(), "busy": busy}), flush=True)


def _answers(dialect: str, ids: str = "", kill_after: str = "0") -> Answers:
    if not ids:
        return Acknowledging(DIALECTS[dialect])
    return Ordeal(DIALECTS[dialect], Path(ids).read_bytes().split(), int(kill_after))


if __name__ == "__main__":
    _, _dialect, _delay, *_ordeal = sys.argv
    asyncio.run(serve(_answers(_dialect, *_ordeal), float(_delay)))
