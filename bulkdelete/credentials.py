"""The API key: where it comes from, when it is read again, and that nobody sees it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from contextlib import contextmanager
from dataclasses import dataclass
from subprocess import DEVNULL
from typing import TYPE_CHECKING, TypeAlias

from bulkdelete.errors import CancelledElsewhere, CredentialsError
from bulkdelete.key_files import MOST_KEY_BYTES, KeyFile, shown
from bulkdelete.masking import masked
from bulkdelete.piping import Pipe, Program, has_terminal
from bulkdelete.settings import ApiKey
from bulkdelete.stopping import of_a_caller

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import SecretStr

    from bulkdelete.settings import Settings

ReadKey: TypeAlias = Callable[[], str | Awaitable[str]]

_FUNCTION = "the function that gives the key"
_COMMAND_SECONDS = 30.0
_IN_VAIN_SECONDS = 5.0
"""So long a key that was read again, and is still the refused one, is not read for each other refusal of a flight.

No longer: the place that it is read from may be told of another key only after the API was.
"""
_END_WITHIN_SECONDS = 2.0
"""How long the end of a reading that nobody wants any more is awaited: it is a caller's function."""


@dataclass(slots=True)
class _Reading:
    """The key being read, and how many wait for it."""

    task: asyncio.Task[str]
    waiting: int = 0


class Credentials:
    """One API key, read when it is first needed and, if it can be, again when the API no longer takes it."""

    def __init__(self, key: str | SecretStr | ReadKey) -> None:
        key = masked(key)
        self._read = key if callable(key) else None
        self._key = None
        if not callable(key):
            with _nothing_sent_yet():
                self._key = _checked(key if isinstance(key, str) else masked(key.get_secret_value()))
        self._reading: _Reading | None = None
        self._read_in_vain, self._read_in_vain_at = "", -math.inf
        self.read_at = -math.inf
        """When, by the loop's time, the key in use was read."""

    def __repr__(self) -> str:
        return f"<Credentials {'read on demand' if self._read else 'fixed'}>"

    @property
    def known(self) -> str | None:
        """The key in use, or ``None`` where it was not read yet, or was refused and is being read again."""
        return None if self._reading else self._key

    async def key(self) -> str:
        """Return the key in use, read before anything is sent.

        Raises:
            CredentialsError: it cannot be read.
            CancelledElsewhere: the function that gives it was cancelled.

        """
        if self._key is None:
            with _nothing_sent_yet():
                return await self._read_once()
        return await self._read_once() if self._reading else self._key

    async def renew(self, refused: str) -> bool:
        """Read the key again after the API refused *refused*; return whether there is another one to try.

        Where it was read again a few seconds ago, and was still the same, it is not read.

        Raises:
            CredentialsError: it can no longer be read.
            CancelledElsewhere: the function that gives it was cancelled.

        """
        now = asyncio.get_running_loop().time
        is_in_vain = refused == self._read_in_vain and now() - self._read_in_vain_at < _IN_VAIN_SECONDS
        if self._read is None or is_in_vain:
            return False
        if self._key == refused and await self._read_once() == refused:
            self._read_in_vain, self._read_in_vain_at = refused, now()
        return self._key != refused

    async def _read_once(self) -> str:
        """Read the key, once for all who want it at the same time; the last who no longer wants it ends the reading."""
        reading = self._reading
        if reading is None:
            reading = self._reading = _Reading(asyncio.create_task(self._fresh(), name="bulkdelete key"))
            reading.task.add_done_callback(self._was_read)  # also when nobody waits for it any more
        reading.waiting += 1
        try:
            return await asyncio.shield(reading.task)
        finally:
            reading.waiting -= 1
            if not (reading.waiting or reading.task.done()):
                self._reading = None  # whoever wants it now has it read anew
                reading.task.cancel()
                await asyncio.wait({reading.task}, timeout=_END_WITHIN_SECONDS)

    def _was_read(self, task: asyncio.Task[str]) -> None:
        if self._reading is not None and self._reading.task is task:
            self._reading = None
        if not task.cancelled():
            task.exception()  # or asyncio would tell of it where nobody waits

    async def _fresh(self) -> str:
        assert self._read is not None  # noqa: S101 - both callers have looked
        try:
            key = masked(self._read())
            key = masked(key if isinstance(key, str) else await of_a_caller(key, _FUNCTION))
        except (CredentialsError, CancelledElsewhere):
            raise
        except Exception as error:  # noqa: BLE001 - the caller's function may raise any, with the key in its text
            raise CredentialsError(f"the API key cannot be read: {type(error).__name__}") from None
        self._key = _checked(key)
        self.read_at = asyncio.get_running_loop().time()
        return self._key


def credentials_from(settings: Settings) -> Credentials:
    """Return the credentials that the environment (``BULKDELETE_API_KEY``) or *settings* name.

    Raises:
        CredentialsError: none of the three places names a key.

    """
    key = ApiKey().api_key
    if key is not None and key.get_secret_value():
        return Credentials(key)
    if settings.api_key_file:
        return Credentials(KeyFile(settings.api_key_file).read)
    if settings.api_key_command:
        return Credentials(lambda: run_key_command(settings.api_key_command))
    raise CredentialsError(
        "no API key: set the environment variable BULKDELETE_API_KEY, or api_key_file or api_key_command in the "
        "configuration. Nothing was sent"
    )


@contextmanager
def _nothing_sent_yet() -> Iterator[None]:
    """Let an error say that nothing was sent, as is so before there is a first key."""
    try:
        yield
    except CredentialsError as error:
        raise CredentialsError(f"{error}. Nothing was sent") from None


async def run_key_command(words: tuple[str, ...]) -> str:
    """Return what the command *words* prints; raises :class:`CredentialsError` with its exit code, not its output."""
    try:
        with Pipe() as said:
            streams = DEVNULL, said.writing, DEVNULL
            program = Program(words, streams, apart=not has_terminal())  # else a Ctrl-C there ends what it has started
            printed = await _printed(words[0], program, said)
    except OSError as error:
        problem = f"api_key_command: {shown(words[0], error)} cannot be run: {error.strerror}"
        raise CredentialsError(problem) from None
    if program.exit_code:
        printed = b""  # a traceback may show it
        raise CredentialsError(f"api_key_command: {words[0]} ended with exit code {program.exit_code}")
    return printed.decode("utf-8", "replace")


async def _printed(name: str, program: Program, said: Pipe) -> bytes:
    """Return what *program*, the command *name*, prints; it does not outlive this.

    Nor does what it has started, where it is apart and is ended here. What one that ended by itself leaves running has
    closed its output, such as an agent that keeps a password: that is meant to stay.
    """
    try:
        async with asyncio.timeout(_COMMAND_SECONDS):
            printed = await said.drain(MOST_KEY_BYTES)
            if len(printed) > MOST_KEY_BYTES:
                printed = b""  # a traceback may show it
                raise CredentialsError(
                    f"api_key_command: {name} printed more than {MOST_KEY_BYTES:,} bytes: that is no API key"
                )
            await program.wait()
            return printed
    except TimeoutError:
        raise CredentialsError(f"api_key_command: {name} did not end within {_COMMAND_SECONDS:.0f} s") from None
    finally:
        program.kill()
        await program.wait()


def _checked(raw: object) -> str:
    key = masked(raw.strip() if isinstance(raw, str) else "")
    del raw
    if not key:
        raise CredentialsError("the API key is empty")
    if len(key) > MOST_KEY_BYTES:
        raise CredentialsError(f"the API key is longer than {MOST_KEY_BYTES:,} bytes")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise CredentialsError("the API key holds a space, a control character or a letter outside ASCII")
    return key
