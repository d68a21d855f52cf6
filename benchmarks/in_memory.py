"""An event loop on which a job is the same, call by call, each time: no socket, no thread and no clock is real.

Connections end in a null server in the same process, whose answers take virtual time; what is given to a thread runs
at the loop's next turn; time jumps to the next timer. :func:`virtual_clock` comes before the product is imported.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple

from benchmarks.null_server import NullProtocol, Seen
from tests.virtual_time import VirtualTimeLoop

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from concurrent.futures import Executor
    from contextvars import Context

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")
BEGINS_AT_UNIX_SECONDS = 1_795_500_000.0


class InMemoryLoop(VirtualTimeLoop):
    """A loop whose every connection leads to a null server that answers after *latency_seconds*."""

    def __init__(self, latency_seconds: float) -> None:
        super().__init__(is_deaf=True)
        self._latency_seconds = latency_seconds
        self.seen = Seen()

    def call_soon_threadsafe(
        self, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """There is one thread only."""
        return self.call_soon(callback, *args, context=context)

    def run_in_executor(
        self,
        executor: Executor | None,  # noqa: ARG002 - asyncio's signature
        func: Callable[[*_Ts], _T],
        *args: *_Ts,
    ) -> asyncio.Future[_T]:
        """Run *func* at the next turn."""
        future: asyncio.Future[_T] = self.create_future()
        self.call_soon(_run, future, func, args)
        return future

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:  # noqa: ANN401 - asyncio's signature
        """Nothing is there to connect to."""

    async def create_connection(self, protocol_factory: Any, *_: Any, **how: Any) -> Any:  # noqa: ANN401 - asyncio's signature
        """Connect to the null server."""
        how["sock"].close()
        client, server = protocol_factory(), NullProtocol(self.seen, self._latency_seconds)
        to_server, to_client = _Pipe(client, server), _Pipe(server, client)
        server.connection_made(to_client)
        client.connection_made(to_server)
        return to_server, client


class _Pipe(asyncio.Transport):
    """One end of a connection; what is written is received at the loop's next turn."""

    def __init__(self, here: asyncio.Protocol, there: asyncio.Protocol) -> None:
        super().__init__()
        self._here, self._there = here, there
        self._loop = asyncio.get_running_loop()
        self._is_closing = False

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        self._loop.call_soon(self._there.data_received, bytes(data))

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass  # nothing stays here

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        if not self._is_closing:
            self._is_closing = True
            self._loop.call_soon(self._here.connection_lost, None)

    abort = close

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


def virtual_clock(loop: InMemoryLoop) -> None:
    """Let the whole process take the loop's time for the time, whatever is imported from now on."""
    time.time = lambda: BEGINS_AT_UNIX_SECONDS + loop.time()
    time.monotonic = loop.time


def _run(future: asyncio.Future[Any], func: Callable[..., Any], args: tuple[Any, ...]) -> None:
    try:
        result = func(*args)
    except Exception as error:  # noqa: BLE001 - the future tells it
        if not future.cancelled():
            future.set_exception(error)
    else:
        if not future.cancelled():
            future.set_result(result)
