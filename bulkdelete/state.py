"""What the rooms of one run share: that it was asked to stop, what it has counted, what it suspects, what is held."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from bulkdelete.capping import BodyCap
from bulkdelete.holds import Holds
from bulkdelete.records import Outcome
from bulkdelete.settings import BatchSettings

if TYPE_CHECKING:
    from bulkdelete.splitting import Suspicion
    from bulkdelete.stopping import Stop
    from bulkdelete.tally import Tally
    from bulkdelete.telling import JobEvents

Deliver: TypeAlias = Callable[[Outcome], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class State:
    """One run's stop, counts, suspicion and largest body, which engine and deleter change in place; its hold list.

    What happens is told to *events*, where there are any; *deliver*, where somebody wants it, is awaited with every
    outcome once that is final and in the ledger.
    """

    stop: Stop
    tally: Tally
    suspicion: Suspicion
    holds: Holds = field(default_factory=Holds)
    cap: BodyCap = field(default_factory=lambda: BodyCap(BatchSettings().max_body_bytes))
    events: JobEvents | None = None
    deliver: Deliver | None = None
