"""Ids on hold that are written in another way than those of the source hold nothing back, and stop the job."""

from __future__ import annotations

import base64
import os
import re
from collections import deque
from uuid import UUID

import pytest

from bulkdelete.errors import HoldsRefused
from bulkdelete.holding import hold_sources
from bulkdelete.ledger import UnrecordedLedger
from bulkdelete.orders import Order
from bulkdelete.preparing import prepare
from bulkdelete.records import Filter
from bulkdelete.settings import HoldsSettings, Settings
from bulkdelete.sources import from_iterable, open_source
from tests.unit.scripted import TABLE

IDS = [str(541_278_230_707_963_208 + 37 * number) for number in range(40)]
UUIDS = [str(UUID(int=int(one) ** 2)) for one in IDS]
UNLIKE = "all ids on hold have {} characters, and the first {} ids of the source have {}: none of these"


def written(path, ids):
    path.write_text("".join(f"{one}\n" for one in ids))
    return open_source(path)


async def compared(source, /, *lists, **sections):
    """Prepare a job of *source*, whose ids look like row numbers in some of these tests."""
    settings = Settings.from_mapping({"source": {"sanity_check": False}, **sections})
    return await prepare(Order(TABLE, source, holds=lists), settings, UnrecordedLedger())


@pytest.fixture
def source(tmp_path):
    return written(tmp_path / "ids.txt", IDS)


@pytest.mark.parametrize(("spelled", "length"), [("x{}", 19), ("{}0", 19), ("ab{}", 20)])
@pytest.mark.parametrize("checked", [True, False])
async def test_hold_lists_that_are_all_of_another_length_than_the_source_are_refused(source, spelled, length, checked):
    held = [spelled.format(one) for one in IDS]
    with pytest.raises(HoldsRefused, match=UNLIKE.format(length, 40, 18)) as refused:
        await compared(source, from_iterable(held), source={"sanity_check": checked})
    assert "say so with --no-holds-sanity-check (holds.sanity_check = false)" in str(refused.value)
    meant = await compared(source, from_iterable(held), holds={"sanity_check": False})
    assert meant.source is source


@pytest.mark.parametrize("kind", [list, tuple, set, deque, dict.fromkeys, lambda ids: dict.fromkeys(ids).keys()])
async def test_so_it_is_with_records_in_memory_without_a_ledger(kind):
    with pytest.raises(HoldsRefused, match=UNLIKE.format(19, 40, 18)):
        await compared(from_iterable(kind(IDS)), from_iterable([f"x{one}" for one in IDS]))


async def test_a_few_rows_that_are_no_ids_do_not_hide_it(tmp_path):
    for ids in IDS, UUIDS:
        source = written(tmp_path / "ids.txt", ["record_id", *ids, "NULL", "7"])
        with pytest.raises(HoldsRefused, match=UNLIKE.format(len(ids[0]) + 1, 40, len(ids[0]))):
            await compared(source, from_iterable([f"x{one}" for one in ids]))
    source = written(tmp_path / "ids.txt", ["id", "ab-01", "ab-02", "ab-07"])
    with pytest.raises(HoldsRefused, match=UNLIKE.format(7, 3, 5)):
        await compared(source, from_iterable(["cus-001", "cus-007"]))


@pytest.mark.parametrize(
    ("ids", "held", "length"),
    [
        (IDS[:2], ["99541278230707963"], 17),
        (["12345678", "12345679"], ["123456781", "123456799"], 9),
        (UUIDS[:2], [IDS[0]], 18),
        (["01H5XKQ2M3N4P5Q6R7S8T9V0WX", "01BX5ZZKBKACTAV9WEVGEMMVRZ"], IDS[:2], 18),
        (["caf\xe9", "f\xeate"], ["a", "b"], 1),
    ],
)
async def test_ids_of_any_kind_and_few_of_them_are_enough(tmp_path, ids, held, length):
    source = written(tmp_path / "ids.txt", ids)
    with pytest.raises(HoldsRefused, match=UNLIKE.format(length, len(ids), len(ids[0]))):
        await compared(source, from_iterable(held))


async def test_every_part_of_the_source_is_looked_at(tmp_path):
    written(tmp_path / "a.txt", ["7"])
    written(tmp_path / "b.txt", IDS)
    source = open_source([tmp_path / "a.txt", tmp_path / "b.txt"])
    with pytest.raises(HoldsRefused, match=UNLIKE.format(19, 40, 18)):
        await compared(source, from_iterable([f"x{one}" for one in IDS[:3]]))
    assert await compared(source, from_iterable(["8"]))


async def test_each_list_is_judged_alone_and_named(tmp_path, source):
    right = written(tmp_path / "right.txt", IDS[:3])
    wrong = written(tmp_path / "wrong.txt", ["5412782307", "5412782308"])
    with pytest.raises(HoldsRefused, match=r"the hold list .*wrong\.txt: " + UNLIKE.format(10, 40, 18)):
        await compared(source, right, wrong)


@pytest.mark.parametrize(
    ("held", "ids"),
    [
        (["7", "541278"], IDS),
        (["541278230707963111"], IDS),
        ([], IDS),
        (["12345678", "123456789"], ["22345678", "32345678"]),
        (["123456789", "223456789"], ["22345678", "32345678", "323456789"]),
        (["10007"], [str(number) for number in range(10_000)]),
        (["10007"], ["998", "999"]),
        (["10007"], [*IDS, *["x"] * 9]),
        (["10007"], [*IDS, *"123456789"]),
        (["10007"], IDS[:1]),
        (["0007", "7"], ["7", "8"]),
        (["0007"], ["7", "0007"]),
        (["5F7C0123456789ab"], ["5f7c0123456789ac", "5f7C0123456789ad"]),
        (["5F7c0123456789ab"], ["5f7c0123456789ab", "5F7c0123456789ab"]),
        (["AbCdEfGhIjKlMnOp"], ["aBcDeFgHiJkLmNoP", "x"]),
        (["Abc123"], ["abc123", "x"]),
        (["ABC123"], ["abc123", "X1"]),
        (["abc123"], ["ABC123", "x1"]),
        (["A1", "a1"], ["a1", "b1"]),
        (["ABC123", "1234"], ["abd123", "x1"]),
        (["5F7C01AB"], ["5f7c01ab", "5F7C01AB"]),
        (["x:5F7C01AB"], ["y:5f7c01ab", "Y"]),
        (["G5F7C01AB"], ["g5f7c01ab", "Y"]),
        (["0x5F7C01A"], ["0x5f7c01a", "Y"]),
    ],
)
async def test_ids_on_hold_that_may_be_of_the_source_are_taken(tmp_path, held, ids):
    source = written(tmp_path / "ids.txt", ids)
    assert await compared(source, from_iterable(held), holds={"allow_empty": True})


@pytest.mark.parametrize(
    ("one", "held"),
    [
        (IDS[0], f"0{IDS[0]}"),
        (f"000{IDS[0]}", IDS[0]),
        ("12345678", "0012345678"),
        ("7", "007"),
        *((UUIDS[0], form.format(UUIDS[0])) for form in ("{{{}}}", "urn:uuid:{}")),
        (UUIDS[0], UUIDS[0].replace("-", "")),
        (UUIDS[0], UUIDS[0].upper()),
        (f"{{{UUIDS[0].upper()}}}", UUIDS[0]),
        (UUIDS[0].replace("-", ""), f"urn:uuid:{UUIDS[0]}"),
        (UUIDS[0], UUIDS[0].upper().replace("A", "a").replace("E", "e")),
        (f"Ab{UUIDS[0][2:]}", f"aB{UUIDS[0][2:]}"),
        (f"Ab{UUIDS[0][2:]}", f"ab{UUIDS[0][2:]}".replace("-", "")),
        ("5f7c0123456789abcdefabcd", "5F7C0123456789ABCDEFABCD"),
        ("5F7C0123456789ABCDEFABCD", "5f7c0123456789abcdefabcd"),
        ("5F7c0123456789abcdefabcd", "5f7C0123456789ABCDEFABCD"),
        ("5f7c0123456789ab", "5F7c0123456789aB"),
        (f"{2**159 + 0xABC:x}", f"{2**159 + 0xABC:X}"),
        ("5f7c01ab", "5F7C01AB"),
        ("5F7C0123456A", "5f7c0123456a"),
        ("07:8f:7f:89:38:5e", "07:8F:7F:89:38:5E"),
        ("0x5f7c0123456789ab", "0x5F7C0123456789AB"),
        ("auth0:5f7c0123456789abcdefabcd", "auth0:5F7C0123456789ABCDEFABCD"),
        ("user_41", "USER_41"),
        ("01hbdr307m7xghg1mjpawdr0ja", "01HBDR307M7XGHG1MJPAWDR0JA"),
    ],
)
async def test_one_id_on_hold_in_another_spelling_is_enough_whatever_else_is_on_hold(tmp_path, one, held):
    source = written(tmp_path / "ids.txt", ["x", one, "a-1"])
    said = re.escape(f"{held!r} is on hold, and the source has {one!r}, which would not be held back")
    with pytest.raises(HoldsRefused, match=said + ".*Nothing was sent.*--no-holds-sanity-check"):
        await compared(source, from_iterable(["x", "customer-7", held]), from_iterable(IDS[30:]))
    assert await compared(source, from_iterable([held]), holds={"sanity_check": False})


HEX = [f"{int(one) ** 3 % 2**96:024x}" for one in IDS]
GLUED = {
    "two files of text": (IDS, f"{IDS[0]}\n{IDS[1]}{IDS[2]}\n{IDS[3]}\n", 2, IDS[1] + IDS[2]),
    "two of one id": (IDS, f"{IDS[1]}{IDS[2]}\n{IDS[3]}\n", 1, IDS[1] + IDS[2]),
    "three": (IDS, f"{IDS[0]}\n{IDS[1]}{IDS[2]}{IDS[3]}\n{IDS[4]}\n", 2, IDS[1] + IDS[2] + IDS[3]),
    "UUIDs": (UUIDS, "\n".join([*UUIDS[:9], UUIDS[9] + UUIDS[10], *UUIDS[11:]]), 10, UUIDS[9] + UUIDS[10]),
    "hexadecimal": (HEX, "\n".join([*HEX[:9], HEX[9] + HEX[10], *HEX[11:]]), 10, HEX[9] + HEX[10]),
    "a column": (IDS, f"id\n{IDS[0]}\n{IDS[1]}id\n{IDS[2]}\n", 3, f"{IDS[1]}id"),
}


@pytest.mark.parametrize(("ids", "content", "line", "one"), GLUED.values(), ids=GLUED)
async def test_two_ids_without_a_line_break_between_them_are_refused(tmp_path, ids, content, line, one):
    path = tmp_path / ("held.csv" if content.startswith("id") else "held.txt")
    path.write_text(content)
    (tmp_path / "other.txt").write_text("7\n")
    column = {"column": "id"} if path.suffix == ".csv" else {}
    lists = hold_sources(HoldsSettings(path=(str(path),), **column))
    said = rf"{path.name}, line {line}: '{one}' looks like two ids, or .*Nothing was sent.*--no-holds-sanity-check"
    for source in written(tmp_path / "ids.txt", ids), from_iterable(iter(ids)):
        with pytest.raises(HoldsRefused, match=said):
            await compared(source, *lists, from_iterable(["7"]))
    assert await compared(written(tmp_path / "ids.txt", [*ids, one]), *lists)
    assert await compared(written(tmp_path / "ids.txt", ids), *lists, holds={"sanity_check": False})
    rules = {TABLE: {"lengths": [2, len(ids[0]), len(one)]}}
    assert await compared(written(tmp_path / "ids.txt", ids), *lists, identifiers=rules)


@pytest.mark.parametrize(
    "held",
    [
        [*IDS[:4], *UUIDS[:2]],
        [*UUIDS[:4], *IDS[:2]],
        [*IDS[:4], f"{int(IDS[0]) ** 8:036x}"[:36]],
        [*IDS[:2], "7", "541278", "12345678901234567890123456789012345"],
        ["12", "1234", "123456"],
        ["12345678901", "1234567890112345678901"],
        ["Ann Elisabeth", "Ann Elisabeth Smith-Baker"],
        [IDS[0]],
        [*HEX[:2], f"{HEX[3]}{HEX[4]}", f"{HEX[5]}{HEX[6]}", f"{HEX[7]}{HEX[8]}"],
    ],
)
async def test_ids_of_several_lengths_in_one_list_are_taken(tmp_path, held):
    source = written(tmp_path / "ids.txt", [*IDS[:9], "x", "Ab-1"])
    lists = from_iterable([Filter("name", one) for one in held]) if " " in held[0] else from_iterable(held)
    assert await compared(source, lists)


PADDED = [f"{number:010}" for number in range(3_000, 3_050)]
BARE = [str(number) for number in range(95, 145)]
STYLES = [
    (UUIDS[:20], [one.upper() for one in UUIDS[30:]], "the letters of its ids are capitals"),
    ([one.upper() for one in UUIDS[:20]], UUIDS[30:], "the letters of its ids are small"),
    (HEX[:20], [one.upper() for one in HEX[30:]], "the letters of its ids are capitals"),
    (PADDED, ["98001", "101501", "133001"], "its ids have no zeros before them"),
    (PADDED, ["98001"], "its ids have no zeros before them"),
    (BARE, ["0000000145", "0000007145"], "its ids have zeros before them"),
]


@pytest.mark.parametrize(("ids", "held", "said"), STYLES)
async def test_a_whole_list_in_another_style_is_refused_also_where_its_ids_were_not_looked_at(
    tmp_path, ids, held, said
):
    source = written(tmp_path / "ids.txt", ids)
    whole = written(tmp_path / "held.txt", held)
    with pytest.raises(HoldsRefused, match=rf"held\.txt: {said}, and of the first {len(ids)} of the source no one is"):
        await compared(source, whole, from_iterable([ids[0]]))
    assert await compared(source, whole, holds={"sanity_check": False})
    assert await compared(source, from_iterable([*held, ids[0]]))
    assert await compared(written(tmp_path / "few.txt", ids[:9]), from_iterable([*held, IDS[0], "1", "x"]))


@pytest.mark.parametrize(
    ("ids", "held"),
    [
        (UUIDS[:20], [UUIDS[30].upper(), UUIDS[31]]),
        ([*UUIDS[:20], "A"], [UUIDS[30].upper()]),
        ([f"{one[:3]}" for one in UUIDS[:20]], ["ABC", "X12"]),
        (IDS[:20], ["A541278230707963", "B"]),
        (PADDED, ["0000098001", "0000098002"]),
        (PADDED, ["98001", "ab"]),
        ([*PADDED, "7"], ["98001"]),
        (BARE, ["145", "7145"]),
        (BARE, ["00145", "7145"]),
        ([*BARE, "007"], ["00145"]),
    ],
)
async def test_a_list_in_a_style_that_the_source_may_have_is_taken(tmp_path, ids, held):
    assert await compared(written(tmp_path / "ids.txt", ids), from_iterable(held), from_iterable([ids[0]]))


SPELLED = {
    "12.345.678": ["12345678", "22345678"],
    "12'345'678": ["12345678", "22345678"],
    "12\u2019345\u2019678": ["12345678", "22345678"],
    "12_345_678": ["12345678", "2024-11-26"],
    "12-345-678": ["12345678", "x"],
    "1234-5678": ["12345678", "x"],
    "12.34.56.78": ["12345678", "x"],
    "+12345678": ["12345678", "x"],
    "#12345678": ["12345678", "x"],
    "123.456.789.012": ["123456789012", "223456789012"],
    "12_345": ["12345", "12346"],
    "2024-11-26": ["20241126", "20241127"],
    "22.345.678": ["a", "b"],
    **{
        one: ids
        for ids in (IDS, ["a", "b"])
        for one in (
            "541'278'230'707'963'208",
            "541.278.230.707.963.208",
            "541_278_230_707_963_208",
            "541\u2019278\u2019230\u2019707\u2019963\u2019208",
            "+541278230707963208",
            "#541278230707963208",
            "541278230707963208L",
            "541278230707963208n",
            "541278230-707963208",
        )
    },
    "".join(chr(0x660 + int(digit)) for digit in IDS[0]): IDS,
    "\u0661\u0662\u0663\u0664\u0665": ["12345", "12346"],
}


@pytest.mark.parametrize(("held", "ids"), SPELLED.items())
async def test_a_number_on_hold_in_groups_is_refused_where_the_source_s_are_plain(tmp_path, ids, held):
    (tmp_path / "held.csv").write_text(f"record_id\n12345670\n{held}\n")
    lists = hold_sources(HoldsSettings(path=str(tmp_path / "held.csv")))
    with pytest.raises(HoldsRefused, match=rf"held\.csv: {re.escape(repr(held))} is a number with other characters"):
        await compared(written(tmp_path / "ids.txt", ids), *lists)
    assert await compared(written(tmp_path / "ids.txt", ids), *lists, holds={"sanity_check": False})


@pytest.mark.parametrize(
    ("ids", "held"),
    [
        (["2024-11-25", "20241126"], "2024-11-26"),
        (["10.0.0.2", "7"], "10.0.0.1"),
        (["123-457", "12345678"], "123-456"),
        (["1.234.567", "8.234.567"], "12.345.678"),
        (["a", "b"], "2024-11-26"),
        (["a", "b"], "10.20.30.40"),
        (["12345678", "22345678"], "a-12345"),
        (["12345678", "22345678"], "12-34"),
        (["237-9549656-1058756", "7"], "238-1549656-9058756"),
        (["1363839118-356814", "7"], "1363839119-000001"),
        (["+541278230707963208", "7"], "+541278230707963209"),
        (["4111 1111 1111 1111".replace(" ", "."), "x"], "4111.1111.1111.1112"),
        (["\u0661\u0662\u0663\u0664\u0665", "\u0661"], "\u0661\u0662\u0663\u0664\u0666"),
        (["12345", "12346"], "\uff11\uff12\uff13\uff14\uff15"),
    ],
)
async def test_ids_that_are_written_in_groups_in_the_source_too_are_taken(tmp_path, ids, held):
    assert await compared(written(tmp_path / "ids.txt", ids), from_iterable([held, "12345670"]))


async def test_of_a_source_that_cannot_be_looked_at_only_thousands_are_not_clear(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for held in "1234-56", "123-456", "10.0.0.1":
        assert await compared(from_iterable(iter(IDS)), from_iterable([held]))
        assert await compared(open_source(tmp_path / "fifo"), from_iterable([held]))
    with pytest.raises(HoldsRefused, match=r"'12\.345\.678' is a number with other characters.*held as it stands"):
        await compared(from_iterable(iter(IDS)), from_iterable(["12.345.678"]))
    for held in "541'278'230'707'963'208", "541278230707963208L":
        with pytest.raises(HoldsRefused, match=r"is a number with other characters.*held as it stands"):
            await compared(from_iterable(iter(IDS)), from_iterable([held]))


@pytest.mark.parametrize(
    ("value", "held", "said"),
    [
        ("0042", 42, "'42' is on hold, and the source has '0042' for 'no'"),
        (42, "0042", "'0042' is on hold, and the source has '42' for 'no'"),
        ("<Ann@x.org>", "ann@x.org", "'ann@x.org' is on hold, and the source has '<ann@x.org>' for 'no'"),
        (12345, "12-345", "'12-345' is a number with other characters"),
        (UUIDS[0], f"{{{UUIDS[0]}}}", "is on hold, and the source has"),
    ],
)
async def test_values_of_filters_are_compared_with_those_of_their_column(value, held, said):
    source = from_iterable([Filter("other", "7"), "7", Filter("no", value)])
    with pytest.raises(HoldsRefused, match=re.escape(said)):
        await compared(source, from_iterable([Filter("no", held)]))
    assert await compared(source, from_iterable([Filter("yes", held)]), source={"sanity_check": False})


USERS = [f"user_{number}" for number in range(41, 99)]
AROUND = [
    *(
        (USERS, form.format("user_43"), "user_43")
        for form in ("#{}", "-{}", "/records/{}", "record:{}", "{{{}}}", "{}:x")
    ),
    (USERS, "user_43/user_44", "user_4[34]"),
    (USERS, "user_43|Ann", "user_43"),
    *((IDS, form.format(IDS[3]), IDS[3]) for form in ("id={}", "/records/{}", "{};Ann", "{}|Ann", "{}:Ann", "x_{}")),
    (UUIDS, f"record:{UUIDS[3]}", UUIDS[3]),
]


@pytest.mark.parametrize(("ids", "held", "piece"), AROUND)
async def test_an_id_of_the_source_with_something_around_it_is_refused(tmp_path, ids, held, piece):
    (tmp_path / "held.csv").write_text(f"record_id\n{ids[7]}\n{held}\n")
    lists = hold_sources(HoldsSettings(path=str(tmp_path / "held.csv")))
    source = written(tmp_path / "ids.txt", ids)
    said = rf"held\.csv, line 3: {re.escape(repr(held))} is on hold, and the source has '{piece}', which"
    with pytest.raises(HoldsRefused, match=said):
        await compared(source, *lists)
    assert await compared(source, *lists, holds={"sanity_check": False})
    assert await compared(written(tmp_path / "ids.txt", [*ids, held]), *lists)


@pytest.mark.parametrize(
    ("ids", "held"),
    [
        (["12345", "12346"], ["INV-12345"]),
        (["2024", "2025"], ["case/2024"]),
        (["doc12345", "doc12345-1"], ["doc12345-2"]),
        (["legal", "hold"], ["legal-hold", "legal:hold"]),
        (USERS, ["customer-user_1", "user:41"]),
        (USERS, ["user_43", "#user_43"]),
        (UUIDS[:9], [UUIDS[30], f"x:{UUIDS[31]}"]),
    ],
)
async def test_an_id_that_holds_no_id_of_the_source_in_a_strange_place_is_taken(tmp_path, ids, held):
    lists = written(tmp_path / "a.jsonl", [f'"{one}"' for one in held]), from_iterable([ids[0]])
    assert await compared(written(tmp_path / "ids.txt", ids), *lists)


LONG = [str(478_123_690_831_426_037 + 7_919_191_919 * number) for number in range(40)]
ROUNDED = [
    lambda one: f"{one[:15]}000",
    lambda one: str(int(float(one))),
    lambda one: repr(float(one)).partition("e")[0].replace(".", "").ljust(18, "0"),
]


@pytest.mark.parametrize("rounded", ROUNDED)
async def test_a_few_ids_that_are_roundings_of_those_of_the_source_are_refused(tmp_path, rounded):
    source = written(tmp_path / "ids.txt", LONG)
    for held in [rounded(LONG[3]), rounded(LONG[5])], [LONG[1], *map(rounded, LONG[3:6])]:
        with pytest.raises(HoldsRefused, match=r"a spreadsheet.*Nothing was sent.*--no-holds-sanity-check"):
            await compared(source, from_iterable(held))
        assert await compared(source, from_iterable(held), holds={"sanity_check": False})
    for held in [rounded(LONG[3])], [rounded(LONG[3]), rounded(LONG[5]), str(int(LONG[7]) + 40_001)]:
        assert await compared(source, from_iterable(held))


async def test_ids_of_a_dense_table_are_not_taken_for_roundings_of_their_neighbours(tmp_path):
    numbers = [str(541_278_230_707_963_208 + number) for number in range(3_000)]
    source = written(tmp_path / "ids.txt", [one for one in numbers if int(one) % 64])
    assert await compared(source, from_iterable([numbers[7], str(int(numbers[-1]) + 900), "541278230707963264"]))
    both = [numbers[12], numbers[312]]  # they end in 0, as shortest forms of floats do
    assert [one[-1] for one in both] == ["0", "0"]
    assert await compared(written(tmp_path / "odd.txt", numbers[1::2]), from_iterable(both))
    of_a_sequence = [str((129_051_000_000 + 7 * number << 22) + 1) for number in range(30)]
    held = [str(int(one) - 1) for one in of_a_sequence[:3]]
    assert await compared(written(tmp_path / "ids.txt", of_a_sequence), from_iterable(held))


MAILS = [Filter("email", f"ann{number}@x.example") for number in range(20)]


@pytest.mark.parametrize(
    "value",
    [
        "ann1@x.example ann2@x.example",
        "ann1@x.example / ann2@x.example",
        "ann1@x.exampleann2@x.example",
        "ann1@x.exampleemail",
        "Ann ann1@x.example",
        "E-Mail: ann1@x.example",
        "ann1@x.example (legal hold)",
        "[ann1@x.example]",
        "(ann1@x.example)",
        "ann1@x.example.",
    ],
)
async def test_an_address_with_something_around_it_is_refused_where_those_of_the_source_are_bare(value):
    def lists():
        return from_iterable(["7"]), from_iterable([Filter("email", "ann5@x.example"), Filter("email", value)])

    said = f"row 1: '{re.escape(value.lower())}' (is an address with something|looks like two values)"
    for source in from_iterable(MAILS), from_iterable([*MAILS, Filter("email", "-")]), from_iterable(iter(MAILS)):
        with pytest.raises(HoldsRefused, match=said):
            await compared(source, *lists())
    assert await compared(from_iterable([*MAILS, Filter("email", value)]), *lists())
    assert await compared(from_iterable(MAILS), *lists(), holds={"sanity_check": False})


@pytest.mark.parametrize(
    "value",
    [
        "ann99@x.example",
        "o'neill+x/y=1@mail.x-y.example",
        "ann@gmail.email",
        "\xe4nn@m\xfcller.example",
        "ann_x.com#EXT#@tenant.example",
        "root@email",
        "ann",
        "@ann",
        "ann at x.example",
    ],
)
async def test_a_bare_address_and_what_is_none_are_taken(value):
    for source in MAILS, iter(MAILS):
        held = from_iterable([Filter("email", "ann5@x.example"), Filter("email", value)])
        assert await compared(from_iterable(source), held)


async def test_an_address_with_something_around_it_is_taken_where_the_source_has_such_values():
    source = from_iterable([Filter("email", f"Mr {one.value}") for one in MAILS])
    assert await compared(source, from_iterable([Filter("email", "Mr ann99@x.example"), Filter("email", "[a@x]")]))


async def test_values_of_filters_of_one_length_and_those_of_a_source_of_another_are_refused_where_they_are_long():
    source = from_iterable([Filter("no", one) for one in IDS])
    said = "all values of 'no' on hold have 17 characters, and the first 40 values of the source have 18"
    with pytest.raises(HoldsRefused, match=said):
        await compared(source, from_iterable([Filter("no", one[:17]) for one in IDS[:3]]))
    mails = [Filter("email", f"{letter}@x.org") for letter in "abc"]
    assert await compared(from_iterable(mails), from_iterable([Filter("email", f"a{one}@x.org") for one in "ab"]))
    phones = [Filter("no", f"+49-151-{IDS[n][-7:]}") for n in range(3)]
    assert await compared(from_iterable(phones), from_iterable([Filter("no", "+49-151-1234567")]))


OF_CHANCE = [f"001{base64.b32encode(bytes.fromhex(one))[:15].decode()}" for one in HEX]


async def test_a_list_of_long_ids_made_by_chance_is_judged_alone_where_it_has_some(tmp_path):
    source = written(tmp_path / "ids.txt", [*OF_CHANCE, "x1", "X22"])
    cut = written(tmp_path / "cut.txt", [one[:15] for one in OF_CHANCE[:3]])
    sound = written(tmp_path / "sound.txt", OF_CHANCE[4:7])
    with pytest.raises(HoldsRefused, match=r"the hold list .*cut\.txt: " + UNLIKE.format(15, 40, 18)):
        await compared(source, sound, cut)
    assert await compared(source, sound, cut, identifiers={TABLE: {"lengths": [15, 18]}})
    for few in [one[:15] for one in OF_CHANCE[:2]], [*OF_CHANCE[:2], "001ABCD", "002ABCD"], ["X21", "X23", "X24"]:
        assert await compared(source, sound, from_iterable(few))
    counted = written(tmp_path / "counted.txt", [f"customer-{number}" for number in range(900, 1_000)])
    held = [f"customer-{number}" for number in range(1_000, 1_003)]
    assert await compared(counted, from_iterable(held), from_iterable(["customer-907", "customer-908"]))


async def test_ids_that_are_counted_up_to_more_digits_are_said_to_be_of_both_lengths(tmp_path):
    source = written(tmp_path / "ids.txt", [str(number) for number in range(90_000, 102_000)])
    held = ["101997", "101998", "101999"]
    with pytest.raises(HoldsRefused) as refused:
        await compared(source, from_iterable(held))
    assert "the first 10,000 ids of the source have 5: none of these would be held back" in str(refused.value)
    assert "if ids of the table have both lengths, say so with lengths = [5, 6] in its section" in str(refused.value)
    assert "[identifiers]" in str(refused.value)
    rules = {TABLE: {"lengths": [5, 6]}}
    assert await compared(source, from_iterable(held), identifiers=rules)
    rules[TABLE]["lengths"].append(7)
    with pytest.raises(HoldsRefused, match="'0101997' is on hold, and the source has '101997'"):
        await compared(from_iterable(["90000", "90001", "101997"]), from_iterable(["0101997"]), identifiers=rules)
    for other in {"lengths": [6]}, {"prefixes": ["9", "1"]}:
        with pytest.raises(HoldsRefused, match="none of these would be held back"):
            await compared(source, from_iterable(held), identifiers={TABLE: other})
