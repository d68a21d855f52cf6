"""What bulkdelete leaves beside a ledger is never sent as records; what lies there and is not its own stays."""

from __future__ import annotations

import pytest

from bulkdelete import BulkDeleter, LedgerFolder
from tests.acceptance.command import CANARY_KEY, TABLE_ID, Command, ids, purge, serving, write
from tests.crashes.test_adversity import WITHOUT_PRIVILEGES

IDS = ids(60)


@pytest.fixture
async def emulator():
    async with serving(IDS) as emulator:
        yield emulator


@pytest.fixture
def exports(tmp_path):
    (tmp_path / "exports").mkdir()
    write(tmp_path / "exports" / "june.txt", IDS[:10])
    return tmp_path / "exports"


def sent(emulator):
    return [entry["record_id"] for request in emulator.log for entry in request.entries]


async def refused(command, stdin=None):
    done = await command.run(stdin)
    assert done.code == 2, done.everything
    assert "othing was sent" in done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize("word", ["run", "plan"])
async def test_the_lock_of_a_ledger_that_is_gone_is_passed_over_and_told(tmp_path, exports, emulator, word):
    (exports / "gone.db.lock").write_bytes(b"4711")
    (exports / "begun.db.lock").touch()
    to = ("exports", "--table-id", TABLE_ID, "--base-url", emulator.base_url)
    more = ("--yes", "--ledger", "p.db") if word == "run" else ()
    done = await Command(tmp_path, word, *to, *more).run()
    assert done.code == 0, done.everything
    assert "passed over" in done.everything
    assert "gone.db.lock" in done.everything
    assert sent(emulator) == (IDS[:10] if word == "run" else [])


@pytest.mark.parametrize(
    "name", ["gone.db.spool", "gone.db.spool.new", "gone.db.spool.partial", "june.new", "june.lock"]
)
@pytest.mark.parametrize("source", ["exports", "exports/*"])
async def test_what_may_be_a_copy_of_another_job_is_no_source_of_a_directory_or_glob(
    tmp_path, exports, emulator, name, source
):
    write(exports / name, IDS[10:])
    said = await refused(purge(tmp_path, emulator, source))
    assert f"{name}" in said
    assert emulator.requests == 0


async def test_nor_is_a_lock_one_of_a_glob(tmp_path, exports, emulator):
    (exports / "gone.db.lock").write_bytes(b"4711")
    assert "gone.db.lock" in await refused(purge(tmp_path, emulator, "exports/*"))


async def test_the_lock_of_a_ledger_is_no_source_though_it_is_named(tmp_path, exports, emulator):
    (exports / "gone.db.lock").write_bytes(b"4711")
    said = await refused(purge(tmp_path, emulator, "exports/gone.db.lock", "exports/june.txt"))
    assert "gone.db.lock" in said
    write(exports / "mine.lock", IDS[:10])
    assert (await purge(tmp_path, emulator, "exports/mine.lock").run()).code == 0


async def test_a_copy_beside_its_ledger_is_no_source_though_it_is_named(tmp_path, emulator):
    records = "".join(f"{one}\n" for one in IDS[:10]).encode()
    assert (await purge(tmp_path, emulator, "-", "--limit", 5, "--batch-size", 5).run(records)).code == 75
    there = emulator.requests
    said = await refused(purge(tmp_path, emulator, "purge.db.spool", "--ledger", "other.db"))
    assert "purge.db.spool" in said
    assert emulator.requests == there


async def test_a_hold_list_does_not_lose_what_has_such_a_name(tmp_path, exports, emulator):
    (tmp_path / "holds").mkdir()
    write(tmp_path / "holds" / "a.txt", IDS[10:20])
    write(tmp_path / "holds" / "b.new", IDS[:5])
    for holds in ("holds", "holds/*"):
        assert "b.new" in await refused(purge(tmp_path, emulator, "exports", "--holds", holds))
    assert emulator.requests == 0


@pytest.mark.parametrize("content", ["541278230707963208\n" * 20, ""])
async def test_a_ledger_that_is_none_is_refused_and_nothing_is_left_beside_it(tmp_path, exports, emulator, content):
    (tmp_path / "ids.txt").write_text(content)
    before = sorted(tmp_path.iterdir())
    assert "ids.txt: this file is no ledger" in await refused(
        purge(tmp_path, emulator, "exports", "--ledger", "ids.txt")
    )
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "ids.txt").read_text() == content


async def test_a_lock_that_an_earlier_run_left_stays_where_another_job_is_refused(tmp_path, exports, emulator):
    assert (await purge(tmp_path, emulator, "exports").run()).code == 0
    write(tmp_path / "other.txt", IDS[20:])
    await refused(purge(tmp_path, emulator, "other.txt"))
    assert (tmp_path / "purge.db.lock").exists()


@pytest.mark.parametrize("content", ["[[package]]\nname = 'x'\n", "4711\n", "12345678901", "4711 here"])
async def test_a_file_of_somebody_else_where_the_lock_must_lie_is_refused_and_stays(
    tmp_path, exports, emulator, content
):
    (tmp_path / "poetry.lock").write_text(content)
    said = await refused(purge(tmp_path, emulator, "exports", "--ledger", "poetry"))
    assert "poetry.lock" in said
    assert "another --ledger" in said
    assert (tmp_path / "poetry.lock").read_text() == content
    assert not (tmp_path / "poetry").exists()
    assert emulator.requests == 0
    (tmp_path / "poetry.lock").unlink()
    assert (await purge(tmp_path, emulator, "exports", "--ledger", "poetry").run()).code == 0


@pytest.mark.parametrize("name", ["poetry.new", "poetry.new-wal", "poetry.new-shm", "poetry-wal", "poetry-shm"])
async def test_a_file_of_somebody_else_where_a_ledger_is_made_is_refused_and_stays(tmp_path, exports, emulator, name):
    (tmp_path / name).write_text("theirs\n")
    before = sorted(tmp_path.iterdir())
    said = await refused(purge(tmp_path, emulator, "exports", "--ledger", "poetry"))
    assert name in said
    assert "another --ledger" in said
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / name).read_text() == "theirs\n"


def piped(records):
    return "".join(f"{one}\n" for one in records).encode()


@pytest.mark.parametrize("name", ["poetry.spool", "poetry.spool.new"])
async def test_a_file_of_somebody_else_where_a_copy_must_lie_is_refused_and_stays(tmp_path, emulator, name):
    write(tmp_path / name, IDS[30:])
    for _ in range(2):  # also where the ledger is there by now
        said = await refused(purge(tmp_path, emulator, "-", "--ledger", "poetry"), piped(IDS[:10]))
        assert name in said
        assert "another --ledger" in said
        assert (tmp_path / name).read_bytes() == piped(IDS[30:])
    (tmp_path / name).unlink()
    assert (await purge(tmp_path, emulator, "-", "--ledger", "poetry").run(piped(IDS[:10]))).code == 0
    assert sent(emulator) == IDS[:10]


async def test_a_file_of_somebody_else_that_is_only_named_as_the_copy_of_a_file_job_stays(tmp_path, exports, emulator):
    write(tmp_path / "purge.db.spool", IDS[30:])
    assert (await purge(tmp_path, emulator, "exports").run()).code == 0
    async with BulkDeleter(base_url=emulator.base_url, api_key=CANARY_KEY) as deleter:
        assert (await deleter.resume(tmp_path / "purge.db")).acknowledged == 10
    assert await LedgerFolder(tmp_path).prune(older_than_seconds=0) == [tmp_path / "purge.db"]
    assert (tmp_path / "purge.db.spool").read_bytes() == piped(IDS[30:])


async def test_a_piped_job_that_is_complete_says_so_where_nothing_is_piped_again(tmp_path, emulator):
    first = await purge(tmp_path, emulator, "-").run(piped(IDS))
    assert first.code == 0, first.everything
    requests = emulator.requests
    again = await purge(tmp_path, emulator, "-").run(b"")
    assert (again.code, again.report["ended"], again.report["acknowledged"]) == (0, "complete", 60), again.everything
    assert again.report["requests"] == 0
    assert emulator.requests == requests
    assert not [*tmp_path.glob("*.spool*")]
    other = await refused(purge(tmp_path, emulator, "-"), piped(IDS[:5]))
    assert "does not hold the records" in other


async def test_its_exit_code_is_that_of_the_job(tmp_path, emulator):
    assert (await purge(tmp_path, emulator, "-").run(piped([*IDS, "a b"]))).code == 1
    again = await purge(tmp_path, emulator, "-").run(b"")
    assert (again.code, again.report["invalid"]) == (1, 1), again.everything


async def test_a_piped_job_that_is_not_complete_and_whose_copy_is_gone_says_that_it_is_gone(tmp_path, emulator):
    assert (await purge(tmp_path, emulator, "-", "--limit", 10, "--batch-size", 10).run(piped(IDS))).code == 75
    (tmp_path / "purge.db.spool").unlink()
    said = await refused(purge(tmp_path, emulator, "-"), b"")
    assert "is gone" in said
    assert "none at all" not in said
    other = await refused(purge(tmp_path, emulator, "-"), piped(IDS[:5]))
    assert "none at all" not in other
    done = await purge(tmp_path, emulator, "-").run(piped(IDS))
    assert (done.code, done.report["acknowledged"]) == (0, 60)


async def test_a_file_that_may_not_be_read_stays_where_a_new_ledger_would_lie(tmp_path, emulator):
    write(tmp_path / "ids.txt", IDS[:10])
    there = write(tmp_path / "purge.db.new", ["a secret of somebody else"])
    there.chmod(0)
    await refused(purge(tmp_path, emulator, "ids.txt", program=("-c", WITHOUT_PRIVILEGES)))
    assert there.exists()
    assert not emulator.requests


async def test_the_copy_of_a_piped_job_that_was_refused_goes_with_the_job_that_was_meant(tmp_path, emulator):
    write(tmp_path / "ids.txt", IDS[:10])
    await refused(purge(tmp_path, emulator, "-"), b"not an id\n" * 10)
    assert (tmp_path / "purge.db.spool").exists()
    done = await purge(tmp_path, emulator, "ids.txt").run()
    assert done.code == 0, done.everything
    assert not (tmp_path / "purge.db.spool").exists()
