from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gradgauge.cases import Case
from gradgauge.examples import Example, ExampleCall, Given, Numbers, Outcome
from gradgauge.records import Record, Reproduction, Verdict
from gradgauge.report import summary_lines, write_report
from gradgauge.report.data import RunData
from gradgauge.runs import RunFolder, UnreadableRun
from tests.report import synthetic
from tests.report.page import read
from tests.report.synthetic import write_run
from tests.report.synthetic_gradients import REASON, cell, judged

CASE = judged("relu", "where/eager")
DETAIL = "9 ulp where 1 are excused; the sign is wrong for x > 0; at (0.5): -1 where 1 is right"


def one(value: float) -> Numbers:
    return Numbers((1,), "float32", (value,), value, value)


def sign_fault(x: float = 0.5) -> Example:
    call = ExampleCall((Given("x", one(x)),), (Outcome(one(x), one(x)),), (Outcome(one(1.0), one(-1.0)),), (one(1.0),))
    return Example((call,), shows="gradient of x")


def wrong(case: Case = CASE, kind: str = "random") -> Record:
    return replace(cell(case, "gradient_max_ulp", kind, "x"), detail=DETAIL, verdict=Verdict.FAIL)


def stored(record: Record, example: Example) -> Reproduction:
    return Reproduction(record.suite, record.case, record.metric, record.labels, example)


def shown(folder: RunFolder) -> str:
    return read(write_report(folder).read_text(encoding="utf-8")).sections["failures"]


def written(parent: Path, records: list[Record], found: list[Reproduction] = [], **changes: Any) -> RunFolder:  # noqa: B006  (never written to)
    folder = write_run(parent, records, [], **changes)
    for each in found:
        folder.append_reproduction(each)
    return folder


# --- reading --------------------------------------------------------------------------------------------------------


def test_what_was_stored_is_read_back(parent: Path) -> None:
    numbers = Numbers((2,), "float16", (float("-inf"), float("nan")), float("nan"), float("nan"))
    example = Example(
        (replace(sign_fault().calls[0], gradients=(None,), grad_outputs=(None,), is_tuple=True),), operator="mine.relu"
    )
    found = stored(wrong(), example)
    (again,) = RunData.load(written(parent, [wrong()], [found])).reproductions
    assert again == found
    odd = replace(example, calls=(ExampleCall((Given("x", numbers, "strided", asks=False),)),))
    folder = written(parent / "odd", [wrong()], [stored(wrong(), odd)])
    (again,) = RunData.load(folder).reproductions
    assert repr(again.example) == repr(odd)  # NaN is not itself


def test_a_line_that_a_kill_cut_short_is_left_out_and_told(parent: Path) -> None:
    folder = written(parent, [wrong()], [stored(wrong(), sign_fault())])
    with folder.reproductions_jsonl.open("a", encoding="utf-8") as lines:
        lines.write('{"run": "2025')
    run = RunData.load(folder)
    assert len(run.reproductions) == 1
    assert run.cut_short == ("reproductions.jsonl",)


def changed(line: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    *keys, last = path.split("/")
    place: Any = line
    for key in keys:
        place = place[int(key) if isinstance(place, list) else key]
    place[last] = value
    return line


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("calls", []),
        ("calls/0/inputs", []),
        ("calls/0/inputs/0/shape", None),
        ("calls/0/inputs/0/shape", [1] * 17),
        ("calls/0/inputs/0/shape", [-1]),
        ("calls/0/inputs/0/dtype", "float32); import os; ("),
        ("calls/0/inputs/0/layout", "upside down"),
        ("calls/0/inputs/0/values", ["__import__('os')"]),
        ("calls/0/inputs/0/values", [1.0, 2.0]),
        ("calls/0/inputs/0/values", [None]),
        ("calls/0/inputs/0/name", ""),
        ("calls/0/gradients", [None, None]),
        ("calls/0/grad_layout", ""),
        ("operator", "aten.relu, exit()"),
        ("metric", None),
    ],
)
def test_what_code_may_not_be_written_from_is_refused_with_its_place(parent: Path, path: str, value: object) -> None:
    folder = written(parent, [wrong()])
    line = changed(json.loads(json.dumps(stored(wrong(), sign_fault()).to_json(folder.run_id))), path, value)
    folder.reproductions_jsonl.write_text(json.dumps(line) + "\n", encoding="utf-8")
    with pytest.raises(UnreadableRun, match=r"reproductions\.jsonl:1: .*expected"):
        RunData.load(folder)


# --- showing --------------------------------------------------------------------------------------------------------


def test_a_fault_is_told_with_its_smallest_input_its_extent_and_the_code(parent: Path) -> None:
    records = [
        wrong(judged("relu", f"where/{mode}"), kind) for mode in ("eager", "compiled") for kind in ("random", "0-d")
    ]
    larger = stored(records[1], replace(sign_fault(), calls=sign_fault().calls * 2))
    text = shown(written(parent, records, [larger, stored(records[0], sign_fault())]))
    assert "relu · where · eager and compiled: the sign is wrong for x > 0" in text
    assert "Smallest input: x = 0.5, cotangent 1 → gradient of x −1, right is 1" in text
    assert "4 records: 2 modes, 2 kinds of input" in text
    assert "call = load_module(builtin_folder(\"implementations\") / 'relu/where.py').IMPLEMENTATION.call" in text
    assert "print(x.grad)  # expected [1]" in text


def test_where_the_only_words_are_a_place_the_tensor_that_is_wrong_is_named(parent: Path) -> None:
    record = replace(wrong(), detail="9 ulp where 1 are excused; at (0.5231): -1 where 1 is right")
    folder = written(parent, [record], [stored(record, sign_fault())])
    text = shown(folder)
    assert "relu · where · eager: the gradient of x is wrong" in text
    assert "0.5231" not in text
    assert any("gradient_max_ulp: at x = 0.5: −1 where 1 is right" in line for line in summary_lines(folder))


def test_the_terminal_tells_the_smallest_input_in_its_line(parent: Path) -> None:
    folder = written(parent, [wrong()], [stored(wrong(), sign_fault())])
    lines = summary_lines(folder)
    assert any("the sign is wrong for x > 0, as at x = 0.5: −1 where 1 is right" in line for line in lines)
    assert len(lines) <= 20


def test_names_and_numbers_of_a_stranger_cannot_place_code(parent: Path) -> None:
    bad = 'x")\nimport os\n#'
    call = replace(sign_fault().calls[0], inputs=(Given(bad, one(0.5)),))
    text = shown(written(parent, [wrong()], [stored(wrong(), Example((call,), shows=bad))]))
    assert "input0 = torch.tensor([0.5], requires_grad=True)" in text
    assert "\nimport os" not in text.partition("import torch")[2]


def test_the_smallest_example_comes_first_and_crashes_last(parent: Path) -> None:
    big = replace(sign_fault(), calls=(ExampleCall((Given("x", Numbers((64,), "float32", None, -1, 1)),)),))
    records = [crash(), wrong(judged("relu", "masked_function/eager")), wrong()]
    text = shown(written(parent, records, [stored(records[1], big), stored(records[2], sign_fault())]))
    places = [text.index(f"{name}: ") for name in ("where · eager", "masked_function · eager", "saved_inputs · eager")]
    assert places == sorted(places)


def crash(pass_: str = "backward") -> Record:
    case = Case("multiply", "saved_inputs", "eager", pass_, "cpu", "float32", "4x3,3", "transposed")
    return Record(
        "speed", case, "time", None, "s", Verdict.CRASHED, "saved_inputs · eager killed the process (SIGSEGV)"
    )


def test_a_crash_is_told_with_code_for_its_case_alone(parent: Path) -> None:
    text = shown(written(parent, [crash()]))
    assert "a = torch.randn((4, 3)).mT.contiguous().mT.detach().requires_grad_()" in text
    assert "b = torch.randn((3,), requires_grad=True)" in text
    assert "y = call(a, b)" in text
    assert "not the smallest input" in text
    assert "Smallest input:" not in text


def test_older_runs_are_shown_with_code_that_compares_with_the_reference(parent: Path) -> None:
    folder = written(parent, [wrong()])
    assert not folder.reproductions_jsonl.exists()
    assert "y = reference(*right)" in shown(folder)


def test_of_what_the_catalog_does_not_list_no_code_is_written(parent: Path) -> None:
    text = shown(written(parent, [wrong(judged("relu", "gone/eager"))], [stored(wrong(), sign_fault())]))
    assert "the sign is wrong for x > 0" in text
    assert "import torch" not in text


def test_what_unexpectedly_agrees_is_told_behind_what_fails(parent: Path) -> None:
    agreed = replace(wrong(judged("relu", "masked_function/eager")), detail=f"expected to disagree, agreed: {REASON}")
    text = shown(written(parent, [agreed, wrong()], [stored(wrong(), sign_fault())]))
    assert text.index("the sign is wrong") < text.index("Expected to disagree, and agree")
    assert f"expected to disagree, agreed: {REASON}" in text


def test_known_disagreements_are_folded_with_what_shows_them(parent: Path) -> None:
    known = replace(wrong(), verdict=Verdict.EXPECTED_FAIL, detail=f"{DETAIL} — expected: {REASON}")
    folder = written(parent, [known], [stored(known, sign_fault())])
    text = shown(folder)
    assert text.index("Nothing failed in 1 record.") < text.index("Known to disagree, as it says itself: relu · where")
    assert "Smallest input: x = 0.5, cotangent 1 → gradient of x −1, right is 1" in text
    assert "print(x.grad)  # expected [1]" in text
    html = write_report(folder).read_text(encoding="utf-8")
    assert html.index("<details", html.index('id="failures"')) < html.index("expected [1]")


def test_noisy_times_are_counted_with_the_widest(parent: Path) -> None:
    case = Case("relu", "where", "eager", "backward", "cpu", "float32", "256x256")
    times = [
        Record("speed", replace(case, shape=shape), "time", 1.0, "s", verdict, low=1 - half, high=1 + half, samples=9)
        for shape, verdict, half in (
            ("4", Verdict.NOISY, 0.09),
            ("8", Verdict.NOISY, 0.03),
            ("16", Verdict.MEASURED, 0.01),
        )
    ]
    text = shown(written(parent, times, timing={"precision": 0.02}))
    assert "2 of 3 times missed ±2 %; the widest interval is ±9 %, 4.50× as wide (relu · where · eager" in text


def test_a_run_in_which_nothing_is_wrong_or_doubtful_has_no_such_section(parent: Path) -> None:
    folder = write_run(parent, list(synthetic.memory_records(("256x256",))), [], left_out=[])
    assert "failures" not in read(write_report(folder).read_text(encoding="utf-8")).sections


def many(count: int) -> Iterator[Record]:
    for index in range(count):
        yield replace(wrong(judged("relu", f"mine_{index}/eager")), detail=DETAIL)


def test_of_many_faults_few_are_open_and_all_are_counted(parent: Path) -> None:
    text = shown(written(parent, list(many(230))))
    assert "194 more implementations are wrong" in text
    assert "… and 30 more faults in records.jsonl." in text
