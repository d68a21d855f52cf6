"""One HTTP attempt: a body goes out, a reply comes back, or it is known how far it came.

aiohttp's errors end here: ``repr(aiohttp.ClientResponseError)`` holds the Authorization header, so they are
translated ``from None`` and never chained or logged.
"""

from __future__ import annotations

import ssl
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import urlsplit

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError

from bulkdelete import protocol
from bulkdelete.errors import (
    RAISE_THE_LIMIT,
    AnswerLost,
    ConnectionRefusedForGood,
    NotSent,
    SettingsError,
    is_out_of_files,
)
from bulkdelete.exchange import Exchanges, Reply
from bulkdelete.proxying import proxy_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulkdelete.settings import HttpSettings

_UNKNOWN_AUTHORITY: Final = frozenset({2, 18, 19, 20, 21})
"""OpenSSL's codes for a certificate whose issuer is not among the trusted ones, or that has none but itself."""


def _nobody() -> None:
    """Be told, and do nothing."""


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


class HttpTransport:
    """The real thing, for one base URL: connections of aiohttp's, which are opened from the first attempt on."""

    def __init__(self, base_url: str, settings: HttpSettings, connections: int) -> None:
        self._base_url = base_url
        self._settings = settings
        self._connections = connections
        self._tls = _tls(settings.ca_file) if urlsplit(base_url).scheme == "https" else None
        self._exchanges: Exchanges | None = None
        self._proxy = proxy_for(base_url) if settings.use_environment_proxies else None
        self._there = f"{base_url} by the proxy {self._proxy.host_and_port}" if self._proxy else base_url

    async def post(
        self,
        body: bytes,
        api_key: str,
        request_id: str,
        path: str = protocol.PATH,
        leaves: Callable[[], object] = _nobody,
    ) -> Reply:
        """Send *body*; see :meth:`Transport.post`."""
        exchanges = self._exchanges or self._open()
        has_left = False

        def departs() -> None:
            nonlocal has_left
            has_left = True
            leaves()

        try:
            return await exchanges.post(path, api_key, request_id, body, departs)
        except aiohttp.ClientConnectorCertificateError as error:
            raise ConnectionRefusedForGood(_unverified(error.certificate_error, self._settings.ca_file)) from None
        except aiohttp.ClientConnectorSSLError as error:
            raise NotSent(
                f"no connection to {self._base_url}: TLS failed, {_said(error)}; perhaps that port speaks http: only"
            ) from None
        except aiohttp.ClientConnectorError as error:
            raise NotSent(f"no connection to {self._there}: {_said(error)}") from None
        except aiohttp.ConnectionTimeoutError:
            seconds = min(self._settings.connect_timeout_seconds, self._settings.answer_timeout_seconds)
            raise NotSent(f"no connection to {self._there} within {seconds:g} s") from None
        except aiohttp.ClientHttpProxyError as error:
            raise self._refused_by_proxy(error.status) from None
        except (aiohttp.ClientError, HttpProcessingError, OSError) as error:
            if not has_left:
                raise NotSent(f"the connection broke before the request left: {_name(error)}") from None
            raise AnswerLost(f"the connection broke: {_name(error)}") from None

    async def close(self) -> None:
        """Close every connection; the next attempt opens new ones."""
        exchanges, self._exchanges = self._exchanges, None
        if exchanges is not None:
            await exchanges.close()

    def _refused_by_proxy(self, status: int) -> NotSent | ConnectionRefusedForGood:
        problem = f"no connection to {self._there}, which answers HTTP {status}"
        if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            return ConnectionRefusedForGood(f"{problem}: check the user name and the password in its address")
        return NotSent(problem)

    def _open(self) -> Exchanges:
        self._exchanges = Exchanges(self._base_url, self._settings, self._connections, self._tls, self._proxy)
        return self._exchanges


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
