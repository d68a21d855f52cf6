"""Requests that we write ourselves: what aiohttp's session would send, and what it would make of the answer."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import traceback

import aiohttp
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bulkdelete import exchange, protocol
from bulkdelete.errors import AnswerLost, NotSent
from bulkdelete.masking import masked
from tests.integration.test_transport import OK, answer, serving, transport
from tests.properties import often
from tests.wire.listening import listening

HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "Content-Type": "application/json",
    "Authorization": "Bearer the-key",
    "X-Request-Id": "request-1",
}
MIB = 2**20


def heads(request: bytes) -> tuple[str, list[str]]:
    """Return the first line of a request, and its headers in the order of their names."""
    first, *lines = request.decode().removesuffix("\r\n\r\n").split("\r\n")
    return first, sorted(line for line in lines if not line.startswith("User-Agent:"))


@pytest.mark.both_loops
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("path", ["", "/proxy/v1", "/a%20b", "/é/ü", "/a?b=c%2Fd"])
async def test_a_request_is_what_aiohttps_session_sends(host, path):
    async with serving(answer()) as (server, url), aiohttp.ClientSession() as session:
        base_url = url.replace("127.0.0.1", host) + path
        async with transport(base_url) as http:
            await http.post(b'{"table_id":"t"}', "the-key", "request-1")
        async with session.post(base_url + protocol.PATH, data=b'{"table_id":"t"}', headers=HEADERS):
            pass
    (our_head, our_body), (their_head, their_body) = server.requests
    assert heads(our_head) == heads(their_head)
    assert our_body == their_body == b'{"table_id":"t"}'


INTERIM = [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"]
STATUSES = [101, 200, 201, 204, 301, 304, 400, 401, 408, 413, 500, 503, 599]
KEPT = ["", "Connection: close\r\n", "Connection: keep-alive\r\n"]
BODIES = [b"", OK, b'{"code": 50000}', b"x" * 3_000]
FRAMINGS = ["length", "chunked", "trailers", "until the end", "too long", "both", "twice"]
ANSWERS = st.tuples(
    st.lists(st.sampled_from(INTERIM), max_size=2),
    *map(st.sampled_from, (["1.0", "1.1"], STATUSES, KEPT, BODIES, FRAMINGS)),
    st.none() | st.integers(0, 200),
)


def framed(body: bytes, framing: str) -> bytes:
    """Return the end of a head, and *body* behind it."""
    chunks = b"%x\r\n%b\r\n0\r\n" % (len(body), body) if body else b"0\r\n"
    length = b"Content-Length: %d\r\n" % (len(body) + (framing == "too long"))
    chunked = b"Transfer-Encoding: chunked\r\n"
    return {
        "chunked": chunked + b"\r\n" + chunks + b"\r\n",
        "trailers": chunked + b"\r\n" + chunks + b"X-Trailer: 1\r\n\r\n",
        "until the end": b"\r\n" + body,
        "both": length + chunked + b"\r\n" + chunks + b"\r\n",
        "twice": length * 2 + b"\r\n" + body,
    }.get(framing, length + b"\r\n" + body)


@settings(max_examples=often(400))
@given(ANSWERS)
@example(([INTERIM[0]], "1.1", 200, "", OK, "chunked", None))
@example(([], "1.0", 200, "", OK, "until the end", None))
@example(([], "1.1", 101, "", b"", "length", None))
def test_an_answer_is_what_aiohttps_session_makes_of_it(parts):
    interim, version, status, kept, body, framing, cut = parts
    head = f"HTTP/{version} {status} Said\r\n{kept}".encode()
    raw = (b"".join(interim) + head + framed(body, framing))[:cut]

    async def says_so(writer):
        writer.write(raw)
        writer.close()

    async def compared():
        async with serving(says_so) as (_, url), transport(url) as http, aiohttp.ClientSession() as session:
            theirs: tuple[int, bytes] | None = None
            with contextlib.suppress(aiohttp.ClientError):
                async with session.post(url + protocol.PATH, data=b"{}", allow_redirects=False) as response:
                    theirs = response.status, await response.read()
            ours: tuple[int, bytes] | None = None
            with contextlib.suppress(AnswerLost):
                reply = await http.post(b"{}", "key", "id")
                ours = reply.status, reply.body
            assert ours == theirs

    asyncio.run(compared())


class Counting:
    """Answers each request with what is next of *answers*, and counts connections; with none left, it waits."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.connections = 0
        self.asked = asyncio.Event()
        self.last: asyncio.StreamWriter | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.last = writer
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]))
                self.asked.set()
                if self.answers:
                    writer.write(self.answers.pop(0))


@contextlib.asynccontextmanager
async def counting(*answers: bytes, **options):
    server = Counting(*answers)
    async with listening(server.serve) as port, transport(f"http://127.0.0.1:{port}", **options) as http:
        yield server, http


@pytest.mark.both_loops
async def test_a_connection_is_used_again_unless_the_server_closes_it():
    closes = answer(headers="Connection: close\r\n")
    interim = b"HTTP/1.1 100 Continue\r\n\r\n" + answer()
    async with counting(answer(), interim, answer(status="500 No"), closes, answer()) as (server, http):
        seen = [((await http.post(b"{}", "key", "id")).status, server.connections) for _ in range(5)]
    assert seen == [(200, 1), (200, 1), (500, 1), (200, 1), (200, 2)]


@pytest.mark.both_loops
async def test_what_comes_on_an_idle_connection_is_told_before_the_request_leaves():
    left: list[int] = []
    async with counting(answer(), answer()) as (server, http):
        await http.post(b"{}", "key", "id")
        assert server.last is not None
        server.last.write(answer())
        for _ in range(20):  # the event loop reads it: before that, nobody could know
            await asyncio.sleep(0)
        with pytest.raises(NotSent, match="before the request left"):
            await http.post(b"{}", "key", "id", leaves=lambda: left.append(1))
        assert not left
        assert (await http.post(b"{}", "key", "id", leaves=lambda: left.append(1))).status == 200
    assert (left, server.connections) == ([1], 2)


@pytest.mark.both_loops
async def test_a_cancelled_request_leaves_no_connection_on_which_its_answer_would_be_anothers():
    async with counting() as (server, http):
        task = asyncio.create_task(http.post(b"{}", "key", "id"))
        await server.asked.wait()
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()
        server.answers.append(answer())
        assert (await http.post(b"{}", "key", "id")).status == 200
    assert server.connections == 2


@pytest.mark.both_loops
async def test_a_large_request_whose_server_leaves_is_lost():
    async def leaves(reader, writer):
        await reader.read(100)
        writer.transport.abort()

    async with listening(leaves) as port, transport(f"http://127.0.0.1:{port}") as http:
        with pytest.raises(AnswerLost, match="the connection broke"):
            await http.post(b"x" * 64 * MIB, "key", "id")


async def test_no_key_and_no_request_id_can_add_a_header():
    async with counting(answer()) as (server, http):
        for key, request_id in (("key\r\nX: y", "id"), ("key", "id\nX: y"), ("key\0", "id")):
            with pytest.raises(ValueError, match="control character"):
                await http.post(b"{}", key, request_id)
        assert not server.asked.is_set()


async def test_a_connection_that_is_not_taken_up_was_not_sent():
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)  # noqa: FBT003 - the standard library's
            one.connect_ex(("127.0.0.1", port))
        async with transport(f"http://127.0.0.1:{port}", connect_timeout_seconds=0.2) as http:
            with pytest.raises(NotSent, match="no connection to"):
                await http.post(b"{}", "key", "id")
        for one in waiting:
            one.close()


@pytest.mark.both_loops
@pytest.mark.parametrize("end", ["abort", "close", "go on"])
@pytest.mark.parametrize("writes", [1, 4])
async def test_an_answer_to_a_request_that_has_not_left_as_a_whole_acknowledges_nothing(monkeypatch, writes, end):
    monkeypatch.setattr(exchange, "_MOST_BYTES_IN_ONE_WRITE", 4 * MIB // writes)

    async def hasty(reader, writer):
        await reader.read(1_000)
        writer.transport.pause_reading()
        writer.write(answer())
        await writer.drain()
        if end == "go on":
            await asyncio.sleep(60)
        writer.transport.abort() if end == "abort" else writer.close()

    async with listening(hasty, most_bytes=2**12) as port, transport(f"http://127.0.0.1:{port}") as http:
        for _ in range(5):
            with pytest.raises(AnswerLost):
                await http.post(b"x" * 4 * MIB, "key", "id")


@pytest.mark.both_loops
@pytest.mark.parametrize("writes", [1, 4])
async def test_of_a_request_that_was_given_up_nothing_more_leaves(monkeypatch, writes):
    monkeypatch.setattr(exchange, "_MOST_BYTES_IN_ONE_WRITE", 4 * MIB // writes)
    may_read, read = asyncio.Event(), asyncio.get_running_loop().create_future()

    async def slow(reader, writer):
        writer.transport.pause_reading()
        await may_read.wait()
        writer.transport.resume_reading()
        with contextlib.suppress(ConnectionError):
            read.set_result(len(await reader.read()))
        if not read.done():
            read.set_result(0)

    async with listening(slow, most_bytes=2**12) as port:
        async with transport(f"http://127.0.0.1:{port}", answer_timeout_seconds=0.1) as http:
            with pytest.raises(AnswerLost, match=r"no answer within 0\.1 s"):
                await http.post(b"x" * 4 * MIB, "key", "id")
        may_read.set()
        assert await read < 4 * MIB


@pytest.mark.both_loops
@pytest.mark.parametrize("size", [2, 8 * MIB])
async def test_closing_waits_for_no_server_that_does_not_read(size):
    asked = asyncio.Event()

    async def silent(reader, writer):
        writer.transport.pause_reading()
        asked.set()
        await asyncio.sleep(60)

    async with listening(silent, most_bytes=2**12) as port, transport(f"http://127.0.0.1:{port}") as http:
        task = asyncio.create_task(http.post(b"x" * size, "key", "id"))
        await asked.wait()
        async with asyncio.timeout(10):
            await http.close()
            with pytest.raises((AnswerLost, NotSent), match="the connection broke"):
                await task


def shown(error: BaseException | None) -> str:
    """Return what a traceback of *error*, and of what it came from, shows with the local variables of our frames."""
    texts: list[str] = []
    while error is not None:
        told = traceback.TracebackException.from_exception(error, capture_locals=True, compact=False)
        texts += [repr(frame.locals) for frame in told.stack if "/bulkdelete/" in frame.filename]
        error = error.__context__
    return "".join(texts)


@pytest.mark.parametrize("size", [2, 4 * MIB])
@pytest.mark.parametrize("then", ["silence", "a cancellation", "the end", "garbage"])
async def test_no_traceback_with_local_variables_shows_the_key(size, then):
    async def bad(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        if then == "garbage":
            writer.write(b"garbage\r\n\r\n")
        if then in {"silence", "a cancellation"}:
            asked.set()
            await asyncio.sleep(60)

    asked = asyncio.Event()
    async with listening(bad) as port, transport(f"http://127.0.0.1:{port}", answer_timeout_seconds=0.3) as http:
        task = asyncio.create_task(http.post(b"x" * size, masked("the-secret-key"), "id"))
        if then == "a cancellation":
            await asked.wait()
            task.cancel()
        with pytest.raises((AnswerLost, asyncio.CancelledError)) as raised:
            await task
    assert "request_id" in shown(raised.value)
    assert "the-secret-key" not in shown(raised.value)


@pytest.mark.both_loops
@pytest.mark.parametrize("then", ["nothing", "end", "reset"])
@pytest.mark.parametrize("chunk", [b"zz\r\n", b"2\r\nlonger than that\r\n"])
async def test_an_answer_whose_body_is_none_holds_nothing_up(chunk, then):
    async def bad(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        await writer.drain()
        heads.append(1)
        await asyncio.sleep(0.05)  # for the head to be read alone: else the parser's error is met there
        writer.write(chunk)
        if then == "nothing":
            await asyncio.sleep(60)
        writer.transport.abort() if then == "reset" else writer.close()

    heads: list[int] = []
    async with listening(bad) as port, transport(f"http://127.0.0.1:{port}", answer_timeout_seconds=0.5) as http:
        async with asyncio.timeout(10):
            with pytest.raises(AnswerLost):
                await http.post(b"{}", "key", "id")
            task = asyncio.create_task(http.post(b"{}", "key", "id"))
            while len(heads) < 2:
                await asyncio.sleep(0.01)
            await http.close()
            with pytest.raises(AnswerLost):
                await task


@pytest.mark.both_loops
async def test_who_waits_for_a_connection_when_all_are_closed_sent_nothing():
    async with counting() as (server, http):
        tasks = [asyncio.create_task(http.post(b"{}", "key", "id")) for _ in range(6)]  # two more than connections
        await server.asked.wait()
        await http.close()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(error) for error in ended} <= {AnswerLost, NotSent}
    assert sum(isinstance(error, NotSent) for error in ended) >= 2


@pytest.mark.parametrize("size", [2, 4 * MIB])
async def test_neither_does_one_of_whoever_is_told_that_it_leaves(size):
    def leaves() -> None:
        raise KeyError("whatever")

    async with counting() as (_, http):
        with pytest.raises(KeyError) as raised:
            await http.post(b"x" * size, masked("the-secret-key"), "id", leaves=leaves)
    assert "request_id" in shown(raised.value)
    assert "the-secret-key" not in shown(raised.value)
