"""When one more request may leave: our own limits in every window, and what the server says of its limits.

Pure: every time is passed in, as a :class:`Moment`. What is spent outlives the process in a small snapshot.
"""

from __future__ import annotations

from bulkdelete.quotas.spending import WHILE_SAVING_SECONDS, Quotas
from bulkdelete.quotas.telling import SKEW_SECONDS, Told
from bulkdelete.quotas.windows import SECONDS, Moment

__all__ = ["SECONDS", "SKEW_SECONDS", "WHILE_SAVING_SECONDS", "Moment", "Quotas", "Told"]
