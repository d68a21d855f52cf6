"""What a single value must be; and what every section of the settings is."""

from __future__ import annotations

import codecs
import ipaddress
import re
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

MOST_CONCURRENCY: Final = 1024
_HOST_AND_PORT: Final = re.compile(r'(\[[^][]+\]|[^][\\"<>^`{|}]+)(:\d*)?')


class Section(BaseModel, frozen=True):
    """Frozen, unknown keys refused, documented by the strings below its fields."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)


def check_base_url(url: str) -> str:
    """Return *url* without a trailing slash; raise ``ValueError`` unless it is https, or http to this machine."""
    if not url.isprintable() or " " in url:
        raise ValueError("must hold no space or control character")
    parts = urlsplit(url)
    if parts.port == 0:
        raise ValueError("must not name port 0")
    (parts.hostname or "").encode("idna")
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        raise ValueError("must look like https://host, as in https://altatech.ai")
    if parts.username is not None or parts.password is not None or set(url) & set("#?"):
        raise ValueError("must hold no user name, password, query or fragment")
    if not _HOST_AND_PORT.fullmatch(parts.netloc):
        raise ValueError("must name a host, or an IPv6 address in brackets, and after it no more than a port")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("must be https (http is accepted for this machine only): the API key would travel in clear")
    return url.rstrip("/")


def is_loopback(host: str) -> bool:
    """Return whether *host* is this machine by its name or address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listed(paths: object) -> object:
    """Return one path as a list of one; an empty one stays, and is refused when it is opened."""
    return (paths,) if isinstance(paths, str) else paths


def check_encoding(encoding: str) -> str:
    """Return *encoding*; raise ``ValueError`` unless it is one that text can be decoded from."""
    try:
        if codecs.lookup(encoding)._is_text_encoding:  # noqa: SLF001 - what open() asks
            codecs.getincrementaldecoder(encoding)("backslashreplace").decode(
                b"1", final=True
            )  # some only pretend to decode
            return encoding
    except (LookupError, ValueError):
        pass
    raise ValueError(f"{encoding!r} is no text encoding; well-known ones are utf-8, utf-16, latin-1 and cp1252")


def check_pattern(pattern: str) -> str:
    """Return *pattern*; raise ``ValueError`` unless it is a regular expression."""
    try:
        re.compile(pattern)
    except (re.error, OverflowError) as error:
        raise ValueError(f"is no regular expression: {error}") from None
    except RecursionError:
        raise ValueError("is too deeply nested for a regular expression") from None
    return pattern


def check_concurrency(value: object) -> object:
    """Return *value*, a number written as text as a number; raise ``ValueError`` unless it says a concurrency."""
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if value == "adaptive" or (type(value) is int and 1 <= value <= MOST_CONCURRENCY):
        return value
    raise ValueError(f'must be "adaptive" or a whole number from 1 to {MOST_CONCURRENCY}')


Concurrency = Annotated[Literal["adaptive"] | int, BeforeValidator(check_concurrency)]
BaseUrl = Annotated[str, AfterValidator(check_base_url)]
Encoding = Annotated[str, AfterValidator(check_encoding)]
Pattern = Annotated[str, AfterValidator(check_pattern)]
