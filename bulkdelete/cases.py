"""One batch on its way to its outcomes: the parts of it that have none yet, and how they are cut smaller."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bulkdelete import protocol, splitting

if TYPE_CHECKING:
    from bulkdelete.attempts import Post
    from bulkdelete.pathfinding import Turn
    from bulkdelete.records import Batch, Outcome
    from bulkdelete.retry import Attempted

_PROBE_AFTER: Final = 1 + splitting.WAYS
_SENT_BEFORE: Final = (
    "may already be deleted: an earlier run sent it, perhaps with others, and perhaps they were refused in part"
)


@dataclass(slots=True)
class Part:
    """A span of a batch's records that has no final answer yet; ``last`` is the last answer that covered it.

    ``calls`` were made for it, pauses among them. ``in_part``: why it may be deleted though the API refuses it, if a
    larger request that held it was refused, or may have been in an earlier run; ``leads``: it begins where such a
    request began. ``is_cut``: it is a piece of a larger one.
    """

    span: range
    ambiguous: bool
    last: Attempted | None = None
    attempts: int = 0
    calls: int = 0
    sent: bool = False
    in_part: str = ""
    leads: bool = False
    is_cut: bool = False

    def take_in(self, post: Post) -> None:
        """Take in what came of a request that held the part, also where that is no attempt."""
        self.calls = post.calls
        self.sent |= post.sent
        if post.heard is not None:
            self.last = post.heard
            self.ambiguous |= post.heard.verdict.ambiguous

    def piece(self, span: range) -> Part:
        """Return a part of this part, with what is known of the whole."""
        leads = self.leads and span.start == self.span.start
        return Part(span, self.ambiguous, self.last, sent=self.sent, in_part=self.in_part, leads=leads, is_cut=True)


class Case:
    """One batch on its way: the parts still to be settled, and what has been seen of it."""

    def __init__(self, batch: Batch, turn: Turn) -> None:
        self.batch = batch
        self.turn = turn
        sent = batch.sent or batch.ambiguous
        in_part = _SENT_BEFORE if sent and batch.end_row - batch.first_row > 1 else ""  # others may be on hold by now
        self.todo = deque(
            Part(span, ambiguous=False)
            if span in batch.unsent
            else Part(span, batch.ambiguous, sent=sent, in_part=in_part)
            for span in batch.spans
        )
        self.splitting = False
        self.part_requests = 0
        self.acknowledged = 0
        self.refused_parts = 0
        self.refused_singly = 0
        self.refused_soundly = 0
        self.probes_left: int | None = None
        self.doubt = batch.ambiguous
        self.never_left: list[Outcome] = []
        """What became of parts that certainly never left: while others may be on the wire, the batch is not pending."""

    @property
    def is_probed_now(self) -> bool:
        """Whether enough was refused to try single records before smaller parts."""
        return self.may_be_probed and self.refused_parts >= _PROBE_AFTER and not self.acknowledged

    @property
    def may_be_probed(self) -> bool:
        """Whether no single records of it were tried before smaller parts."""
        return self.probes_left is None

    def split(self, part: Part) -> None:
        """Put the quarters of *part*, the first in the line, at the line's end: level by level."""
        self.todo.popleft()
        self.todo.extend(map(part.piece, splitting.divide(part.span)))

    def fit(self, part: Part, most_bytes: int) -> None:
        """Put *part*, the first in the line, there as parts whose records take up no more than *most_bytes* each."""
        self.todo.popleft()
        sizes = map(protocol.entry_bytes, self.batch.records[part.span.start : part.span.stop])
        self.todo.extendleft(map(part.piece, reversed(splitting.fitting(part.span, sizes, most_bytes))))

    def put_probes_first(self) -> None:
        """Put single records, spread over all that are left, before the rest of the line."""
        parts = sorted(self.todo, key=lambda part: part.span.start)
        left = [(index, part) for part in parts for index in part.span]
        chosen = [left[at] for at in splitting.spread(range(len(left)))]
        probes = [part.piece(range(index, index + 1)) for index, part in chosen]
        rest = [
            part.piece(span)
            for part in parts
            for span in splitting.outside(part.span, [index for index, _ in chosen if index in part.span])
        ]
        self.todo = deque(probes + rest)
        self.probes_left = len(probes)
