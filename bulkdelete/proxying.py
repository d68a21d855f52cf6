"""The proxy that the environment names, decided once: for this machine none, and what cannot be used is refused.

What an HTTP client decides by itself also heeds ``~/.netrc``, goes round a proxy that it cannot use, and sends what is
for this machine to another one.
"""

from __future__ import annotations

import ipaddress
import re
from base64 import b64encode
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies_environment, proxy_bypass

from bulkdelete.errors import SettingsError
from bulkdelete.masking import masked
from bulkdelete.settings.checks import is_loopback

_DEFAULT_PORT = 80
_PLACE = re.compile(r"(?:[a-z0-9][a-z0-9._-]*|\[[0-9a-f:.]+\])(?::[0-9]*)?", re.IGNORECASE)


class Proxy(NamedTuple):
    """Where a proxy is, and the ``Proxy-Authorization`` that it is sent, a secret; empty for none."""

    host_and_port: str
    authorization: str


def proxy_for(base_url: str) -> Proxy | None:
    """Return the proxy that ``HTTPS_PROXY`` and the like name for *base_url*; ``None`` to go there directly.

    Raises:
        SettingsError: they name one that cannot be used.

    """
    there, proxies = urlsplit(base_url), getproxies_environment()
    kind = there.scheme if proxies.get(there.scheme) else "all"
    named = masked(proxies.get(kind, ""))
    if not named or is_loopback(there.hostname or "") or _is_exempt(there):
        return None
    try:
        return _read(named)
    except ValueError as error:  # also a standard one, which may hold a password
        why = error.args[0] if isinstance(error, _UnusableError) else "it must look like http://host:port"
        raise SettingsError(
            f"http.use_environment_proxies: the proxy that {kind.upper()}_PROXY names cannot be used: {why}. It is not "
            "shown, as it may hold a password. Nothing was sent. Correct it, or take it out of the environment; a host "
            "that is reached without it belongs in NO_PROXY"
        ) from None


class _UnusableError(ValueError):
    """A proxy of another kind; says why in words that hold nothing of it."""


def _read(named: str) -> Proxy:
    proxy = urlsplit(masked(named if "://" in named else f"http://{named}"))
    if proxy.scheme != "http":
        raise _UnusableError("only http:// proxies can be (what passes through them is encrypted all the same)")
    place, host = proxy.netloc.rpartition("@")[2], proxy.hostname or ""
    host.encode("idna")  # as whoever looks for its address does
    if not _PLACE.fullmatch(place) or proxy.port == 0 or proxy.path.strip("/") or proxy.query or proxy.fragment:
        raise ValueError
    if ":" in host:
        host = f"[{ipaddress.IPv6Address(host)}]"
    return Proxy(f"{host}:{proxy.port or _DEFAULT_PORT}", _authorization(proxy))


def _authorization(proxy: SplitResult) -> str:
    if proxy.username is None:
        return ""
    said = masked(f"{unquote(proxy.username)}:{unquote(proxy.password or '')}")
    return masked(f"Basic {b64encode(said.encode()).decode()}")


def _is_exempt(there: SplitResult) -> bool:
    """Return whether ``NO_PROXY`` names it, with its port or without."""
    return any(proxy_bypass(host) for host in {there.hostname or "", there.netloc})
