"""The queue worker, in a process of its own, against the real emulator."""

from __future__ import annotations

import asyncio
import json
from itertools import chain
from typing import TYPE_CHECKING

from bulkdelete import LedgerFolder
from bulkdelete.emulator import Emulator, Faults
from tests.examples.processes import KEY, TABLE_ID, ids, script, until_requests

if TYPE_CHECKING:
    from pathlib import Path

OTHERS = ids(50, first=900_000)
FORBIDDEN_TABLE = "673af861ed69656ac0895b08"


def put(messages: Path, name: str, record_ids: list[str], table_id: str = TABLE_ID) -> None:
    new = messages / f"{name}.new"
    new.write_text(json.dumps({"table_id": table_id, "record_ids": record_ids}))
    new.rename(messages / f"{name}.json")


def names(folder: Path) -> set[str]:
    return {path.stem for path in folder.glob("*.json")}


async def until_left(messages: Path, left: set[str]) -> None:
    async with asyncio.timeout(30):
        while names(messages) != left:
            await asyncio.sleep(0.02)


async def test_a_message_goes_when_it_is_done_whatever_dies_and_a_poisonous_one_is_set_aside(tmp_path):
    messages, ledgers = tmp_path / "messages", tmp_path / "ledgers"
    messages.mkdir()
    ledgers.mkdir()
    large, small = ids(20_000), ids(30, first=20_000)
    put(messages, "forbidden", ids(1, first=30_000), FORBIDDEN_TABLE)
    put(messages, "invalid", [*small[:10], "nan"])
    put(messages, "large", large)
    put(messages, "small", small[10:])
    put(messages, "typed", [])
    (messages / "unreadable.json").write_bytes(b"\xff{")
    async with Emulator(record_requests=True, faults=Faults(latency_seconds=0.2)) as emulator:
        emulator.add_key(KEY, [TABLE_ID])
        emulator.load(TABLE_ID, large + small + OTHERS)
        emulator.create_table(FORBIDDEN_TABLE)
        words = ("queue_worker.py", emulator.base_url, messages, ledgers)
        async with script(*words) as worker:
            await until_left(messages, {"forbidden", "large"})
            await until_requests(emulator, emulator.requests + 2)
            worker.process.kill()
            await worker.ended()
        assert names(messages / "aside") == {"invalid", "typed", "unreadable"}
        assert len(OTHERS) < emulator.count(TABLE_ID) < len(OTHERS) + len(large)
        [killed] = [one for one in await LedgerFolder(ledgers).ledgers() if one.name == "large"]
        async with script(*words) as worker:
            await until_requests(emulator, emulator.requests + 4)
            worker.process.terminate()
            code, said = await worker.ended()
            assert (code, "Traceback" in said) == (0, False), said
        assert names(messages) == {"forbidden", "large"}
        [left] = [one for one in await LedgerFolder(ledgers).ledgers() if one.name == "large"]
        assert (left.state, left.last_ended) == ("resumable", "signal")
        assert left.acknowledged >= killed.acknowledged + 2_000, "what was in flight was not finished"
        emulator.faults, refused = Faults(), emulator.answers[403131]
        async with script(*words) as worker:
            await until_left(messages, {"forbidden"})
            sent = emulator.answers[0]
            put(messages, "small", small[10:])
            await until_left(messages, {"forbidden"})
            assert emulator.answers[0] == sent, "what was delivered again was sent again"
            async with asyncio.timeout(30):
                while emulator.answers[403131] == refused:
                    await asyncio.sleep(0.02)
            worker.process.terminate()
            code, said = await worker.ended()
            assert (code, "message forbidden.json stays: FatalAnswer" in said) == (0, True), said
        assert list(emulator.remaining(TABLE_ID)) == OTHERS
    assert {*chain.from_iterable(request.applied for request in emulator.log)} == {*large, *small}
