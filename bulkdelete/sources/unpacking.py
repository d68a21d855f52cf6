"""Packed bytes -> plain bytes: gzip, bzip2, xz and zstandard, told by how they begin; members one after another.

Packed bytes are fed a little at a time, because a few of them may stand for very many plain ones: the memory taken is
bounded whatever a file says. What stands behind the last member is an error, and not passed over in silence as by the
standard library's file objects: it might be records.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from bulkdelete.errors import SourceRefused

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulkdelete.sources.stamps import Stamp

_FED_AT_ONCE_BYTES: Final = 1024
_ALWAYS_FINE_BYTES: Final = 64 * 1024 * 1024
_LARGEST_ZSTANDARD_WINDOW_BYTES: Final = 2**27
_GZIP_WITH_HEADER: Final = 31


class DamagedError(Exception):
    """The packed bytes are cut short, damaged, or followed by something else."""


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


class _Raw(Protocol):
    position_bytes: int

    def read(self, most_bytes: int) -> bytes: ...
    def stamp(self) -> Stamp: ...
    def begins_with(self, magic: bytes) -> bool: ...


class _Zstandard:
    """A decompressor of Python 3.14's own, or of the package ``zstandard``, whose errors end here."""

    def __init__(self) -> None:
        try:
            from compression import zstd  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415 - Python 3.14

            self._inner: Any = zstd.ZstdDecompressor()
            self._error: type[Exception] = zstd.ZstdError
        except ImportError:
            import zstandard  # noqa: PLC0415 - an extra, imported only where it is used

            window = _LARGEST_ZSTANDARD_WINDOW_BYTES
            self._inner = zstandard.ZstdDecompressor(max_window_size=window).decompressobj()
            self._error = zstandard.ZstdError

    @property
    def eof(self) -> bool:
        """Whether the member has ended."""
        return bool(self._inner.eof)

    @property
    def unused_data(self) -> bytes:
        """What was fed and stands behind the member."""
        return bytes(self._inner.unused_data)

    def decompress(self, data: bytes, /) -> bytes:
        """Return the plain bytes of *data*."""
        try:
            return bytes(self._inner.decompress(data))
        except self._error as error:
            raise DamagedError(str(error)) from None


_KINDS: Final[tuple[tuple[bytes, Callable[[], _Decompressor]], ...]] = (
    (b"\x1f\x8b", partial(zlib.decompressobj, _GZIP_WITH_HEADER)),
    (b"\xfd7zXZ\x00", lzma.LZMADecompressor),
    (b"\x28\xb5\x2f\xfd", _Zstandard),
    *((b"%c\x2a\x4d\x18" % first, _Zstandard) for first in range(0x50, 0x60)),  # a frame to be skipped, as of pzstd
    *((b"BZh%d1AY&SY" % level, bz2.BZ2Decompressor) for level in range(1, 10)),
    *((b"BZh%d\x17rE8P\x90" % level, bz2.BZ2Decompressor) for level in range(1, 10)),
)
SUFFIXES: Final = (".gz", ".bz2", ".xz", ".zst")
"""How names of packed files end; what stands before says what is in them."""


class Unpacked:
    """The plain bytes of the packed bytes in *raw*, at most *max_expansion* times as many, or 64 MiB."""

    def __init__(self, raw: _Raw, name: str, begin: Callable[[], _Decompressor], max_expansion: float) -> None:
        self._raw = raw
        self._name = name
        self._begin = begin
        self._member: _Decompressor | None = begin()
        self._max_expansion = max_expansion
        self._fed = memoryview(b"")
        self._plain = memoryview(b"")
        self._plain_bytes = 0
        self._problem: Exception | None = None

    def read(self, most_bytes: int) -> bytes:
        """Return up to *most_bytes* bytes, at least one unless the stream has ended.

        Raises:
            DamagedError: the stream is cut short or damaged, and all that was sound has been returned.
            SourceRefused: it unpacks to far more than it may.
            OSError: the system's own.

        """
        if not self._plain:
            if self._problem is not None:
                raise self._problem
            self._plain = memoryview(self._gathered(most_bytes))
        plain, self._plain = bytes(self._plain[:most_bytes]), self._plain[most_bytes:]
        return plain

    def _gathered(self, most_bytes: int) -> bytes:
        parts: list[bytes] = []
        length = 0
        try:
            while length < most_bytes and (part := self._next()):
                parts.append(part)
                length += len(part)
        except (DamagedError, SourceRefused, OSError) as problem:
            if not parts:
                raise
            self._problem = problem
        return b"".join(parts)

    def stamp(self) -> Stamp:
        """Return what changes when somebody writes to the file."""
        return self._raw.stamp()

    @property
    def position_bytes(self) -> int:
        """How many bytes have been read, as they lie in the file."""
        return self._raw.position_bytes

    def _next(self) -> bytes:
        """Return some more plain bytes; none at the end."""
        while True:
            if not self._fed:
                self._fed = memoryview(self._raw.read(256 * _FED_AT_ONCE_BYTES))
            if not self._fed:
                if self._member is not None:
                    raise DamagedError("it is cut short")
                return b""
            if self._member is None and not self._begin_member():
                continue
            plain = self._step()
            if plain:
                self._count(len(plain))
                return plain

    def _begin_member(self) -> bool:
        """Begin the next member; return whether there is one, and not only the zeros that may pad a file."""
        left = bytes(self._fed).lstrip(b"\0")
        self._fed = memoryview(left)
        if left:
            self._member = self._begin()
        return bool(left)

    def _step(self) -> bytes:
        assert self._member is not None  # noqa: S101 - the caller has begun one
        data, self._fed = bytes(self._fed[:_FED_AT_ONCE_BYTES]), self._fed[_FED_AT_ONCE_BYTES:]
        try:
            plain = self._member.decompress(data)
        except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
            raise DamagedError(str(error)) from None
        if self._member.eof:
            self._fed = memoryview(self._member.unused_data + bytes(self._fed))
            self._member = None
        return plain

    def _count(self, more_bytes: int) -> None:
        self._plain_bytes += more_bytes
        most = max(_ALWAYS_FINE_BYTES, self._max_expansion * self._raw.position_bytes)
        if self._plain_bytes > most:
            raise SourceRefused(
                f"{self._name} unpacks to more than {self._max_expansion:g} times its size, as no list of "
                "ids does. If it is meant, raise source.max_expansion. Nothing more of it was taken"
            )


def is_packed(head: bytes) -> bool:
    """Return whether a file that begins with *head*, 16 bytes of it or all, is packed."""
    return any(head.startswith(magic) for magic, _ in _KINDS)


def unpacked(raw: _Raw, name: str, max_expansion: float) -> Unpacked | None:
    """Return the plain bytes of *raw* where it begins as a packed file does, else ``None``, nothing read away.

    Raises:
        SourceRefused: it is packed with zstandard, and nothing that unpacks it is installed.

    """
    for magic, begin in _KINDS:
        if raw.begins_with(magic):
            try:
                return Unpacked(raw, name, begin, max_expansion)
            except ModuleNotFoundError:
                raise SourceRefused(
                    f"{name} is packed with zstandard, which this Python cannot unpack. Nothing was sent. Install "
                    "what can: pip install 'bulkdelete[fast]'"
                ) from None
    return None
