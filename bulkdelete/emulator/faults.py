"""Which fault strikes which request: pure, and the same for the same seed and number of the request."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate
from typing import TYPE_CHECKING, Final, NamedTuple

from bulkdelete.emulator.checks import check_fields, number
from bulkdelete.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


class Fault(StrEnum):
    """What happens to one request; the values are the words of ``Faults.script``.

    Example:
        >>> from bulkdelete.emulator import Fault, Faults
        >>> api.faults = Faults(script=[Fault.INTERNAL_ERROR, Fault.NONE])
        >>> (await deleter.delete(TABLE_ID, ids)).retries
        1

    """

    NONE = "ok"
    INTERNAL_ERROR = "50000"
    APPLIED_THEN_50000 = "applied_then_50000"
    DROP_BEFORE = "drop_before"  #: the connection is dropped, nothing applied
    DROP_AFTER = "drop_after"  #: the connection is dropped after the request was applied
    TOO_MANY_REQUESTS = "429"
    MINUTE_LIMIT = "40008"
    BAD_GATEWAY = "502"
    UNAUTHORIZED = "40127"
    INVALID = "40000"
    TABLE_NOT_FOUND = "403106"
    NO_PERMISSION = "403131"
    DRIP = "drip"  #: applied; the answer comes a byte at a time
    HUGE = "huge"  #: applied; the answer goes on in spaces, to ``huge_bytes``
    ENDLESS = "endless"  #: applied; the answer goes on in spaces for ever
    NOT_JSON = "not_json"  #: nothing applied, as by a page in between: HTTP 200 with text
    EMPTY = "empty"  #: nothing applied: HTTP 200 with an empty body


class Strike(NamedTuple):
    """What happens to one request, and how long it takes from its last byte to its effect and answer."""

    fault: Fault
    latency_seconds: float


_RATES: Final[Mapping[str, Fault]] = {
    "internal_error_rate": Fault.INTERNAL_ERROR,
    "applied_then_50000_rate": Fault.APPLIED_THEN_50000,
    "drop_before_rate": Fault.DROP_BEFORE,
    "drop_after_rate": Fault.DROP_AFTER,
    "too_many_requests_rate": Fault.TOO_MANY_REQUESTS,
    "minute_limit_rate": Fault.MINUTE_LIMIT,
    "bad_gateway_rate": Fault.BAD_GATEWAY,
    "drip_rate": Fault.DRIP,
    "huge_rate": Fault.HUGE,
    "endless_rate": Fault.ENDLESS,
    "not_json_rate": Fault.NOT_JSON,
    "empty_rate": Fault.EMPTY,
}
_DAY_SECONDS: Final = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """What goes wrong, and how often; by default nothing. A rate is the share of requests, from 0 to 1.

    ``script`` decides the first requests, word by word (see :class:`Fault`); then come ``unauthorized_after``,
    ``fail_first`` and the rates, in this order. Requests are numbered as they arrive.

    Raises:
        SettingsError: naming the field whose value is refused.

    Example:
        >>> from bulkdelete.emulator import Faults
        >>> api.faults = Faults(script=["50000", "drop_after", "ok"], latency_seconds=0.01)
        >>> api.faults.strike(1)  # what happens to the second request
        Strike(fault=<Fault.DROP_AFTER: 'drop_after'>, latency_seconds=0.01)
        >>> (await deleter.delete(TABLE_ID, ids)).requests
        3

    """

    seed: int = number(0, whole=True)
    """The same seed gives the same faults to the same numbers."""
    script: Sequence[str] = ()
    """What happens to the first requests, for example ``["50000", "drop_after", "ok"]``."""
    fail_first: int = number(0, whole=True)
    """The first so many requests are answered 50000."""
    unauthorized_after: int | None = number(None, whole=True)
    """After so many requests every further one is answered 40127. Unset: never."""
    internal_error_rate: float = number(0.0, 0, 1)
    """Answered 50000, nothing applied."""
    applied_then_50000_rate: float = number(0.0, 0, 1)
    """Applied, and answered 50000."""
    drop_before_rate: float = number(0.0, 0, 1)
    """The connection is dropped, nothing applied."""
    drop_after_rate: float = number(0.0, 0, 1)
    """Applied, and the connection is dropped."""
    too_many_requests_rate: float = number(0.0, 0, 1)
    """Answered HTTP 429, nothing applied."""
    minute_limit_rate: float = number(0.0, 0, 1)
    """Answered 40008, nothing applied."""
    bad_gateway_rate: float = number(0.0, 0, 1)
    """Answered HTTP 502 in HTML, nothing applied."""
    drip_rate: float = number(0.0, 0, 1)
    """Applied, and answered a byte at a time."""
    huge_rate: float = number(0.0, 0, 1)
    """Applied, and answered with ``huge_bytes``: the answer, and then spaces."""
    endless_rate: float = number(0.0, 0, 1)
    """Applied, and answered without an end: the answer, and then spaces, until the client goes away."""
    not_json_rate: float = number(0.0, 0, 1)
    """Answered HTTP 200 with text, nothing applied."""
    empty_rate: float = number(0.0, 0, 1)
    """Answered HTTP 200 with an empty body, nothing applied."""
    drip_seconds: float = number(0.01, 0, _DAY_SECONDS)
    """The wait before each byte of a reply that drips, and before each space of an endless one; 0 is a flood."""
    huge_bytes: int = number(1_048_576, 0, 2**30, whole=True)
    """The size of a huge reply; a client need not read more than some 64 KiB."""
    retry_after_seconds: float | None = number(None, 0, 366 * _DAY_SECONDS)
    """The ``Retry-After`` header of a 429 that is a fault. Unset: none."""
    latency_seconds: float = number(0.0, 0, _DAY_SECONDS)
    """How long a request takes: the median, where there is a spread."""
    latency_spread: float = number(0.0, 0, 10)
    """Sigma of a log-normal factor on the latency; 0 is none, 0.5 is lively."""

    def __post_init__(self) -> None:
        check_fields(self)
        if math.fsum(self._rates()) > 1 + 1e-9:
            raise SettingsError(f"the rates add up to {math.fsum(self._rates()):g}: together they must not exceed 1")
        object.__setattr__(self, "script", tuple(_checked_script(self.script)))

    def strike(self, number: int) -> Strike:
        """Return what happens to request *number*, counted from 0."""
        chance = random.Random(f"{self.seed}/{number}")  # noqa: S311 - the same faults again is what it is for
        drawn = chance.random()
        latency = self.latency_seconds * chance.lognormvariate(0, self.latency_spread)
        return Strike(self._certain(number) or self._drawn(drawn), latency)

    def _certain(self, number: int) -> Fault | None:
        if number < len(self.script):
            return Fault(self.script[number])
        if self.unauthorized_after is not None and number >= self.unauthorized_after:
            return Fault.UNAUTHORIZED
        return Fault.INTERNAL_ERROR if number < self.fail_first else None

    def _drawn(self, drawn: float) -> Fault:
        bounds = zip(accumulate(self._rates()), _RATES.values(), strict=True)
        return next((fault for bound, fault in bounds if drawn < bound), Fault.NONE)

    def _rates(self) -> list[float]:
        return [getattr(self, name) for name in _RATES]


def _checked_script(script: object) -> Iterable[str]:
    if not isinstance(script, list | tuple):
        raise SettingsError(f"script is {script!r}: it must be a list of words, as in {['50000', 'drop_after', 'ok']}")
    for word in script:
        if word not in set(Fault):
            raise SettingsError(f"script holds {word!r}: its words are {', '.join(Fault)}")
    return script
