"""What is known of each row by what a client has left behind: its logs, or its ledger."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.peering.clients.batches import BATCH

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

UNKNOWN, DONE, NOT_DONE = range(3)
"""What is known of a row: neither of the others; that it was acknowledged; that it was not, and which it is."""


@dataclass(frozen=True)
class Left:
    """What there is after a client ran: the ids that it was given, the log of each run, and its ledger, if any."""

    ids: Sequence[str]
    logs: Sequence[str]
    ledger: Path


def by_script(left: Left) -> bytearray:
    """Read the last log: failures as they came and, if it came to its end, that everything else was acknowledged."""
    log, rows = left.logs[-1], len(left.ids)
    known = bytearray([DONE if re.search(r"^deleted \d+$", log, re.MULTILINE) else UNKNOWN]) * rows
    for number in re.findall(r"^batch (\d+) failed", log, re.MULTILINE):
        first, end = int(number) * BATCH, min(int(number) * BATCH + BATCH, rows)
        known[first:end] = bytes([NOT_DONE]) * (end - first)
    _mark(known, left.ids, re.findall(r"^record (\d+) failed", log, re.MULTILINE), NOT_DONE)
    return known


def by_s5cmd(left: Left) -> bytearray:
    """Read every log: a line for each record that was acknowledged, and one for each error."""
    known, log = bytearray(len(left.ids)), "\n".join(left.logs)
    _mark(known, left.ids, re.findall(r"\d{18}", "".join(re.findall(r"^ERROR .*\n", log, re.MULTILINE))), NOT_DONE)
    _mark(known, left.ids, re.findall(r"^rm s3://records/(\d{18})$", log, re.MULTILINE), DONE)
    return known


def by_ledger(left: Left) -> bytearray:
    """Ask the commands: rows that no batch holds yet were certainly not sent, and each that is left over is listed."""
    cut: int = json.loads(_said("status", left, "--json"))["rows"]
    known = bytearray([DONE]) * cut + bytearray([NOT_DONE]) * (len(left.ids) - cut)
    for line in _said("failures", left).splitlines():
        row = json.loads(line)
        known[row["row"]] = UNKNOWN if row["fate"] == "unresolved" else NOT_DONE
    return known


def _mark(known: bytearray, ids: Sequence[str], keys: Sequence[str], as_what: int) -> None:
    rows = {key: row for row, key in enumerate(ids)} if keys else {}
    for key in keys:
        known[rows[key]] = as_what


def _said(command: str, left: Left, *options: str) -> str:
    words = [sys.executable, "-m", "bulkdelete", command, str(left.ledger), *options]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout
