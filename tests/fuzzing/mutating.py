"""One seed -> an endless line of inputs: what is in a corpus, changed a little, or words of a format in any order."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MOST_BYTES = 128 * 1024
"""No input is larger; what is repeated grows up to here, so that work that is not linear shows."""
_TOKENS = (
    b"\0",
    b"\xff",
    b"\xfe\xff",
    b"\xef\xbb\xbf",
    b"\n",
    b"\r",
    b"\r\n",
    b"\xed\xa0\x80",
    b"9" * 5000,
    b"-1",
    b"",
)


class Mutator:
    """Makes inputs of *corpus* and *words*; the same *seed* makes the same ones."""

    def __init__(self, seed: int, corpus: Sequence[bytes], words: Sequence[bytes]) -> None:
        self._random = random.Random(seed)
        self._corpus = corpus
        self._words = words
        self._kinds = (
            *(self._flip, self._overwrite, self._cut, self._insert, self._insert, self._swap, self._splice),
            *(self._repeat, self._zero),
        )

    def inputs(self) -> Iterator[bytes]:
        while True:
            yield self._sentence() if self._words and self._random.random() < 0.4 else self._mutation()

    def changed(self, data: bytes, seed: int) -> bytes:
        """Return *data* with some moves made on it, or words put after some of it; the same for the same *seed*."""
        self._random.seed(seed)
        if self._words and self._random.random() < 0.2:
            return (data[: self._place(data)] + self._sentence())[:MOST_BYTES]
        return self._moved(data)

    def _sentence(self) -> bytes:
        count = self._random.choice((1, 2, 3, 4, 5, 8, 16, 64))
        data = b"".join(self._random.choices(self._words, k=count))
        if self._random.random() < 0.3:
            begin = self._random.choice(self._corpus)
            data = begin[: self._place(begin)] + self._times(data)
        return data[:MOST_BYTES]

    def _mutation(self) -> bytes:
        return self._moved(self._random.choice(self._corpus))

    def _moved(self, data: bytes) -> bytes:
        for _ in range(self._random.choice((1, 1, 2, 3, 8))):
            data = self._random.choice(self._kinds)(data)[:MOST_BYTES]
        return data

    def _place(self, data: bytes) -> int:
        return self._random.randint(0, len(data))

    def _piece(self, data: bytes) -> tuple[int, int]:
        start = self._place(data)
        return start, min(len(data), start + self._random.choice((1, 2, 4, 16, 64, 512, 4096)))

    def _flip(self, data: bytes) -> bytes:
        changed = bytearray(data)
        for _ in range(self._random.choice((1, 1, 2, 8)) if data else 0):
            changed[self._random.randrange(len(data))] ^= 1 << self._random.randrange(8)
        return bytes(changed)

    def _overwrite(self, data: bytes) -> bytes:
        start, end = self._piece(data)
        return data[:start] + self._random.randbytes(end - start) + data[end:]

    def _zero(self, data: bytes) -> bytes:
        start, end = self._piece(data)
        return data[:start] + self._random.choice((b"\0", b"\xff", b"\xaa")) * (end - start) + data[end:]

    def _cut(self, data: bytes) -> bytes:
        start, end = self._piece(data)
        return data[:start] + (data[end:] if self._random.random() < 0.7 else b"")

    def _insert(self, data: bytes) -> bytes:
        start = self._place(data)
        return data[:start] + self._random.choice((*self._words, *_TOKENS)) + data[start:]

    def _swap(self, data: bytes) -> bytes:
        (start, end), at = self._piece(data), self._place(data)
        return data[:at] + data[start:end] + data[at:]

    def _splice(self, data: bytes) -> bytes:
        other = self._random.choice(self._corpus)
        return data[: self._place(data)] + other[self._place(other) :]

    def _repeat(self, data: bytes) -> bytes:
        start, end = self._piece(data)
        return data[:start] + self._times(data[start:end]) + data[end:]

    def _times(self, data: bytes) -> bytes:
        most = self._random.choice((16, 256, 4096, MOST_BYTES))
        return data * max(1, most // max(1, len(data)))
