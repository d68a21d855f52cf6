"""No more requests leave in any second than the quota says, also where connections take long to open."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager, suppress

import pytest
import trustme

from bulkdelete import BulkDeleter, Ended, Settings
from bulkdelete.errors import NotSent
from bulkdelete.settings import HttpSettings
from bulkdelete.transport import HttpTransport

TABLE_ID = "673af861ed69656ac0895b07"
A_SECOND = 20


class Server:
    """Answers over TLS and hangs up now and then, so that connections are opened again and again."""

    def __init__(self) -> None:
        self.arrivals: list[float] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.arrivals.append(asyncio.get_running_loop().time())
                await reader.readexactly(int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]))
                body = b'{"code": 0, "message": "OK"}'
                last = len(self.arrivals) % 3 == 0
                more = b"Connection: close\r\n" if last else b""
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s\r\n%s" % (len(body), more, body))
                await writer.drain()
                if last:
                    break
        writer.close()


class SlowDoor:
    """Passes bytes on, each second connection's first ones after *seconds*: opening it takes that long."""

    def __init__(self, port: int, seconds: float) -> None:
        self._port = port
        self._seconds = seconds
        self._connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        if self._connections % 2:
            await asyncio.sleep(self._seconds)
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        await asyncio.gather(self._pass(reader, back), self._pass(there, writer))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while part := await reader.read(65536):
                writer.write(part)
                await writer.drain()
        writer.close()


@asynccontextmanager
async def behind_a_slow_door(folder, seconds: float):
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    server = Server()
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls) as listening:
        door = SlowDoor(listening.sockets[0].getsockname()[1], seconds)
        async with await asyncio.start_server(door.serve, "127.0.0.1", 0) as entrance:
            yield server, f"https://127.0.0.1:{entrance.sockets[0].getsockname()[1]}"
            if others := asyncio.all_tasks() - {asyncio.current_task()}:
                await asyncio.wait(others, timeout=5)


class Departures:
    """The real transport, and when each request began to leave through it."""

    def __init__(self, real: HttpTransport) -> None:
        self._real = real
        self.times: list[float] = []

    async def post(self, body, api_key, request_id, path, leaves):
        def told() -> None:
            self.times.append(asyncio.get_running_loop().time())
            leaves()

        return await self._real.post(body, api_key, request_id, path, told)

    async def close(self) -> None:
        await self._real.close()


@pytest.mark.parametrize("seconds", [0.0, 0.3])
async def test_no_second_sees_more_requests_than_the_quota_however_long_connections_take_to_open(tmp_path, seconds):
    async with behind_a_slow_door(tmp_path, seconds) as (server, url):
        chosen = Settings.from_mapping(
            {
                "base_url": url,
                "batch": {"size": 5},
                "flow": {"concurrency": 32, "requests_per_second": A_SECOND},
                "http": {"ca_file": str(tmp_path / "ca.pem")},
            }
        )
        async with BulkDeleter(api_key="key", settings=chosen) as deleter:
            departures = deleter._shared.attempts._transport = Departures(deleter._shared.transport)
            report = await deleter.delete(TABLE_ID, [str(10**17 + number) for number in range(5 * 90)])
    assert (report.ended, report.requests) == (Ended.COMPLETE, 90)
    assert len(server.arrivals) == len(departures.times) == 90
    spans = [later - first for first, later in zip(departures.times, departures.times[A_SECOND:], strict=False)]
    assert min(spans) >= 1


async def test_a_request_leaves_when_its_connection_is_open_and_one_that_never_left_was_not_sent(tmp_path):
    async with behind_a_slow_door(tmp_path, 0.3) as (server, url):
        said = []
        settings = HttpSettings(ca_file=str(tmp_path / "ca.pem"), answer_timeout_seconds=0.2)
        http = HttpTransport(url, settings, connections=4)
        with pytest.raises(NotSent, match=r"no connection to https://127.* within 0\.2 s"):
            await http.post(b"{}", "key", "id", leaves=lambda: said.append("first"))
        assert said == []
        assert (await http.post(b"{}", "key", "id", leaves=lambda: said.append("second"))).status == 200
        assert said == ["second"]
        await http.close()
    assert len(server.arrivals) == 1
