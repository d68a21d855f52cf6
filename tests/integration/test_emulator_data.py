"""The emulator's tables, filters and keys, and what survives a restart."""

from __future__ import annotations

import sqlite3
from itertools import islice

import pytest

from bulkdelete.emulator import Emulator
from bulkdelete.errors import SettingsError
from tests.integration.asking import TABLE_ID, ask, by_email, by_id, ids

OTHER_TABLE_ID = "f" * 24


@pytest.fixture
async def emulator():
    async with Emulator() as emulator:
        yield emulator


async def test_a_hundred_thousand_records_are_loaded_and_given_back_in_order(emulator):
    loaded = ids(100_000)
    emulator.load(TABLE_ID, reversed(loaded))
    assert emulator.count(TABLE_ID) == 100_000
    assert list(emulator.remaining(TABLE_ID)) == sorted(loaded)


async def test_what_remains_can_be_read_while_records_are_deleted(emulator):
    loaded = ids(25_000)
    emulator.load(TABLE_ID, loaded)
    remaining = emulator.remaining(TABLE_ID)
    before = list(islice(remaining, 10_000))
    assert (await ask(emulator, by_id(*loaded[:10], *loaded[20_000:20_010]))).code == 0
    assert before + list(remaining) == loaded[:20_000] + loaded[20_010:]


async def test_records_loaded_twice_are_there_once_and_tables_do_not_mix(emulator):
    emulator.load(TABLE_ID, ["1", "2", "2"])
    emulator.load(TABLE_ID, iter(["2", "3"]))
    emulator.load(OTHER_TABLE_ID, ["1"])
    assert (await ask(emulator, by_id("1"))).code == 0
    assert list(emulator.remaining(TABLE_ID)) == ["2", "3"]
    assert list(emulator.remaining(OTHER_TABLE_ID)) == ["1"]


async def test_ids_that_differ_only_after_a_nul_or_by_case_are_different(emulator):
    emulator.load(TABLE_ID, ["a", "a\0b", "A", "\u00e9", "e\u0301"])
    assert (await ask(emulator, by_id("a\0b", "\u00e9"))).code == 0
    assert list(emulator.remaining(TABLE_ID)) == ["A", "a", "e\u0301"]


async def test_a_source_of_ids_that_breaks_loads_nothing(emulator):
    def broken():
        yield "1"
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        emulator.load(TABLE_ID, broken())
    assert emulator.count(TABLE_ID) == 0


async def test_a_filter_names_the_record_with_that_very_value(emulator):
    emulator.create_table(TABLE_ID, unique_columns=("email", "number"))
    values = [{"email": "a", "number": 1}, {"email": "b", "number": "1"}, {"email": "c", "number": True}, {}]
    emulator.load(TABLE_ID, ["1", "2", "3", "4"], values=values)
    assert (await ask(emulator, by_email("nobody"))).code == 0
    assert (await ask(emulator, [{"filter": {"number": "1"}}])).code == 0
    assert list(emulator.remaining(TABLE_ID)) == ["1", "3", "4"]
    assert (await ask(emulator, [{"filter": {"number": True}}, *by_email("b")])).code == 0
    assert list(emulator.remaining(TABLE_ID)) == ["1", "4"]


async def test_filters_and_ids_mix_in_one_request_and_the_record_id_wins_in_one_entry(emulator):
    emulator.load(TABLE_ID, ids(4), values=[{"email": f"{number}@example.com"} for number in range(4)])
    both = {"record_id": ids(4)[0], "filter": {"email": "1@example.com"}}
    useless = {"record_id": ids(4)[0], "filter": {"no such column": None}}
    assert (await ask(emulator, [both, useless, *by_email("3@example.com")])).code == 0
    assert list(emulator.remaining(TABLE_ID)) == ids(4)[1:3]


async def test_a_deleted_record_frees_its_unique_value(emulator):
    emulator.load(TABLE_ID, ["1"], values=[{"email": "a"}])
    assert (await ask(emulator, by_id("1"))).code == 0
    emulator.load(TABLE_ID, ["2"], values=[{"email": "a"}])
    emulator.load(TABLE_ID, ["2"], values=[{"email": "b"}])
    assert (await ask(emulator, by_email("a"))).code == 0
    assert list(emulator.remaining(TABLE_ID)) == ["2"]
    assert (await ask(emulator, by_email("b"))).code == 0
    assert emulator.count(TABLE_ID) == 0


async def test_values_that_clash_or_do_not_fit_the_ids_load_nothing(emulator):
    with pytest.raises(ValueError, match=r"share a value of a unique column \(email\); nothing was loaded"):
        emulator.load(TABLE_ID, ["1", "2"], values=[{"email": "a"}, {"email": "a"}])
    with pytest.raises(ValueError, match="shorter"):
        emulator.load(TABLE_ID, ["1", "2"], values=[{"email": "a"}])
    assert emulator.count(TABLE_ID) == 0


async def test_a_table_keeps_its_unique_columns(emulator):
    emulator.create_table(TABLE_ID, unique_columns=("number", "email"))
    emulator.create_table(TABLE_ID, unique_columns=("email", "number"))
    with pytest.raises(ValueError, match="is there already, with the unique columns"):
        emulator.create_table(TABLE_ID)


async def test_asking_about_an_unknown_table_lists_those_there_are(emulator):
    emulator.load(TABLE_ID, [])
    with pytest.raises(LookupError, match=f"no table {OTHER_TABLE_ID}; it has {TABLE_ID}"):
        emulator.count(OTHER_TABLE_ID)
    with pytest.raises(LookupError):
        emulator.remaining(OTHER_TABLE_ID)


async def test_keys_reach_their_tables_and_no_others_until_they_are_revoked(emulator):
    emulator.load(TABLE_ID, ["1"])
    emulator.load(OTHER_TABLE_ID, ["1"])
    emulator.add_key("of one", tables=[TABLE_ID])
    emulator.add_key("of all")
    assert (await ask(emulator, by_id("1"), table_id=OTHER_TABLE_ID, key="of one")).code == 403131
    assert (await ask(emulator, by_id("1"), key="of one")).code == 0
    assert (await ask(emulator, by_id("1"), table_id=OTHER_TABLE_ID, key="of all")).code == 0
    emulator.revoke_key("of all")
    assert (await ask(emulator, by_id("1"), key="of all")).code == 40127
    emulator.add_key("of all")
    assert (await ask(emulator, by_id("1"), key="of all")).code == 0


async def test_keys_can_be_given_at_the_start_and_the_default_key_can_be_another():
    async with Emulator(keys={"of one": [TABLE_ID], "of all": None}, api_key="mine") as emulator:
        emulator.load(TABLE_ID, ["1"])
        emulator.load(OTHER_TABLE_ID, ["1"])
        codes = [
            (await ask(emulator, by_id("1"), table_id=OTHER_TABLE_ID, key=key)).code
            for key in ("of one", "of all", "mine", "emulator-key")
        ]
        assert codes == [403131, 0, 0, 40127]
        assert not any(key in repr(emulator) for key in ("mine", "of one", "of all"))


async def test_tables_records_values_poison_and_keys_survive_a_restart(tmp_path):
    path = tmp_path / "emulator.db"
    async with Emulator(path) as emulator:
        emulator.create_table(TABLE_ID, unique_columns=("name",))
        emulator.load(TABLE_ID, ids(3), values=[{"name": "a"}, {"name": "b"}, {"name": "c"}])
        emulator.poison(TABLE_ID, ids(3)[2:])
        emulator.add_key("of no table", tables=[])
        emulator.revoke_key(emulator.api_key)
        emulator.add_key("of all")
        assert (await ask(emulator, by_id(ids(3)[0]), key="of all")).code == 0
    async with Emulator(path) as again:
        assert list(again.remaining(TABLE_ID)) == ids(3)[1:]
        assert (await ask(again, [{"filter": {"name": "b"}}], key="of all")).code == 0
        assert (await ask(again, by_id(ids(3)[2]), key="of all")).code == 40000
        assert (await ask(again, by_id("1"), key="of no table")).code == 403131
        assert (await ask(again, by_id("1"))).code == 40127
        assert list(again.remaining(TABLE_ID)) == ids(3)[2:]


async def test_one_emulator_can_be_started_again_at_the_same_port(tmp_path):
    async with Emulator(tmp_path / "emulator.db") as emulator:
        emulator.load(TABLE_ID, ids(2))
        await ask(emulator, by_id(ids(2)[0]))
        url = emulator.base_url
    emulator.port = int(url.rpartition(":")[2])
    with pytest.raises(RuntimeError, match="not running"):
        emulator.count(TABLE_ID)
    async with emulator:
        assert emulator.base_url == url
        assert (await ask(emulator, by_id("1"))).code == 0
        assert list(emulator.remaining(TABLE_ID)) == ids(2)[1:]
        assert emulator.requests == 2


async def test_a_file_of_another_program_is_refused_and_left_as_it_is(tmp_path):
    text, database = tmp_path / "ids.txt", tmp_path / "other.db"
    text.write_text("541278230707963208\n" * 1_000)
    other = sqlite3.connect(database)
    other.execute("CREATE TABLE precious (id)")
    other.close()
    for path in (text, database):
        before = path.read_bytes()
        with pytest.raises(SettingsError, match="It was not changed"):
            await Emulator(path).__aenter__()
        assert path.read_bytes() == before
    with pytest.raises(SettingsError, match="cannot be opened"):
        await Emulator(tmp_path / "nowhere" / "emulator.db").__aenter__()


async def test_a_file_of_another_version_is_refused_and_left_as_it_is(tmp_path):
    path = tmp_path / "emulator.db"
    async with Emulator(path) as emulator:
        emulator.load(TABLE_ID, ["1"])
    other = sqlite3.connect(path)
    other.execute("PRAGMA user_version = 0")
    other.close()
    with pytest.raises(SettingsError, match="another version of the emulator made this"):
        await Emulator(path).__aenter__()
    other = sqlite3.connect(path)
    assert other.execute("SELECT record_id FROM records").fetchall() == [("1",)]
    other.close()


@pytest.mark.both_loops
async def test_a_port_that_is_in_use_or_impossible_is_a_clear_error(emulator):
    for port in (int(emulator.base_url.rpartition(":")[2]), 99_999):
        with pytest.raises(SettingsError, match=f"cannot listen on 127.0.0.1 port {port}"):
            await Emulator(port=port).__aenter__()
