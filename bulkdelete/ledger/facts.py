"""The names of the facts that a ledger keeps of its job, beside the identity under ``identity.*``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SOURCE_PATH: Final = "source_path"
"""Where the source was read from, last time: absolute; as JSON where there are several."""
SOURCE_ROWS: Final = "source_rows"
"""That the source was read to its end, and how many rows that were."""
RESUME_AT: Final = "resume_at_unix_seconds"
"""That the API asked to come back not before then; 0 once a later run had anything acknowledged, or was complete."""
SPOOL: Final = "spool"
"""What the copy of a source that can be read only once holds: the SHA-256 of its bytes."""
SPOOL_BEGUN: Final = "spool_begun"
"""That such a copy was begun: what lies in its place from then on is ours, also where its content is not known yet."""
SPOOL_RUN: Final = "spool_run"
"""The last run that was given records, and found this copy to be of them."""
REFUSED: Final = "refused"
"""That a cap or a plan refused what the copy holds."""
ACCEPTED: Final = "accepted"
"""That a run which was only to keep the records did, and whoever made the call was told so: none replace them."""
SURVEYED: Final = "surveyed"
"""How many records the source was found to hold and how many on hold, and what decided that, as JSON."""
COMPARED: Final = "compared"
"""That the source was found to hold what a plan counted: the plan's digest, and the version that compared."""
CANARY: Final = "canary"
"""That the canary was approved of, how many records it had sent by then, and the digest of the plan, if there was
one, as JSON; earlier versions kept the number alone. Empty once a larger canary began."""
CANARY_BEGAN: Final = "canary_began"
"""What was acknowledged and rejected before the canary began, as JSON; empty once a run sent something without one."""
COUNT_BEFORE: Final = "total_count_before"
"""How many records the table held before the first run, as the API counted them."""
COUNT_AFTER: Final = "total_count_after"
"""The same after the last run; empty once more was sent and not counted."""
LIMIT: Final = "limit"
"""The last good limit of attempts in flight."""
BODY_CAP: Final = "body_cap"
"""The most bytes of a body, since the API refused a larger one and took what was made of it."""
SPENT: Final = "spent"
"""What was spent of the quotas, as JSON."""
RULES: Final = "rules"
"""What ids of the table look like by the last run that had rules for them, as JSON; empty once one sent without."""
HOLDS: Final = "holds"
"""What was on hold in the last run that had hold lists: their digest."""
HOLD_LISTS: Final = "hold_lists"
"""How many lists that were."""
HELD_RECORDS: Final = "held_records"
"""How many different records they held; of a run that sent nothing, only where they held more than before, and
were not refused themselves."""
GUARDS: Final = (RULES, HOLDS, HOLD_LISTS, HELD_RECORDS, CANARY_BEGAN)
"""What a later run may not forget, also where the job that was refused is corrected, and is another one by that."""
_READ: Final[Mapping[str, Callable[[str], object]]] = {
    **dict.fromkeys((SOURCE_ROWS, COUNT_BEFORE, COUNT_AFTER, HOLD_LISTS, HELD_RECORDS), int),
    RESUME_AT: float,
    CANARY_BEGAN: lambda told: tuple(map(int, json.loads(told))),
    SURVEYED: lambda told: dict(json.loads(told)),
}


def check(facts: Mapping[str, str]) -> None:
    """Raise ``ValueError`` or ``TypeError`` where what is to be read as numbers holds none: a job finds that late."""
    for key, read in _READ.items():
        if told := facts.get(key):
            read(told)
