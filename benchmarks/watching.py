"""A client before a slow server, watched while it works, and killed when enough was seen.

A job that is killed loses nothing, and what its last requests would have taken need not be waited for.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.measuring import CLIENT, KEY, SERVER, environment, on_core, words_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from benchmarks.slow_server import Manner, Times

LOOKS_SECONDS = 0.05


@dataclass(frozen=True)
class Seen:
    """What the server has done until *now*, of its clock; the ``first`` request arrived then, if any has."""

    now: float
    first: float | None
    requests: list[Times]

    def at_work(self, since: float, until: float) -> float:
        """Return on how many requests the server worked from *since* to *until*, on average.

        What began before or ended after counts in part. Divided by the latency, it is the rate (J. D. C. Little, 1961),
        and how long those few requests take that are answered in a short time is no matter.
        """
        spans = ((begun, answered or self.now) for _, begun, answered in self.requests if begun is not None)
        return sum(max(0.0, min(end, until) - max(begin, since)) for begin, end in spans) / (until - since)

    def latencies(self, since: float, until: float) -> list[float]:
        """Return the seconds from arrival to answer of each request that was answered from *since* to *until*."""
        return [
            answered - arrived
            for arrived, _, answered in self.requests
            if arrived is not None and answered is not None and since <= answered < until
        ]


class Watched:
    """A running client, and the server that it sends to."""

    def __init__(self, command: subprocess.Popen[str], server: subprocess.Popen[str]) -> None:
        self._command = command
        self._server = server

    def look(self, since: float = 0.0) -> Seen:
        """Return what the server has done *since* then; raise if the command has ended meanwhile."""
        if self._command.poll() is not None:
            raise RuntimeError(f"the command ended with exit code {self._command.returncode} before enough was seen")
        assert self._server.stdin is not None  # noqa: S101 - it was opened as a pipe
        assert self._server.stdout is not None  # noqa: S101 - it was opened as a pipe
        self._server.stdin.write(f"{since}\n")
        self._server.stdin.flush()
        return Seen(**json.loads(self._server.stdout.readline()))

    def first(self) -> float:
        """Return when the first request had arrived, once it has."""
        while (first := self.look().first) is None:
            time.sleep(LOOKS_SECONDS)
        return first

    def first_answer(self) -> float:
        """Return when the first request was answered, once it has been."""
        while not (answers := [answered for *_, answered in self.look().requests if answered is not None]):
            time.sleep(LOOKS_SECONDS)
        return min(answers)

    def between(self, since: float, until: float) -> Seen:
        """Return what the server has done *since* then, as soon as it is *until*."""
        time.sleep(max(0.0, until - time.time()))
        return self.look(since)


@contextmanager
def watched(source: Path, manner: Manner, *options: str) -> Iterator[Watched]:
    """Run the real command with a ledger, as :func:`watched_client` does."""
    ledger = source.with_suffix(".db")
    try:
        with watched_client(manner, lambda url: words_of(source, url, "--ledger", str(ledger), *options)) as command:
            yield command
    finally:
        for file in ledger.parent.glob(f"{ledger.name}*"):
            file.unlink()


@contextmanager
def watched_client(manner: Manner, words_to: Callable[[str], list[str]]) -> Iterator[Watched]:
    """Run what *words_to* gives for a base URL before a server of that *manner*, on the first and last core; kill both.

    It finds :data:`KEY` in its environment.
    """
    with on_core(SERVER):
        words = [sys.executable, "-m", "benchmarks.slow_server", manner.as_json()]
        server = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None  # noqa: S101 - it was opened as a pipe
    base_url = f"http://127.0.0.1:{int(server.stdout.readline())}"
    with on_core(CLIENT):
        env = {**environment(), "BULKDELETE_API_KEY": KEY}
        client = subprocess.Popen(words_to(base_url), stdout=subprocess.DEVNULL, env=env, text=True)
    try:
        yield Watched(client, server)
    finally:
        for process in (client, server):
            process.kill()
            process.communicate()
