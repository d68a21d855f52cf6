"""Certificates for this machine: one that verifies, and the kinds that do not."""

from __future__ import annotations

import datetime as dt
import ssl
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

import trustme

if TYPE_CHECKING:
    from collections.abc import Mapping

_HOST = "127.0.0.1"
_LONG_AGO = dt.datetime(2001, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Certificates:
    authority_pem: bytes
    good: ssl.SSLContext
    wrong: Mapping[str, ssl.SSLContext] = field(default_factory=dict)


@cache
def certificates() -> Certificates:
    authority, other = trustme.CA(), trustme.CA()
    expired = authority.issue_cert(_HOST, not_before=_LONG_AGO, not_after=_LONG_AGO + dt.timedelta(days=1))
    wrong = {
        "another authority": _context(other.issue_cert(_HOST)),
        "another name": _context(authority.issue_cert("example.com")),
        "expired": _context(expired),
    }
    return Certificates(authority.cert_pem.bytes(), _context(authority.issue_cert(_HOST)), wrong)


def _context(issued: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued.configure_cert(context)
    return context
