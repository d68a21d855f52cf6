"""Permits: the right to one attempt, of which a few are given in each turn of the event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_IN_A_TURN: Final = 4
"""With two, answers to 256 permits at once are longer in coming to their turns than what it saves."""


class Permit(NamedTuple):
    """The right to one attempt, given at *sent_at* of the event loop's time; every one is given back.

    ``in_outage``: the server is taken to be down; ``alone``: nothing else is on the wire or waits to be.
    """

    sent_at: float
    number: int
    in_outage: bool
    alone: bool


class Turns:
    """Lets no more than so many permits be given in a turn of the event loop; *go_on* is called when more may be.

    Those of earlier turns count until so many were given: who awaits one call after another waits for no turn.

    Answers that come at once free as many permits. Requests that began before the first of them has left would leave
    together, be answered together, and keep their permits waiting for each other, round after round. They would also
    keep everybody else who is in the event loop waiting: to send a batch takes a quarter of a millisecond of it.
    """

    def __init__(self, go_on: Callable[[], None]) -> None:
        self._go_on = go_on
        self._given = 0

    @property
    def are_given(self) -> bool:
        """Whether there are no more in this turn."""
        return self._given >= MOST_IN_A_TURN

    def give(self) -> None:
        """Take note that one is given."""
        self._given += 1
        if self._given == MOST_IN_A_TURN:
            asyncio.get_running_loop().call_soon(self._begin)

    def _begin(self) -> None:
        self._given = 0
        self._go_on()
