"""Run folders that are not what a run leaves: each makes a report, or is refused in a line that says where and why."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gradgauge.cli import main
from gradgauge.gate.findings import GATE_JSON
from gradgauge.records import Record, Series, Verdict
from gradgauge.report import summary_lines, write_report
from gradgauge.report.data import RunData
from gradgauge.report.page import render_page
from gradgauge.runs import RunFolder, UnreadableRun
from tests import gates
from tests.report import synthetic
from tests.report.synthetic import agreement, case, speedup, timed, write_run
from tests.report.synthetic_profile import case_of, profile

FILES = ("run.json", "records.jsonl", "series.jsonl", "profiles.jsonl", GATE_JSON)
BEYOND = "what json writes as 1e999"
GONE = "no such key"


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


VALUES: tuple[Any, ...] = (
    *(None, "", 0, -1, 1.5, 1e308, 5e-324, 10**400, 2**70, True, [], {}, [1], ["a"], {"a": 1}, {"a": "b"}, [None]),
    *(float("nan"), float("inf"), -float("inf"), BEYOND, nested(40), nested(5), {"": {"": ""}}),
    *("x" * 10_000, "\ud800", "a\x00b", "two\nlines", "<b>", "$\\frac{1}{0", "2025-13-45T99:99:99", "4x", "-3x4"),
)
# What is no JSON is refused wherever it stands, in keys that nobody reads, too.
NOT_JSON = (float("nan"), float("inf"), -float("inf"))


def relu(technique: str = "where/eager", shape: str = "4x4") -> Any:
    return case("relu", technique, "forward_backward", shape)


def a_run(parent: Path) -> RunFolder:
    """Write a small run with everything that a run folder may hold."""
    xs, ys = (0.0, 1.0, 2.0), (0.0, 2.0, 1.0)
    records = [
        *(timed(relu(shape=shape), 1e-3) for shape in ("4x4", "8x8")),
        speedup(relu(), 2.0, 1.9, 2.1),
        agreement(relu(), "gradient_max_ulp", 1.0, Verdict.PASS, input="x", kind="random"),
        Record("memory", relu(), "saved_bytes", 64, "byte", Verdict.MEASURED, "kept by x"),
        Record("behavior", relu(), "vmap", 0, "", Verdict.PASS),
        Record("counters", relu(), "operators", 3, "count", Verdict.MEASURED, "3 aten::mul"),
    ]
    series = [Series(relu(), name, xs, ys) for name in ("value", "gradient", "value_error", "value_budget")]
    catalog = synthetic.catalog()
    catalog["functions"] = {"relu": catalog["functions"]["relu"]}
    catalog["broken"] = [{"file": "a.py", "line": 3, "message": "no"}]
    planned = [{"suite": "speed", **relu(shape="9x9").to_json()}]
    folder = write_run(parent, records, series, catalog=catalog, planned=planned)
    folder.append_profile(profile(case_of("where/eager")))
    replace(gates.red(), findings=gates.red().findings[::4]).write(folder.path / GATE_JSON)
    return folder


def read(file: Path) -> list[Any]:
    """Return what a file holds, as a list of lines or of the one object."""
    text = file.read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()] if file.suffix == ".jsonl" else [json.loads(text)]


def write(file: Path, values: list[Any]) -> None:
    text = "".join(json.dumps(value) + "\n" for value in values)
    file.write_text(text.replace(json.dumps(BEYOND), "1e999"), encoding="utf-8")


def places(value: Any, depth: int = 6) -> Iterator[tuple[Any, ...]]:
    """Yield the keys that lead to everything within a value; of what is many times alike, to the first two."""
    yield ()
    items = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    alike = isinstance(value, list) or len({type(item) for _, item in items}) == 1
    for key, item in items[:2] if alike else items:
        if depth:
            yield from ((key, *rest) for rest in places(item, depth - 1))


def changed(value: Any, place: tuple[Any, ...], new: Any) -> Any:
    """Return the value with something else at a place, or with nothing there."""
    if not place:
        return new
    copy = value.copy()
    if new is GONE and len(place) == 1:
        del copy[place[0]]
    else:
        copy[place[0]] = changed(value[place[0]], place[1:], new)
    return copy


def refusal_of(folder: RunFolder) -> str:
    """Return in which words a run is refused; nothing where it is read."""
    try:
        RunData.load(folder)
    except UnreadableRun as refusal:
        return str(refusal)
    return ""


@pytest.mark.parametrize("name", FILES)
def test_whatever_stands_in_place_of_a_value_is_read_or_refused_by_file_line_and_key(parent: Path, name: str) -> None:
    folder = a_run(parent)
    file = folder.path / name
    first, *rest = read(file)
    tried = [(place, new) for place in places(first) for new in (*VALUES, *([GONE] if place else []))]
    refused = 0
    for place, new in tried:
        write(file, [changed(first, place, new), *rest])
        said = refusal_of(folder)
        where = f"{file}:1:" if file.suffix == ".jsonl" else f"{file}:"
        assert not said or said.startswith(where), (place, new)
        assert len(said.splitlines()) <= 1, (place, new)
        assert len(said) < len(where) + 400, (place, new)
        assert said or new not in NOT_JSON, (place, new)
        refused += bool(said)
    assert len(tried) / 4 < refused < len(tried)


@pytest.mark.parametrize("seed", range(6))
def test_what_is_read_however_odd_is_shown(parent: Path, seed: int) -> None:
    folder, chance = a_run(parent), random.Random(seed)
    whole = {name: read(folder.path / name) for name in FILES}
    for _ in range(60):
        name = chance.choice(FILES)
        before = whole[name]
        index = chance.randrange(len(before))
        place = chance.choice([place for place in places(before[index]) if place])
        after = [*before[:index], changed(before[index], place, chance.choice(VALUES)), *before[index + 1 :]]
        write(folder.path / name, after)
        whole[name] = before if refusal_of(folder) else after
        write(folder.path / name, whole[name])
    assert "<main>" in render_page(RunData.load(folder))
    assert summary_lines(folder)


# --- files that are none --------------------------------------------------------------------------------------------

Damage = Callable[[Path], object]


def bytes_of(change: Callable[[bytes], bytes]) -> Damage:
    return lambda file: file.write_bytes(change(file.read_bytes()))


def in_place(make: Callable[[Path], object]) -> Damage:
    return lambda file: (file.rename(file.with_name("elsewhere")), make(file))


DAMAGE: dict[str, tuple[Damage, str]] = {
    "a byte order mark": (bytes_of(lambda data: b"\xef\xbb\xbf" + data), ":1: not JSON: it begins with a byte order"),
    "another encoding": (bytes_of(lambda data: data.decode().encode("utf-16")), ":1: not UTF-8: byte 0xff"),
    "bytes that are no text": (bytes_of(lambda data: data.replace(b"relu", b"\xc3\x28", 1)), "not UTF-8: byte 0xc3"),
    "a zero byte": (bytes_of(lambda data: data.replace(b"relu", b"re\0lu", 1)), "Invalid control character at column"),
    "no JSON": (bytes_of(lambda data: b"{nonsense\n" + data), ":1: not JSON: Expecting property name"),
    "two values": (bytes_of(lambda _: b"{} {}\n"), ":1: not JSON: Extra data at column 4"),
    "a list": (bytes_of(lambda _: b"[]\n"), ""),
    "a name that stands twice": (
        bytes_of(lambda data: data.replace(b'"function":', b'"function": "f", "function":', 1)),
        "'function' stands twice in one object",
    ),
    "lists within lists": (bytes_of(lambda _: b"[" * 100_000 + b"\n"), "more than 32 lists and objects"),
    "thousands of digits": (bytes_of(lambda _: b'{"x": ' + b"9" * 5000 + b"}\n"), "thousands of digits"),
    "a long line of nonsense": (bytes_of(lambda _: b"x" * 5_000_000 + b"\n"), ":1: not JSON: Expecting value"),
    "a folder": (in_place(Path.mkdir), ": not a file"),
    "a pipe": (in_place(os.mkfifo), ": not a file"),
    "a link to nothing": (in_place(lambda file: file.symlink_to("nowhere")), ": not a file"),
    "a link to itself": (in_place(lambda file: file.symlink_to(file)), ": not a file"),
    "a link out of the folder": (in_place(lambda file: file.symlink_to("/etc/hostname")), ": a link out of its folder"),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_file_that_is_none_is_refused_by_name(parent: Path, name: str, damage: str) -> None:
    folder = a_run(parent)
    change, said = DAMAGE[damage]
    change(folder.path / name)
    told = refusal_of(folder)
    assert told.startswith(f"{folder.path / name}:")
    assert said in told
    assert len(told.splitlines()) == 1


@pytest.mark.parametrize("name", FILES[1:])
def test_an_empty_file_holds_nothing_but_for_a_gate(parent: Path, name: str) -> None:
    folder = a_run(parent)
    (folder.path / name).write_bytes(b"")
    told = refusal_of(folder)
    assert told == ("" if name.endswith("l") else f"{folder.path / name}:1: not JSON: Expecting value at column 1")


def test_without_a_description_it_is_no_run(parent: Path) -> None:
    folder = a_run(parent)
    folder.run_json.write_bytes(b"")
    assert refusal_of(folder) == f"{folder.run_json}:1: not JSON: Expecting value at column 1"


@pytest.mark.parametrize("name", FILES)
def test_lines_that_end_as_elsewhere_are_read(parent: Path, name: str) -> None:
    folder = a_run(parent)
    before = RunData.load(folder)
    bytes_of(lambda data: data.replace(b"\n", b"\r\n"))(folder.path / name)
    assert RunData.load(folder) == before


@pytest.mark.parametrize("name", FILES[1:4])
def test_a_line_that_was_cut_short_is_left_out_and_told(parent: Path, name: str) -> None:
    folder = a_run(parent)
    whole = RunData.load(folder)
    bytes_of(lambda data: data[:-20])(folder.path / name)
    cut = RunData.load(folder)
    counts = [len(getattr(run, name.partition(".")[0])) for run in (whole, cut)]
    assert counts[1] == counts[0] - 1
    assert cut.cut_short == (name,)
    assert any(f"The last line of {name} was cut short" in line for line in summary_lines(folder))


@pytest.mark.parametrize("version", [0, 2, "1", 1.0, True, None, [1], 10**400])
@pytest.mark.parametrize("name", ["run.json", GATE_JSON])
def test_of_another_schema_nothing_is_guessed(parent: Path, name: str, version: object) -> None:
    folder = a_run(parent)
    file = folder.path / name
    write(file, [read(file)[0] | {"schema_version": version}])
    assert refusal_of(folder) == f"{file}: schema_version {version!r:.60}, this gradgauge reads 1"


# --- lines that contradict themselves, or one another ----------------------------------------------------------------


def with_line(parent: Path, **changes: Any) -> str:
    """Return in which words a run is refused whose second record has other values."""
    folder = a_run(parent)
    first, second, *rest = read(folder.records_jsonl)
    write(folder.records_jsonl, [first, second | changes, *rest])
    said = refusal_of(folder)
    return said.removeprefix(f"{folder.records_jsonl}:2: ")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"low": 2.0, "high": 1.0}, "low 2.0 is above high 1.0"),
        ({"samples": -1}, "samples: int -1, expected a whole number from 0"),
        ({"samples": 1.5}, "samples: float 1.5, expected a whole number from 0"),
        ({"verdict": "splendid"}, f"verdict: str 'splendid', expected one of {', '.join(Verdict)}"),
        ({"value": True}, "value: bool True, expected a number"),
        ({"suite": ""}, "suite: str '', expected a string that says something"),
        ({"labels": {"two\nlines": 1}}, "labels.two lines: int 1, expected a string"),
        ({"low": float("nan")}, "low: NaN, expected a finite number or null"),
        ({"later": {"x": [float("-inf")]}}, "later.x[0]: -Infinity, expected a finite number or null"),
        (
            {"shape": "4x4"},
            "the same speed · relu-where-eager-forward_backward-cpu-float32-4x4-contiguous · time as in",
        ),
    ],
)
def test_a_line_of_nonsense_is_refused(parent: Path, changes: dict[str, Any], said: str) -> None:
    assert with_line(parent, **changes).startswith(said)


@pytest.mark.parametrize(
    "changes",
    [
        {"samples": 40.0},
        {"metric": "never_heard_of"},
        {"suite": "never heard of"},
        {"run": "another"},
        {"shape": "4x4", "verdict": "crashed", "value": None},
        {"low": 5.0, "high": 6.0},
        {"shape": "nonsense", "device": "", "dtype": "int3", "layout": "?", "mode": "odd", "pass": "odd"},
    ],
)
def test_a_line_that_may_be_true_is_read(parent: Path, changes: dict[str, Any]) -> None:
    assert with_line(parent, **changes) == ""


def test_dates_that_are_none_are_shown_as_they_are(parent: Path) -> None:
    folder = write_run(parent, [timed(relu(), 1e-3)], [], start="yesterday", end="2025-13-45")
    assert "<dd>yesterday</dd>" in write_report(folder).read_text(encoding="utf-8")


def test_of_a_hundred_thousand_planned_cases_the_count_is_told(parent: Path) -> None:
    planned = [{"suite": "speed", **relu(shape=str(index)).to_json()} for index in range(100_000)]
    folder = write_run(parent, [], [], planned=planned, complete=False)
    assert any("100,000 planned cases have no record" in line for line in summary_lines(folder))


def test_what_takes_no_time_and_errors_without_a_budget_are_drawn(parent: Path) -> None:
    folder = a_run(parent)
    still = replace(profile(case_of("where/eager")), step_s=5e-324)
    folder.profiles_jsonl.unlink()
    folder.append_profile(still)
    budgets = [line | {"y": [0.0, 0.0, -1.0]} for line in read(folder.series_jsonl)]
    elsewhere = [line | {"x": [0.0, 1.0], "y": [1.0, 1.0]} for line in budgets if line["series"] == "value_budget"]
    for drawn in (budgets, [*budgets[:-1], *elsewhere]):
        write(folder.series_jsonl, drawn)
        assert "<svg role" in write_report(folder).read_text(encoding="utf-8")


# --- the command ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["a byte order mark", "lists within lists", "a folder", "a link to nothing"])
def test_the_command_refuses_in_one_line(parent: Path, damage: str, capsys: pytest.CaptureFixture[str]) -> None:
    folder = a_run(parent)
    DAMAGE[damage][0](folder.records_jsonl)
    with pytest.raises(SystemExit) as end:
        main(["report", str(folder.path)])
    said = capsys.readouterr()
    assert end.value.code == 2
    assert said.out == ""
    assert said.err.startswith(str(folder.records_jsonl))
    assert len(said.err.splitlines()) == 1
    assert not folder.report_html.exists()
