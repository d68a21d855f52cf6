"""What is written to standard error while nobody reads, or somebody does."""

from __future__ import annotations

import asyncio
import fcntl
import os
import threading
from pathlib import Path
from time import monotonic

import pytest

from bulkdelete.cli import stderr
from bulkdelete.cli.stderr import Talk

PIPE_BYTES = 4096


class Pipe:
    """A small pipe, what is said into it, and all that was read of it."""

    def __init__(self):
        self._reads, writes = os.pipe()
        fcntl.fcntl(writes, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self.writes = os.fdopen(writes, "w", encoding="utf-8")
        self.talk = Talk(self.writes, lambda lines: f"{lines} were lost")
        self._came = b""
        self._reading = threading.Thread(target=self._read)

    def is_read(self):
        self._reading.start()

    def all(self):
        """Return the lines that come until what was said is written; nothing more is said."""
        self.talk.flush()
        self.talk.close()
        self.writes.close()
        self._reading.join()
        return self._came.decode().splitlines()

    def _read(self):
        with os.fdopen(self._reads, "rb") as reads:
            self._came = reads.read()


@pytest.fixture
def pipe():
    yield Pipe()
    for thread in threading.enumerate():
        if thread.name == "bulkdelete stderr":
            thread.join(timeout=10)
            assert not thread.is_alive()


async def say(talk, lines):
    """Print *lines* from an event loop; return how long that took at most for one."""
    longest = 0.0
    for line in lines:
        began = monotonic()
        print(line, file=talk, flush=True)
        longest = max(longest, monotonic() - began)
    return longest


def lines(count):
    return [f"{number} {'and so on ' * 9}" for number in range(count)]


def test_a_reader_that_keeps_up_gets_all_in_order(pipe, monkeypatch):
    monkeypatch.setattr(stderr, "_MOST_BYTES_KEPT", 2**17)
    monkeypatch.setattr(stderr, "_MOMENT_SECONDS", 10)  # on a machine that is busy, a reader keeps up less
    pipe.is_read()
    asyncio.run(say(pipe.talk, lines(20_000)))
    assert pipe.all() == lines(20_000)


def test_nobody_waits_in_an_event_loop_and_what_was_lost_is_told(pipe, monkeypatch):
    monkeypatch.setattr(stderr, "_MOST_BYTES_KEPT", 50_000)
    asyncio.run(say(pipe.talk, lines(10)))
    assert asyncio.run(say(pipe.talk, lines(1_000))) < 1
    pipe.is_read()
    shown = pipe.all()
    kept = len(shown) - 1
    assert shown == [*lines(10), *lines(kept - 10), f"{1_000 - (kept - 10)} were lost"]
    assert 500 < kept < 700


def test_once_all_that_was_kept_is_shown_nothing_more_is_lost(pipe, monkeypatch):
    monkeypatch.setattr(stderr, "_MOST_BYTES_KEPT", 50_000)
    asyncio.run(say(pipe.talk, lines(1_000)))
    pipe.is_read()
    pipe.talk.flush()
    asyncio.run(say(pipe.talk, ["and one more"]))
    assert pipe.all()[-1] == "and one more"


def test_what_was_lost_without_the_end_of_a_line_is_not_told(pipe, monkeypatch):
    monkeypatch.setattr(stderr, "_MOST_BYTES_KEPT", 5_000)

    async def draw():
        for _ in range(1_000):
            pipe.talk.write("\rwork")
            pipe.talk.flush()

    asyncio.run(draw())
    pipe.is_read()
    [shown] = {*pipe.all()} - {""}
    assert shown == "work"


def test_outside_an_event_loop_it_is_waited_for_but_not_for_ever(pipe, monkeypatch):
    monkeypatch.setattr(stderr, "_END_SECONDS", 0.1)
    began = monotonic()
    for line in lines(100):
        print(line, file=pipe.talk, flush=True)
    assert 0.1 < monotonic() - began < 10
    monkeypatch.setattr(stderr, "_MOMENT_SECONDS", 10)
    pipe.is_read()
    assert pipe.all() == lines(100)


def test_another_thread_waits_for_nobody(pipe):
    thread = threading.Thread(target=lambda: asyncio.run(say(pipe.talk, lines(100))))
    thread.start()
    thread.join(timeout=10)
    assert not thread.is_alive()
    pipe.is_read()
    assert pipe.all() == lines(100)


def test_a_line_that_is_longer_than_a_pipe_comes_whole(pipe):
    pipe.is_read()
    print("x" * 100_000, file=pipe.talk, flush=True)
    print("y", file=pipe.talk, flush=True)
    assert pipe.all() == ["x" * 100_000, "y"]


def test_what_no_encoding_knows_is_shown_as_a_number(pipe):
    pipe.is_read()
    print("\udce4", file=pipe.talk, flush=True)
    assert pipe.all() == [r"\udce4"]


def test_what_cannot_be_written_is_lost(pipe):
    pipe.is_read()
    with Path("/dev/full").open("w") as full:
        talk = Talk(full, str)
        print("x", file=talk, flush=True)
        assert (talk.isatty(), talk.fileno(), talk.encoding) == (False, full.fileno(), full.encoding)
        talk.close()
        print("y", file=talk, flush=True)
        talk.close()
    assert pipe.all() == []


def test_a_descriptor_whose_mode_another_has_changed_is_waited_for(pipe):
    os.set_blocking(pipe.writes.fileno(), False)
    asyncio.run(say(pipe.talk, lines(1_000)))
    pipe.is_read()
    assert pipe.all() == lines(1_000)


@pytest.mark.parametrize("lack", [RuntimeError("can't start new thread"), MemoryError()])
def test_where_no_thread_can_be_started_whoever_talks_writes(pipe, monkeypatch, lack):
    def start(_):
        raise lack

    monkeypatch.setattr(threading.Thread, "start", start)
    print("x", file=pipe.talk, flush=True)
    monkeypatch.undo()
    pipe.is_read()
    assert pipe.all() == ["x"]
