"""Answers that are cut, lie, go on without an end, or lead elsewhere."""

from __future__ import annotations

import asyncio
import gzip
from functools import cache
from typing import TYPE_CHECKING

from tests.wire.between import TRUE_BODY, Odd, whole
from tests.wire.listening import reset

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.wire.between import Reply

GIBIBYTE = 2**30
_BLOCK = b" " * 65_536
_OK = b"HTTP/1.1 200 OK\r\n"
_CHUNKED = _OK + b"Transfer-Encoding: chunked\r\n\r\n"


def odd_answers(elsewhere: str) -> Iterator[Odd]:
    """Yield every odd answer; *elsewhere* is the base URL of another server, which must never hear of a body."""
    for name, raw in _broken():
        yield Odd(f"{name}, closed", _then(raw, close))
        yield Odd(f"{name}, reset", _then(raw, hard_close))
        yield Odd(f"{name}, silence", _then(raw, silence))
    yield from _whole_but_no_acknowledgement()
    for status in ("301 Moved", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"):
        location = f"Location: {elsewhere}/v2/database/delete/record\r\n"
        yield Odd(f"redirect {status[:3]}", _then(whole(status=status, headers=location)), ends="fatal_answer")
    yield from _true_but_odd()
    chunk = b"10000\r\n%b\r\n" % _BLOCK
    yield _flood("a gibibyte, its length said", _OK + b"Content-Length: %d\r\n\r\n" % GIBIBYTE + TRUE_BODY)
    yield _flood("a gibibyte without a length", _OK + b"\r\n" + TRUE_BODY)
    yield _flood("a gibibyte in chunks", _CHUNKED + b"1c\r\n" + TRUE_BODY + b"\r\n", chunk)
    yield _flood("a gibibyte in one header", _OK + b"X-Long: ", b"y" * 65_536)
    yield _flood("headers without an end", _OK, b"X-Many: yes\r\n" * 5_000)
    yield _flood("trailers without an end", _CHUNKED + b"1c\r\n" + TRUE_BODY + b"\r\n0\r\n", b"X-T: 1\r\n" * 5_000)
    yield _flood("1xx without an end", b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000, until_timeout=True)
    yield _flood("a chunk size without an end", _CHUNKED, b"0" * 65_536, until_timeout=True)
    yield _flood("chunk extensions without an end", _CHUNKED + b"1c;x=", b"y" * 65_536, until_timeout=True)


def is_flood(name: str) -> bool:
    """Return whether the odd answer *name* goes on for a gibibyte, if somebody reads it."""
    return "gibibyte" in name or name.endswith("without an end")


def _broken() -> Iterator[tuple[str, bytes]]:
    """Yield what is no whole answer, whatever comes after it; where it is read by mistake, it acknowledges."""
    yield "nothing", b""
    yield "half a status line", b"HTTP/1.1 2"
    yield "no HTTP", b"SSH-2.0-OpenSSH_9.6\r\n" + TRUE_BODY
    yield "a status that is no number", b"HTTP/1.1 OK 200\r\nContent-Length: 28\r\n\r\n" + TRUE_BODY
    yield "half the headers", _OK + b"Content-Len"
    yield "a length too long", whole(length=len(TRUE_BODY) + 10)
    yield "a length too short", whole(length=5)
    yield "a length of nothing", whole(length=0)
    yield "a negative length", whole(length="-1")
    yield "a length in hexadecimal", whole(length="0x1c")
    yield "a length with a sign", whole(length="+28")
    yield "two lengths in one", whole(length="28 28")
    yield "two lengths that differ", whole(headers="Content-Length: 29\r\n")
    yield "a length beyond all numbers", whole(length="9" * 40)
    yield "chunks without an end", _CHUNKED + b"1c\r\n" + TRUE_BODY + b"\r\n"
    yield "a chunk longer than it is", _CHUNKED + b"ff\r\n" + TRUE_BODY
    yield "a chunk size that is none", _CHUNKED + b"zz\r\n" + TRUE_BODY + b"\r\n0\r\n\r\n"
    yield "a negative chunk size", _CHUNKED + b"-1c\r\n" + TRUE_BODY + b"\r\n0\r\n\r\n"
    yield "a chunk size beyond all numbers", _CHUNKED + b"f" * 40 + b"\r\n" + TRUE_BODY
    yield "chunks and a length, cut", whole(headers="Transfer-Encoding: chunked\r\n", body=b"1c\r\n" + TRUE_BODY)
    yield "half the JSON without a length", _OK + b"\r\n" + TRUE_BODY[:20]
    yield "an endless line that is cut", _OK + b"X: " + b"y" * 100_000
    yield "a NUL in a header", _OK + b"X: a\0b\r\nContent-Length: 28\r\n\r\n" + TRUE_BODY
    yield "1xx and nothing after", b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000


def _whole_but_no_acknowledgement() -> Iterator[Odd]:
    wholes = {
        "packed, and not asked for": whole(gzip.compress(TRUE_BODY), headers="Content-Encoding: gzip\r\n"),
        "a gzip bomb": whole(_bomb(), headers="Content-Encoding: gzip\r\n"),
        "more after the JSON": whole(TRUE_BODY + b"}"),
        "204 with a body": whole(status="204 No Content"),
        "304 with a body": whole(status="304 Not Modified"),
        "500 that says 0": whole(status="500 Oops"),
        "201 bytes of nothing": whole(b"\0" * 201),
        "UTF-16": whole(TRUE_BODY.decode().encode("utf-16")),
    }
    for name, raw in wholes.items():
        yield Odd(name, _then(raw))
    yield Odd(
        "101, and then anything",
        _then(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n" + whole()),
    )
    yield Odd(
        "an answer before the body, closed",
        _then(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 1\r\n\r\n", close),
        early=True,
    )


@cache
def _bomb() -> bytes:
    return gzip.compress(b" " * 2**24 + TRUE_BODY)


def _true_but_odd() -> Iterator[Odd]:
    """Yield the emulator's own answer, to a request that it applied, in odd clothes."""

    def clothed(name: str, cloth: str) -> Odd:
        async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, real: bytes) -> None:
            head, _, body = real.partition(b"\r\n\r\n")
            chunked = _CHUNKED + b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
            raw = {
                "chunks": chunked,
                "storm": b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000 + real,
                "hints": b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" + real,
                "headers": head + b"\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(10_000)) + b"\r\n" + body,
                "long": head + b"\r\nX-Long: " + b"y" * 100_000 + b"\r\n\r\n" + body,
                "old": b"HTTP/1.0 200 OK\r\n\r\n" + body,
                "both": head + b"\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked.partition(b"\r\n\r\n")[2],
                "twice": real + whole(),
                "rest": real + b"\0\xff garbage\r\n\r\n",
                "cookies": head + b"\r\nSet-Cookie: \xff\xfe=\x01;;\r\nSet-Cookie: a\r\n\r\n" + body,
            }[cloth]
            writer.write(raw)
            await writer.drain()
            if cloth == "old":
                writer.close()

        return Odd(name, reply, forwarded=True)

    yield clothed("a byte in each chunk", "chunks")
    yield clothed("10,000 times 100 and then the answer", "storm")
    yield clothed("103 and then the answer", "hints")
    yield clothed("10,000 headers", "headers")
    yield clothed("a header of 100,000 bytes", "long")
    yield clothed("HTTP/1.0 without a length", "old")
    yield clothed("both chunks and a length", "both")
    yield clothed("a second answer at once", "twice")
    yield clothed("garbage after the answer", "rest")
    yield clothed("cookies that are none", "cookies")


async def go_on(writer: asyncio.StreamWriter) -> None:
    """Leave the connection open for the next request."""


async def close(writer: asyncio.StreamWriter) -> None:
    writer.close()


async def hard_close(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(0.01)  # what was written is read before the RST takes it away
    reset(writer)


async def silence(writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


def _then(raw: bytes, after=go_on) -> Reply:
    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, real: bytes) -> None:
        writer.write(raw)
        await writer.drain()
        await after(writer)

    return reply


def _flood(name: str, first: bytes, block: bytes = _BLOCK, *, until_timeout: bool = False) -> Odd:
    """Return an answer of a gibibyte: *first*, and then *block* again and again, as long as somebody reads it.

    *until_timeout*: it may be read, and forgotten, for as long as an answer may take.
    """
    written: list[int] = []

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, real: bytes) -> None:
        written.append(len(first))
        writer.write(first)
        for _ in range(GIBIBYTE // len(block)):
            writer.write(block)
            await writer.drain()
            written[-1] += len(block)
        writer.close()

    return Odd(name, reply, written=[] if until_timeout else written)
