"""The servers of the lab do what their parameters say: a model that is too kind would prove nothing."""

from __future__ import annotations

from random import Random

import pytest

from bulkdelete.limiter.gauging import SampleKind
from tests.flow.doors import Ours
from tests.flow.lab import Lab, play
from tests.flow.servers import Bucket, Change, Outage, Server, Window


def steady(server: Server, concurrency: int, seconds: float = 200.0):
    return play(server, [Ours(Random(1), concurrency=concurrency)], seconds, seed=1)


@pytest.mark.parametrize(("concurrency", "goodput"), [(8, 0.25), (32, 1.0), (64, 1.0)])
def test_a_queue_gives_what_is_in_flight_up_to_its_capacity(concurrency, goodput):
    assert steady(Server(capacity=32), concurrency).goodput == pytest.approx(goodput, abs=0.01)


@pytest.mark.parametrize(("concurrency", "goodput"), [(8, 0.47), (32, 1.0), (64, 0.8)])
def test_a_thrashing_server_does_most_at_its_capacity(concurrency, goodput):
    result = steady(Server(capacity=32, beyond="thrash"), concurrency)
    assert result.goodput == pytest.approx(goodput, abs=0.02)


def test_a_queue_answers_late_what_has_to_wait():
    assert steady(Server(capacity=32, cv=0.0), 64).p99_seconds == pytest.approx(0.4, abs=0.01)


@pytest.mark.parametrize(("answer", "kind"), [("429", SampleKind.REFUSED), ("50000", SampleKind.FAILED)])
def test_a_cliff_answers_at_once_what_it_does_not_take(answer, kind):
    lab, heard = Lab(Server(capacity=2, cv=0.0, beyond="cliff", cliff_answer=answer), [], seed=1), []
    for _ in range(3):
        lab.server.arrive(lambda answer: heard.append((round(lab.now, 3), answer.kind)))
    lab.run(1)
    assert heard == [(0.02, kind), (0.2, SampleKind.SUCCESS), (0.2, SampleKind.SUCCESS)]


def test_what_was_given_up_is_served_all_the_same():
    overloaded = Server(capacity=1, latency_seconds=6.0, cv=0.0)
    assert steady(overloaded, 1, seconds=60.0).shares == (10,)
    assert steady(overloaded, 4, seconds=60.0).shares == (1,)


def test_an_outage_without_answers_answers_nothing():
    lab, heard = Lab(Server(outages=(Outage(0.0, 5.0, silent=True),)), [], seed=1), []
    lab.server.arrive(heard.append)
    lab.run(100)
    assert heard == []


def test_the_ideal_counts_changes_outages_errors_and_limits():
    steady_rate = Server(capacity=10, latency_seconds=1.0)
    assert steady_rate.ideal(100) == pytest.approx(1000)
    assert Server(capacity=10, latency_seconds=1.0, error_share=0.1).ideal(100) == pytest.approx(900)
    assert Server(capacity=10, latency_seconds=1.0, outages=(Outage(10, 60),)).ideal(100) == pytest.approx(500)
    assert Server(capacity=10, latency_seconds=1.0, changes=(Change(50, capacity=4),)).ideal(100) == pytest.approx(700)
    assert Server(capacity=10, latency_seconds=1.0, bucket=Bucket(2, 50)).ideal(100) == pytest.approx(250)
    assert Server(capacity=10, latency_seconds=1.0, window=Window(300, 60)).ideal(100) == pytest.approx(600)
    assert Server(capacity=100, latency_seconds=1.0).ideal(100, most_in_flight=64) == pytest.approx(6400)
    assert Server(capacity=16, latency_seconds=1.0, beyond="thrash").ideal(100) == pytest.approx(800)
