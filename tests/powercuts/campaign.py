"""Histories recorded, cut anywhere, and opened again with the ledger's own code on the standard library's SQLite.

An image is sound where the ledger opens, holds exactly what the operations up to some point of their order left, that
point not before the last one that was acknowledged nor behind the last one submitted, and can be gone on with until
every row is settled and a check finds nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
import traceback
import zlib
from contextlib import closing
from random import Random
from typing import TYPE_CHECKING, Final

from bulkdelete.ledger import open_ledger, read_ledger
from bulkdelete.ledger.sealing import COLUMNS
from bulkdelete.records import Ended
from bulkdelete.settings import Settings
from tests.powercuts import copies, histories
from tests.powercuts.disk import Disk
from tests.powercuts.histories import Begin, End, Intend, Record
from tests.powercuts.judging import Found, Image, at_hand, judged
from tests.powercuts.keeping import Keeper, kept, within_time
from tests.powercuts.recording import recorded
from tests.unit.test_ledger import IDENTITY, stored

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from bulkdelete.ledger import DurableLedger
    from tests.powercuts.copies import Copies
    from tests.powercuts.disk import Event
    from tests.powercuts.histories import Operation

AS_SET: Final = Settings.from_mapping({}).ledger.synchronous
_AT_ONCE: Final = 8
_DOUBT: Final = (
    "max(ambiguous, ? AND (state = 0 OR (state = 3 AND (SELECT ended IS NULL FROM run ORDER BY id DESC LIMIT 1))))"
)
"""What the beginning of the next run makes of it: nobody knows what became of a batch that was open, nor, where this
run was killed, of one that is unresolved."""
_OF_BATCHES: Final = COLUMNS["batch"].replace("changed_ms, ", "").replace("ambiguous", _DOUBT)
_CONTENT: Final = (
    "SELECT key, value FROM job WHERE key NOT LIKE 'identity.%' ORDER BY key",
    "SELECT id, ended, reason, requests, retries FROM run WHERE id < (SELECT max(id) FROM run) OR ? ORDER BY id",
    "SELECT id, run, kind, detail FROM event ORDER BY id",
    f"SELECT {_OF_BATCHES} FROM batch ORDER BY first_row",
    "SELECT * FROM part ORDER BY first_row",
    f"SELECT {COLUMNS['row'].replace('reason', 'crc(reason)')} FROM row ORDER BY row",
)
"""Everything that a ledger holds but the times and its identity, as the beginning of the next run leaves it."""


class History:
    """Operations at a ledger's door, those of a burst submitted at once, and what it holds after each of them."""

    def __init__(self, bursts: Sequence[Sequence[Operation]]) -> None:
        self.bursts = bursts
        self.operations = [one for burst in bursts for one in burst]
        intents = [one.batch for one in self.operations if isinstance(one, Intend)]
        self.batches = {batch.first_row: batch for batch in intents if not batch.stored}
        self.states: list[bytes] = []

    async def play_one_by_one(self, begun_with: Mapping[str, bytes], states: Sequence[bytes]) -> None:
        """Find what the ledger holds after each operation, without a power cut; *states* are known already."""
        self.states = [*states]
        with at_hand(begun_with) as path:
            ledger = None
            for operation in self.operations[len(states) - 1 :]:
                ledger = await _done(path, ledger, [operation], AS_SET)
                self.states.append(content(path, whole=True))
            if ledger is not None:
                await ledger.close(None)
            self._check_doubt(path)

    async def record(self, begun_with: Mapping[str, bytes], done: int, synchronous: str) -> list[Event]:
        """Play it on from a disk that holds the first *done* operations; return what was done to the disk."""
        with at_hand(begun_with) as path, recorded(path.parent) as recorder:
            ledger, at = None, 0
            for burst in self.bursts:
                at += len(burst)
                if at <= done:
                    continue
                recorder.note("submit", at)
                ledger = await _done(path, ledger, burst, synchronous)
                recorder.note("acknowledge", at)
            if ledger is not None:
                await ledger.close(None)
        return recorder.events

    async def judge(self, image: Image) -> Found:
        """Open *image* as a run after the power cut does, compare it, and go on to the end."""
        return await judged(image, self._fault)

    async def operations_on(self, image: Image) -> int:
        """Return how many operations the ledger holds that a sound *image* is of."""
        with at_hand(image.files) as path:
            ledger = await open_ledger(path, IDENTITY)
            try:
                return self.operations_in(content(path), image) or 0
            finally:
                await ledger.close(None)

    def operations_in(self, state: bytes, image: Image) -> int | None:
        """Return how many operations led to *state*: of those that may be, the most; ``None`` where no number did."""
        at = [count for count, one in enumerate(self.states) if one == state]
        return max([count for count in at if count <= image.submitted], default=None)

    async def _fault(self, path: Path, image: Image) -> tuple[str, int]:
        ledger = await open_ledger(path, IDENTITY)
        try:
            count = self.operations_in(content(path), image)
            if count is None:
                return "it holds what no number of operations left", 0
            if count < image.acknowledged:
                lost = image.acknowledged - count
                return f"{lost} of {image.acknowledged} acknowledged operations are lost", lost
            fault = await self._go_on(ledger)
        finally:
            await ledger.close(Ended.COMPLETE)
        with read_ledger(path) as reader:
            problems = reader.check().problems.shown
        return "; ".join([*([fault] if fault else []), *problems]), 0

    def _check_doubt(self, path: Path) -> None:
        """Raise where a doubt was forgotten that came with an answer: none is ever dispelled."""
        with closing(sqlite3.connect(path)) as connection:
            kept = {first_row for (first_row,) in connection.execute("SELECT first_row FROM batch WHERE ambiguous")}
        told = {one.batch.first_row for one in self.operations if isinstance(one, Record) and one.ambiguous}
        assert told <= kept, f"the doubt about the batches of rows {sorted(told - kept)} is not in the ledger"

    async def _go_on(self, ledger: DurableLedger) -> str:
        """Settle all that is left, as a resume that is answered well; return what is left all the same."""
        rest = histories.whole_rest(self.batches, await stored(ledger))
        await asyncio.gather(*(one.submit(ledger) for one in rest))
        totals = await ledger.count()
        rows = max((batch.end_row for batch in self.batches.values()), default=0)
        return "" if (totals.rows, totals.unresolved, totals.pending) == (rows, 0, 0) else f"a resume ends as {totals}"


async def _done(
    path: Path, ledger: DurableLedger | None, burst: Sequence[Operation], synchronous: str
) -> DurableLedger | None:
    first = burst[0]
    if isinstance(first, Begin):
        if ledger is not None:  # the run before ended by a power cut
            await ledger.close(None)
        return await open_ledger(path, IDENTITY, synchronous=synchronous)
    assert ledger is not None
    if isinstance(first, End):
        await ledger.close(first.ended)
        return None
    await asyncio.gather(*(one.submit(ledger) for one in burst))  # type: ignore[union-attr]
    return ledger


def content(path: Path, *, whole: bool = False) -> bytes:
    """Return what stands for all that the ledger holds, as a run finds it that has just begun, but for that run.

    The *whole* of it is asked for before that run begins.
    """
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        connection.create_function("crc", 1, lambda text: zlib.crc32(text.encode()), deterministic=True)
        return _digest([connection.execute(sql, (whole,) if "?" in sql else ()).fetchall() for sql in _CONTENT])


def _digest(tables: list[list[tuple]]) -> bytes:
    return hashlib.blake2b(repr(tables).encode(), digest_size=16).digest()


EMPTY: Final = _digest([[] for _ in _CONTENT])
"""What stands for a ledger that no operation was done to."""


def images(disk: Disk, events: Sequence[Event], dice: Random, count: int) -> Iterator[Image]:
    """Yield *count* images of *disk*, cut after any of *events*."""
    done = 0
    for cut in sorted(dice.randint(0, len(events)) for _ in range(count)):
        for event in events[done:cut]:
            disk.do(event)
        done = cut
        yield Image(disk.after_cut(dice), disk.acknowledged, disk.submitted)


def played(seed: int, number: int, folder: Path, synchronous: str = AS_SET) -> Found:
    """Play history *number* of *seed* on a loop of its own."""
    return asyncio.run(play(Keeper(seed, number, folder, synchronous)))


async def play(keeper: Keeper) -> Found:
    """Record one history, and then another one that goes on with what a power cut left; judge the images of both.

    What fails an image, or the recording, is a fault that is found.
    """
    found = Found()
    with keeper:
        try:
            await _play(keeper, found)
        except Exception:  # noqa: BLE001 - whatever it is, it is a fault of this history
            found.faults.append(keeper.fault(f"it cannot be recorded: {traceback.format_exc()}"))
    return found


async def _play(keeper: Keeper, found: Found) -> None:
    count = histories.images_of(keeper.number)
    dice = Random(f"{keeper.seed} {keeper.number} cuts")
    if histories.is_of_copies(keeper.number):
        made = copies.thought_of(dice)
        with within_time():
            events = await made.record(keeper.synchronous)
        found.add(await judge_all(made, [*images(Disk({}), events, dice, count)], keeper))
        return
    history, files, states = History(histories.begun(keeper.seed, keeper.number)), {}, [EMPTY]
    for part in (count - count // 2, count // 2):
        with within_time():
            await history.play_one_by_one(files, states)
            done = len(states) - 1
            events = await history.record(files, done, keeper.synchronous)
        cut = [*images(Disk(files, done), events, dice, part)]
        found.add(await judge_all(history, cut, keeper))
        if found.faults:
            break
        image = dice.choice(cut)
        files, states = image.files, history.states[: await history.operations_on(image) + 1]
        operations = history.operations[: len(states) - 1]
        history = History([operations, *histories.gone_on(dice, operations)])


async def judge_all(history: History | Copies, cut: Sequence[Image], keeper: Keeper) -> Found:
    """Judge every image of *history*, some at once; each is kept until it is found to be sound."""
    found = Found()
    keeper.begin(history)
    for start in range(0, len(cut), _AT_ONCE):
        some = cut[start : start + _AT_ONCE]
        with within_time():
            paths = [*map(keeper.put, some)]
            judged = await asyncio.gather(*map(history.judge, some))
        for one, path in zip(judged, paths, strict=True):
            one.faults = [keeper.fault(fault.text, path) for fault in one.faults]
            found.add(one)
            if not one.faults:
                path.unlink()
    return found


def judged_again(path: Path) -> str:
    """Return what is wrong with an image that was kept."""
    history, image = kept(path)
    with within_time():
        return "; ".join(fault.text for fault in asyncio.run(history.judge(image)).faults)
