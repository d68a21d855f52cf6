"""The cases: what strikes, where, how often; and how one is played."""

from __future__ import annotations

import re
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bulkdelete.emulator import Emulator
from tests.acceptance.command import CANARY_KEY, TABLE_ID
from tests.wire.between import Between
from tests.wire.bytewise import Bytewise, How, Strike, Way
from tests.wire.job import (
    BYSTANDERS,
    ENDED_BY_ITSELF,
    MOST_TAKEN,
    RECORDS,
    check_after_chaos,
    check_resumed,
    run,
)
from tests.wire.listening import listening
from tests.wire.odd_answers import odd_answers
from tests.wire.tls import certificates

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from tests.wire.between import Odd

GARBLING = (How.FLIP, How.SPILL)
MASKS = (0x01, 0x20, 0x80, 0x10, 0x02)
NO_LONGER_UTF8 = 0x80
PLAIN, TLS = "http", "https"
PLAIN_ON_TLS, TLS_ON_PLAIN = "plain http where TLS is expected", "TLS where plain http is expected"


@dataclass(frozen=True)
class Case:
    """What happens to one job: a *strike* at a byte, or an *odd* answer by its name, or a port that does TLS wrongly.

    ``always``: to every connection or answer, else to the first connection, or the second answer.
    """

    port: str = PLAIN
    strike: Strike | None = None
    odd: str = ""
    always: bool = False

    def __str__(self) -> str:
        what = str(self.strike) if self.strike is not None else self.odd or "calm"
        return f"{self.port}/{what}/{'always' if self.always else 'once'}"

    @property
    def garbles_requests(self) -> bool:
        """Whether what the server reads may be another request than was sent."""
        strike = self.strike
        return self.port == PLAIN and strike is not None and strike.way is Way.REQUEST and strike.how in GARBLING

    @classmethod
    def named(cls, name: str) -> Case:
        """Return the case of this name. Raises ``ValueError`` where there is none."""
        port, _, rest = name.partition("/")
        what, _, times = rest.rpartition("/")
        strike = Strike.named(what)
        odd = "" if strike is not None or what == "calm" else what
        case = cls(port, strike, odd, times == "always")
        if str(case) != name or port not in _ports() or (odd and _odd(odd, 0) is None):
            raise ValueError(f"there is no case {name!r}")
        return case


@dataclass(frozen=True)
class Played:
    """How a case went: whether it struck at all, why the struck run ended, and what passed each way."""

    struck: bool
    ended: str
    passed: dict[Way, bytes]


async def play(case: Case, folder: Path) -> Played:
    """Play *case* with its files in *folder*, resume without chaos, and assert what must be true."""
    async with AsyncExitStack() as opened:
        emulator = await opened.enter_async_context(Emulator(record_requests=True))
        emulator.add_key(CANARY_KEY)
        emulator.load(TABLE_ID, RECORDS + BYSTANDERS)
        heard: list[bytes] = []

        async def elsewhere(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heard.append(await reader.read(1_000_000))

        other = await opened.enter_async_context(listening(elsewhere))
        odd = _odd(case.odd, other)
        strikes = (lambda _: True) if case.always else (lambda number: number == 1)
        between = Between(_port(emulator.base_url), odd, strikes)
        http, tls = {}, None
        if case.port not in {PLAIN, TLS_ON_PLAIN}:
            (folder / "authority.pem").write_bytes(certificates().authority_pem)
            http, tls = {"ca_file": str(folder / "authority.pem")}, certificates().good
        await opened.enter_async_context(between.started(tls))
        wrong = Between(between.port) if case.port not in {PLAIN, TLS} else None
        if wrong is not None:
            spoken = {TLS_ON_PLAIN: certificates().good, **certificates().wrong}.get(case.port)
            await opened.enter_async_context(wrong.started(spoken))
        entry = between.port if wrong is None else wrong.port
        if case.garbles_requests:
            entry = _port(emulator.base_url)  # what is garbled is for a real server to read
        wire = await opened.enter_async_context(Bytewise(entry, case.strike, always=case.always).started())
        url = f"{TLS if http else PLAIN}://127.0.0.1:{wire.port}"
        ledger = folder / "job" / "purge.db"
        ledger.parent.mkdir()
        told: list[str] = []
        report, _ = await run(url, ledger, told, **http)
        assert not heard, f"another host heard {heard}"
        _check_ended(case, odd, report.ended)
        assert wrong is None or not wrong.requests, "a request was read where nobody could be trusted"
        await check_after_chaos(emulator, ledger, told, garbled=case.garbles_requests)
        assert odd is None or max(odd.written, default=0) < MOST_TAKEN, f"so much was read: {odd.written}"
        played = Played(
            bool(wire.struck or between.struck or wrong),
            report.ended,
            {way: bytes(data) for way, data in wire.passed.items()},
        )
        wire.strike, between.odd, wire.upstream = None, None, between.port
        await check_resumed(url, emulator, ledger, told, **http)
        assert not heard, f"another host heard {heard}"
    return played


def _check_ended(case: Case, odd: Odd | None, ended: str) -> None:
    if case.port not in {PLAIN, TLS} and case.port in certificates().wrong:
        expected = {"fatal_answer"}
    elif odd is not None and odd.ends:
        expected = {odd.ends}
    else:
        lasting = case.always or case.port in {PLAIN_ON_TLS, TLS_ON_PLAIN}
        expected = set(ENDED_BY_ITSELF) if lasting else {"complete"}
        if case.strike is not None and case.strike.how in GARBLING and case.port == PLAIN:
            expected |= {"fatal_answer", "outage"}  # what was garbled may say anything
    assert ended in expected, f"it ended: {ended}, not {expected}"


def _odd(name: str, elsewhere_port: int) -> Odd | None:
    if not name:
        return None
    return next((odd for odd in odd_answers(f"http://localhost:{elsewhere_port}") if odd.name == name), None)


def _port(base_url: str) -> int:
    return int(base_url.rpartition(":")[2])


def odd_cases(*, always: bool) -> Iterator[Case]:
    for odd in odd_answers(""):
        yield Case(odd=odd.name, always=always)


def wrong_port_cases() -> Iterator[Case]:
    for port in _ports()[2:]:
        yield Case(port)


def _ports() -> tuple[str, ...]:
    return PLAIN, TLS, *certificates().wrong, PLAIN_ON_TLS, TLS_ON_PLAIN


def bytewise_cases(
    port: str, passed: Mapping[Way, bytes], hows: Iterable[How], *, always: bool = False
) -> Iterator[Case]:
    """Yield a case for each byte that *passed* and each of *hows*."""
    for how in hows:
        for way in Way:
            digits = _digits_of_ids(passed[way])
            for at in range(len(passed[way])):
                yield Case(port, _strike(how, way, at, digit=at in digits), always=always)


def _strike(how: How, way: Way, at: int, *, digit: bool) -> Strike:
    """Return a strike at this byte; a *digit* of an id is not made another one.

    That is the one thing in plain http that nobody can notice: the API deletes a record that nobody named, and says 0.
    So a digit is made what stands in no JSON; TLS notices whatever is garbled.
    """
    if how is not How.FLIP:
        return Strike(how, way, at)
    return Strike(how, way, at, NO_LONGER_UTF8 if digit else MASKS[at % len(MASKS)])


def _digits_of_ids(passed: bytes) -> set[int]:
    """Return where the digits of ids stand in *passed*; nowhere, inside TLS."""
    found = re.finditer("|".join(RECORDS).encode(), passed)
    return {at for one in found for at in range(*one.span())}
