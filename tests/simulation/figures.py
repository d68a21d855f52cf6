"""What happened in some histories, counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Figures:
    """What happened in some histories, counted."""

    histories: int = 0
    runs: int = 0
    steps: int = 0
    requests: int = 0
    rows: int = 0
    beyond_quota: int = 0
    shared: int = 0
    """Runs beside another call of the same deleter."""
    acts: dict[str, int] = field(default_factory=lambda: {"cut": 0, "cancel": 0, "stop": 0, "fail": 0})
    troubles: Counter[str] = field(default_factory=Counter)
    """What failed around a run, and was felt."""
    endings: Counter[str] = field(default_factory=Counter)

    def add(self, other: Figures) -> None:
        self.histories += other.histories
        self.runs += other.runs
        self.steps += other.steps
        self.requests += other.requests
        self.rows += other.rows
        self.beyond_quota += other.beyond_quota
        self.shared += other.shared
        self.troubles.update(other.troubles)
        self.endings.update(other.endings)
        for act, times in other.acts.items():
            self.acts[act] += times

    def told(self) -> str:
        acts = ", ".join(f"{times} times {act}" for act, times in self.acts.items())
        endings = ", ".join(f"{times} times {ended}" for ended, times in sorted(self.endings.items()))
        requests = f"{self.requests} requests, {self.beyond_quota} of them beyond the API's quota"
        felt = ", ".join(f"{times} times {what}" for what, times in sorted(self.troubles.items()))
        runs = f"{self.runs} runs, {self.shared} beside another call, {self.steps} steps, {self.rows} rows"
        return f"{runs}, {requests}; {acts}; felt: {felt or 'nothing'}; they ended {endings}"
