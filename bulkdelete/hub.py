"""Tells whoever has subscribed of what happens."""

from __future__ import annotations

import inspect
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulkdelete.events import Event

_log = logging.getLogger(__name__)


class _Subscriber:
    """A callback that is told of events, of one *job* and of what is common, or of all."""

    __slots__ = ("_callback", "_has_failed", "is_told", "job")

    def __init__(self, callback: Callable[[Event], object], job: str) -> None:
        self._callback = callback
        self.job = job
        self._has_failed = False
        self.is_told = True

    def tell(self, event: Event) -> None:
        if not self.is_told or (self.job and getattr(event, "job", self.job) != self.job):
            return
        try:
            came = self._callback(event)
            is_forgotten = _closed(came)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 - whatever it is, it harms no job
            if self._has_failed_at(event, f"raised {type(error).__name__}"):
                _log.debug("the subscriber's error", exc_info=True)
        else:
            if is_forgotten:
                self._has_failed_at(event, "returned a coroutine, which nobody awaits,")

    def _has_failed_at(self, event: Event, how: str) -> bool:
        """Say *how*, unless it was said of this one before; return whether it was news."""
        if self._has_failed:
            return False
        self._has_failed = True
        what = _name(self._callback), how, type(event).__name__
        _log.error("the subscriber %s %s at %s; no job is harmed, and it is said once only", *what)
        return True


class Hub:
    """Tells subscribers of events, at once and one after the other; true where there are any.

    Example:
        >>> from bulkdelete.events import LimitChanged
        >>> from bulkdelete.hub import Hub
        >>> hub = Hub()
        >>> unsubscribe = hub.subscribe(print)
        >>> hub.tell(LimitChanged(8, before=4))
        LimitChanged(limit=8, before=4)
        >>> unsubscribe()
        >>> bool(hub)
        False

    """

    __slots__ = ("_subscribers",)

    def __init__(self) -> None:
        self._subscribers: tuple[_Subscriber, ...] = ()

    def __bool__(self) -> bool:
        return bool(self._subscribers)

    def subscribe(self, callback: Callable[[Event], object], *, job: str = "") -> Callable[[], None]:
        """Call *callback* with every event from now on, or with those of one *job* and what is common.

        It is called in the event loop, which waits for it: it should do little. What it raises is logged once and
        harms no job. It may subscribe and unsubscribe others, and itself. Who is told of one *job* is so until
        :meth:`forget`.

        Returns:
            A function that ends it; calling that again changes nothing.

        Raises:
            TypeError: *callback* cannot be called, or is a coroutine function, which nobody would await.

        """
        if not callable(callback) or _is_async(callback):
            raise TypeError(
                f"a subscriber is a plain function of one event, and {_name(callback)} is none; to await something, "
                "let it put the event into an asyncio.Queue, and read that in a task of yours"
            )
        subscriber = _Subscriber(callback, job)
        self._subscribers += (subscriber,)

        def unsubscribe() -> None:
            subscriber.is_told = False
            self._subscribers = tuple(other for other in self._subscribers if other is not subscriber)

        return unsubscribe

    def forget(self, job: str) -> None:
        """Let go of whoever has subscribed to this one *job*, which has ended."""
        self._subscribers = tuple(other for other in self._subscribers if other.job != job)

    def tell(self, event: Event) -> None:
        """Tell everybody who is subscribed now of *event*."""
        for subscriber in self._subscribers:
            subscriber.tell(event)


def _closed(came: object) -> bool:
    """Close *came* where it is a coroutine that nobody has begun; return whether it was."""
    if inspect.iscoroutine(came) and inspect.getcoroutinestate(came) == inspect.CORO_CREATED:
        came.close()
        return True
    return False


def _is_async(callback: object) -> bool:
    return inspect.iscoroutinefunction(callback) or inspect.iscoroutinefunction(getattr(callback, "__call__", None))  # noqa: B004 - the method itself is looked at


def _name(callback: object) -> str:
    """Name *callback* without its repr, which may show what it is bound to."""
    return str(getattr(callback, "__qualname__", type(callback).__qualname__))
