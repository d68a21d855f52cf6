"""A proxy that the environment names: used where that is asked for, not for this machine, and nothing goes round it."""

from __future__ import annotations

import asyncio
import ssl
from base64 import b64encode
from contextlib import asynccontextmanager

import pytest
import trustme

from bulkdelete.errors import ConnectionRefusedForGood, NotSent, SettingsError
from bulkdelete.settings import HttpSettings
from bulkdelete.transport import HttpTransport
from tests.integration.test_transport import answer, serving, transport
from tests.secrets import assert_nowhere

pytestmark = pytest.mark.both_loops

PASSWORD = "pa/ss@word"
FAR = "https://api.example"


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    for name in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name.upper()}_PROXY", raising=False)


class Proxy:
    """Opens a tunnel to one port, whatever host it is asked for, or answers *status*."""

    def __init__(self, port: int, status: str) -> None:
        self.heads: list[bytes] = []
        self._port = port
        self._status = status

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(f"HTTP/1.1 {self._status}\r\n\r\n".encode())
        if self._status.startswith("200"):
            there, back = await asyncio.open_connection("127.0.0.1", self._port)
            await asyncio.gather(self._pass(reader, back), self._pass(there, writer))
        writer.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while part := await reader.read(65536):
            writer.write(part)
        writer.close()


@asynccontextmanager
async def behind_a_proxy(folder, status: str = "200 OK"):
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("api.example").configure_cert(tls)
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    async with serving(answer(), tls) as (server, url):
        proxy = Proxy(int(url.rsplit(":", 1)[1]), status)
        async with await asyncio.start_server(proxy.serve, "127.0.0.1", 0) as listening:
            yield server, proxy, f"127.0.0.1:{listening.sockets[0].getsockname()[1]}"


def far(folder) -> HttpTransport:
    settings = HttpSettings(use_environment_proxies=True, ca_file=str(folder / "ca.pem"))
    return HttpTransport(FAR, settings, connections=4)


async def test_without_the_setting_it_is_left_alone(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    async with serving(answer()) as (_, url), transport(url) as http:
        assert (await http.post(b"{}", "key", "id")).status == 200


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("form", ["http://{}", "http://{}/", "{}"])
async def test_it_sees_where_a_request_goes_and_neither_its_key_nor_its_records(tmp_path, monkeypatch, name, form):
    async with behind_a_proxy(tmp_path) as (server, proxy, address):
        monkeypatch.setenv(name, form.format(address))
        http = far(tmp_path)
        for _ in range(2):
            assert (await http.post(b"{}", "the-key", "id")).status == 200
        await http.close()
    (head,) = proxy.heads
    assert head.startswith(b"CONNECT api.example:443 HTTP/1.1\r\n")
    assert b"\r\nUser-Agent: bulkdelete/" in head
    assert b"the-key" not in head
    assert b"Authorization" not in head
    assert len(server.requests) == 2
    assert b"Bearer the-key" in server.requests[0][0]


async def test_a_user_name_and_a_password_are_for_it_alone(tmp_path, monkeypatch):
    async with behind_a_proxy(tmp_path) as (server, proxy, address):
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:pa%2Fss%40word@{address}")
        http = far(tmp_path)
        await http.post(b"{}", "the-key", "id")
        await http.close()
    assert b"Proxy-Authorization: Basic " + b64encode(f"me:{PASSWORD}".encode()) in proxy.heads[0]
    assert b"Proxy-" not in server.requests[0][0]


@pytest.mark.parametrize(
    ("status", "kind"), [("407 Log In", ConnectionRefusedForGood), ("403 No", NotSent), ("502 Not There", NotSent)]
)
async def test_where_it_refuses_nothing_was_sent_and_its_answer_is_told(tmp_path, monkeypatch, status, kind):
    async with behind_a_proxy(tmp_path, status) as (server, _, address):
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:secret-word@{address}")
        http = far(tmp_path)
        with pytest.raises(
            kind, match=f"api.example by the proxy {address}, which answers HTTP {status[:3]}"
        ) as raised:
            await http.post(b"{}", "the-key", "id")
        await http.close()
    assert_nowhere("secret-word", texts=[str(raised.value), repr(raised.value)])
    assert server.requests == []


async def test_where_it_is_not_there_that_is_told(tmp_path, monkeypatch):
    async with behind_a_proxy(tmp_path) as (_, _, address):
        pass
    monkeypatch.setenv("HTTPS_PROXY", address)
    http = far(tmp_path)
    with pytest.raises(NotSent, match=f"api.example by the proxy {address}: "):
        await http.post(b"{}", "the-key", "id")
    await http.close()


async def test_what_is_for_this_machine_goes_to_no_other(tmp_path, monkeypatch):
    async with behind_a_proxy(tmp_path) as (_, proxy, address), serving(answer()) as (_, url):
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://{address}")
        for base_url in (url, url.replace("127.0.0.1", "localhost")):
            async with transport(base_url, use_environment_proxies=True) as http:
                assert (await http.post(b"{}", "key", "id")).status == 200
        for base_url in ("https://localhost:9", "https://127.0.0.1:9", "https://[::1]:9"):
            async with transport(base_url, use_environment_proxies=True) as http:
                with pytest.raises(NotSent, match="no connection to https"):
                    await http.post(b"{}", "key", "id")
    assert proxy.heads == []


@pytest.mark.parametrize(
    ("base_url", "exempt"),
    [
        (FAR, "api.example"),
        (FAR, "other.test, .example"),
        (f"{FAR}:9", "api.example:9"),
        ("https://[fe80::1]", "fe80::1"),
        (FAR, "*"),
    ],
)
def test_what_no_proxy_names_is_reached_without(monkeypatch, base_url, exempt):
    monkeypatch.setenv("HTTPS_PROXY", "socks5://nobody")
    with pytest.raises(SettingsError):
        HttpTransport(base_url, HttpSettings(use_environment_proxies=True), 1)
    monkeypatch.setenv("NO_PROXY", exempt)
    HttpTransport(base_url, HttpSettings(use_environment_proxies=True), 1)


async def test_a_file_of_passwords_for_other_programs_is_none_of_ours(tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("default login anonymous password secret-word")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    async with serving(answer()) as (server, url), transport(url, use_environment_proxies=True) as http:
        assert (await http.post(b"{}", "the-key", "id")).status == 200
    assert b"Bearer the-key" in server.requests[0][0]


@pytest.mark.parametrize(
    ("named", "why"),
    [
        ("http://127.0.0.1:notaport", "must look like"),
        ("http://proxy.example:0", "must look like"),
        ("http://proxy.example:99999", "must look like"),
        ("http://", "must look like"),
        ("http://proxy.example/path", "must look like"),
        ("http://pro xy.example", "must look like"),
        ("http://[::1", "must look like"),
        ("http://[::1]x", "must look like"),
        ("http://[fe80::1%25]:3128", "must look like"),
        ("http://prox\\y.example", "must look like"),
        (f"http://{'x' * 70}.example", "must look like"),
        ("https://proxy.example", "only http:// proxies"),
        ("socks5h://proxy.example:1080", "only http:// proxies"),
    ],
)
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "ALL_PROXY"])
def test_one_that_cannot_be_used_is_refused_in_words_that_hold_no_password(monkeypatch, named, why, name):
    monkeypatch.setenv(name, named.replace("://", "://me:secret-word@"))
    with pytest.raises(SettingsError, match=rf"the proxy that {name} names cannot be used: .*{why}") as raised:
        HttpTransport(FAR, HttpSettings(use_environment_proxies=True), 1)
    assert_nowhere("secret-word", texts=[str(raised.value), repr(raised.value)])
    assert "othing was sent" in str(raised.value)
