"""One request and its answer over a connection of aiohttp's: HTTP/1.1 as its ``ClientSession.post`` speaks it.

aiohttp's connector opens and keeps the connections, its parser reads the answers. What its session makes in between for
each request (a request, a payload, a writer and its task, a response, a timer) is for requests of every kind, and costs
more than all that we do for a small call; ours differ by a few headers, and are written at once.
"""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import aiohttp
from aiohttp.http_writer import StreamWriter
from yarl import URL

from bulkdelete.breathing import Breath
from bulkdelete.errors import AnswerLost, NotSent
from bulkdelete.masking import masked
from bulkdelete.version import VERSION

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping

    from aiohttp import StreamReader
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.connector import Connection

    from bulkdelete.proxying import Proxy
    from bulkdelete.settings import HttpSettings

MOST_ANSWER_BYTES: Final = 64 * 1024
"""A longer answer is not read to its end and counts as unreadable."""

_USER_AGENT: Final = f"bulkdelete/{VERSION}"
_HEADERS: Final = (
    "Accept: application/json",
    "Accept-Encoding: identity",
    "Content-Type: application/json",
    f"User-Agent: {_USER_AGENT}",
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
        self._sending: set[_Sending] = set()

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
        connection = await self._connected()
        sending = _Sending(connection)
        self._sending.add(sending)
        timer = loop.call_at(until, sending.end_late)
        try:
            sending.check()
            _refuse_control_characters(api_key, request_id)
            leaves()
            sending.begin(self._head(path, api_key, request_id, len(body)), body)
            reply = await self._reply(sending, path)
        except BaseException as error:
            sending.abort()
            connection.close()
            if not isinstance(error, GeneratorExit):
                await sending.ended()
            if sending.is_late and isinstance(error, aiohttp.ClientError | OSError):
                raise AnswerLost(f"no answer within {self._seconds:g} s", timed_out=True) from None
            raise
        finally:
            timer.cancel()
            self._sending.discard(sending)
        connection.release()
        return reply

    async def close(self) -> None:
        """Close every connection, those too on which something is being said."""
        for sending in self._sending:
            sending.abort()
        await self._connector.close()

    async def _connected(self) -> Connection:
        there = self._described() if self._proxy else self._there  # aiohttp writes into what goes by a proxy
        try:
            return await self._connector.connect(there, [], self._to_connect)
        except TimeoutError:
            raise aiohttp.ConnectionTimeoutError from None
        except asyncio.CancelledError:  # also of who waits for a connection when all are closed
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise aiohttp.ClientConnectionError from None

    def _described(self) -> aiohttp.ClientRequest:
        """Return what tells the connector where to go, and how; it is never sent."""
        way: dict[str, Any] = {}
        if self._proxy is not None:
            way["proxy"] = URL(f"http://{self._proxy.host_and_port}")
            way["proxy_headers"] = {"User-Agent": _USER_AGENT, "Accept-Encoding": "identity"}
            if self._proxy.authorization:
                way["proxy_headers"]["Proxy-Authorization"] = self._proxy.authorization
        return aiohttp.ClientRequest("POST", URL(self._base_url), loop=asyncio.get_running_loop(), **way)

    def _head(self, path: str, api_key: str, request_id: str, length: int) -> bytes:
        beginning = self._beginnings.get(path) or self._beginning(path)
        own = masked(f"Authorization: Bearer {api_key}\r\nX-Request-Id: {request_id}\r\nContent-Length: {length}\r\n")
        return masked(f"{beginning}{own}{self._kept_cookies(path)}\r\n").encode()

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

    async def _reply(self, sending: _Sending, path: str) -> Reply:
        while True:
            message, content = await sending.protocol.read()
            sending.content = content
            if message.code not in _INTERIM_STATUSES:
                break
        is_whole = sending.is_whole
        if not is_whole:
            sending.stop()
            if message.code in _OK_STATUSES:
                raise AnswerLost("an answer came before the request had left as a whole: it is none to all of it")
        if self._cookies is not None and (cookies := message.headers.getall("Set-Cookie", ())):
            self._cookies.update_cookies_from_headers(cookies, URL(self._base_url + path))
        body = b""
        while part := await content.readany():
            body += part
            if len(body) > MOST_ANSWER_BYTES:
                body, is_whole = b"", False
                break
        if not is_whole:
            sending.protocol.force_close()
            sending.abort()
            await sending.ended()
        return Reply(message.code, message.headers, body)


class _Sending:
    """One request on its way over *connection*: whether all of it has left, and how it is given up."""

    def __init__(self, connection: Connection) -> None:
        if connection.protocol is None or connection.transport is None:
            connection.close()
            raise aiohttp.ServerDisconnectedError
        self.protocol: ResponseHandler = connection.protocol
        self._transport: asyncio.Transport = connection.transport
        self._rest: asyncio.Task[None] | None = None
        self._is_written = True
        self.content: StreamReader | None = None
        """The answer's body, once its head has come."""
        self.is_late = False
        """Whether it was given up because no answer came in time."""

    @property
    def is_whole(self) -> bool:
        """Whether the last byte has left: a connection that broke before that stays paused for writing."""
        return self._is_written and not self.protocol.writing_paused

    def check(self) -> None:
        """Return where a request may be sent, and its answer read; raise where the connection is of no use for that."""
        if self._transport.is_closing():
            raise aiohttp.ServerDisconnectedError
        if self.protocol.should_close:
            raise NotSent("something came on the connection before the request left: it is no answer to it")
        self.protocol.set_response_params(read_until_eof=True, auto_decompress=False)

    def begin(self, head: bytes, body: bytes) -> None:
        """Write *head* and what fits into one write of *body*; the rest follows as it is taken."""
        try:
            self._transport.write(head + body[:_MOST_BYTES_IN_ONE_WRITE])
        finally:
            del head  # a traceback would show the key
        if len(body) > _MOST_BYTES_IN_ONE_WRITE:
            self._is_written = False
            self._rest = asyncio.create_task(self._write_rest(body), name="bulkdelete body")

    async def _write_rest(self, body: bytes) -> None:
        writer = StreamWriter(self.protocol, asyncio.get_running_loop())
        with suppress(aiohttp.ClientError, OSError):  # whoever reads the answer meets it too
            for at in range(_MOST_BYTES_IN_ONE_WRITE, len(body), _MOST_BYTES_IN_ONE_WRITE):
                await writer.drain()
                await writer.write(body[at : at + _MOST_BYTES_IN_ONE_WRITE])
            self._is_written = True

    def end_late(self) -> None:
        """Give it up: its time is over. asyncio's timeout would take three times as long as a timer."""
        self.is_late = True
        self.abort()

    def stop(self) -> None:
        """Let nothing more of it be written."""
        if self._rest is not None:
            self._rest.cancel()

    def abort(self) -> None:
        """Let nothing more of it leave, not what is buffered either, and nobody wait for its answer."""
        self.stop()
        self._transport.abort()
        if self.content is not None and not self.content.is_eof():  # of chunks that are none, aiohttp does not tell it
            self.content.set_exception(aiohttp.ServerDisconnectedError())

    async def ended(self) -> None:
        """Return when nothing is left of it here that would write."""
        if self._rest is not None:
            await asyncio.wait({self._rest})


def _refuse_control_characters(*texts: str) -> None:
    if not all(map(str.isprintable, texts)):
        raise ValueError("what is sent in a header holds a line break or another control character")


class _Connector(aiohttp.TCPConnector):
    """Opens connections a few at a time: sixty at once, as when a job begins, keep the event loop for long."""

    def __init__(self, limit: int, tls: ssl.SSLContext | None) -> None:
        super().__init__(limit=limit, ssl=tls or True)
        self._is_tls = tls is not None
        self._breath = Breath(_OPENED_IN_A_TURN)

    async def _create_connection(self, *request: Any) -> ResponseHandler:  # noqa: ANN401 - what aiohttp gives
        await self._breath.taken()
        protocol = await super()._create_connection(*request)
        if protocol.transport is not None:  # it is told of each byte that stays: of TLS, from the first one on
            protocol.transport.set_write_buffer_limits(high=1 if self._is_tls else 0)
        return protocol
