"""What the ledger keeps of the flow while a job runs: its last good limit, the largest body, what was spent."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from bulkdelete.errors import LedgerError
from bulkdelete.ledger.facts import BODY_CAP, LIMIT, SPENT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from bulkdelete.capping import BodyCap
    from bulkdelete.ledger import Ledger
    from bulkdelete.limiter import Limiter
    from bulkdelete.limiter.keepers import Keeper

KEEP_SECONDS: Final = 5.0
"""How often the limit is kept, where there is no pause, and no quota that must not be overrun after a crash."""


@asynccontextmanager
async def keeping(
    limiter: Limiter, cap: BodyCap, ledger: Ledger, failed: Callable[[LedgerError], object], *, heeds_told: bool
) -> AsyncIterator[None]:
    """While entered, *ledger* keeps where *limiter* and *cap* are, so that a later process goes on there.

    *failed* is told where it can no longer: who waits for what is kept would do so for ever. Without *heeds_told* what
    the API told earlier processes of its limits is forgotten.
    """
    if ledger.path is None:
        yield
        return
    keeper = limiter.take_over(ledger.facts.get(LIMIT), ledger.facts.get(SPENT), heeds_told=heeds_told)
    cap.take_over(ledger.facts.get(BODY_CAP))
    # without quotas nothing waits for what is kept, but it is on disk before the intent of the first batch
    keeping_on = asyncio.create_task(_keep_on(keeper, limiter, cap, ledger, failed), name="bulkdelete limits")
    try:
        yield
    finally:
        keeper.sends_no_more()
        try:
            keeping_on.cancel()
            await asyncio.gather(keeping_on, return_exceptions=True)
            with suppress(LedgerError):
                await _keep(keeper, limiter, cap, ledger, clean=True)
        finally:  # also where it is cancelled once more: other calls must not wait for what nobody keeps
            keeper.ends()


async def _keep_on(
    keeper: Keeper, limiter: Limiter, cap: BodyCap, ledger: Ledger, failed: Callable[[LedgerError], object]
) -> None:
    while True:
        try:
            spent = await _keep(keeper, limiter, cap, ledger)
        except LedgerError as error:
            failed(error)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(None if limiter.has_quotas else KEEP_SECONDS):
                await keeper.until_spent(spent)


async def _keep(
    keeper: Keeper, limiter: Limiter, cap: BodyCap, ledger: Ledger, *, clean: bool = False
) -> dict[str, Any]:
    spent = keeper.spent_so_far(clean=clean)
    ledger.remember(LIMIT, repr(round(limiter.last_good_limit, 2)))
    if cap.proven_bytes is not None:
        ledger.remember(BODY_CAP, str(cap.proven_bytes))
    await ledger.remember(SPENT, json.dumps(spent))  # in one commit with them: requests wait for it
    keeper.keep(spent)
    return spent
