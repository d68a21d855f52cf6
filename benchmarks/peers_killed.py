"""One answer in a hundred fails, a record is refused, a SIGKILL comes in the middle: what is known of each record?

The server keeps which records it applied; the client is killed when half of its batches have been answered, and the
same command is run again. A record is unaccounted for where what the client has left behind, its logs or its ledger,
tells neither that it was acknowledged nor that it was not.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measuring import write_ids
from benchmarks.peering import running
from benchmarks.peering.clients.batches import BATCH
from benchmarks.peering.roster import Peer, ledger_of, present
from benchmarks.peering.told import DONE, UNKNOWN, Left
from benchmarks.results import Measured

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.suite import Size

KEYS = 200_000
DELAY_SECONDS = 0.01
UNIT = "keys"


def measure(size: Size) -> Iterator[Measured]:
    """Give how many records are unaccounted for, wrongly taken for deleted, left, and sent again."""
    peers, note = present()
    found: dict[Peer, dict[str, list[float]]] = {peer: defaultdict(list) for peer in peers}
    keys = size.of(KEYS, step=BATCH)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "ids.txt"
        write_ids(source, keys)
        for _ in range(size.times):
            for peer, metrics in found.items():
                for metric, count in tried(peer, source).items():
                    metrics[metric].append(count)
    for peer, metrics in found.items():
        for metric, counts in metrics.items():
            yield Measured({"client": peer.name, "keys": keys}, metric, UNIT, counts, note)


def tried(peer: Peer, source: Path) -> dict[str, int]:
    """Run a client until it is killed, and run it again; return what the server and what is left behind tell."""
    running.forget(source)
    ids, logs = source.read_text().split(), []
    half = len(ids) // BATCH // 2
    with running.stub(peer.dialect, DELAY_SECONDS, str(source), str(half)) as server:
        logs.append(running.ran(peer, server.base_url, source, server.watch).printed)
        after_kill = peer.told(Left(ids, logs, ledger_of(source)))
        logs.append(running.ran(peer, server.base_url, source).printed)
        at_end = peer.told(Left(ids, logs, ledger_of(source)))
    if not server.seen["killed"]:
        raise RuntimeError(f"{peer.name} was not killed, it ended before: {logs[0][-2000:]}")
    arrived, applied = (bytes.fromhex(server.seen[name]) for name in ("arrived", "applied"))
    return {
        "unaccounted for after the kill": after_kill.count(UNKNOWN),
        "unaccounted for at the end": at_end.count(UNKNOWN),
        "taken for deleted, and are not": sum(a == DONE and not b for a, b in zip(at_end, applied, strict=True)),
        "never sent": arrived.count(0),
        "left of those not refused": applied.count(0) - 1,
        "sent more than once": sum(times > 1 for times in arrived),
        "deleted more than once": sum(times > 1 for times in applied),
    }
