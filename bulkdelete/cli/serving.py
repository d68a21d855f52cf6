"""``--metrics-port``: what happens in a job as metrics for Prometheus, served while the command runs."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from socketserver import TCPServer
from typing import TYPE_CHECKING, Any, Final

import click

from bulkdelete.cli import talking
from bulkdelete.errors import SettingsError
from bulkdelete.threads import NOT_STARTED, UNSENT, no_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from http.server import BaseHTTPRequestHandler

    from bulkdelete.metrics import Metrics

_LOOK_SECONDS: Final = 0.05
"""How soon the server notices that it is to end."""
_SCRAPE_SECONDS: Final = 10.0
"""So long a client may be silent."""


def metrics_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--metrics-port`` and ``--metrics-host`` to a click command."""
    host_help = "Where to serve them; others than this machine can read them there. Default: 127.0.0.1."
    port_help = "Serve metrics for Prometheus on this port while the job runs; 0 is any free one, which is named."
    options = (
        click.option("--metrics-port", type=click.IntRange(0, 65_535), metavar="PORT", help=port_help),
        click.option("--metrics-host", default="127.0.0.1", metavar="ADDRESS", help=host_help),
    )
    for option in reversed(options):
        command = option(command)
    return command


@contextmanager
def served(port: int | None, host: str) -> Iterator[Metrics | None]:
    """While entered, serve the metrics that are given; without a *port* there are none.

    Raises:
        SettingsError: the library is missing, or nobody can listen there.

    """
    if port is None:
        yield None
        return
    try:
        from prometheus_client import CollectorRegistry, MetricsHandler  # noqa: PLC0415 - an extra

        from bulkdelete.metrics import Metrics  # noqa: PLC0415 - uses that extra
    except ModuleNotFoundError as missing:
        raise SettingsError(
            f"--metrics-port needs a library that is not here, {missing.name}: pip install 'bulkdelete[metrics]'. "
            "Nothing was sent"
        ) from None
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    handler = type("Handler", (MetricsHandler.factory(registry),), {"timeout": _SCRAPE_SECONDS})
    server = _listening(host, port, handler)
    thread = threading.Thread(
        target=server.serve_forever, args=(_LOOK_SECONDS,), name="bulkdelete metrics", daemon=True
    )
    try:
        thread.start()
    except NOT_STARTED as error:
        server.server_close()
        raise SettingsError(f"--metrics-port: {no_thread('serve metrics', error)}{UNSENT}") from None
    try:
        talking.say(f"metrics are served at {server.url}")
        yield metrics
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    """Serves each client in a thread of its own; nobody waits for those at the end."""

    @property
    def url(self) -> str:
        """Where it is."""
        host, port = self.server_address[:2]
        return f"http://[{host!s}]:{port}/metrics" if ":" in str(host) else f"http://{host!s}:{port}/metrics"

    def server_bind(self) -> None:
        """Bind, without asking a name server for a name of this machine."""
        TCPServer.server_bind(self)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a client that goes away harms nobody."""


def _listening(host: str, port: int, handler: type[BaseHTTPRequestHandler]) -> _Server:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        kind = type("Server", (_Server,), {"address_family": family})
        server: _Server = kind(address, handler)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "that is no address"
        raise SettingsError(
            f"--metrics-port: nobody can listen at {host} port {port}: {why}. Nothing was sent. Name another port, "
            "0 for any free one, or another --metrics-host"
        ) from None
    return server
