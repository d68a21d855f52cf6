"""What the scripts share: the ids in batches, and what they print of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

BATCH, AT_ONCE = 1000, 32
PATH = "/v2/database/delete/record"
HEADERS = {"Authorization": "Bearer benchmark"}


def batches(path: str) -> list[list[str]]:
    """Return all ids of a file, one a line, in batches."""
    ids = Path(path).read_text().split()
    return [ids[first : first + BATCH] for first in range(0, len(ids), BATCH)]


def lines(path: str) -> Iterator[str]:
    """Give the ids of a file, one a line, as it is read."""
    with Path(path).open() as file:
        yield from (line.strip() for line in file)


def request(batch: list[str]) -> dict[str, object]:
    """Return the body of a request to our API."""
    return {"table_id": "673af861ed69656ac0895b07", "delete_data": [{"record_id": key} for key in batch]}


def batch_failed(number: int, why: object) -> None:
    """Say that a whole batch failed."""
    print(f"batch {number} failed: {why}")


def record_failed(key: str, why: object) -> None:
    """Say that one record failed."""
    print(f"record {key} failed: {why}")


def ended(deleted: int) -> None:
    """Say that everything was tried, and how much of it succeeded."""
    print(f"deleted {deleted}")
