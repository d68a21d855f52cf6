"""One request and its answer over a connection of aiohttp's: HTTP/1.1 as its ``ClientSession.post`` speaks it.

aiohttp's connector opens and keeps the connections, its parser reads the answers. What its session makes in between for
each request (a request, a payload, a writer and its task, a response, a timer) is for requests of every kind, and costs
more than all that we do for a small call; ours differ by a few headers, and are written at once.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import aiohttp
from yarl import URL

from bulkdelete.breathing import Breath
from bulkdelete.errors import AnswerLost, NotSent
from bulkdelete.masking import masked
from bulkdelete.version import VERSION

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping

    from aiohttp.client_proto import ResponseHandler
    from aiohttp.connector import Connection

    from bulkdelete.proxying import Proxy
    from bulkdelete.settings import HttpSettings

MOST_ANSWER_BYTES: Final = 64 * 1024
"""A longer answer is not read to its end and counts as unreadable."""

_HEADERS: Final = (
    "Accept: application/json",
    "Accept-Encoding: identity",
    "Content-Type: application/json",
    f"User-Agent: bulkdelete/{VERSION}",
)
_OK_STATUSES: Final = range(200, 300)
_INTERIM_STATUSES: Final = frozenset(range(100, 200)) - {101}
"""An answer that another one follows: RFC 9110, section 15.2. After 101 (Switching Protocols) none does."""
_MOST_BYTES_IN_ONE_WRITE: Final = 2**20
_OPENED_IN_A_TURN: Final = 4
"""To open a connection takes up to a millisecond of the event loop."""


class Reply(NamedTuple):
    """What came back: an HTTP status, the headers and at most :data:`MOST_ANSWER_BYTES` of body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:  # some servers echo the key
        return f"<Reply {self.status}, {len(self.body)} bytes>"


class Exchanges:
    """Exchanges with one base URL, over at most *connections*, in the event loop in which this is made."""

    def __init__(
        self, base_url: str, settings: HttpSettings, connections: int, tls: ssl.SSLContext | None, proxy: Proxy | None
    ) -> None:
        self._base_url = base_url
        self._proxy = proxy
        self._connector = _Connector(connections, tls)
        self._seconds = settings.answer_timeout_seconds
        self._to_connect = aiohttp.ClientTimeout(
            total=None,
            connect=settings.answer_timeout_seconds,
            sock_connect=settings.connect_timeout_seconds,
            ceil_threshold=math.inf,
        )
        self._there = self._described()
        self._cookies = aiohttp.CookieJar() if settings.keep_cookies else None
        self._beginnings: dict[str, str] = {}

    async def post(self, path: str, api_key: str, request_id: str, body: bytes, leaves: Callable[[], object]) -> Reply:
        """Send *body* to *path*, over a connection that is free, and return the answer.

        *leaves* is called when the first byte leaves, with the headers.

        Raises:
            NotSent: something was on the connection before the request left: the next answer may be none to it.
            AnswerLost: no answer came in time, or an acknowledgement before the request had left as a whole.
            aiohttp.ClientError, HttpProcessingError, OSError: no connection could be had, or no whole answer came.

        """
        loop = asyncio.get_running_loop()
        until = loop.time() + self._seconds
        there = self._described() if self._proxy else self._there  # aiohttp writes into what goes by a proxy
        try:
            connection = await self._connector.connect(there, [], self._to_connect)
        except TimeoutError:
            raise aiohttp.ConnectionTimeoutError from None
        late = _Late(connection)
        timer = loop.call_at(until, late.end)
        try:
            protocol, transport = _ready(connection)
            head = self._head(path, api_key, request_id, len(body))
            leaves()
            transport.write(head + body[:_MOST_BYTES_IN_ONE_WRITE])
            for at in range(_MOST_BYTES_IN_ONE_WRITE, len(body), _MOST_BYTES_IN_ONE_WRITE):
                await asyncio.sleep(0)
                if transport.is_closing():
                    break
                transport.write(body[at : at + _MOST_BYTES_IN_ONE_WRITE])
            reply = await self._reply(protocol, transport, path)
        except BaseException as error:
            connection.close()
            if late.is_ended and isinstance(error, aiohttp.ClientError | OSError):
                raise AnswerLost(f"no answer within {self._seconds:g} s", timed_out=True) from None
            raise
        finally:
            timer.cancel()
        connection.release()
        return reply

    async def close(self) -> None:
        """Close every connection."""
        await self._connector.close()

    def _described(self) -> aiohttp.ClientRequest:
        """Return what tells the connector where to go, and how; it is never sent."""
        way: dict[str, Any] = {}
        if self._proxy is not None:
            way["proxy"] = URL(f"http://{self._proxy.host_and_port}")
            if self._proxy.authorization:
                way["proxy_headers"] = {"Proxy-Authorization": self._proxy.authorization}
        return aiohttp.ClientRequest("POST", URL(self._base_url), loop=asyncio.get_running_loop(), **way)

    def _head(self, path: str, api_key: str, request_id: str, length: int) -> bytes:
        if not (api_key.isprintable() and request_id.isprintable()):
            raise ValueError("what is sent in a header holds a line break or another control character")
        beginning = self._beginnings.get(path) or self._beginning(path)
        own = f"Authorization: Bearer {api_key}\r\nX-Request-Id: {request_id}\r\nContent-Length: {length}\r\n"
        return masked(f"{beginning}{masked(own)}{self._kept_cookies(path)}\r\n").encode()

    def _beginning(self, path: str) -> str:
        """Return what the head of every request to *path* begins with."""
        target = URL(self._base_url + path).raw_path_qs
        lines = (f"POST {target} HTTP/1.1", f"Host: {self._there.headers['Host']}", *_HEADERS, "")
        beginning = self._beginnings[path] = "\r\n".join(lines)
        return beginning

    def _kept_cookies(self, path: str) -> str:
        if self._cookies is None or not (kept := self._cookies.filter_cookies(URL(self._base_url + path))):
            return ""
        return f"Cookie: {'; '.join(f'{cookie.key}={cookie.coded_value}' for cookie in kept.values())}\r\n"

    async def _reply(self, protocol: ResponseHandler, transport: asyncio.Transport, path: str) -> Reply:
        while True:
            message, content = await protocol.read()
            if message.code not in _INTERIM_STATUSES:
                break
        if _is_leaving(transport):  # as when a refusal comes early
            protocol.force_close()
            if message.code in _OK_STATUSES:
                raise AnswerLost("an answer came before the request had left as a whole: it is none to all of it")
        if self._cookies is not None and (cookies := message.headers.getall("Set-Cookie", ())):
            self._cookies.update_cookies_from_headers(cookies, URL(self._base_url + path))
        body = b""
        while part := await content.readany():
            body += part
            if len(body) > MOST_ANSWER_BYTES:
                protocol.force_close()
                return Reply(message.code, message.headers, b"")
        return Reply(message.code, message.headers, body)


class _Late:
    """Ends a connection whose answer did not come in time: what asyncio's timeout does takes three times as long."""

    __slots__ = ("_transport", "is_ended")

    def __init__(self, connection: Connection) -> None:
        self._transport = connection.transport
        self.is_ended = False

    def end(self) -> None:
        self.is_ended = True
        if self._transport is not None:
            self._transport.abort()


def _ready(connection: Connection) -> tuple[ResponseHandler, asyncio.Transport]:
    """Return what a request is written to and its answer read from; raise where *connection* is of no use for it."""
    protocol, transport = connection.protocol, connection.transport
    if protocol is None or transport is None or transport.is_closing():
        raise aiohttp.ServerDisconnectedError
    if protocol.should_close:
        raise NotSent("something came on the connection before the request left: it is no answer to it")
    protocol.set_response_params(read_until_eof=True, auto_decompress=False)
    return protocol, transport


def _is_leaving(transport: asyncio.Transport) -> bool:
    try:
        return transport.get_write_buffer_size() > 0
    except AttributeError:  # of a TLS connection that is closed already, asyncio knows nothing any more
        return False


class _Connector(aiohttp.TCPConnector):
    """Opens connections a few at a time: sixty at once, as when a job begins, keep the event loop for long."""

    def __init__(self, limit: int, tls: ssl.SSLContext | None) -> None:
        super().__init__(limit=limit, ssl=tls or True)
        self._breath = Breath(_OPENED_IN_A_TURN)

    async def _create_connection(self, *request: Any) -> ResponseHandler:  # noqa: ANN401 - what aiohttp gives
        await self._breath.taken()
        return await super()._create_connection(*request)
