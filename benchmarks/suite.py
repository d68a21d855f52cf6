"""The benchmarks: each is a module that opens with its question and answers it with ``measure(size)``."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.results import Measured

NAMES = (
    *("throughput", "bare", "small_calls", "memory", "latency", "adaptive", "fairness", "loop_lag", "resume"),
    *("verify", "holds", "flow", "start", "hot_path", "peers", "peers_killed"),
)


@dataclass(frozen=True)
class Size:
    """How much is measured: which *share* of a benchmark's own rows, batches or calls, and how many *times*."""

    share: float = 1.0
    times: int = 5

    def of(self, most: int, step: int = 1) -> int:
        """Return the share of *most*, in whole steps.

        >>> Size().of(10_000_000), Size(share=0.00001).of(10_000_000, step=1000)
        (10000000, 1000)

        """
        return max(1, round(most * self.share / step)) * step


class Benchmark(Protocol):
    """What a module of the suite offers."""

    __doc__: str | None

    def measure(self, size: Size) -> Iterator[Measured]:
        """Give what was measured, as it comes."""
        ...


def benchmark(name: str) -> Benchmark:
    """Return a benchmark by its name."""
    return cast("Benchmark", import_module(f"benchmarks.{name}"))


def question(name: str) -> str:
    """Return the first sentence of a benchmark."""
    return " ".join((benchmark(name).__doc__ or "").partition("\n\n")[0].split())


def across(name: str) -> str | None:
    """Return the part of a case whose values stand beside each other in a table, where a benchmark wants that."""
    return getattr(benchmark(name), "ACROSS", None)
