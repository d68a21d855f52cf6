"""A plain aiohttp client: one question to an emulator, and its answer as it came."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson

if TYPE_CHECKING:
    import io
    from collections.abc import Mapping

    from bulkdelete.emulator import Emulator

TABLE_ID = "673af861ed69656ac0895b07"
PATH = "/v2/database/delete/record"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def code(self) -> int:
        return self.json["code"]


def by_id(*records: str) -> list[dict[str, str]]:
    return [{"record_id": record} for record in records]


def by_email(*emails: Any) -> list[dict[str, Any]]:
    return [{"filter": {"email": email}} for email in emails]


async def ask(emulator: Emulator, entries: Any, *, table_id: Any = TABLE_ID, key: str | None = None) -> Answer:
    """Ask to delete *entries*, with the emulator's own key unless another is given."""
    return await ask_bytes(emulator, orjson.dumps({"table_id": table_id, "delete_data": entries}), key=key)


async def ask_bytes(emulator: Emulator, body: bytes | io.BytesIO, *, key: str | None = None, **headers: str) -> Answer:
    headers = {"Authorization": f"Bearer {key or emulator.api_key}", "Content-Type": "application/json", **headers}
    async with (
        aiohttp.ClientSession() as session,
        session.post(emulator.base_url + PATH, data=body, headers=headers) as response,
    ):
        return Answer(response.status, response.headers, await response.text())


async def ask_or_lose(emulator: Emulator, entries: Any) -> int | str:
    """Ask, and return the code, "dropped", or the HTTP status where there is no code."""
    try:
        answer = await ask(emulator, entries)
    except aiohttp.ClientConnectionError:
        return "dropped"
    return answer.code if answer.text.startswith("{") else str(answer.status)


def ids(count: int, first: int = 541_278_230_707_963_208) -> list[str]:
    return [str(first + number) for number in range(count)]
