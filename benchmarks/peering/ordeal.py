"""What a server does to a client that is tried: failures, a refused record and a kill; and, by row, what it applied."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from benchmarks.peering.dialects import ID

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.peering.dialects import Dialect

ONE_FAILS_OF, FIRST_THAT_FAILS = 100, 7
REFUSED_AT = 5
"""The refused record is the first one after so many a part of all."""


class Ordeal:
    """Answers by the script, and keeps for each row how often it arrived and how often it was applied."""

    def __init__(self, dialect: Dialect, ids: list[bytes], kill_after: int) -> None:
        self._dialect = dialect
        self._rows = {key: row for row, key in enumerate(ids)}
        self._refused_row = len(ids) // REFUSED_AT
        self._refused = ids[self._refused_row]
        self._kill_after = kill_after
        self._requests = self._replies = 0
        self._client: int | None = None
        self._arrived, self._applied = bytearray(len(ids)), bytearray(len(ids))
        self.lives = 0

    def watch(self, client: int) -> None:
        """Take the process id of the client that is to be killed."""
        self._client = client

    def answer(self, body: bytes) -> bytes:
        """Fail, refuse or apply a request."""
        number, self._requests = self._requests, self._requests + 1
        rows = [self._rows[key] for key in ID.findall(body)]
        _count(self._arrived, rows)
        if number % ONE_FAILS_OF == FIRST_THAT_FAILS:
            return self._dialect.failing
        if self._refused_row not in rows:
            _count(self._applied, rows)
            return self._dialect.done(body)
        if self._dialect.part:
            _count(self._applied, (row for row in rows if row != self._refused_row))
        return self._dialect.refused(body, self._refused)

    def stretch(self) -> float:
        """Return 0.5 to 1.5, in an order of its own: answers do not come in bursts."""
        return 0.5 + self._requests * 37 % 101 / 100

    def may_reply(self, life: int) -> bool:
        """Kill the client before its next answer where that is due; what the killed one asked for has no answer."""
        if self._client is not None and self._replies >= self._kill_after and not self.lives:
            os.kill(self._client, signal.SIGKILL)
            self.lives = 1
        self._replies += 1
        return life == self.lives

    def seen(self) -> dict[str, object]:
        """Return, of each row in turn, two hexadecimal digits."""
        return {
            "requests": self._requests,
            "killed": bool(self.lives),
            "refused": self._refused_row,
            "arrived": self._arrived.hex(),
            "applied": self._applied.hex(),
        }


def _count(counts: bytearray, rows: Iterable[int]) -> None:
    for row in rows:
        counts[row] = min(counts[row] + 1, 255)
