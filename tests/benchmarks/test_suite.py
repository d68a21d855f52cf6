"""The suite's frame: what it lists, measures, writes, compares and draws. What it measures is none of the tests'."""

from __future__ import annotations

import json
import re
import select
import socket

import pytest
from click.testing import CliRunner

from benchmarks import figures, suite
from benchmarks.__main__ import main
from benchmarks.fast_server import STUB, fast_server
from benchmarks.measuring import null_server
from benchmarks.results import ROOT, Measured, line, read

README = (ROOT / "README.md").read_text()
REQUEST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n"
HALF = b"x" * 100_000


def said(*words: object) -> str:
    done = CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_the_list_has_each_benchmark_with_its_question():
    listed = said("list").splitlines()
    assert [one.split()[0] for one in listed] == list(suite.NAMES)
    assert all(one.endswith("?") for one in listed)


@pytest.mark.parametrize("name", suite.NAMES)
def test_a_benchmark_answers_its_question_and_the_readme_shows_how(name):
    assert callable(suite.benchmark(name).measure)
    assert f"`python -m benchmarks run {name}`" in README


def test_a_run_writes_lines_that_are_compared_and_drawn(tmp_path):
    path = tmp_path / "results.jsonl"
    said("run", "bare", "--times", 2, "--share", 0.02, "--output", path)
    lines = [json.loads(text) for text in path.read_text().splitlines()]
    assert {(one["benchmark"], one["case"]["client"]) for one in lines} >= {("bare", "aiohttp")}
    for one in lines:
        assert len(one["values"]) == 2
        assert one["spread"][0] <= one["median"] <= one["spread"][1]
        assert {"metric", "unit", "commit", "dirty", "date", "note"} <= one.keys()
        assert {"bulkdelete", "python", "aiohttp", "orjson", "uvloop"} <= one["versions"].keys()
        assert {"cores", "gib", "cpu"} == one["machine"].keys()
        assert one["share"] == 0.02
    rows = said("compare", path, path).splitlines()[2:]
    assert len(rows) == len(lines)
    assert all("| 1 (" in row for row in rows)
    report = said("report", "--results", path, "--figures", tmp_path / "figures")
    assert suite.question("bare") in report
    assert "only 2.00% of the size: no result" in report


def test_what_a_commit_cost_is_compared_with_another(tmp_path):
    path, measured = tmp_path / "results.jsonl", Measured({"rows": 1000}, "CPU", "s", [1.0, 2.0, 4.0])
    before = line("memory", measured, 1.0) | {"commit": "aaa", "dirty": False}
    after = before | {"commit": "bbb", "values": [3.0, 3.0, 3.0], "median": 3.0, "spread": [3.0, 3.0]}
    path.write_text(f"{json.dumps(before)}\n{json.dumps(after)}\n")
    compared = said("compare", "a", "b", "--results", path)
    assert "| memory | rows 1000 | CPU, s | 2 (1 to 4) | 3 (3 to 3) | 1.5 (0.75 to 3) |" in compared
    assert "commit: aaa; in B: bbb" in compared
    assert CliRunner().invoke(main, ["compare", "a", "c", "--results", str(path)]).exit_code == 2


def test_a_report_has_cases_across_and_steps_over_time(tmp_path):
    path, lines = tmp_path / "results.jsonl", []
    for door, goodput in (("ours", 0.5), ("theirs", 0.25)):
        case = {"server": "queue", "door": door}
        lines += [Measured(case, "goodput", "of the ideal", [goodput]), Measured(case, "wasted", "%", [goodput * 100])]
        lines += [Measured(case, "limit", "attempts", points=[(0.0, 1.0), (9.0, 50.0)])]
    path.write_text("".join(json.dumps(line("flow", one, 1.0)) + "\n" for one in lines))
    report = said("report", "--results", path, "--figures", tmp_path)
    assert "goodput, of the ideal · wasted, %\n\n| | ours | theirs |\n| --- | --- | --- |\n" in report
    assert "| queue | 0.5 · 50 | 0.25 · 25 |" in report
    assert "theirs</text>" in (tmp_path / "queue.svg").read_text()
    assert len(read(path)) == 6


def test_bars_are_as_long_as_their_medians():
    drawn = figures.bars("<title>", {"half": (5.0, 4.0, 6.0), "whole": (10.0, 10.0, 10.0)})
    assert "&lt;title&gt;" in drawn
    assert f'width="{figures.BARS_WIDTH / 2:.1f}"' in drawn
    assert f'width="{figures.BARS_WIDTH:.1f}"' in drawn


def test_a_long_name_has_room_before_its_bar():
    name = "client elasticsearch, async_bulk, keys 3000000, answers after 50 ms, server stub, elasticsearch"
    drawn = figures.bars("title", {name: (1.0, 1.0, 1.0)})
    [end] = re.findall(r'<text x="(\d+)" y="\d+" text-anchor="end">', drawn)
    assert int(end) >= 7 * len(name)


@pytest.mark.parametrize("server", [fast_server, null_server])
def test_a_server_answers_when_it_has_read_the_whole_body(server):
    with server() as running:
        if getattr(running, "name", "") == STUB:
            pytest.skip(STUB)
        address = running.base_url.removeprefix("http://").split(":")
        with socket.create_connection(address) as slow, socket.create_connection(address) as quick:
            slow.sendall(REQUEST + HALF)
            quick.sendall(REQUEST + HALF + HALF)
            assert quick.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")
            assert select.select([slow], [], [], 0) == ([], [], [])
            slow.sendall(HALF)
            assert b'"code":0' in slow.recv(1000).replace(b" ", b"")
