"""How a refused batch is taken apart, how far, and when it is plain that the whole file is wrong.

Four-way splitting finds one refused record among 1000 in 21 requests, as two-way splitting does, in half the rounds
(group testing with answers for whole groups: https://en.wikipedia.org/wiki/Group_testing). When all four quarters of
a batch are refused, a few single records spread over it are probed before going deeper: if the API refuses each of
those too, the batch is *suspect*, and the rest of it is left alone.

A server may delete the good records of a request that it refuses, and then refuse their ids because they are gone: its
refusals say nothing of a wrong file. Records that were in no request before tell the two apart, so after a suspect
batch the next ones are probed before anything else of them is sent, and only what is refused then counts.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bulkdelete.settings import SplittingSettings
    from bulkdelete.tally import Tally

WAYS: Final = 4
PROBES: Final = 5
AT_ONCE: Final = 2
"""So many batches of a job are taken apart at a time; clean ones go on meanwhile."""

FEWEST_SLOW: Final = 50
"""A part of fewer records is not made smaller because it is slow."""

_SUSPECTS: Final = 2
_SOUND_RECORDS: Final = 2 * PROBES
_REQUESTS_PER_BATCH: Final = 5
WHOLLY_WRONG: Final = (
    "the API refuses whole batches, and each single record that was tried of them: probably the wrong column, the "
    "wrong table or the wrong kind of id. What was not tried is unresolved or pending"
)
OR_APPLIED_IN_PART: Final = (
    f"{WHOLLY_WRONG}. It looks the same where a server deletes the good records of a request that it refuses, and "
    "then refuses them because they are gone; if yours may be such a one, look into the table, and go on with "
    "splitting.stop_when_wholly_wrong = false"
)
"""What is said where :attr:`Suspicion.wholly_wrong`, and where no fresh record was left to ask."""


def divide(span: range) -> list[range]:
    """Return *span* cut into up to four parts of nearly equal length, none empty."""
    ways = min(WAYS, len(span))
    cuts = [span.start + len(span) * way // ways for way in range(ways + 1)]
    return [range(start, stop) for start, stop in pairwise(cuts)]


def fitting(span: range, sizes: Iterable[int], most: int) -> list[range]:
    """Return *span* cut so that the *sizes* in no part come to more than *most*, but for those of a single one."""
    cuts, total = [span.start], 0
    for index, size in zip(span, sizes, strict=True):
        if total + size > most and index > cuts[-1]:
            cuts.append(index)
            total = 0
        total += size
    return [range(start, stop) for start, stop in pairwise([*cuts, span.stop])]


def spread(span: range) -> list[int]:
    """Return up to five indexes spread evenly over *span*, its first and last among them."""
    probes = min(PROBES, len(span))
    return [span.start + (len(span) - 1) * probe // max(1, probes - 1) for probe in range(probes)]


def outside(span: range, indexes: list[int]) -> list[range]:
    """Return the parts of *span* that are left without *indexes* (in order)."""
    edges = [span.start - 1, *indexes, span.stop]
    parts = [range(before + 1, after) for before, after in pairwise(edges)]
    return [part for part in parts if part]


class Suspicion:
    """A job's bounds on taking batches apart, and its memory of batches that were refused through and through."""

    def __init__(self, settings: SplittingSettings, tally: Tally) -> None:
        self._settings = settings
        self._tally = tally
        self._is_aroused = False
        self._suspects = 0
        self._sound_records = 0
        self._refused_records = 0
        self.refusals_are_harmless = False
        """Whether the server was seen to delete nothing of a request that it refuses, or to take ids that are gone."""

    @property
    def probes_first(self) -> bool:
        """Whether a batch all of whose quarters are refused is probed before it is taken apart."""
        return self._settings.stop_when_wholly_wrong

    @property
    def probes_at_once(self) -> bool:
        """Whether a batch is probed before anything else of it is sent, because the last ones were suspect."""
        return self.probes_first and self._is_aroused

    def may_send_part(self, requests_of_batch: int) -> bool:
        """Return whether a batch that has cost *requests_of_batch* requests for its parts may cost one more."""
        most_of_job = max(self._settings.max_requests_per_job, _REQUESTS_PER_BATCH * self._tally.batches)
        return requests_of_batch < self._settings.max_requests_per_batch and self._tally.split_requests < most_of_job

    def refused(self, records: int, sound: int) -> None:
        """Remember a batch of which *records* were asked for singly and all refused, nothing of it acknowledged.

        *sound* are those of them that no earlier request can have deleted.
        """
        self._is_aroused = True
        self._suspects += sound > 0
        self._sound_records += sound
        self._refused_records += records

    def cleared(self) -> None:
        """Forget the suspects: something was acknowledged."""
        self._is_aroused = False
        self._suspects = self._sound_records = self._refused_records = 0

    @property
    def wholly_wrong(self) -> bool:
        """Whether batch after batch was refused, through enough single records to be sure."""
        return (
            self._settings.stop_when_wholly_wrong
            and self._suspects >= _SUSPECTS
            and self._sound_records >= _SOUND_RECORDS
        )

    @property
    def nothing_but_suspects(self) -> bool:
        """Whether, at the end of a source, all that was sent was refused (fewer records than it takes above)."""
        nothing = not (self._tally.acknowledged or self._tally.acknowledged_before)
        return self._settings.stop_when_wholly_wrong and nothing and self._refused_records >= PROBES
