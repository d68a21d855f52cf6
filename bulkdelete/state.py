"""What the rooms of one run share: that it was asked to stop, what it has counted, what it suspects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bulkdelete.splitting import Suspicion
    from bulkdelete.stopping import Stop
    from bulkdelete.tally import Tally


@dataclass(frozen=True, slots=True)
class State:
    """One run's stop, counts and suspicion; the three are changed in place, by the engine and the deleter."""

    stop: Stop
    tally: Tally
    suspicion: Suspicion
