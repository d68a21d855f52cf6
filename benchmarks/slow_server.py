"""A server that takes its time: reads whole requests, and acknowledges each after a delay that it draws.

Run as a process of its own, with its :class:`Manner` as JSON: prints its port, and serves until its standard input
closes. For each line that comes there, a time, it prints what it has done since then, in Unix seconds: ``now``, when
the ``first`` request of all arrived, and of each that was not answered before that time when its last byte arrived,
when the work on it began, and when its answer was written; ``null`` for what is still to come. The kernel dates the
arrival: where this process is late, the request waits at the server's expense.
"""

from __future__ import annotations

import asyncio
import json
import math
import socket
import struct
import sys
import time
from collections import deque
from contextlib import suppress
from dataclasses import asdict, dataclass
from random import Random
from typing import TypeAlias

from benchmarks.null_server import ANSWER, Requests

SIGMA = 1.0
"""Of the lognormal delays: one in a hundred is 6 times the mean, one in a thousand 13 times."""
SO_TIMESTAMPNS = 35
"""The kernel dates what arrives, in seconds and nanoseconds of Unix time (socket(7)); Python has no name for it."""
WHEN = struct.Struct("@qq")
MOST_BYTES = 2**18
Times: TypeAlias = "list[float | None]"
"""When a request had arrived, when the work on it began, and when it was answered."""


@dataclass(frozen=True)
class Manner:
    """How the server answers: the mean of its delays, their *shape*, and how many requests it works on at once.

    *shape* is ``fixed`` or ``heavy-tailed``. Beyond *capacity*, requests wait for their turn; 0 is as many as come.
    """

    mean_seconds: float
    shape: str = "fixed"
    capacity: int = 0
    seed: int = 0

    def as_json(self) -> str:
        """Return it as the server's argument."""
        return json.dumps(asdict(self))


class Delays:
    """Draws the delays of one *manner*."""

    def __init__(self, manner: Manner) -> None:
        self._mean_seconds = manner.mean_seconds
        self._sigma = SIGMA if manner.shape == "heavy-tailed" else 0.0
        self._dice = Random(manner.seed)  # noqa: S311 - dice of a simulation

    def draw(self) -> float:
        """Return the next."""
        return self._mean_seconds * math.exp(self._dice.gauss(0, self._sigma) - self._sigma**2 / 2)


class Desk:
    """Takes whole requests in, and answers each when its delay is over."""

    def __init__(self, manner: Manner) -> None:
        self._delays = Delays(manner)
        self._free = manner.capacity or sys.maxsize
        self._waiting: deque[tuple[Times, Connection]] = deque()
        self._requests: list[Times] = []

    def take(self, arrived: float, connection: Connection) -> None:
        """Work on a request that was whole at *arrived*, now or when its turn comes."""
        times: Times = [arrived, None, None]
        self._requests.append(times)
        if self._free:
            self._free -= 1
            self._work(arrived, times, connection)
        else:
            self._waiting.append((times, connection))

    def told(self, since: float) -> str:
        """Return what was done *since* then as a line of JSON."""
        requests = [times for times in self._requests if times[2] is None or times[2] >= since]
        return json.dumps({"now": time.time(), "first": next(iter(self._requests), [None])[0], "requests": requests})

    def _work(self, begun: float, times: Times, connection: Connection) -> None:
        times[1] = begun
        seconds = begun + self._delays.draw() - time.time()
        asyncio.get_running_loop().call_later(max(0.0, seconds), self._answer, times, connection)

    def _answer(self, times: Times, connection: Connection) -> None:
        times[2] = now = time.time()
        connection.answer()
        if self._waiting:
            self._work(now, *self._waiting.popleft())
        else:
            self._free += 1


class Connection:
    """One connection: requests one after another."""

    def __init__(self, accepted: socket.socket, desk: Desk) -> None:
        self._socket = accepted
        self._desk = desk
        self._requests = Requests()
        accepted.settimeout(0)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        accepted.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        asyncio.get_running_loop().add_reader(accepted, self._read)

    def answer(self) -> None:
        """Write the answer, if somebody is still there to read it."""
        with suppress(OSError):
            self._socket.send(ANSWER)

    def _read(self) -> None:
        try:
            data, told, _, _ = self._socket.recvmsg(MOST_BYTES, socket.CMSG_SPACE(WHEN.size))
        except OSError:
            data, told = b"", []
        if not data:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
        elif self._requests.take(data):
            self._desk.take(_arrived(told), self)


def _arrived(told: list[tuple[int, int, bytes]]) -> float:
    """Return when the kernel got the last of what was read; now, where it does not say so."""
    for _, kind, when in told:
        if kind == SO_TIMESTAMPNS:
            seconds, nanoseconds = WHEN.unpack(when)
            return float(seconds + nanoseconds / 1e9)
    return time.time()


async def serve(manner: Manner) -> None:
    """Serve until standard input closes."""
    loop, desk = asyncio.get_running_loop(), Desk(manner)
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening:
        listening.settimeout(0)
        loop.add_reader(listening, lambda: Connection(listening.accept()[0], desk))
        print(listening.getsockname()[1], flush=True)
        while since := await loop.run_in_executor(None, sys.stdin.readline):
            print(desk.told(float(since)), flush=True)
        loop.remove_reader(listening)


if __name__ == "__main__":
    asyncio.run(serve(Manner(**json.loads(sys.argv[1]))))
