"""A web service with an erasure endpoint: python web_service.py https://altatech.ai /var/lib/erasure 8080

POST /erasures {"request_id": "optional", "table_id": "...", "record_ids": ["..."]} is answered 202, with the address to
ask at, once the records are on disk: from there on no crash loses the request. GET /erasures/{id} tells how far it is.
The same request again is the same erasure; the same records under another request id are another one.

The API key comes from BULKDELETE_API_KEY. One process uses the folder. Put your own authentication in front.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import sys
from typing import TYPE_CHECKING, Final

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bulkdelete import BulkDeleteError, BulkDeleter, Ended, LedgerFolder, LedgerState, SettingsError, SourceError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

    from bulkdelete import KeptLedger

AT_ONCE: Final = 8
MOST_BODY_BYTES: Final = 16 * 2**20
RETRY_SECONDS: Final = 3600.0
KEEP_SECONDS: Final = 90 * 86_400.0
COUNTS: Final = ("rows", "acknowledged", "rejected", "invalid", "held", "duplicate", "unresolved", "pending")

KEPT: Final = {Ended.LIMIT, Ended.COMPLETE}
GOES_ON: Final = {LedgerState.COMPLETE, LedgerState.RESUMABLE, LedgerState.RUNNING}

log = logging.getLogger("erasures")


class Request(BaseModel):
    """What a client asks for; its ``id`` stands for all of it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    request_id: str = ""
    table_id: str = Field(min_length=1)
    record_ids: list[str] = Field(min_length=1)

    @property
    def id(self) -> str:
        """The erasure's id: safe in a path and in a log, and never that of other records."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


class Erasures:
    """The erasures of a service: each is a ledger in *folder*, and *deleter* is common to all."""

    def __init__(self, deleter: BulkDeleter, folder: LedgerFolder) -> None:
        self._deleter = deleter
        self._folder = folder
        self._accepting = asyncio.Lock()
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self) -> None:
        """Go on with what the last process left, and from time to time with what a quota or an outage has ended."""
        self._start(self._go_on_with_all())

    async def accept(self, request: Request) -> None:
        """Return once no crash loses the request any more; it is worked on from then on."""
        async with self._accepting:
            if not _is_accepted(await self.find(request.id)):
                ledger = self._folder.path_for(request.id)
                # with limit=0 the records are copied beside the ledger, and none is sent
                report = await self._deleter.delete(request.table_id, request.record_ids, ledger=ledger, limit=0)
                if report.ended not in KEPT:
                    raise BulkDeleteError(f"it ended before they were: {report.ended}")
                self._start(self._go_on(request.id))

    async def find(self, erasure: str) -> KeptLedger | None:
        """Return what is known of an erasure, also while it runs."""
        return await self._folder.ledger(erasure)

    async def aclose(self) -> None:
        """Give what is in flight ``flow.cancel_grace_seconds`` to finish; the next process goes on with the rest."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _go_on(self, erasure: str) -> None:
        async with self._turns:
            try:
                report = await self._deleter.resume(self._folder.path_for(erasure))
            except BulkDeleteError as error:
                log.warning("erasure %s stopped: %s", erasure, type(error).__name__)
            else:
                log.info("erasure %s ended: %s, %d of %d", erasure, report.ended, report.acknowledged, report.rows)

    async def _go_on_with_all(self) -> None:
        while True:
            try:
                await self._folder.resume_all(self._deleter, at_once=AT_ONCE)
                await self._folder.prune(older_than_seconds=KEEP_SECONDS)
            except BulkDeleteError:
                log.exception("the folder of erasures cannot be read")
            await asyncio.sleep(RETRY_SECONDS)


def _is_accepted(kept: KeptLedger | None) -> bool:
    """Return whether an erasure goes on by itself; otherwise it needs its records once more."""
    return kept is not None and kept.state in GOES_ON and kept.last_ended != Ended.REFUSED


ERASURES: Final = web.AppKey("erasures", Erasures)


async def post(http: web.Request) -> web.Response:
    """Accept an erasure."""
    try:
        request = Request.model_validate_json(await http.read())
        await http.app[ERASURES].accept(request)
    except ValidationError as error:
        raise web.HTTPBadRequest(text=error.json(include_input=False), content_type="application/json") from None
    except (SettingsError, SourceError) as error:  # refused: this will not do, however often it is sent
        raise web.HTTPUnprocessableEntity(text=str(error)) from None
    except BulkDeleteError as error:
        log.warning("erasure %s is not accepted: %s", request.id, type(error).__name__)
        raise web.HTTPServiceUnavailable(text="not accepted: send it again later") from None
    url = f"/erasures/{request.id}"
    return web.json_response({"id": request.id, "status_url": url}, status=202, headers={"Location": url})


async def get(http: web.Request) -> web.Response:
    """Tell how far an erasure is."""
    kept = await http.app[ERASURES].find(http.match_info["id"])
    if kept is None or kept.state is LedgerState.NEVER_BEGUN:
        raise web.HTTPNotFound
    counts = {name: getattr(kept, name) for name in COUNTS}
    return web.json_response({"id": kept.name, "state": kept.state, **counts, "last_ended": kept.last_ended})


def application(base_url: str, folder: str) -> web.Application:
    """Return the service, whose ledgers are in *folder*."""

    async def erasures(app: web.Application) -> AsyncIterator[None]:
        async with BulkDeleter(base_url=base_url) as deleter:
            app[ERASURES] = Erasures(deleter, LedgerFolder(folder))
            app[ERASURES].begin()
            yield
            await app[ERASURES].aclose()

    app = web.Application(client_max_size=MOST_BODY_BYTES)
    app.cleanup_ctx.append(erasures)
    app.add_routes([web.post("/erasures", post), web.get("/erasures/{id:[0-9a-f]{64}}", get)])
    return app


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    web.run_app(application(*sys.argv[1:3]), host="127.0.0.1", port=int(sys.argv[3]))
