"""Running a client on the first core, and a server for it on the last."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from benchmarks.fast_server import fast_server
from benchmarks.measuring import CLIENT, SERVER, Ended, Launched, on_core
from benchmarks.peering.roster import ENVIRONMENT, Peer, ledger_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Server:
    """A running server, and its name; ``seen`` is filled when a stub has stopped."""

    def __init__(self, base_url: str, name: str, process: subprocess.Popen[str] | None = None) -> None:
        self.base_url = base_url
        self.name = name
        self.seen: dict[str, Any] = {}
        self._process = process

    def watch(self, client: int) -> None:
        """Tell an ordeal whom to kill."""
        assert self._process is not None  # noqa: S101 - an ordeal is a stub
        assert self._process.stdin is not None  # noqa: S101 - it was opened as a pipe
        print(client, file=self._process.stdin, flush=True)


@contextmanager
def stub(dialect: str, delay_seconds: float, *ordeal: str) -> Iterator[Server]:
    """Run a stub in a process of its own."""
    words = [sys.executable, "-m", "benchmarks.peering.server", dialect, str(delay_seconds), *ordeal]
    with on_core(SERVER):
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None  # noqa: S101 - it was opened as a pipe
    server = Server(f"http://127.0.0.1:{int(process.stdout.readline())}", f"stub, {dialect}", process)
    try:
        yield server
    finally:
        printed, _ = process.communicate(timeout=30)
        server.seen = json.loads(printed)


@contextmanager
def server(dialect: str, delay_seconds: float) -> Iterator[Server]:
    """Run what answers in this dialect: nginx where that can, and a stub otherwise."""
    if dialect == "ours" and not delay_seconds:
        with fast_server() as fast:
            yield Server(fast.base_url, fast.name)
        return
    with stub(dialect, delay_seconds) as slow:
        yield slow


def ran(peer: Peer, base_url: str, source: Path, begun: Callable[[int], None] | None = None) -> Ended:
    """Run a client to its end, or until it is killed; its log is what it printed."""
    words, log = peer.words(base_url, source), source.with_suffix(".log")
    with log.open("wb") as file, on_core(CLIENT):
        launched = Launched(words, file, subprocess.STDOUT, ENVIRONMENT)
    if begun is not None:
        begun(launched.pid)
    return replace(launched.wait(), printed=log.read_text())


def forget(source: Path) -> None:
    """Remove the ledger, so that the next run begins anew."""
    for file in source.parent.glob(f"{ledger_of(source).name}*"):
        file.unlink()
