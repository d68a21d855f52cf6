"""A TCP proxy that strikes at one byte of what passes: it knows no HTTP, and no TLS either."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from tests.wire.listening import ended, listening, reset

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PAUSE_SECONDS = 0.05
MOST_KEPT = 65_536


class Way(StrEnum):
    REQUEST = "request"
    ANSWER = "answer"


class How(StrEnum):
    CUT = "cut"  #: both sides are closed in order
    RESET = "reset"  #: both sides get an RST
    SILENCE = "silence"  #: nothing passes from there on, and nobody is told
    PAUSE = "pause"  #: the rest comes a little later
    DRIP = "drip"  #: the rest comes a byte at a time
    FLIP = "flip"  #: bits of the byte are flipped
    SPILL = "spill"  #: other bytes come before it


@dataclass(frozen=True)
class Strike:
    """What happens at byte *at* of one way of a connection, counted from 0 over all that passes there."""

    how: How
    way: Way
    at: int
    mask: int = 0x20

    def __str__(self) -> str:
        return f"{self.how}@{self.way}:{self.at}" + (f":{self.mask}" if self.how is How.FLIP else "")

    @classmethod
    def named(cls, name: str) -> Strike | None:
        """Return the strike of this name, ``None`` where it is none."""
        parts = re.fullmatch(rf"({'|'.join(How)})@({'|'.join(Way)}):(\d+)(?::(\d+))?", name)
        if parts is None:
            return None
        how, way, *numbers = parts.groups()
        return cls(How(how), Way(way), *(int(number) for number in numbers if number is not None))


class Bytewise:
    """Passes bytes on to ``upstream``; *strike* strikes the first connection, or *always* each."""

    def __init__(self, port: int, strike: Strike | None, *, always: bool = False) -> None:
        self.upstream = port
        self.strike = strike
        self._always = always
        self._connections = 0
        self.passed = {way: bytearray() for way in Way}  # the first of it
        self.struck = 0
        self.port = 0

    @asynccontextmanager
    async def started(self) -> AsyncIterator[Bytewise]:
        async with listening(self._serve) as self.port:
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        strike = self.strike if self._always or not self._connections else None
        self._connections += 1
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.upstream)
        writers = writer, up_writer
        try:
            ways = ((Way.REQUEST, reader, up_writer), (Way.ANSWER, up_reader, writer))
            pumps = [asyncio.ensure_future(self._pump(*way, strike, writers)) for way in ways]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
        finally:
            await ended(up_writer)

    async def _pump(
        self,
        way: Way,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        strike: Strike | None,
        writers: tuple[asyncio.StreamWriter, asyncio.StreamWriter],
    ) -> None:
        seen = 0
        at = strike.at if strike is not None and strike.way is way else -1
        while data := await reader.read(65_536):
            self.passed[way] += data[: MOST_KEPT - len(self.passed[way])]
            if strike is not None and seen <= at < seen + len(data):
                self.struck += 1
                writer.write(data[: at - seen])
                await writer.drain()
                rest = data[at - seen :]
                if not await _struck(strike, rest, writer, writers):
                    return
            else:
                writer.write(data)
            await writer.drain()
            seen += len(data)


async def _struck(
    strike: Strike,
    rest: bytes,
    writer: asyncio.StreamWriter,
    writers: tuple[asyncio.StreamWriter, asyncio.StreamWriter],
) -> bool:
    """Do to *rest* what *strike* says; return whether the connection goes on."""
    match strike.how:
        case How.CUT:
            return False
        case How.RESET:
            await asyncio.sleep(0)  # what came before is seen before the RST takes it away
            reset(writers[0])
            reset(writers[1])
            return False
        case How.SILENCE:
            await asyncio.Event().wait()
        case How.PAUSE:
            await asyncio.sleep(PAUSE_SECONDS)
            writer.write(rest)
        case How.DRIP:
            await _drip(rest, writer)
        case How.FLIP:
            writer.write(bytes((rest[0] ^ strike.mask,)) + rest[1:])
        case How.SPILL:
            writer.write(b"\0\xff0\r\n" + rest)
    return True


async def _drip(rest: bytes, writer: asyncio.StreamWriter) -> None:
    for byte in rest:
        writer.write(bytes((byte,)))
        await writer.drain()
        await asyncio.sleep(0)
