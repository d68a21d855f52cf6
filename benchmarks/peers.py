"""How fast, how dear and how large are the clients that people use for this, deleting the same ids?

Whole processes, from their start to their end, by turns: each reads the same text file, sends 1000 ids a request, at
most 32 at once where it can, from the first core; the server is on the last. A ratio above 1 is one by which
bulkdelete is ahead. What the clients do is not alike: see "Beside others" in the README.
"""

from __future__ import annotations

import math
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measuring import Ended, write_ids
from benchmarks.peering import running
from benchmarks.peering.roster import OURS, Peer, present
from benchmarks.results import Case, Measured

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.suite import Size

KEYS, MORE_KEYS = 300_000, 3_000_000
DELAYS_MS = 0, 50
ONCE_SECONDS, NEVER_SECONDS = 20, 170
"""With more keys, what takes longer than the first is measured once; what would take longer than the second, never."""


@dataclass(frozen=True)
class Turn:
    """One run of a client, the name of the server, and how busy a stub's core was, between 0 and 1."""

    ended: Ended
    server: str
    busy: float | None


def measure(size: Size) -> Iterator[Measured]:
    """Give keys a second, CPU seconds per million keys and peak memory, and each beside bulkdelete's."""
    peers, note = present()
    keys, more_keys = size.of(KEYS, step=1000), size.of(MORE_KEYS, step=1000)
    with tempfile.TemporaryDirectory() as folder:
        few, many = Path(folder) / "few.txt", Path(folder) / "many.txt"
        write_ids(few, keys)
        write_ids(many, more_keys)
        for delay_ms in DELAYS_MS:
            turns = _turns(peers, few, delay_ms, size.times)
            expected = {peer: _seconds(turns[peer]) * more_keys / keys for peer in peers}
            short = [peer for peer in peers if peer is OURS or expected[peer] <= NEVER_SECONDS]
            yield from _told(turns, keys, delay_ms, dict.fromkeys(short, note) | _left_out(expected, more_keys))
            more_turns = _turns(short, many, delay_ms, size.times, ONCE_SECONDS)
            yield from _told(more_turns, more_keys, delay_ms, {peer: _once(more_turns[peer], size) for peer in short})


def _turns(
    peers: Sequence[Peer], source: Path, delay_ms: int, times: int, once_seconds: float = math.inf
) -> dict[Peer, list[Turn]]:
    turns: dict[Peer, list[Turn]] = {peer: [] for peer in peers}
    for _ in range(times):
        for peer, so_far in turns.items():
            if not so_far or so_far[0].ended.wall_seconds <= once_seconds:
                so_far.append(_turn(peer, source, delay_ms))
    return turns


def _turn(peer: Peer, source: Path, delay_ms: int) -> Turn:
    running.forget(source)
    with running.server(peer.dialect, delay_ms / 1000) as server:
        ended = running.ran(peer, server.base_url, source)
    if ended.exit_code or " failed: " in ended.printed:
        raise RuntimeError(f"{peer.name} ended with exit code {ended.exit_code}: {ended.printed[-2000:]}")
    return Turn(ended, server.name, server.seen.get("busy"))


def _seconds(turns: Sequence[Turn]) -> float:
    return statistics.median(turn.ended.wall_seconds for turn in turns)


def _once(turns: Sequence[Turn], size: Size) -> str:
    return "" if len(turns) == size.times else f"what takes longer than {ONCE_SECONDS} s is measured once"


def _left_out(expected: dict[Peer, float], keys: int) -> dict[Peer, str]:
    return {
        peer: f"{peer.name}: {keys:,} keys are not measured, they would take about {seconds:.0f} s"
        for peer, seconds in expected.items()
        if seconds > NEVER_SECONDS
    }


def _told(turns: dict[Peer, list[Turn]], keys: int, delay_ms: int, notes: dict[Peer, str]) -> Iterator[Measured]:
    for peer, of in turns.items():
        case: Case = {"client": peer.name, "keys": keys, "answers after": f"{delay_ms} ms", "server": of[0].server}
        ended, note = [turn.ended for turn in of], notes.get(peer, "")
        yield Measured(case, "rate", "keys/s", [keys / one.wall_seconds for one in ended], note)
        yield Measured(case, "CPU", "s/million keys", [one.cpu_seconds / keys * 1e6 for one in ended], note)
        yield Measured(case, "peak memory", "MiB", [one.peak_mib for one in ended], note)
        pairs = [(one.ended, ours.ended) for one, ours in zip(of, turns[OURS], strict=False)]
        for metric, ratios in (
            ("time", [one.wall_seconds / ours.wall_seconds for one, ours in pairs]),
            ("CPU", [one.cpu_seconds / ours.cpu_seconds for one, ours in pairs]),
            ("memory", [one.peak_mib / ours.peak_mib for one, ours in pairs]),
        ):
            yield Measured(case, f"{metric} beside bulkdelete's", "times", ratios, note)
        busy = [turn.busy * 100 for turn in of if turn.busy is not None]
        if busy:
            yield Measured(case, "stub busy", "%", busy, note)
