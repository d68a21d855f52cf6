"""Histories of a ledger, made of a seed: runs that write intents, results, facts and events, and end or are killed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random
from typing import TYPE_CHECKING, Any, Final

from bulkdelete.records import Ended, Fate
from tests.unit.test_ledger import batch_of, outcome

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator, Sequence

    from bulkdelete.ledger import DurableLedger
    from bulkdelete.records import Batch, StoredRange

LARGE: Final = 8
"""One history in so many writes more than SQLite keeps in its log before it copies it into the file."""
IMAGES: Final = 280
IMAGES_OF_A_LARGE_ONE: Final = 40
"""A round of histories, the last one large, is 2000 images."""
_MOST_AT_ONCE: Final = 12
_MOST_AT_ONCE_OF_A_LARGE_ONE: Final = 3
_FINAL: Final = (Fate.ACKNOWLEDGED, Fate.REJECTED)


@dataclass(frozen=True, slots=True)
class Begin:
    """A run begins."""


@dataclass(frozen=True, slots=True)
class End:
    """A run ends; without *ended* it was killed, and does not write its end."""

    ended: Ended | None


@dataclass(frozen=True, slots=True)
class Intend:
    batch: Batch

    def submit(self, ledger: DurableLedger) -> asyncio.Future[None]:
        return ledger.intend(self.batch)


@dataclass(frozen=True, slots=True)
class Record:
    batch: Batch
    span: range
    fate: Fate
    ambiguous: bool = False

    def submit(self, ledger: DurableLedger) -> asyncio.Future[None]:
        said = {"code": 50000, "message": "internal error", "ambiguous": self.ambiguous}
        return ledger.record(outcome(self.batch, self.fate, self.span, **said))


@dataclass(frozen=True, slots=True)
class Remember:
    number: int

    def submit(self, ledger: DurableLedger) -> asyncio.Future[None]:
        return ledger.remember(f"fact {self.number % 3}", str(self.number))


@dataclass(frozen=True, slots=True)
class Note:
    number: int

    def submit(self, ledger: DurableLedger) -> asyncio.Future[None]:
        return ledger.note("decision", number=self.number)


Write = Intend | Record | Remember | Note
Operation = Begin | End | Write


@dataclass(slots=True)
class Author:
    """Knows what the ledger holds after the operations so far, and thinks of the next ones."""

    dice: Random
    large: bool = False
    rows: int = 0
    numbers: int = 0
    left: dict[int, tuple[Batch, list[int]]] = field(default_factory=dict)
    """What is left of each batch that is not finished: indexes of its records."""

    def take_in(self, operation: Operation) -> None:
        if isinstance(operation, Intend):
            batch = operation.batch
            self.rows = max(self.rows, batch.end_row)
            if batch.spans:
                self.left[batch.first_row] = (batch, [index for span in batch.spans for index in span])
        elif isinstance(operation, Record) and operation.fate in _FINAL:
            batch, indexes = self.left.pop(operation.batch.first_row)
            if indexes := [index for index in indexes if index not in operation.span]:
                self.left[batch.first_row] = (batch, indexes)

    def run(self, bursts: int, *endings: Ended | None) -> list[Sequence[Operation]]:
        """Return a run: operations that are submitted at once, and then awaited together."""
        reopened = [self._again(batch, indexes) for batch, indexes in [*self.left.values()]]
        self._take_in_all(reopened)
        made: list[Sequence[Operation]] = [[Begin()], *([reopened] if reopened else [])]
        most = _MOST_AT_ONCE_OF_A_LARGE_ONE if self.large else _MOST_AT_ONCE
        for _ in range(bursts):
            known = dict(self.left)
            burst = [self._think_of_one(known) for _ in range(self.dice.randint(1, most))]
            made.append(burst)
        return [*made, [End(self.dice.choice(endings))]]

    def _think_of_one(self, known: dict[int, tuple[Batch, list[int]]]) -> Write:
        self.numbers += 1
        kind = self.dice.choices(("intend", "record", "remember", "note"), (4, 5, 1, 1))[0]
        made: Write
        if kind == "record" and known:
            made = self._answer(*self.left[first := self.dice.choice([*known])])
            del known[first]  # one answer to one request
        elif kind == "remember":
            made = Remember(self.numbers)
        elif kind == "note":
            made = Note(self.numbers)
        else:
            made = Intend(self._batch())
        self.take_in(made)
        return made

    def _batch(self) -> Batch:
        kinds = "".join(self.dice.choices("rihd", (12, 1, 1, 1), k=self.dice.randint(1, 20)))
        if not self.large:
            return batch_of(self.rows, kinds)
        batch = batch_of(self.rows, kinds + "i" * 200)
        return replace(batch, set_aside=tuple(replace(aside, reason="a reason " * 340) for aside in batch.set_aside))

    def _answer(self, batch: Batch, indexes: list[int]) -> Record:
        fate = self.dice.choices((*_FINAL, Fate.UNRESOLVED, Fate.PENDING), (6, 2, 1, 1))[0]
        is_ambiguous = self.dice.random() < 0.3
        if fate is Fate.REJECTED:
            return Record(batch, range(indexes[0], indexes[0] + 1), fate, is_ambiguous)
        most = len(indexes) if self.dice.random() < 0.7 else self.dice.randint(1, len(indexes))
        return Record(batch, next(spans_of(indexes[:most])), fate, is_ambiguous)

    def _take_in_all(self, operations: Sequence[Operation]) -> None:
        for operation in operations:
            self.take_in(operation)

    @staticmethod
    def _again(batch: Batch, indexes: list[int]) -> Intend:
        return Intend(replace(batch, stored=True, set_aside=(), spans=tuple(spans_of(indexes))))


def spans_of(indexes: Sequence[int]) -> Iterator[range]:
    """Yield the runs of consecutive *indexes*, in order."""
    start = 0
    for end in range(1, len(indexes) + 1):
        if end == len(indexes) or indexes[end] != indexes[end - 1] + 1:
            yield range(indexes[start], indexes[end - 1] + 1)
            start = end


def after(dice: Random, operations: Sequence[Operation]) -> Author:
    """Return an author who goes on where *operations* end, as whoever runs the job again after a power cut."""
    author = Author(dice)
    for operation in operations:
        author.take_in(operation)
    author.numbers = len(operations)
    return author


def is_large(number: int) -> bool:
    """Return whether history *number* is a large one."""
    return number % LARGE == LARGE - 1


def is_of_copies(number: int) -> bool:
    """Return whether history *number* is one of copies beside a ledger, and not of what is written to it."""
    return number % LARGE == LARGE - 2


def images_of(number: int) -> int:
    """Return how many images are made of history *number*."""
    return IMAGES_OF_A_LARGE_ONE if is_large(number) else IMAGES


def begun(seed: int, number: int) -> list[Sequence[Operation]]:
    """Return history *number* of *seed*: two runs from the making of the ledger on."""
    dice = Random(f"{seed} {number}")
    author = Author(dice, large=is_large(number))
    bursts = (dice.randint(10, 14), 2) if author.large else (dice.randint(3, 12), dice.randint(3, 12))
    first = author.run(bursts[0], Ended.SIGNAL, Ended.OUTAGE, None)
    return [*first, *author.run(bursts[1], Ended.COMPLETE, None)]


def gone_on(dice: Random, operations: Sequence[Operation]) -> list[Sequence[Operation]]:
    """Return one more run, on what a power cut left: *operations*."""
    return after(dice, operations).run(dice.randint(2, 6), Ended.COMPLETE, None)


def whole_rest(batches: dict[int, Batch], stored: Sequence[StoredRange]) -> Iterator[Any]:
    """Yield what a resume writes that finds *stored* and is answered well: all that is left of *batches*."""
    found = {one.first_row: one for one in stored}
    for first_row, batch in sorted(batches.items()):
        one = found.get(first_row)
        if one is not None and one.finished:
            continue
        settled = {row for part in one.settled for row in part} if one is not None else set()
        spans = tuple(spans_of([index for index, row in enumerate(batch.rows) if row not in settled]))
        aside = () if one is not None else batch.set_aside
        again = replace(batch, stored=one is not None, spans=spans, set_aside=aside)
        yield Intend(again)
        for span in spans:
            yield Record(again, span, Fate.ACKNOWLEDGED)
