"""wrk posting one ready body of 1000 ids from one core, again and again: no client on this machine is faster."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measuring import CLIENT, TABLE_ID, ended, ids, on_core
from bulkdelete import protocol

ABSENT = "wrk is not installed, so the limit was not measured"
CONNECTIONS = 16
SECONDS = 5.0
SCRIPT = """
wrk.method = "POST"
wrk.path = "{path}"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer benchmark"
local file = io.open("{body}")
wrk.body = file:read("*a")
file:close()
function done(summary, latency, requests)
    local e = summary.errors
    io.write(string.format('{{"requests": %d, "seconds": %f, "errors": %d}}',
        summary.requests, summary.duration / 1e6, e.connect + e.read + e.write + e.status + e.timeout))
end
"""


@dataclass(frozen=True)
class Posted:
    """What wrk did: requests a second, and CPU seconds per 1000 requests, which are a million records."""

    rate: float
    cpu_seconds: float


def body() -> bytes:
    """Return a request's body of 1000 ids, as the engine makes it."""
    return protocol.encode(TABLE_ID, list(ids(1000)))


def post(base_url: str, seconds: float = SECONDS) -> Posted | None:
    """Post from the first core for so long; ``None`` where wrk is not installed."""
    program = shutil.which("wrk")
    if program is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "body").write_bytes(body())
        script = Path(folder) / "post.lua"
        script.write_text(SCRIPT.format(path=protocol.PATH, body=Path(folder) / "body"))
        words = [program, "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s", "-s", str(script), base_url]
        with on_core(CLIENT):
            done = ended(words)
    found = json.loads(done.printed.splitlines()[-1])
    if done.exit_code or found["errors"] or not found["requests"]:
        raise RuntimeError(f"wrk did not post as it should: {done.printed}")
    return Posted(found["requests"] / found["seconds"], done.cpu_seconds / found["requests"] * 1000)
