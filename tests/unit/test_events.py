"""Who is told of what: everybody who is subscribed, of everything, and nobody can harm anybody by it."""

from __future__ import annotations

import asyncio
import inspect
import logging
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkdelete.events import JobBegan, LimitChanged, OutageEnded
from bulkdelete.hub import Hub

steps = st.lists(st.tuples(st.sampled_from(["subscribe", "unsubscribe", "tell"]), st.integers(0, 4), st.booleans()))


@given(steps)
def test_each_subscriber_is_told_of_every_event_between_its_subscribing_and_its_unsubscribing_whoever_raises(steps):
    hub = Hub()
    due: dict[int, list[int]] = {}
    told: dict[int, list[int]] = {}
    leaving = {}

    def subscriber(one, raises):
        def take(event):
            told[one].append(event.limit)
            if raises:
                raise ValueError(one)

        return take

    for number, (step, one, raises) in enumerate(steps):
        if step == "subscribe" and one not in leaving:
            due.setdefault(one, [])
            told.setdefault(one, [])
            leaving[one] = hub.subscribe(subscriber(one, raises))
        elif step == "unsubscribe" and one in leaving:
            leaving.pop(one)()
        elif step == "tell":
            hub.tell(LimitChanged(number, 0))
            for listener in leaving:
                due[listener].append(number)
        assert bool(hub) == bool(leaving)
    assert told == due


class Loud(Exception):
    pass


@pytest.mark.parametrize("error", [Loud("of the subscriber: 541278230707963208"), asyncio.CancelledError()])
def test_what_a_subscriber_raises_is_logged_once_with_its_name_and_its_text_at_debug_only(error, caplog):
    hub, heard = Hub(), []

    def broken(event):
        raise error

    hub.subscribe(broken)
    hub.subscribe(heard.append)
    with caplog.at_level(logging.DEBUG, "bulkdelete.hub"):
        for _ in range(3):
            hub.tell(OutageEnded())
    assert heard == [OutageEnded()] * 3
    said, _ = caplog.records
    assert (said.levelname, said.exc_info) == ("ERROR", None)
    assert "broken" in said.message
    assert type(error).__name__ in said.message
    assert "OutageEnded" in said.message
    assert "541278230707963208" not in said.message


def test_a_subscriber_that_returns_a_coroutine_is_told_once_that_nobody_awaits_it(caplog):
    hub = Hub()

    def forgetful(event):
        return _awaits(event)

    hub.subscribe(forgetful)
    for _ in range(3):
        hub.tell(OutageEnded())
    [said] = caplog.records
    assert "forgetful" in said.message
    assert "returned a coroutine, which nobody awaits, at OutageEnded" in said.message


def test_a_coroutine_that_somebody_has_begun_is_left_to_them(caplog):
    class Pause:
        def __await__(self):
            yield

    async def waits():
        await Pause()

    hub, begun = Hub(), waits()
    begun.send(None)
    hub.subscribe(lambda _: begun)
    hub.tell(OutageEnded())
    assert inspect.getcoroutinestate(begun) == inspect.CORO_SUSPENDED
    assert not caplog.records
    begun.close()


def test_what_is_meant_to_end_the_process_does():
    hub = Hub()
    hub.subscribe(lambda _: sys.exit(3))
    with pytest.raises(SystemExit):
        hub.tell(OutageEnded())


def test_a_subscriber_may_unsubscribe_itself_and_others_and_subscribe_new_ones_while_it_is_called():
    hub, told = Hub(), []

    def first(event):
        told.append("first")
        leave_first()
        leave_second()
        hub.subscribe(lambda _: told.append("new"))

    leave_first = hub.subscribe(first)
    leave_second = hub.subscribe(lambda _: told.append("second"))
    hub.subscribe(lambda _: told.append("third"))
    hub.tell(OutageEnded())
    assert told == ["first", "third"]
    hub.tell(OutageEnded())
    assert told == ["first", "third", "third", "new"]
    leave_first()
    assert hub


async def _awaits(event):
    raise AssertionError


class Awaiting:
    async def __call__(self, event):
        raise AssertionError


@pytest.mark.parametrize("callback", [_awaits, Awaiting(), "print"])
def test_what_nobody_would_await_or_could_call_is_refused_with_what_to_do_instead(callback):
    with pytest.raises(TypeError, match=r"asyncio\.Queue"):
        Hub().subscribe(callback)


def test_who_subscribes_to_a_job_is_told_of_that_job_and_of_what_is_common():
    hub, heard = Hub(), []
    hub.subscribe(heard.append, job="a1")
    mine, other, common = JobBegan("a1", "t", "s"), JobBegan("b2", "t", "s"), LimitChanged(2, 1)
    for event in (mine, other, common):
        hub.tell(event)
    assert heard == [mine, common]
