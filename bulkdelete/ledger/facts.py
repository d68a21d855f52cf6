"""The names of the facts that a ledger keeps of its job, beside the identity under ``identity.*``."""

from __future__ import annotations

from typing import Final

SOURCE_PATH: Final = "source_path"
"""Where the source was read from, last time: absolute; as JSON where there are several."""
SOURCE_ROWS: Final = "source_rows"
"""That the source was read to its end, and how many rows that were."""
RESUME_AT: Final = "resume_at_unix_seconds"
"""That the API asked to come back not before then."""
SPOOL: Final = "spool"
"""What the copy of a source that can be read only once holds: the SHA-256 of its bytes."""
SURVEYED: Final = "surveyed"
"""How many records the source was found to hold and how many on hold, and what decided that, as JSON."""
COMPARED: Final = "compared"
"""That the source was found to hold what a plan counted: the plan's digest, and the version that compared."""
CANARY: Final = "canary"
"""That the canary was approved of, and how many records had been sent by then."""
COUNT_BEFORE: Final = "total_count_before"
"""How many records the table held before the first run, as the API counted them."""
COUNT_AFTER: Final = "total_count_after"
"""The same after the last run."""
HOLDS: Final = "holds"
"""What was on hold in the last run that had hold lists: their digest."""
HOLD_LISTS: Final = "hold_lists"
"""How many lists that were."""
