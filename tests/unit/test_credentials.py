"""The API key: from the environment, a file or a command; read again when it is refused; seen by nobody."""

from __future__ import annotations

import asyncio
import gc
import os
import pty
import select
import signal
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from bulkdelete.credentials import Credentials, credentials_from, run_key_command
from bulkdelete.errors import CredentialsError
from bulkdelete.key_files import read_key_file
from bulkdelete.settings import ApiKey, Settings
from tests.secrets import assert_nowhere

KEY = "sk-canary-0123456789"
NOBODY = 65534


@pytest.fixture(autouse=True)
def no_key_in_the_environment(monkeypatch):
    monkeypatch.delenv("BULKDELETE_API_KEY", raising=False)


@pytest.fixture
def key_file(tmp_path):
    path = tmp_path / "key"
    path.write_text(f"{KEY}\n")
    path.chmod(0o600)
    return path


def printing(text: str, *, code: int = 0) -> tuple[str, ...]:
    return (sys.executable, "-c", f"import sys; print({text!r}); print({text!r}, file=sys.stderr); sys.exit({code})")


# --- where it comes from


async def test_a_key_in_place_of_its_file_s_name_or_of_its_command_is_not_shown(tmp_path):
    (tmp_path / "file").touch()
    for name in (KEY, f"{tmp_path}/{KEY}", f"{tmp_path}/file/{KEY}", KEY * 300):
        with pytest.raises(CredentialsError, match="cannot be read") as raised:
            await credentials_from(Settings(api_key_file=name)).key()
        assert_nowhere(KEY, texts=[str(raised.value), repr(raised.value)])
    for words in ((KEY,), (f"{tmp_path}/{KEY}", "x"), (f"{tmp_path}/file/{KEY}",)):
        with pytest.raises(CredentialsError, match="cannot be run") as raised:
            await credentials_from(Settings(api_key_command=words)).key()
        assert_nowhere(KEY, texts=[str(raised.value), repr(raised.value)])


async def test_the_environment_goes_first(monkeypatch, key_file):
    monkeypatch.setenv("BULKDELETE_API_KEY", "from-the-environment")
    settings = Settings(api_key_file=str(key_file), api_key_command=printing("from-the-command"))
    assert await credentials_from(settings).key() == "from-the-environment"


async def test_then_the_file_goes_and_an_empty_variable_is_none(monkeypatch, key_file):
    monkeypatch.setenv("BULKDELETE_API_KEY", "")
    settings = Settings(api_key_file=str(key_file), api_key_command=printing("from-the-command"))
    assert await credentials_from(settings).key() == KEY


@pytest.mark.parametrize("name", ["bulkdelete_api_key", "Bulkdelete_Api_Key", "BULKDELETE_api_key", "api_key"])
async def test_a_variable_that_is_written_otherwise_is_none_as_programs_that_are_given_no_key_keep_it(
    monkeypatch, key_file, name
):
    monkeypatch.setenv(name, "left-over")
    assert await credentials_from(Settings(api_key_file=str(key_file))).key() == KEY


async def test_then_the_command():
    assert await credentials_from(Settings(api_key_command=printing("from-the-command"))).key() == "from-the-command"


def test_without_any_of_them_the_error_names_all_three():
    with pytest.raises(CredentialsError, match="BULKDELETE_API_KEY, or api_key_file or api_key_command"):
        credentials_from(Settings())


@pytest.mark.parametrize("given", [KEY, f" {KEY}\r\n", SecretStr(KEY), lambda: KEY, lambda: f"{KEY}\n"])
async def test_in_python_it_is_a_text_or_a_secret_or_what_a_function_gives(given):
    assert await Credentials(given).key() == KEY


async def test_in_python_the_function_may_be_async():
    async def read() -> str:
        await asyncio.sleep(0)
        return KEY

    assert await Credentials(read).key() == KEY


# --- the file and the command


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_file_that_others_may_read_is_refused_with_the_command_that_helps(key_file, mode):
    key_file.chmod(mode)
    with pytest.raises(CredentialsError, match=f"chmod 600 {key_file}"):
        read_key_file(str(key_file))


@pytest.fixture
def mounted():
    """Return a function that makes a key file of root, as another user sees it whose group it has."""
    if os.geteuid():
        pytest.skip("only root can make such a file")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)

        def make(mode: int, owner: int = 0) -> str:
            path = Path(folder) / "key"
            path.write_text(KEY)
            os.chown(path, owner, NOBODY)
            path.chmod(mode)
            os.setegid(NOBODY)
            os.seteuid(NOBODY)
            return str(path)

        try:
            yield make
        finally:
            os.seteuid(0)
            os.setegid(0)


def test_a_file_that_root_has_given_to_a_group_is_taken_as_kubernetes_and_systemd_give_it(mounted):
    assert read_key_file(mounted(0o440)) == KEY


@pytest.mark.parametrize("mode", [0o444, 0o644, 0o660, 0o442])
def test_a_file_of_root_that_everybody_may_read_or_the_group_may_write_is_refused(mounted, mode):
    path = mounted(mode)
    with pytest.raises(CredentialsError, match=f"let root run: chmod 440 {path}, or mount it with mode 0440"):
        read_key_file(path)


def test_one_s_own_file_is_refused_also_where_the_group_alone_may_read_it(mounted):
    path = mounted(0o440, owner=NOBODY)
    with pytest.raises(CredentialsError, match=f"open to others; run: chmod 600 {path}"):
        read_key_file(path)


def test_of_a_file_that_is_not_there_the_folder_is_named(tmp_path):
    with pytest.raises(CredentialsError, match=r"not shown.*: the API key file cannot be read: No such"):
        read_key_file(str(tmp_path / "missing"))


def test_a_folder_is_no_key_file(tmp_path):
    (tmp_path / "folder").mkdir(mode=0o700)
    with pytest.raises(CredentialsError, match=r"is a directory\. Name the file that holds the key"):
        read_key_file(str(tmp_path / "folder"))


@pytest.mark.parametrize("path", ["/dev/null", "/dev/zero"])
def test_a_device_is_no_key_file(path):
    with pytest.raises(CredentialsError, match="neither a file nor a pipe"):
        read_key_file(path)


async def test_a_pipe_is_read_once_and_not_again_when_its_key_is_refused(tmp_path):
    os.mkfifo(tmp_path / "key", 0o600)
    credentials = credentials_from(Settings(api_key_file=str(tmp_path / "key")))
    read, _ = await asyncio.gather(credentials.key(), asyncio.to_thread((tmp_path / "key").write_text, f"{KEY}\n"))
    assert read == KEY
    assert not await credentials.renew(KEY)


@pytest.fixture
def pipe(tmp_path):
    """A pipe that somebody writes into."""
    os.mkfifo(tmp_path / "pipe", 0o600)
    with os.fdopen(os.open(tmp_path / "pipe", os.O_RDWR), "wb", buffering=0) as writer:
        yield writer


async def read_in_part(credentials, writer, half):
    """Let a call that wants the key be cancelled when it has read *half* of it."""
    reading = asyncio.create_task(credentials.key())
    writer.write(half)
    async with asyncio.timeout(10):
        while select.select([writer], [], [], 0)[0]:
            await asyncio.sleep(0.001)
    reading.cancel()
    await asyncio.wait({reading})
    assert reading.cancelled()


async def test_half_a_key_that_a_cancelled_call_has_read_of_a_pipe_is_not_lost(tmp_path, pipe):
    credentials = credentials_from(Settings(api_key_file=str(tmp_path / "pipe")))
    await read_in_part(credentials, pipe, KEY[:7].encode())
    reading = asyncio.create_task(credentials.key())
    pipe.write(KEY[7:].encode())
    pipe.close()
    async with asyncio.timeout(10):
        assert await reading == KEY


async def test_who_writes_a_key_between_two_readings_is_not_cut_off(tmp_path):
    os.mkfifo(tmp_path / "key", 0o600)
    loop, only = asyncio.get_running_loop(), ThreadPoolExecutor(1)
    loop.set_default_executor(only)
    credentials = credentials_from(Settings(api_key_file=str(tmp_path / "key")))
    reading = asyncio.create_task(credentials.key())
    await asyncio.sleep(0)
    with ThreadPoolExecutor(1) as other:
        writer = await loop.run_in_executor(other, open, tmp_path / "key", "w")
    reading.cancel()
    await asyncio.wait({reading})
    await loop.run_in_executor(only, int)  # its thread has ended
    with writer:
        writer.write(KEY)
    (tmp_path / "key").unlink()
    assert await credentials.key() == KEY


async def test_half_a_key_of_a_pipe_is_none_of_what_took_its_place(tmp_path, pipe, key_file):
    credentials = credentials_from(Settings(api_key_file=str(tmp_path / "pipe")))
    await read_in_part(credentials, pipe, b"half-")
    key_file.rename(tmp_path / "pipe")
    assert await credentials.key() == KEY


def test_a_pipe_that_nobody_writes_to_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr("bulkdelete.key_files._PIPE_SECONDS", 0.1)
    os.mkfifo(tmp_path / "key", 0o600)
    with pytest.raises(CredentialsError, match=r"key: nobody wrote the API key into this pipe within 0 s"):
        read_key_file(str(tmp_path / "key"))


async def test_one_who_no_longer_waits_for_a_pipe_ends_its_thread(tmp_path):
    os.mkfifo(tmp_path / "key", 0o600)
    reading = asyncio.create_task(credentials_from(Settings(api_key_file=str(tmp_path / "key")))._fresh())
    await asyncio.sleep(0)
    reading.cancel()
    async with asyncio.timeout(10):
        with pytest.raises(asyncio.CancelledError):
            await reading
        await asyncio.get_running_loop().shutdown_default_executor()


async def test_of_a_command_that_is_not_there_the_folder_is_named():
    with pytest.raises(CredentialsError, match=r"^api_key_command: /\.\.\. .* cannot be run: No such file"):
        await run_key_command(("/nonexistent/key-command",))


async def test_a_command_that_fails_is_named_with_its_exit_code_and_without_its_output():
    with pytest.raises(CredentialsError, match="ended with exit code 3") as refused:
        await run_key_command(printing(KEY, code=3))
    assert KEY not in str(refused.value)


async def test_a_command_reads_nothing_from_the_terminal():
    reading = (sys.executable, "-c", "import sys; print('read', len(sys.stdin.read()))")
    assert (await run_key_command(reading)).strip() == "read 0"


async def test_a_command_does_not_outlive_whoever_waits_for_it(tmp_path):
    started = tmp_path / "started"
    os.mkfifo(started)
    program = f"import os, pathlib, time; pathlib.Path({str(started)!r}).write_text(str(os.getpid())); time.sleep(60)"
    task = asyncio.create_task(run_key_command((sys.executable, "-c", program)))
    process_id = int(await asyncio.to_thread(started.read_text))
    task.cancel()
    async with asyncio.timeout(10):
        with pytest.raises(asyncio.CancelledError):
            await task
    with pytest.raises(ProcessLookupError):
        os.kill(process_id, 0)


@pytest.mark.parametrize("script", ["sleep 60; true", "sleep 60 & echo key"])
async def test_what_a_command_has_started_does_not_outlive_it_either(tmp_path, monkeypatch, script):
    monkeypatch.setattr("bulkdelete.credentials._COMMAND_SECONDS", 1.0)
    monkeypatch.setattr("bulkdelete.credentials.has_terminal", lambda: False)
    alive = tmp_path / "alive"
    os.mkfifo(alive)
    ours = os.open(alive, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(ours, "rb"):
        with pytest.raises(CredentialsError, match="sh did not end within 1 s"):
            await run_key_command(("sh", "-c", f"exec 9> {alive}; {script}"))
        assert await asyncio.to_thread(select.select, [ours], [], [], 10) == ([ours], [], [])  # nobody has it open


async def test_what_a_command_that_has_ended_leaves_running_with_its_output_closed_stays(monkeypatch):
    monkeypatch.setattr("bulkdelete.credentials.has_terminal", lambda: False)
    printed = await run_key_command(("sh", "-c", "sleep 60 >&- & echo $!"))
    os.kill(int(printed), signal.SIGKILL)  # it is there


async def test_a_command_may_ask_at_the_terminal(tmp_path):
    program = f"""
import asyncio, os, sys
from bulkdelete.credentials import run_key_command
os.open(os.ttyname(0), os.O_RDWR)  # whoever leads a session gets its terminal so
print(asyncio.run(run_key_command(("sh", "-c", "read key < /dev/tty; echo $key"))).strip() == {KEY!r})
"""
    ours, theirs = pty.openpty()
    asking = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program), stdin=theirs, stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    os.close(theirs)
    os.write(ours, f"{KEY}\n".encode())
    async with asyncio.timeout(30):
        said, _ = await asking.communicate()
    os.close(ours)
    assert said == b"True\n"


@pytest.mark.parametrize("script", ["yes", "head -c 16385 /dev/zero"])
async def test_a_command_that_prints_more_than_a_key_is_not_read_on(script):
    async with asyncio.timeout(10):
        with pytest.raises(CredentialsError, match="sh printed more than 16,384 bytes: that is no API key"):
            await run_key_command(("sh", "-c", script))


def test_of_a_file_that_holds_more_than_a_key_no_part_is_taken_for_one(key_file):
    key_file.write_text("k" * 16_385)
    with pytest.raises(CredentialsError, match="is longer than 16,384 bytes"):
        Credentials(read_key_file(str(key_file)))
    with pytest.raises(CredentialsError, match="is longer than 16,384 bytes"):
        Credentials("k" * 16_385)


# --- what no key can be


@pytest.mark.parametrize("raw", ["", " ", "\n", "\r\n\t"])
async def test_an_empty_key_is_refused_before_anything_is_sent(raw):
    with pytest.raises(CredentialsError, match=r"empty\. Nothing was sent"):
        Credentials(raw)
    with pytest.raises(CredentialsError, match=r"empty\. Nothing was sent"):
        await Credentials(lambda: raw).key()


@pytest.mark.parametrize("raw", ["two words", "two\nlines", "nul\x00", "é", "\ud800", "\x1b[0m", "a\r\nX-Evil: 1"])
def test_a_key_that_no_header_can_hold_is_refused_without_being_shown(raw):
    with pytest.raises(
        CredentialsError, match="holds a space, a control character or a letter outside ASCII"
    ) as refused:
        Credentials(f"{KEY}{raw}")
    assert KEY not in str(refused.value)


# --- reading it again


class Keys:
    """A place that keys are read from, counting how often."""

    def __init__(self, *keys: str) -> None:
        self.keys = list(keys)
        self.reads = 0

    async def read(self) -> str:
        self.reads += 1
        await asyncio.sleep(0)
        return self.keys.pop(0) if len(self.keys) > 1 else self.keys[0]


async def test_a_key_is_read_once_by_all_who_need_it_first():
    keys = Keys("one", "two")
    credentials = Credentials(keys.read)
    assert await asyncio.gather(*(credentials.key() for _ in range(20))) == ["one"] * 20
    assert keys.reads == 1


async def test_a_refused_key_is_read_again_once_for_all_whom_it_was_refused():
    keys = Keys("one", "two")
    credentials = Credentials(keys.read)
    await credentials.key()
    assert await asyncio.gather(*(credentials.renew("one") for _ in range(20))) == [True] * 20
    assert await credentials.key() == "two"
    assert await credentials.renew("one")
    assert keys.reads == 2


async def test_the_same_key_again_is_no_other_one_to_try():
    keys = Keys("one")
    credentials = Credentials(keys.read)
    await credentials.key()
    assert not await credentials.renew("one")
    assert keys.reads == 2


async def test_a_key_that_was_read_again_in_vain_is_not_read_for_each_refusal_to_come():
    keys = Keys("one")
    credentials = Credentials(keys.read)
    await credentials.key()
    for _ in range(5):
        assert not await credentials.renew("one")
    assert keys.reads == 2


@pytest.mark.virtual_time
async def test_a_key_that_was_read_again_too_early_is_read_once_more_some_seconds_later():
    keys = Keys("one", "one", "one", "two")  # where it is kept is told of the new one only after the API
    credentials = Credentials(keys.read)
    await credentials.key()
    for reads in (2, 3):
        assert await asyncio.gather(*(credentials.renew("one") for _ in range(20))) == [False] * 20
        await asyncio.sleep(1)
        assert not await credentials.renew("one")  # the last of what was in flight
        assert keys.reads == reads
        await asyncio.sleep(9)
    assert await asyncio.gather(*(credentials.renew("one") for _ in range(20))) == [True] * 20
    assert await credentials.key() == "two"
    assert keys.reads == 4


async def test_one_who_no_longer_wants_the_key_harms_nobody_else_who_waits_for_it():
    credentials = Credentials(Keys("one").read)
    waiting = [asyncio.create_task(credentials.key()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    assert await asyncio.gather(*waiting[1:]) == ["one", "one"]


async def test_a_key_that_nobody_waits_for_any_more_is_not_read_to_its_end():
    ended = asyncio.Event()

    async def read() -> str:
        try:
            return await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.set()

    credentials = Credentials(read)
    waiting = [asyncio.create_task(credentials.key()) for _ in range(2)]
    await asyncio.sleep(0.01)
    waiting[0].cancel()
    await asyncio.wait({waiting[0]})
    assert not ended.is_set()
    waiting[1].cancel()
    await asyncio.wait({waiting[1]})
    assert ended.is_set()
    assert [task for task in asyncio.all_tasks() if task.get_name() == "bulkdelete key"] == []


async def test_a_key_is_read_anew_for_whoever_comes_after_the_last_one_has_left():
    reads = 0

    async def read() -> str:
        nonlocal reads
        reads += 1
        return await asyncio.Event().wait() if reads == 1 else "one"

    credentials = Credentials(read)
    first = asyncio.create_task(credentials.key())
    await asyncio.sleep(0.01)
    first.cancel()
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        assert await credentials.key() == "one"
    await asyncio.wait({first})
    assert first.cancelled()


async def test_a_function_that_fails_is_told_without_its_words_for_they_may_hold_the_key():
    async def read() -> str:
        raise LookupError(f"no such secret: {KEY}")

    with pytest.raises(CredentialsError, match="cannot be read: LookupError") as refused:
        await Credentials(read).key()
    assert KEY not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize("waiting", [0, 1, 3])
async def test_a_failure_that_nobody_waits_for_any_more_is_no_traceback(waiting):
    began, going_on, told = asyncio.Event(), asyncio.Event(), []

    async def read() -> str:
        began.set()
        await going_on.wait()
        return "two\nlines"

    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["message"]))
    credentials = Credentials(read)
    tasks = [asyncio.create_task(credentials.key()) for _ in range(3)]
    await began.wait()
    for task in tasks[waiting:]:
        task.cancel()
    await asyncio.wait(tasks[waiting:] or [asyncio.create_task(asyncio.sleep(0))])
    going_on.set()
    failures = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(failure) for failure in failures[:waiting]] == [CredentialsError] * waiting
    await asyncio.sleep(0)
    del credentials, failures, tasks
    gc.collect()
    assert told == []


async def test_a_key_that_was_given_cannot_be_read_again():
    assert not await Credentials(KEY).renew(KEY)


async def test_a_key_file_is_read_again(key_file):
    credentials = credentials_from(Settings(api_key_file=str(key_file)))
    assert await credentials.key() == KEY
    key_file.write_text("another")
    assert await credentials.renew(KEY)
    assert await credentials.key() == "another"


async def test_a_key_that_can_no_longer_be_read_is_an_error(key_file):
    credentials = credentials_from(Settings(api_key_file=str(key_file)))
    await credentials.key()
    key_file.unlink()
    with pytest.raises(CredentialsError, match="cannot be read"):
        await credentials.renew(KEY)


def emptied(key_file) -> None:
    key_file.write_text("")


def opened_to_others(key_file) -> None:
    key_file.chmod(0o644)


def spoilt(key_file) -> None:
    key_file.write_text("two words")


@pytest.mark.parametrize("spoil", [emptied, opened_to_others, spoilt, os.unlink])
async def test_only_the_first_reading_of_a_key_says_that_nothing_was_sent(key_file, spoil):
    credentials = credentials_from(Settings(api_key_file=str(key_file)))
    await credentials.key()
    spoil(key_file)
    with pytest.raises(CredentialsError) as again:
        await credentials.renew(KEY)
    assert "othing was sent" not in str(again.value)
    with pytest.raises(CredentialsError) as first:
        await credentials_from(Settings(api_key_file=str(key_file))).key()
    assert str(first.value) == f"{again.value}. Nothing was sent"


# --- nobody sees it


async def test_no_repr_shows_it(monkeypatch):
    monkeypatch.setenv("BULKDELETE_API_KEY", KEY)
    credentials = credentials_from(Settings())
    assert await credentials.key() == KEY
    for shown in (credentials, Credentials(KEY), Credentials(lambda: KEY), ApiKey()):
        assert KEY not in repr(shown) + str(shown)
