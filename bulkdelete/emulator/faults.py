"""Which fault strikes which request: pure, and the same for the same seed and number of the request."""

from __future__ import annotations

import difflib
import math
import random
import tomllib
from dataclasses import dataclass, field, fields
from enum import StrEnum
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Self

from bulkdelete.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


class Fault(StrEnum):
    """What happens to one request; the values are the words of ``Faults.script``."""

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
}
_DAY_SECONDS: Final = 86_400


def _number(default: float | None, highest: float = math.inf, *, whole: bool = False) -> Any:  # noqa: ANN401 - as field()
    return field(default=default, metadata={"highest": highest, "whole": whole})


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """What goes wrong, and how often; by default nothing. A rate is the share of requests, from 0 to 1.

    ``script`` decides the first requests, word by word (see :class:`Fault`); then come ``unauthorized_after``,
    ``fail_first`` and the rates, in this order. Requests are numbered as they arrive.

    Raises:
        SettingsError: naming the field whose value is refused.

    """

    seed: int = _number(0, whole=True)
    """The same seed gives the same faults to the same numbers."""
    script: Sequence[str] = ()
    """What happens to the first requests, for example ``["50000", "drop_after", "ok"]``."""
    fail_first: int = _number(0, whole=True)
    """The first so many requests are answered 50000."""
    unauthorized_after: int | None = _number(None, whole=True)
    """After so many requests every further one is answered 40127. Unset: never."""
    internal_error_rate: float = _number(0.0, 1)
    """Answered 50000, nothing applied."""
    applied_then_50000_rate: float = _number(0.0, 1)
    """Applied, and answered 50000."""
    drop_before_rate: float = _number(0.0, 1)
    """The connection is dropped, nothing applied."""
    drop_after_rate: float = _number(0.0, 1)
    """Applied, and the connection is dropped."""
    too_many_requests_rate: float = _number(0.0, 1)
    """Answered HTTP 429, nothing applied."""
    minute_limit_rate: float = _number(0.0, 1)
    """Answered 40008, nothing applied."""
    bad_gateway_rate: float = _number(0.0, 1)
    """Answered HTTP 502 in HTML, nothing applied."""
    retry_after_seconds: float | None = _number(None, 366 * _DAY_SECONDS)
    """The ``Retry-After`` header of a 429. Unset: none."""
    too_many_requests_body: Literal["text", "json"] = "text"
    """The body of a 429: text, or JSON with code 40008."""
    latency_seconds: float = _number(0.0, _DAY_SECONDS)
    """How long a request takes: the median, where there is a spread."""
    latency_spread: float = _number(0.0, 10)
    """Sigma of a log-normal factor on the latency; 0 is none, 0.5 is lively."""

    def __post_init__(self) -> None:
        for one in fields(self):
            if one.metadata:
                _check_number(one.name, getattr(self, one.name), one.default, one.metadata)
        if math.fsum(self._rates()) > 1 + 1e-9:
            raise SettingsError(f"the rates add up to {math.fsum(self._rates()):g}: together they must not exceed 1")
        if self.too_many_requests_body not in {"text", "json"}:
            raise SettingsError(
                f'too_many_requests_body is "{self.too_many_requests_body}": it must be "text" or "json"'
            )
        object.__setattr__(self, "script", tuple(_checked_script(self.script)))

    @classmethod
    def from_toml(cls, path: str | Path) -> Self:
        """Read the fields from a TOML file, each at its top level.

        Raises:
            SettingsError: the file cannot be read, is no TOML, or holds an unknown key or a refused value.

        """
        try:
            values = tomllib.loads(Path(path).read_text("utf-8"))
        except OSError as error:
            raise SettingsError(f"{path}: the faults cannot be read: {error.strerror}") from None
        except ValueError as error:
            raise SettingsError(f"{path}: this is not TOML: {error}") from None
        _refuse_unknown(values, [one.name for one in fields(cls)], path)
        try:
            return cls(**values)
        except SettingsError as error:
            raise SettingsError(f"{path}: {error}") from None

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


def _check_number(name: str, value: object, default: object, limits: Mapping[str, Any]) -> None:
    if value is None and default is None:
        return
    kinds = (int,) if limits["whole"] else (int, float)
    if type(value) not in kinds:
        raise SettingsError(f"{name} is {value!r}: it must be a {'whole ' if limits['whole'] else ''}number")
    assert isinstance(value, int | float)  # noqa: S101 - said to the type checker
    if not 0 <= value <= limits["highest"] or math.isinf(value):
        bound = "at least 0" if math.isinf(limits["highest"]) else f"from 0 to {limits['highest']}"
        raise SettingsError(f"{name} is {value}: it must be {bound}")


def _checked_script(script: object) -> Iterable[str]:
    if not isinstance(script, list | tuple):
        raise SettingsError(f"script is {script!r}: it must be a list of words, as in {['50000', 'drop_after', 'ok']}")
    for word in script:
        if word not in set(Fault):
            raise SettingsError(f"script holds {word!r}: its words are {', '.join(Fault)}")
    return script


def _refuse_unknown(values: Mapping[str, Any], names: list[str], path: str | Path) -> None:
    for name in values:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
            raise SettingsError(f"{path}: {name} is no fault{f'; did you mean {near[0]}?' if near else ''}")
