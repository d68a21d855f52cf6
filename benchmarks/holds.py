"""What do ten million holds cost: how much memory, how long to read, and how much to compare every record with them?

The memory and the seconds are those of the real command: a source of 1000 records, and a hold list of so many ids. The
price of comparing is that of a source of which nothing is on hold: each batch is looked at twice, when it is cut and
before its request leaves.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measuring import null_server, run, write_ids
from benchmarks.results import Measured
from bulkdelete.holding import read_holds
from bulkdelete.screening import Screen
from bulkdelete.settings import HoldsSettings, SourceSettings
from bulkdelete.sources import first_records, open_source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.suite import Size

HELD = 10_000_000
MOST_MIB = 1536
SENT = 1_000_000


def measure(size: Size) -> Iterator[Measured]:
    """Give the peak memory and the seconds to read the holds, and the CPU seconds of comparing a million records.

    Raises:
        RuntimeError: the memory is more than was promised.

    """
    with tempfile.TemporaryDirectory() as folder:
        sent, few, holds = (Path(folder) / name for name in ("ids.txt", "few.txt", "holds.txt"))
        sent.write_text("".join(f"{700_000_000_000_000_000 + 7_919 * number}\n" for number in range(size.of(SENT))))
        few.write_text("".join(f"{800_000_000_000_000_000 + 7_919 * number}\n" for number in range(1000)))
        case = {"holds": size.of(HELD)}
        write_ids(holds, case["holds"])
        turns = [_read(few, holds, turn) for turn in range(size.times)]
        yield Measured(case, "peak memory", "MiB", [peak for peak, _ in turns])
        yield Measured(case, "added to the command", "s", [seconds for _, seconds in turns])
        if (most := max(peak for peak, _ in turns)) > MOST_MIB:
            raise RuntimeError(
                f"{case['holds']:,} holds take {most:.0f} MiB, more than the {MOST_MIB} that were promised"
            )
        compared = [asyncio.run(_compare(sent, holds)) for _ in range(size.times)]
        yield Measured(case, "comparing", "CPU s/million records", compared)


def _read(source: Path, holds: Path, turn: int) -> tuple[float, float]:
    with null_server() as server:
        without = run(source, server.base_url, "--ledger", str(source.with_suffix(f".{turn}.without.db")))
        ledger = str(source.with_suffix(f".{turn}.db"))
        with_them = run(source, server.base_url, "--ledger", ledger, "--holds", str(holds))
    return with_them.ended.peak_mib, with_them.ended.wall_seconds - without.ended.wall_seconds


async def _compare(source: Path, holds: Path) -> float:
    held = await read_holds([open_source(holds, HoldsSettings())], HoldsSettings())
    ids = [one for one in await first_records(open_source(source, SourceSettings()), SENT) if isinstance(one, str)]
    plain, screen = Screen(256), Screen(256, holds=held)
    batches = [ids[start : start + 1000] for start in range(0, len(ids), 1000)]
    began = time.process_time()
    for batch in batches:
        plain.plain_joined(batch)
    between = time.process_time()
    for batch in batches:
        joined = screen.plain_joined(batch)
        assert joined is not None  # noqa: S101 - nothing of it is on hold
        held.check_free(batch, joined)
    ended = time.process_time()
    return (ended - between - (between - began)) * 1_000_000 / len(ids)
