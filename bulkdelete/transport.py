"""One HTTP attempt: a body goes out, a reply comes back. The only user of aiohttp's client.

aiohttp's errors end here: ``repr(aiohttp.ClientResponseError)`` holds the Authorization header, so they are
translated ``from None`` and never chained or logged.
"""

from __future__ import annotations

import ssl
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol
from urllib.parse import urlsplit

import aiohttp

from bulkdelete import protocol
from bulkdelete.breathing import Breath
from bulkdelete.errors import (
    RAISE_THE_LIMIT,
    AnswerLost,
    ConnectionRefusedForGood,
    NotSent,
    SettingsError,
    is_out_of_files,
)
from bulkdelete.masking import masked
from bulkdelete.proxying import proxy_for
from bulkdelete.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.connector import Connection

    from bulkdelete.settings import HttpSettings

MOST_ANSWER_BYTES: Final = 64 * 1024
"""A longer answer is not read to its end and counts as unreadable."""


_OK_STATUSES: Final = range(200, 300)
_MOST_BYTES_IN_ONE_WRITE: Final = 2**20
_UNKNOWN_AUTHORITY: Final = frozenset({2, 18, 19, 20, 21})
"""OpenSSL's codes for a certificate whose issuer is not among the trusted ones, or that has none but itself."""
_OPENED_IN_A_TURN: Final = 4
"""To open a connection takes up to a millisecond of the event loop."""


def _nobody() -> None:
    """Be told, and do nothing."""


class Reply(NamedTuple):
    """What came back: an HTTP status, the headers and at most :data:`MOST_ANSWER_BYTES` of body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:  # some servers echo the key
        return f"<Reply {self.status}, {len(self.body)} bytes>"


class Transport(Protocol):
    """One HTTP attempt."""

    async def post(
        self,
        body: bytes,
        api_key: str,
        request_id: str,
        path: str = protocol.PATH,
        leaves: Callable[[], object] = _nobody,
    ) -> Reply:
        """Send *body* to *path*; return the reply. *leaves* is called when its first byte leaves, with the headers.

        Raises:
            NotSent: the request never left.
            AnswerLost: it left, and no whole answer came.
            ConnectionRefusedForGood: no attempt can succeed, for example because a certificate does not verify.

        """
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


class _Body(aiohttp.Payload):
    """A body that tells when it leaves; aiohttp sends the headers with its first piece, over an open connection."""

    def __init__(self, body: bytes, leaves: Callable[[], object]) -> None:
        super().__init__(body)
        self._size = len(body)
        self._leaves = leaves
        self.has_left = False
        self.is_whole = False

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Return the body as text."""
        return str(self._value, encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write the body, a large one piece by piece."""
        self.has_left = True
        self._leaves()
        body: bytes = self._value
        for at in range(0, len(body), _MOST_BYTES_IN_ONE_WRITE):
            await writer.write(body[at : at + _MOST_BYTES_IN_ONE_WRITE])
        self.is_whole = True


class HttpTransport:
    """The real thing: one ``aiohttp.ClientSession``, made at the first attempt, for one base URL."""

    def __init__(self, base_url: str, settings: HttpSettings, connections: int) -> None:
        self._base_url = base_url
        self._settings = settings
        self._connections = connections
        self._tls = _tls(settings.ca_file) if urlsplit(base_url).scheme == "https" else True
        self._session: aiohttp.ClientSession | None = None
        self._there, self._by_proxy = base_url, dict[str, Any]()
        if settings.use_environment_proxies and (proxy := proxy_for(base_url)):
            self._there = f"{base_url} by the proxy {proxy.host_and_port}"
            self._by_proxy["proxy"] = f"http://{proxy.host_and_port}"
            if proxy.authorization:
                self._by_proxy["proxy_headers"] = {"Proxy-Authorization": proxy.authorization}

    async def post(
        self,
        body: bytes,
        api_key: str,
        request_id: str,
        path: str = protocol.PATH,
        leaves: Callable[[], object] = _nobody,
    ) -> Reply:
        """Send *body*; see :meth:`Transport.post`."""
        session = self._session or self._open()
        headers = {"Authorization": masked(f"Bearer {api_key}"), "X-Request-Id": request_id}
        data = _Body(body, leaves)
        try:
            url = self._base_url + path
            async with session.post(
                url, data=data, headers=headers, allow_redirects=False, **self._by_proxy
            ) as response:
                if response.status in _OK_STATUSES and _is_early(response, data):
                    raise AnswerLost("an answer came before the request had left as a whole: it is none to all of it")
                return Reply(response.status, response.headers, await _read(response))
        except aiohttp.ClientConnectorCertificateError as error:
            raise ConnectionRefusedForGood(_unverified(error.certificate_error, self._settings.ca_file)) from None
        except aiohttp.ClientConnectorSSLError as error:
            raise NotSent(
                f"no connection to {self._base_url}: TLS failed, {_said(error)}; perhaps that port speaks http: only"
            ) from None
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise NotSent(f"no connection to {self._there}: {_said(error)}") from None
        except aiohttp.ClientHttpProxyError as error:
            raise self._refused_by_proxy(error.status) from None
        except TimeoutError:
            if not data.has_left:
                seconds = self._settings.answer_timeout_seconds
                raise NotSent(f"no connection to {self._there} within {seconds:g} s") from None
            raise AnswerLost(f"no answer within {self._settings.answer_timeout_seconds:g} s", timed_out=True) from None
        except (aiohttp.ClientError, OSError) as error:
            if not data.has_left:
                raise NotSent(f"the connection broke before the request left: {_name(error)}") from None
            raise AnswerLost(f"the connection broke: {_name(error)}") from None

    async def close(self) -> None:
        """Close every connection; the next attempt opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _refused_by_proxy(self, status: int) -> NotSent | ConnectionRefusedForGood:
        problem = f"no connection to {self._there}, which answers HTTP {status}"
        if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            return ConnectionRefusedForGood(f"{problem}: check the user name and the password in its address")
        return NotSent(problem)

    def _open(self) -> aiohttp.ClientSession:
        settings = self._settings
        self._session = aiohttp.ClientSession(
            connector=_Connector(self._connections, self._tls),
            timeout=aiohttp.ClientTimeout(
                total=settings.answer_timeout_seconds, sock_connect=settings.connect_timeout_seconds
            ),
            cookie_jar=None if settings.keep_cookies else aiohttp.DummyCookieJar(),
            auto_decompress=False,
            response_class=_Answer,
            headers={
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                "Content-Type": "application/json",
                "User-Agent": f"bulkdelete/{VERSION}",
            },
        )
        return self._session


class _Connector(aiohttp.TCPConnector):
    """Opens connections a few at a time: sixty at once, as when a job begins, keep the event loop for long."""

    def __init__(self, limit: int, tls: ssl.SSLContext | bool) -> None:  # noqa: FBT001 - what aiohttp calls it
        super().__init__(limit=limit, ssl=tls)
        self._breath = Breath(_OPENED_IN_A_TURN)

    async def _create_connection(self, *request: Any) -> ResponseHandler:  # noqa: ANN401 - what aiohttp gives
        await self._breath.taken()
        return await super()._create_connection(*request)


class _Answer(aiohttp.ClientResponse):
    """An answer that knows whether it can be one to its request: aiohttp takes for it whatever it reads next."""

    is_early = False
    """It came while the request was still leaving, as a refusal may."""

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        """Wait for the answer's head; raise :class:`AnswerLost` where something had come before the request."""
        transport, protocol = connection.transport, connection.protocol
        if protocol is not None and protocol.is_connected() and protocol.should_close:
            raise AnswerLost("something came on the connection before the request left: it is no answer to it")
        await super().start(connection)
        try:
            self.is_early = transport is not None and transport.get_write_buffer_size() > 0
        except AttributeError:  # of a TLS connection that is closed already, asyncio knows nothing any more
            self.is_early = False
        return self


def _is_early(response: aiohttp.ClientResponse, data: _Body) -> bool:
    return not data.is_whole or (isinstance(response, _Answer) and response.is_early)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    length = response.content_length
    if length is not None and length <= MOST_ANSWER_BYTES:
        return await response.read()
    body = bytearray()
    async for part in response.content.iter_any():
        body += part
        if len(body) > MOST_ANSWER_BYTES:
            response.close()
            return b""
    return bytes(body)


def _tls(ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"http.ca_file: {ca_file} cannot be used: {error.strerror or _name(error)}") from None


def _unverified(error: Exception, ca_file: str) -> str:
    """Return what is wrong with a certificate, as OpenSSL names it, and what to do about it."""
    said = "the server's certificate does not verify"
    if not isinstance(error, ssl.SSLCertVerificationError):
        return said
    said = f"{said}: {error.verify_message.rstrip('.')}"
    if error.verify_code not in _UNKNOWN_AUTHORITY:
        return f"{said}; check base_url, and this machine's clock, or have the server's certificate renewed"
    if ca_file:
        return f"{said}; what issued it is not in http.ca_file, {ca_file}"
    return f"{said}; for a private authority set http.ca_file"


def _said(error: BaseException) -> str:
    """Return what the system says of an error of connecting: never the error's own text, which may hold headers."""
    strerror = getattr(error, "strerror", None)
    said = strerror if isinstance(strerror, str) else type(error).__name__
    return f"{said}: {RAISE_THE_LIMIT}" if is_out_of_files(error) else said


def _name(error: BaseException) -> str:
    """Name an error without its text, which may hold headers."""
    strerror = getattr(error, "strerror", None)
    is_the_systems = isinstance(strerror, str) and getattr(error, "errno", None) is not None
    return f"{type(error).__name__} ({strerror})" if is_the_systems else type(error).__name__
