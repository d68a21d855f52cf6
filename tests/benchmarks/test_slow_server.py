"""The slow server and what is read from it: a share of permits / latency is as good as these."""

from __future__ import annotations

import json
import math
import socket
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.slow_server import Delays, Manner
from benchmarks.watching import Seen

if TYPE_CHECKING:
    from collections.abc import Iterator

REQUEST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n"


class Server:
    """A running server, asked as :mod:`benchmarks.watching` asks it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        assert process.stdout is not None
        self.address = "127.0.0.1", int(process.stdout.readline())

    def told(self, since: float = 0.0) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{since}\n")
        self._process.stdin.flush()
        told: dict[str, Any] = json.loads(self._process.stdout.readline())
        return told


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    words = [sys.executable, "-m", "benchmarks.slow_server", request.param.as_json()]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Server(process)
        process.communicate()


def test_heavy_tailed_delays_have_the_same_mean_and_fixed_ones_do_not_scatter():
    heavy, fixed = (Delays(Manner(0.2, shape, seed=1)) for shape in ("heavy-tailed", "fixed"))
    drawn = sorted(heavy.draw() for _ in range(100_000))
    assert statistics.fmean(drawn) == pytest.approx(0.2, rel=0.02)
    assert drawn[99_000] == pytest.approx(0.2 * math.exp(2.326 - 0.5), rel=0.05)
    assert {fixed.draw() for _ in range(10)} == {0.2}


@pytest.mark.parametrize("server", [Manner(0.05)], indirect=True)
def test_a_request_has_arrived_with_its_last_byte_and_takes_no_less_than_its_delay(server: Server):
    assert server.told() == {"now": pytest.approx(time.time(), abs=60), "first": None, "requests": []}
    with socket.create_connection(server.address) as client:
        client.sendall(REQUEST + b"12")
        before = time.time()
        client.sendall(b"34")
        assert client.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")
        after = time.time()
    told = server.told()
    [(arrived, begun, answered)] = told["requests"]
    assert before <= arrived == begun == told["first"]
    assert arrived + 0.05 <= answered + 1e-6
    assert answered <= after
    assert server.told(answered + 1)["requests"] == []


@pytest.mark.parametrize("server", [Manner(0.05, capacity=1)], indirect=True)
def test_beyond_the_capacity_requests_wait_for_their_turn(server: Server):
    with socket.create_connection(server.address) as first, socket.create_connection(server.address) as second:
        first.sendall(REQUEST + b"1234")
        assert first.recv(1000)
        for client in (first, second):
            client.sendall(REQUEST + b"1234")
        assert first.recv(1000)
        assert second.recv(1000)
    _, (*_, answered), (arrived, begun, _) = sorted(server.told()["requests"], key=lambda times: times[1])
    assert arrived <= answered <= begun


def test_what_began_before_or_is_not_answered_yet_counts_in_part():
    seen = Seen(12.0, 8.0, [[8.0, 8.0, 10.5], [10.0, 10.5, 11.5], [11.0, 11.5, None], [11.0, None, None]])
    assert seen.at_work(10.0, 12.0) == pytest.approx((0.5 + 1.0 + 0.5) / 2)
    assert seen.latencies(10.0, 12.0) == [2.5, 1.5]
    assert seen.latencies(11.0, 12.0) == [1.5]
