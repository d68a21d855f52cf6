"""The emulator answers as the API document says, word for word, and refuses what it refuses."""

from __future__ import annotations

import io

import aiohttp
import pytest

from bulkdelete.emulator import Emulator, Switches
from tests.integration.asking import TABLE_ID, ask, ask_bytes, by_email, by_id, ids

LOADED = ids(10)


@pytest.fixture
async def emulator():
    async with Emulator() as emulator:
        emulator.load(TABLE_ID, LOADED)
        yield emulator


@pytest.fixture(params=["200", "http", "envelope"])
async def dressed(request):
    async with Emulator(switches=Switches(error_status=request.param)) as emulator:
        emulator.load(TABLE_ID, LOADED)
        emulator.add_key("of another", tables=["f" * 24])
        yield emulator


async def test_success_is_the_documents_own_text(emulator):
    answer = await ask(emulator, by_id(LOADED[0]))
    assert (answer.status, answer.text) == (200, '{"code": 0, "message": "OK"}')
    assert answer.headers["Content-Type"] == "application/json"
    assert list(emulator.remaining(TABLE_ID)) == LOADED[1:]


@pytest.mark.parametrize(
    ("asked", "code", "message", "status"),
    [
        ({"entries": []}, 40000, "Invalid parameters", 400),
        ({"entries": by_id("1"), "table_id": "e" * 24}, 403106, "Table not found", 403),
        ({"entries": by_id("1"), "key": "of another"}, 403131, "No permission to access table", 403),
        ({"entries": by_id("1"), "key": "of nobody"}, 40127, "Authentication failed", 401),
    ],
)
async def test_each_error_is_the_documents_own_text_in_each_envelope(dressed, asked, code, message, status):
    answer = await ask(dressed, **asked)
    plain = {"code": code, "message": message}
    envelope = {"error": {"code": str(code), "message": message, "status": status}}
    assert answer.json == (envelope if dressed.switches.error_status == "envelope" else plain)
    assert answer.status == (200 if dressed.switches.error_status == "200" else status)
    assert dressed.count(TABLE_ID) == 10
    assert dressed.answers == {code: 1}


async def test_success_is_the_same_in_every_envelope(dressed):
    answer = await ask(dressed, by_id(LOADED[0]))
    assert (answer.status, answer.text) == (200, '{"code": 0, "message": "OK"}')


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b'{"table_id": "%s", "delete_data": [{"record_id": "1",}]}' % TABLE_ID.encode(), id="comma"),
        pytest.param(b"[]", id="an array"),
        pytest.param(b'"\\ud800"', id="a lone surrogate"),
        pytest.param(b"\xff\xfe", id="not UTF-8"),
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(b'{"delete_data": [{"record_id": "1"}]}', id="no table"),
        pytest.param(b'{"table_id": 7, "delete_data": [{"record_id": "1"}]}', id="a table that is a number"),
        pytest.param(b'{"table_id": "%s"}' % TABLE_ID.encode(), id="no entries"),
        pytest.param(b'{"table_id": "%s", "delete_data": {"record_id": "1"}}' % TABLE_ID.encode(), id="an object"),
    ],
)
async def test_what_is_not_a_request_is_invalid(emulator, body):
    assert (await ask_bytes(emulator, body)).code == 40000
    assert emulator.count(TABLE_ID) == 10


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param({}, id="neither"),
        pytest.param("1", id="a string"),
        pytest.param(None, id="null"),
        pytest.param({"record_id": 541278230707963208}, id="an id that is a number"),
        pytest.param({"record_id": None}, id="an id that is null"),
        pytest.param({"filter": {}}, id="an empty filter"),
        pytest.param({"filter": "email"}, id="a filter that is a string"),
        pytest.param({"filter": {"email": "a@example.com", "name": "a"}}, id="two columns"),
        pytest.param({"filter": {"email": None}}, id="a null"),
        pytest.param({"filter": {"email": ["a@example.com"]}}, id="a list"),
        pytest.param({"filter": {"email": {"$gt": ""}}}, id="an operator"),
        pytest.param({"filter": {"name": "a"}}, id="a column that is not unique"),
    ],
)
async def test_one_bad_entry_makes_the_whole_request_invalid_and_nothing_is_applied(emulator, entry):
    assert (await ask(emulator, [*by_id(*LOADED[:5]), entry, *by_id(*LOADED[5:])])).code == 40000
    assert emulator.count(TABLE_ID) == 10


async def test_a_thousand_entries_are_accepted_and_one_more_is_invalid(emulator):
    emulator.load(TABLE_ID, ids(1_001))
    assert (await ask(emulator, by_id(*ids(1_001)))).code == 40000
    assert emulator.count(TABLE_ID) == 1_001
    assert (await ask(emulator, by_id(*ids(1_000)))).code == 0
    assert emulator.count(TABLE_ID) == 1


async def test_the_key_goes_before_the_json_the_table_before_the_permission_and_both_before_the_entries(emulator):
    emulator.add_key("of no table", tables=[])
    assert (await ask_bytes(emulator, b"no JSON", key="of nobody")).code == 40127
    assert (await ask(emulator, {}, table_id="e" * 24)).code == 40000
    assert (await ask(emulator, [], table_id="e" * 24, key="of no table")).code == 403106
    assert (await ask(emulator, [], key="of no table")).code == 403131


async def test_without_a_bearer_there_is_no_key(emulator):
    answer = await ask_bytes(emulator, b"{}", Authorization=emulator.api_key)
    assert answer.code == 40127


async def test_unknown_ids_are_ignored_and_duplicates_accepted(emulator):
    assert (await ask(emulator, by_id("1", LOADED[0], LOADED[0], "1"))).code == 0
    assert list(emulator.remaining(TABLE_ID)) == LOADED[1:]


async def test_where_unknown_ids_are_refused_nothing_of_their_request_is_applied():
    async with Emulator(switches=Switches(unknown_ids="40000")) as emulator:
        emulator.load(TABLE_ID, ["1", "2"], values=[{"email": "one"}, {"email": "two"}])
        assert (await ask(emulator, by_id("1", "3"))).code == 40000
        assert (await ask(emulator, by_id("1") + by_email("three"))).code == 40000
        assert emulator.count(TABLE_ID) == 2
        assert (await ask(emulator, by_id("1", "1") + by_email("one", "two"))).code == 0
        assert emulator.count(TABLE_ID) == 0
        assert (await ask(emulator, by_id("1"))).code == 40000


async def test_a_poisoned_record_makes_its_request_invalid_by_id_and_by_filter(emulator):
    emulator.load(TABLE_ID, ["1"], values=[{"email": "a@example.com"}])
    emulator.poison(TABLE_ID, ["1"])
    assert (await ask(emulator, by_id(*LOADED, "1"))).code == 40000
    assert (await ask(emulator, by_email("a@example.com"))).code == 40000
    assert emulator.count(TABLE_ID) == 11
    assert (await ask(emulator, by_id(*LOADED))).code == 0


async def test_a_body_of_sixteen_mebibytes_is_read_and_a_larger_one_is_413(emulator):
    most = 16 * 1024 * 1024
    body = b'{"table_id": "%s", "delete_data": [{"record_id": "%s"}]}' % (TABLE_ID.encode(), LOADED[0].encode())
    assert (await ask_bytes(emulator, io.BytesIO(body.ljust(most)))).code == 0
    assert (await ask_bytes(emulator, io.BytesIO(body.ljust(most + 1)))).status == 413


async def test_there_is_nothing_at_any_other_address_or_by_any_other_method(emulator):
    async with aiohttp.ClientSession(emulator.base_url) as session:
        async with session.get("/v2/database/delete/record") as response:
            assert response.status == 405
        async with session.post("/v1/database/delete/record") as response:
            assert response.status == 404
    assert emulator.requests == 0


async def test_recorded_requests_tell_what_was_asked_and_what_was_applied():
    async with Emulator(record_requests=True) as emulator:
        emulator.load(TABLE_ID, ["1", "2"], values=[{"email": "one"}, {"email": "two"}])
        body = b'{"table_id": "%s", "delete_data": [{"record_id": "1"}, {"filter": {"email": "two"}}]}'
        await ask_bytes(emulator, body % TABLE_ID.encode(), **{"X-Request-Id": "first"})
        await ask_bytes(emulator, b"no JSON")
        first, second = emulator.log
        assert (first.request_id, first.table_id, first.answer) == ("first", TABLE_ID, 0)
        assert first.entries == [{"record_id": "1"}, {"filter": {"email": "two"}}]
        assert list(first.applied) == ["1", "2"]
        assert (second.request_id, second.table_id, second.answer) == ("", "", 40000)
        assert (list(second.entries), list(second.applied)) == ([], [])


async def test_without_recording_only_counts_are_kept(emulator):
    await ask(emulator, by_id("1"))
    await ask(emulator, [])
    assert (emulator.requests, emulator.answers, emulator.log) == (2, {0: 1, 40000: 1}, [])
