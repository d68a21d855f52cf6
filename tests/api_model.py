"""The API as a transport: a scripted stand-in at the outer border, for tests that need no socket."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson

from bulkdelete import protocol
from bulkdelete.errors import AnswerLost, NotSent
from bulkdelete.exchange import Reply

if TYPE_CHECKING:
    from collections.abc import Callable

OK = Reply(200, {}, b'{"code": 0, "message": "OK"}')
INVALID = Reply(200, {}, b'{"code": 40000, "message": "Invalid parameters"}')
INTERNAL = Reply(200, {}, b'{"code": 50000, "message": "Internal system error"}')


@dataclass
class ApiModel:
    """Deletes from ``records``; refuses a request that holds one of ``poisoned``; strikes with ``fault_rate``."""

    poisoned: set[str] = field(default_factory=set)
    fault_rate: float = 0.0
    seed: int = 0
    acknowledged: set[str] = field(default_factory=set)
    applied: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)
    requests: list[list[str]] = field(default_factory=list)
    hang_from: int | None = None

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)

    async def post(
        self,
        body: bytes,
        api_key: str,
        request_id: str,
        path: str = protocol.PATH,
        leaves: Callable[[], object] = bool,
    ) -> Reply:
        await asyncio.sleep(0)
        leaves()
        ids = [entry["record_id"] for entry in orjson.loads(body)["delete_data"]]
        self.requests.append(ids)
        fault = self._chance.choice(["before", "unsent", "after", "internal"]) if self._strikes() else ""
        self.seen.update(ids if fault != "unsent" else [])
        if self.hang_from is not None and len(self.requests) >= self.hang_from:
            await asyncio.Event().wait()
        if fault == "unsent":
            raise NotSent("no connection")
        if fault == "before":
            raise AnswerLost("the connection broke")
        if self.poisoned.intersection(ids):
            return INVALID
        self.applied.update(ids)
        if fault == "after":
            raise AnswerLost("the connection broke")
        if fault == "internal":
            return INTERNAL
        self.acknowledged.update(ids)
        return OK

    def _strikes(self) -> bool:
        return self._chance.random() < self.fault_rate

    async def close(self) -> None:
        """Nothing to close."""
