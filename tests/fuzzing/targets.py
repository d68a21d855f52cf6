"""What is fuzzed: each target takes any bytes, and raises where what reads them does anything but refuse or read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pytest

from bulkdelete.cli import plan_files, settings_file
from bulkdelete.errors import PlanRefused, SettingsError
from bulkdelete.settings import Settings
from tests.acceptance.command import CANARY_KEY
from tests.fuzzing import answers, echoing, ledgers, sources
from tests.fuzzing.keys import check_told
from tests.secrets import as_told, assert_nowhere, of_ours

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


_SMALL_BYTES: Final = 4096
_KEY_IN_TOML: Final = f'\napi_key = "{CANARY_KEY}"\n'.encode()
"""Whatever comes before it, the key is a value, and no name."""
_KEY_IN_JSON: Final = f'{{"api_key": "{CANARY_KEY}", '.encode()


@dataclass(frozen=True)
class Target:
    """``run(data, folder)`` reads *data*; ``words`` are what sentences are made of, ``seeds`` where mutations begin."""

    name: str
    run: Callable[[bytes, Path], None]
    words: Sequence[bytes]
    seeds: Callable[[], Sequence[bytes]]


def _configuration(data: bytes, folder: Path) -> None:
    path = folder / "purge.toml"
    if len(data) <= _SMALL_BYTES:
        path.write_bytes(data + _KEY_IN_TOML)
        with pytest.raises(SettingsError) as refused:
            Settings.from_mapping(settings_file.load(str(path)), str(path))
        assert_nowhere(CANARY_KEY, texts=as_told(of_ours(refused.value)))
    path.write_bytes(data)
    try:
        settings = Settings.from_mapping(settings_file.load(str(path)), str(path))
    except SettingsError as error:
        check_told(error)
    else:
        assert Settings.from_mapping(settings.model_dump()) == settings


def _plan(data: bytes, folder: Path) -> None:
    path = folder / "plan.json"
    path.write_bytes(data.replace(b"{", _KEY_IN_JSON, 3))
    with pytest.raises(PlanRefused) as refused:
        plan_files.read(str(path))
    assert_nowhere(CANARY_KEY, texts=[str(refused.value)])  # a plan is no place for a key; its words are not quoted
    path.write_bytes(data)
    try:
        plan = plan_files.read(str(path))
    except PlanRefused as error:
        check_told(error)
    else:
        path.write_text(plan.as_json())
        assert plan_files.read(str(path)) == plan
        assert plan.approved.digest == plan.digest


def _words(text: str) -> tuple[bytes, ...]:
    return tuple(word.encode().replace(b"~", b"\n").replace(b"_", b" ") for word in text.split())


_TOML: Final = (
    *_words('= [ ] [[ ]] { } , . " """ # ~ ~~ 1 -1 0x 1e999 nan inf true false 2024-01-01T00:00:00Z a a. [a] a=1~ a=['),
    *(
        f"{name} = ".encode()
        for name in ("base-url", "base_url", "codes.5", "source.path", "source.encoding", "source.delimiter")
    ),
    *(
        b"[identifiers.a]\npattern = '",
        b"lengths = [",
        b"(",
        b")",
        b"*",
        b"+",
        b"{9999999999}",
        b"[a-z]",
        b"?P<a>",
        b"\\",
    ),
    *(b"[source]\n", b"[holds]\n", b"[canary]\n", b"check_command = [", b"api_key_command = [", b"api_key = ", b"./x"),
    *(b'"http://127.0.0.1:99999"', b'"https://[::1"', b'"https://a\xc2\x80"', b'"utf-7"', b'"undefined"', b'"\\u0000"'),
)
_CONFIGURATION: Final = b"""base_url = "https://altatech.ai"
table_id = "673af861ed69656ac0895b07"
codes = { 40001 = "retry" }
api_key_command = ["./key", "x"]
[identifiers.673af861ed69656ac0895b07]
pattern = "[0-9]{18}"
lengths = [18]
[source]
path = ["a/*.csv.gz", "b.csv"]
encoding = "latin-1"
delimiter = ";"
[flow]
concurrency = 4
requests_per_hour = 1000
[holds]
path = "holds.txt"
max_age_seconds = 86400
"""
_JSON: Final = (
    *_words('{ } [ ] : , " \\ \\" null true 1e999 -0 NaN 0.1 {"a": [[ {"": ,~ "\\ud800"'),
    *(f'"{name}":'.encode() for name in ("what", "settings", "batch", "size", "rows", "samples", "digest", "guards")),
)


def _plans() -> Sequence[bytes]:
    counts = dict.fromkeys(("rows", "records", "invalid", "held", "on_hold", "duplicate", "batches"), 1)
    texts = dict.fromkeys(("made_at", "made_by", "version", "rows_digest", "passes"), "")
    plan = plan_files.Plan(
        what={"table_id": "a"}, guards={}, settings={"batch": {"size": 1}}, samples=["1", {"filter": {"a": 1}}],
        set_aside={"held": [{"row": 1}]}, **counts, **texts,
    )  # fmt: skip
    return [plan.as_json().encode()]


TARGETS: Final = {
    target.name: target
    for target in (
        Target("text", sources.text, sources.LINES, sources.texts),
        Target("csv", sources.csv, sources.CELLS, sources.csvs),
        Target("jsonl", sources.jsonl, sources.JSON, sources.jsonls),
        Target("packed", sources.packed, sources.MAGICS, sources.packs),
        Target("encoded", sources.encoded, sources.LINES, sources.encodings),
        Target("holds", sources.holds, sources.CELLS, sources.csvs),
        Target("spool", sources.spool, sources.JSON, sources.spools),
        Target("reply", answers.reply, answers.REPLIES, answers.replies),
        Target("echo", echoing.echo, echoing.WORDS, echoing.echoes),
        Target("headers", answers.headers, answers.HEADERS, answers.all_headers),
        Target("quotas", answers.quotas, answers.SNAPSHOTS, answers.snapshots),
        Target("config", _configuration, _TOML, lambda: [_CONFIGURATION]),
        Target("plan", _plan, _JSON, _plans),
        Target("ledger", ledgers.ledger, ledgers.WORDS, ledgers.sound),
        Target("rewritten", ledgers.rewritten, ledgers.SQL, ledgers.statements),
        Target("report", ledgers.report, _JSON, ledgers.reports),
    )
}
