"""The emulator's configuration file: what it takes, and what it says of what it does not take."""

from __future__ import annotations

from dataclasses import fields
from typing import get_args

import pytest

from bulkdelete.emulator import Config, Emulator, Faults, Switches, read_config
from bulkdelete.errors import SettingsError
from tests.integration.asking import TABLE_ID, ask, by_id, ids


def test_a_file_holds_both_the_kind_of_server_and_its_faults(tmp_path):
    (tmp_path / "emulator.toml").write_text(
        '[switches]\nunknown_ids = "40000"\nrequests_per_hour = 1000\nrate_limit_headers = false\n'
        '[faults]\nseed = 3\nlatency_seconds = 1\nscript = ["50000", "ok"]\n'
    )
    switches, faults = read_config(tmp_path / "emulator.toml")
    assert switches == Switches(unknown_ids="40000", requests_per_hour=1000, rate_limit_headers=False)
    assert faults == Faults(seed=3, latency_seconds=1, script=("50000", "ok"))
    assert hash(faults) == hash(Faults(seed=3, latency_seconds=1, script=["50000", "ok"]))


def test_an_empty_file_is_the_likely_server_without_faults(tmp_path):
    (tmp_path / "emulator.toml").write_text("")
    assert read_config(tmp_path / "emulator.toml") == Config() == (Switches(), Faults())


async def test_the_same_file_gives_the_same_answers_again(tmp_path):
    path = tmp_path / "emulator.toml"
    path.write_text("[faults]\nseed = 5\ninternal_error_rate = 0.4\nempty_rate = 0.3\n")
    rounds = []
    for _ in range(2):
        switches, faults = read_config(path)
        async with Emulator(switches=switches, faults=faults) as emulator:
            emulator.load(TABLE_ID, ids(1))
            rounds.append([(await ask(emulator, by_id("1"))).text for _ in range(20)])
    assert rounds[0] == rounds[1]
    assert len(set(rounds[0])) == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "[faults]\ninternal_eror_rate = 0.1",
            "faults.internal_eror_rate is unknown; did you mean internal_error_rate?",
        ),
        ("[switches]\nunknown_id = 0.1", "switches.unknown_id is unknown; did you mean unknown_ids?"),
        ("[faults]\ncapacity = 3", "faults.capacity is unknown; it belongs under [switches]"),
        ("[switches]\nseed = 3", "switches.seed is unknown; it belongs under [faults]"),
        ("seed = 3", "seed is no section; write it under [faults]"),
        ("[fault]", "fault is no section; did you mean faults?"),
        ("[zzz]", "zzz is no section"),
        ("faults = 3", "faults must be a section, written as [faults]"),
        ("seed =", "this is not TOML"),
    ],
)
def test_a_name_out_of_place_is_refused_with_the_place_or_the_name_that_was_meant(tmp_path, text, said):
    assert said in refused(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("internal_error_rate = 1.5", "internal_error_rate is 1.5: it must be from 0 to 1"),
        ("drop_after_rate = -0.1", "drop_after_rate is -0.1: it must be from 0 to 1"),
        ("drop_after_rate = nan", "drop_after_rate is nan"),
        ("latency_seconds = inf", "latency_seconds is inf"),
        ('latency_seconds = "1"', "latency_seconds is '1': it must be a number"),
        ("fail_first = 1.0", "fail_first is 1.0: it must be a whole number"),
        ("fail_first = true", "fail_first is True: it must be a whole number"),
        ("unauthorized_after = -1", "unauthorized_after is -1: it must be at least 0"),
        ("drop_after_rate = 0.6\ndrip_rate = 0.6", "the rates add up to 1.2"),
        ('script = ["50000", "boom"]', "script holds 'boom': its words are ok, 50000"),
        ('script = "50000"', "script is '50000': it must be a list of words"),
        ("script = [50000]", "script holds 50000"),
    ],
)
def test_a_wrong_fault_is_refused_by_name(tmp_path, text, said):
    assert said in refused(tmp_path, f"[faults]\n{text}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('error_status = "500"', 'error_status is "500": it must be one of "200", "http", "envelope"'),
        ("error_status = 200", 'error_status is 200: it must be one of "200", "http", "envelope"'),
        ('rate_limit_headers = "yes"', "rate_limit_headers is 'yes': it must be true or false"),
        ("capacity = 0", "capacity is 0: it must be at least 1"),
        ("requests_per_minute = 1.5", "requests_per_minute is 1.5: it must be a whole number"),
        ("thrash_exponent = 11", "thrash_exponent is 11: it must be from 0 to 10"),
    ],
)
def test_a_wrong_switch_is_refused_by_name(tmp_path, text, said):
    assert said in refused(tmp_path, f"[switches]\n{text}")


def refused(folder, text: str) -> str:
    path = folder / "emulator.toml"
    path.write_text(text)
    with pytest.raises(SettingsError) as refusal:
        read_config(path)
    assert str(refusal.value).startswith(f"{path}: ")
    return str(refusal.value)


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="the configuration cannot be read: No such file"):
        read_config(tmp_path / "nowhere.toml")


def test_every_choice_takes_the_values_that_its_type_names():
    choices = {one.name: one.metadata["values"] for one in fields(Switches) if "values" in one.metadata}
    assert len(choices) == 12
    for name, values in choices.items():
        assert values == get_args(typed(Switches, name)), name


def typed(kind, name: str):
    return eval(kind.__annotations__[name], vars(__import__(kind.__module__, fromlist=["Literal"])))
