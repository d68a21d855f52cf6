"""One HTTP attempt on a real socket, against servers that behave and servers that do not."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager

import pytest
import trustme

from bulkdelete.errors import AnswerLost, ConnectionRefusedForGood, NotSent, SettingsError
from bulkdelete.exchange import MOST_ANSWER_BYTES
from bulkdelete.settings import HttpSettings
from bulkdelete.transport import HttpTransport
from bulkdelete.version import VERSION
from tests.wire.tls import certificates

pytestmark = pytest.mark.both_loops

OK = b'{"code": 0, "message": "OK"}'


def answer(body: bytes = OK, status: str = "200 OK", headers: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


class Server:
    """Answers each request as *reply* says: a function that gets the writer and the raw request."""

    def __init__(self, reply):
        self.requests: list[tuple[bytes, bytes]] = []
        self.connections: set[asyncio.Task[None]] = set()
        self._reply = reply

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.connections.add(task)
        task.add_done_callback(self.connections.discard)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                self.requests.append((head, await reader.readexactly(length)))
                await self._reply(writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(reply, tls: ssl.SSLContext | None = None):
    if isinstance(reply, bytes):
        raw = reply

        async def reply(writer):
            writer.write(raw)

    server = Server(reply)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
    port = listening.sockets[0].getsockname()[1]
    try:
        yield server, f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    finally:
        listening.close()
        if server.connections:
            await asyncio.wait(server.connections, timeout=5)


@asynccontextmanager
async def transport(base_url: str, **settings):
    made = HttpTransport(base_url, HttpSettings(**settings), connections=4)
    try:
        yield made
    finally:
        await made.close()


async def test_the_request_is_the_documents():
    async with serving(answer()) as (server, url), transport(url) as http:
        reply = await http.post(b'{"table_id":"t","delete_data":[]}', "the-key", "request-1")
    assert (reply.status, reply.body) == (200, OK)
    [(head, body)] = server.requests
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /v2/database/delete/record HTTP/1.1"
    assert "Authorization: Bearer the-key" in lines
    assert "Content-Type: application/json" in lines
    assert "X-Request-Id: request-1" in lines
    assert f"User-Agent: bulkdelete/{VERSION}" in lines
    assert "Accept-Encoding: identity" in lines
    assert body == b'{"table_id":"t","delete_data":[]}'


async def test_a_body_of_four_mebibytes_arrives_whole():
    big = b"x" * (4 * 1024 * 1024)
    async with serving(answer()) as (server, url), transport(url) as http:
        await http.post(big, "key", "id")
    assert server.requests[0][1] == big


async def test_redirects_are_answers_and_the_body_reaches_no_other_host():
    async with (
        serving(answer()) as (elsewhere, other),
        serving(answer(b"", "307 Temporary Redirect", f"Location: {other}/v2/database/delete/record\r\n")) as (_, url),
        transport(url) as http,
    ):
        reply = await http.post(b"{}", "key", "id")
    assert reply.status == 307
    assert elsewhere.requests == []


async def test_cookies_are_not_sent_back_unless_asked_for():
    cookie = answer(headers="Set-Cookie: session=1; Path=/\r\n")
    for keep, expected in ((False, False), (True, True)):
        async with (
            serving(cookie) as (server, url),
            transport(url.replace("127.0.0.1", "localhost"), keep_cookies=keep) as http,
        ):
            for _ in range(2):
                await http.post(b"{}", "key", "id")
        assert (b"Cookie: session=1" in server.requests[1][0]) is expected


async def test_a_huge_answer_is_cut_off_and_unreadable():
    async def endless(writer):
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"10000\r\n" + b"x" * 65_536 + b"\r\n")
            await writer.drain()

    async with serving(endless) as (_, url), transport(url) as http:
        reply = await http.post(b"{}", "key", "id")
    assert (reply.status, reply.body) == (200, b"")
    long = OK + b" " * MOST_ANSWER_BYTES
    async with serving(answer(long)) as (_, url), transport(url) as http:
        assert (await http.post(b"{}", "key", "id")).body == b""


async def test_a_dripping_answer_ends_with_the_answer_timeout():
    async def dripping(writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with serving(dripping) as (_, url), transport(url, answer_timeout_seconds=0.2) as http:
        with pytest.raises(AnswerLost, match=r"0\.2 s"):
            await http.post(b"{}", "key", "id")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 99_999,
    ],
    ids=["nothing", "garbage", "half a body", "a header without end"],
)
async def test_a_broken_answer_is_lost_and_never_shows_the_key(raw):
    async def broken(writer):
        writer.write(raw)
        writer.close()

    async with serving(broken) as (_, url), transport(url) as http:
        with pytest.raises(AnswerLost) as raised:
            await http.post(b"{}", "the-secret-key", "id")
    error: BaseException | None = raised.value
    assert error.__cause__ is None
    assert "the-secret-key" not in repr(error)
    assert error.__suppress_context__


async def test_a_refused_connection_was_not_sent():
    async with transport("http://127.0.0.1:9") as http:
        with pytest.raises(NotSent):
            await http.post(b"{}", "key", "id")


async def test_a_connection_that_is_closed_at_once_is_told_in_words_that_hold_no_address():
    async def closes(reader, writer):
        writer.close()

    listening = await asyncio.start_server(closes, "127.0.0.1", 0)
    async with listening, transport(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}") as http:
        for _ in range(5):
            with pytest.raises(AnswerLost, match=r"^the connection broke: \w+( \([A-Z][a-z ]+\))?$"):
                await http.post(b"{}", "key", "id")


async def test_a_certificate_must_verify_and_a_private_authority_can_be_named(tmp_path):
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    async with serving(answer(), tls) as (server, url):
        async with transport(url) as http:
            with pytest.raises(ConnectionRefusedForGood, match="ca_file"):
                await http.post(b"{}", "key", "id")
        assert server.requests == []
        async with transport(url, ca_file=str(ca_file)) as http:
            assert (await http.post(b"{}", "key", "id")).status == 200


@pytest.mark.parametrize("wrong", certificates().wrong)
async def test_it_is_told_what_is_wrong_with_a_certificate_and_what_to_do(tmp_path, wrong):
    said = {
        "another authority": r": unable to get local issuer certificate; .* is not in http\.ca_file, .*ca\.pem$",
        "another name": r": IP address mismatch, certificate is not valid for '127\.0\.0\.1'; check base_url",
        "expired": r": certificate has expired; check base_url, and this machine's clock, or have .* renewed$",
    }[wrong]
    (tmp_path / "ca.pem").write_bytes(certificates().authority_pem)
    async with serving(answer(), certificates().wrong[wrong]) as (server, url):
        async with transport(url, ca_file=str(tmp_path / "ca.pem")) as http:
            with pytest.raises(ConnectionRefusedForGood, match=f"^the server's certificate does not verify{said}"):
                await http.post(b"{}", "key", "id")
        assert server.requests == []


async def test_a_named_authority_is_the_only_one_however_https_is_written(tmp_path, monkeypatch):
    the_systems, named = trustme.CA(), trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    the_systems.issue_cert("127.0.0.1").configure_cert(tls)
    for name, authority in (("system", the_systems), ("named", named)):
        authority.cert_pem.write_to_path(str(tmp_path / f"{name}.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "system.pem"))
    async with serving(answer(), tls) as (server, url):
        for scheme in ("https", "HTTPS", "Https"):
            async with transport(url.replace("https", scheme), ca_file=str(tmp_path / "named.pem")) as http:
                with pytest.raises(ConnectionRefusedForGood, match="ca_file"):
                    await http.post(b"{}", "key", "id")
            assert server.requests == []
        for ca_file in ("", str(tmp_path / "system.pem")):
            async with transport(url.replace("https", "HTTPS"), ca_file=ca_file) as http:
                assert (await http.post(b"{}", "key", "id")).status == 200


def test_a_ca_file_that_is_none_is_refused(tmp_path):
    (tmp_path / "ca.pem").write_text("nonsense")
    for path in (tmp_path / "ca.pem", tmp_path / "missing.pem"):
        with pytest.raises(SettingsError, match="ca_file"):
            HttpTransport("https://127.0.0.1:1", HttpSettings(ca_file=str(path)), connections=1)
