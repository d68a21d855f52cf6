"""What a program is told and says goes through pipes, whatever the event loop."""

from __future__ import annotations

import asyncio
import select
import signal
from subprocess import DEVNULL, STDOUT

import pytest

from bulkdelete.piping import UNKNOWN, Pipe, Program

pytestmark = pytest.mark.both_loops
LARGE = b"541278230707963208\n" * 100_000


async def told_and_said(script: str, told: bytes) -> bytes:
    with Pipe() as to, Pipe() as back:
        program = Program(("sh", "-c", script), (to.reading, back.writing, STDOUT))
        async with asyncio.timeout(30):
            _, said = await asyncio.gather(to.feed(told), back.drain(len(LARGE)))
            await program.wait()
        return said


@pytest.mark.parametrize("script", ["cat", "cat /dev/stdin", "cat > /dev/stdout", "cat > /dev/stderr"])
async def test_what_it_is_told_comes_back_whole_by_whatever_name_it_has(script):
    assert await told_and_said(script, LARGE) == LARGE


@pytest.mark.parametrize("script", ["exit", "exec < /dev/null; echo no; exit", "head -c 2; exec <&-; exit"])
async def test_a_program_that_does_not_read_on_is_no_error(script):
    said = await told_and_said(script, b"no" + LARGE)
    assert said.strip() in {b"", b"no"}


async def test_nothing_told_is_an_end():
    assert await told_and_said("wc -c", b"") == b"0\n"


async def test_what_a_program_has_started_is_read_too():
    assert await told_and_said("(sleep 0.2; echo late) & echo soon", b"") == b"soon\nlate\n"


@pytest.mark.parametrize(("most", "came"), [(3, b"abcd"), (5, b"abcdef"), (6, b"abcdef"), (7, b"abcdef")])
async def test_of_what_it_says_so_much_is_kept_and_one_byte_that_tells_of_more(most, came):
    for reads_on in (False, True):
        with Pipe() as back:
            program = Program(("sh", "-c", "printf abc; sleep 0.1; printf def"), (DEVNULL, back.writing, None))
            async with asyncio.timeout(30):
                assert await back.drain(most, reads_on=reads_on) == came
                await program.wait()


async def test_a_program_that_is_killed_ends_with_all_that_it_has_started_where_it_is_apart():
    with Pipe() as back:
        program = Program(("sh", "-c", "sleep 60 & echo $!"), (DEVNULL, back.writing, None), apart=True)
        async with asyncio.timeout(30):
            while not await asyncio.to_thread(select.select, [back.reading], [], [], 10):
                pass
            program.kill()
            assert (await back.drain(100)).strip().isdigit()
            await program.wait()


async def test_it_can_be_cancelled_while_nobody_writes_or_reads():
    with Pipe() as pipe, Pipe() as full:
        program = Program(("sleep", "60"), (full.reading, pipe.writing, None))
        tasks = {asyncio.create_task(one) for one in (full.feed(LARGE), pipe.drain(1), program.wait())}
        done, _ = await asyncio.wait(tasks, timeout=0.05)
        assert not done
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert all(task.cancelled() for task in tasks)
        program.kill()
        assert await program.wait() == -signal.SIGKILL


async def test_it_has_three_streams_and_no_other_file_of_ours():
    open_files = await told_and_said("exec ls /proc/self/fd", b"")  # its own of that folder is the fourth
    assert open_files.split() == [b"0", b"1", b"2", b"3"]


async def test_its_end_is_known_where_the_system_tells_of_none(monkeypatch):
    monkeypatch.delattr("os.pidfd_open", raising=False)
    assert await Program(("sh", "-c", "exit 3"), (DEVNULL, None, None)).wait() == 3


@pytest.fixture
def deaf():
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGCHLD, before)


@pytest.mark.usefixtures("deaf")
@pytest.mark.parametrize("script", ["exit 3", "sleep 0.1; exit 3"])
async def test_where_nobody_can_tell_how_it_ended_that_is_no_success(script):
    assert await Program(("sh", "-c", script), (DEVNULL, None, None)).wait() == UNKNOWN


async def test_what_has_ended_may_be_killed_and_awaited_again():
    program = Program(("sh", "-c", "exit 3"), (DEVNULL, None, None))
    assert await program.wait() == 3
    program.kill()
    assert await program.wait() == 3


async def test_a_program_that_is_not_there_is_an_error_of_the_system():
    with pytest.raises(FileNotFoundError):
        Program(("no-such-program",), (DEVNULL, None, None))
