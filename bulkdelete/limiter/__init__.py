"""How many attempts may be in flight, how fast, and the pauses that all keep.

:class:`Limiter` is the line that everybody waits in; what may leave is decided by :class:`Steering`, which is pure.
"""

from __future__ import annotations

from bulkdelete.limiter.gauging import SampleKind
from bulkdelete.limiter.permits import Permit
from bulkdelete.limiter.waiting_line import Limiter

__all__ = ["Limiter", "Permit", "SampleKind"]
