"""What fails in a campaign is named, and the printed command plays exactly that again."""

from __future__ import annotations

import asyncio
import logging
import shlex
from collections import defaultdict

import pytest

from tests.simulation.campaign import fresh_folder
from tests.wire.__main__ import chosen, parser
from tests.wire.bytewise import How, Strike, Way
from tests.wire.campaign import AT_ONCE, Failure, all_cases, play_all
from tests.wire.cases import PLAIN, TLS, Case, Played, play
from tests.wire.job import RECORDS

CASES = [Case(strike=Strike(How.CUT, Way.ANSWER, at)) for at in range(AT_ONCE + 5)]
GUILTY, OTHER = CASES[3], CASES[7]
REQUESTS = len(RECORDS) // 3


async def test_a_case_that_leaves_something_behind_is_named_out_of_its_group():
    kept = []

    async def leaking(case, folder):
        if case == GUILTY:
            kept.append(asyncio.ensure_future(asyncio.Event().wait()))
        return await struck(case, folder)

    found = await play_all(CASES, leaking, AT_ONCE)
    assert [failure.cases for failure in found.failures] == [(GUILTY,)]
    assert "left: {<Task pending" in found.told()
    assert f"again: python -m tests.wire --only {GUILTY}" in found.told()
    assert await replayed(found.failures[0]) == [GUILTY]
    for task in kept:
        task.cancel()


async def test_what_two_cases_do_only_together_takes_their_group():
    beside = []
    kept = []

    async def leaking(case, folder):
        beside.append(case)
        await asyncio.sleep(0)
        if case == GUILTY and OTHER in beside:
            kept.append(asyncio.ensure_future(asyncio.Event().wait()))
        await struck(case, folder)
        await asyncio.sleep(0)
        beside.remove(case)
        return await struck(case, folder)

    found = await play_all(CASES, leaking, AT_ONCE)
    assert [failure.cases for failure in found.failures] == [tuple(CASES[:AT_ONCE])]
    assert await replayed(found.failures[0]) == CASES[:AT_ONCE]
    again = await play_all(await replayed(found.failures[0]), leaking, AT_ONCE)
    assert [failure.cases for failure in again.failures] == [tuple(CASES[:AT_ONCE])]
    for task in kept:
        task.cancel()


async def test_a_case_that_fails_is_named_with_its_command():
    async def failing(case, folder):
        assert case != GUILTY, "an oracle's words"
        return await struck(case, folder)

    found = await play_all(CASES, failing)
    assert [failure.cases for failure in found.failures] == [(GUILTY,)]
    assert "an oracle's words" in found.told()
    assert await replayed(found.failures[0]) == [GUILTY]
    assert found.struck == len(CASES) - 1


async def test_what_a_server_complains_of_is_let_pass_only_where_requests_are_garbled():
    garbling = Case(strike=Strike(How.SPILL, Way.REQUEST, 9))

    async def complained_of(case, folder):
        if case in {garbling, GUILTY}:
            logging.getLogger("aiohttp.server").error("what is this?")
        return await struck(case, folder)

    found = await play_all([garbling, *CASES[:10]], complained_of)
    assert [failure.cases for failure in found.failures] == [(GUILTY,)]


async def test_a_case_that_did_not_strike_gets_a_second_chance_and_is_counted_once():
    seen = []

    async def missing(case, folder):
        seen.append(case)
        return Played(case == OTHER or (case == GUILTY and seen.count(case) > 1), "complete", {})

    found = await play_all(CASES[:10], missing)
    assert (found.struck, len(found.missed), found.played) == (2, 8, 10)
    assert found.proves_little


@pytest.fixture(scope="module")
def every_case():
    """Every case there is; asked for last, because so many objects make every collection of garbage slower."""
    return asyncio.run(all_cases())


async def test_every_case_is_found_by_its_name_alone_or_among_others(every_case):
    cases = every_case
    assert len({*map(str, cases)}) == len(cases)
    some = [case for case in cases if case.strike is None] + cases[::50]
    assert [Case.named(str(case)) for case in some] == some
    some = some[:: len(some) // AT_ONCE]
    assert await replayed(Failure(tuple(some), "")) == some


async def test_the_long_campaign_strikes_at_every_byte_of_every_request_and_answer(every_case):
    at_bytes = defaultdict(list)
    for case in every_case:
        if case.strike is not None:
            at_bytes[case.port, case.strike.way, case.strike.how, case.always].append(case.strike.at)
    for port, varies in ((PLAIN, 0), (TLS, 20)):  # how many bytes TLS takes varies by a few
        with fresh_folder() as folder:
            passed = (await play(Case(port), folder)).passed
        assert port == TLS or passed[Way.REQUEST].count(b"POST ") == REQUESTS
        for way in Way:
            for how, always in [*((how, False) for how in How), (How.CUT, True), (How.RESET, True)]:
                struck_at = at_bytes.pop((port, way, how, always))
                assert struck_at == [*range(len(struck_at))]
                assert abs(len(struck_at) - len(passed[way])) <= varies
    assert not at_bytes


async def struck(case, folder) -> Played:
    return Played(struck=True, ended="complete", passed={})


async def replayed(failure: Failure) -> list[Case]:
    """Return the cases that the printed command plays."""
    python, m, package, *words = shlex.split(failure.again)
    assert (python, m, package) == ("python", "-m", "tests.wire")
    return await chosen(parser().parse_args(words))
