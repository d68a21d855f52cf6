"""Decimal ids of one length, kept as the bytes they came in: no object per row until somebody asks for one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from struct import Struct
from typing import TYPE_CHECKING, Final, overload

if TYPE_CHECKING:
    from collections.abc import Iterator

_DIGITS: Final = b"0123456789"


@lru_cache(maxsize=4)
def _cutter(length: int, count: int) -> Struct:
    """Return what cuts joined ids apart in less time than ``bytes.split``."""
    return Struct(f"{length}sx" * (count - 1) + f"{length}s")


class Ids(Sequence[str]):
    """*count* ids of *length* digits each, *joined* by line breaks; slices of it are such ids again."""

    __slots__ = ("_count", "joined", "length")

    def __init__(self, joined: bytes, length: int, count: int) -> None:
        self.joined = joined
        self.length = length
        self._count = count

    @classmethod
    def of(cls, joined: bytes) -> Ids | None:
        """Return the lines of *joined* as ids, or ``None`` where one of them is not decimal or has another length."""
        length = joined.find(b"\n")
        length = len(joined) if length < 0 else length
        count, rest = divmod(len(joined) + 1, length + 1)
        breaks = b"\n" * (count - 1)
        if not length or rest or joined[length :: length + 1] != breaks or joined.translate(None, _DIGITS) != breaks:
            return None
        return cls(joined, length, count)

    @classmethod
    def of_parts(cls, parts: Sequence[Sequence[object]]) -> Ids | None:
        """Return *parts* as one, or ``None`` where one of them is no such ids, or has ids of another length."""
        ids = [part for part in parts if isinstance(part, Ids) and part]
        if len(ids) < len(parts) or len({part.length for part in ids}) != 1:
            return None
        return cls(b"\n".join([part.joined for part in ids]), ids[0].length, sum(map(len, ids)))

    @property
    def are_different(self) -> bool:
        """Whether none of them occurs twice."""
        return not self._count or len(set(_cutter(self.length, self._count).unpack(self.joined))) == self._count

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[str]:
        return iter(self.joined.decode().split("\n") if self._count else ())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # like a list

    def __repr__(self) -> str:
        return f"<{self._count} ids of {self.length} digits>"

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> Ids: ...
    def __getitem__(self, at: int | slice) -> str | Ids:
        """Return one id, or the ids of a slice without a step."""
        step = self.length + 1
        if isinstance(at, slice):
            start, stop, _ = at.indices(self._count)
            count = max(0, stop - start)
            return Ids(self.joined[start * step : start * step + max(0, count * step - 1)], self.length, count)
        start = range(self._count)[at] * step
        return self.joined[start : start + self.length].decode()
