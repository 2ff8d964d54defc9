from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gradgauge.cases import Case
from gradgauge.gate.exact import Exact, compare_exact
from gradgauge.gate.findings import Finding, Outcome
from gradgauge.gate.merging import RANKS
from gradgauge.gate.recorded import Recorded
from gradgauge.records import AVAILABILITY, Metric, Record, Verdict
from gradgauge.runs import RunFolder, UnreadableRun
from tests.fakes import python

CASE = Case("relu", "mine", "eager", "forward", "cpu", "float32", "8x8")
COMPILED = replace(CASE, mode="compiled")
METRICS = {
    metric.name: metric
    for metric in (
        AVAILABILITY,
        Metric("operators", "count", "lower", exact=True),
        Metric("saved_bytes", "byte", "lower", exact=True),
        Metric("kept_bytes", "byte", None, exact=True),
        Metric("fused", "count", "higher", exact=True),
        Metric("gradient_max_ulp", "ulp", "lower", exact=True),
        Metric("gradient_tail_ulp", "ulp", "lower", exact=True),
        Metric("gradient_max_rel", "ratio", "lower", exact=True),
        Metric("value_zero_sign", "count", "lower", exact=True),
        Metric("vmap", "count", "lower", exact=True),
        Metric("graph_breaks", "count", "lower", exact=True),
        Metric("graph_break", "count", "lower", exact=True),
        Metric("time", "s", "lower", exact=False),
    )
}
SUITES = {
    "operators": "counters",
    "graph_breaks": "counters",
    "graph_break": "counters",
    "saved_bytes": "memory",
    "kept_bytes": "memory",
    "vmap": "behavior",
    "time": "speed",
    "availability": "catalog",
}


def figure(
    metric: str, value: float | None, case: Case = CASE, detail: str = "", verdict: str = "measured", **labels: str
) -> Record:
    suite = SUITES.get(metric, "gradients")
    return Record(suite, case, metric, value, METRICS[metric].unit, Verdict(verdict), detail, labels=labels)


def judged(verdict: str, metric: str = "vmap", case: Case = CASE, detail: str = "", **labels: str) -> Record:
    return figure(metric, None, case, detail, verdict, **labels)


def run(*records: Record, **fields: Any) -> Recorded:
    return Recorded(records, METRICS, **fields)


def compare(was: Record | list[Record], now: Record | list[Record]) -> Exact:
    before, after = (run(*side) if isinstance(side, list) else run(side) for side in (was, now))
    return compare_exact(before, after)


def only(exact: Exact) -> Finding:
    assert len(exact.findings) == 1, exact.findings
    return exact.findings[0]


def values(exact: Exact) -> tuple[Outcome, Any, Any]:
    finding = only(exact)
    return finding.outcome, finding.baseline, finding.candidate


def test_a_run_against_itself_has_no_findings_and_counts_what_was_compared() -> None:
    records = [figure("operators", 3), figure("gradient_max_rel", 0.1), judged("pass"), figure("time", 1.0)]
    assert compare(records, records) == Exact([], 2, [])


def test_one_more_operator_is_worse_with_both_lists() -> None:
    exact = compare(figure("operators", 1, detail="1 aten::mul"), figure("operators", 2, detail="2 aten::mul"))
    finding = only(exact)
    assert values(exact) == (Outcome.WORSE, 1, 2)
    assert (finding.kind, finding.suite, finding.metric, finding.unit) == ("exact", "counters", "operators", "count")
    assert finding.detail == "2 aten::mul; before: 1 aten::mul"
    assert finding.case == CASE
    assert exact.compared == 1


@pytest.mark.parametrize(
    ("metric", "was", "now", "outcome"),
    [
        ("saved_bytes", 1024, 1280, Outcome.WORSE),
        ("saved_bytes", 1280, 1024, Outcome.BETTER),
        ("saved_bytes", 0, 4, Outcome.WORSE),
        ("fused", 4, 3, Outcome.WORSE),
        ("fused", 3, 4, Outcome.BETTER),
    ],
)
def test_a_figure_has_a_direction(metric: str, was: int, now: int, outcome: Outcome) -> None:
    assert values(compare(figure(metric, was), figure(metric, now))) == (outcome, was, now)


@pytest.mark.parametrize("metric", ["gradient_tail_ulp", "gradient_max_rel", "kept_bytes", "time"])
def test_what_rounds_or_has_no_direction_or_reads_a_clock_is_not_compared(metric: str) -> None:
    assert (
        compare([figure(metric, 1), figure("operators", 1)], [figure(metric, 9), figure("operators", 1)]).compared == 1
    )
    exact = compare([figure(metric, 1), figure("operators", 1)], [figure("operators", 1)])
    assert exact.findings == []


def test_a_verdict_on_a_time_is_left_to_who_times() -> None:
    assert compare(figure("time", 1.0), judged("unsupported", "time")) == Exact([], 0, [])


def test_another_unit_is_not_compared_and_told() -> None:
    exact = compare(figure("saved_bytes", 2048), replace(figure("saved_bytes", 4), unit="count"))
    assert exact == Exact(
        [], 0, ["relu: saved_bytes is in byte in the baseline, in count in the candidate: figures not compared"]
    )


@pytest.mark.parametrize("missing", [None, math.nan, math.inf])
def test_a_figure_that_is_lost_is_worse_and_one_that_never_was_is_not_compared(missing: float | None) -> None:
    exact = compare(figure("operators", 3), figure("operators", missing, detail="it is infinite"))
    assert values(exact) == (Outcome.WORSE, 3, None)
    assert only(exact).detail == "no figure any more: it is infinite"
    assert compare(figure("operators", missing), figure("operators", 3)) == Exact([], 0, [])


ORDER = [("pass",), ("not-applicable",), ("expected-fail",), ("unsupported", "unavailable"), ("fail",)]
STEPS = [
    (good, bad) for index, goods in enumerate(ORDER) for bads in ORDER[index + 1 :] for good in goods for bad in bads
]


@pytest.mark.parametrize(("good", "bad"), STEPS)
def test_verdicts_have_an_order(good: str, bad: str) -> None:
    exact = compare(judged(good), judged(bad, detail="because"))
    assert values(exact) == (Outcome.WORSE, good, bad)
    assert only(exact).detail.endswith("because")
    assert values(compare(judged(bad), judged(good))) == (Outcome.BETTER, bad, good)


@pytest.mark.parametrize(("was", "now"), [("pass", "measured"), ("noisy", "pass"), ("unavailable", "unsupported")])
def test_verdicts_of_one_rank_are_alike(was: str, now: str) -> None:
    assert compare(judged(was), judged(now)) == Exact([], 1, [])


def test_every_verdict_has_a_rank() -> None:
    assert set(RANKS) == set(Verdict)


def test_what_is_no_longer_checked_says_so() -> None:
    detail = only(compare(judged("pass"), judged("not-applicable", detail="no second input"))).detail
    assert detail == "no longer checked: no second input"


def test_an_unjudged_figure_that_rounds_may_become_not_applicable() -> None:
    assert compare(figure("gradient_tail_ulp", 2), judged("not-applicable", "gradient_tail_ulp")) == Exact([], 0, [])


def test_the_value_behind_a_verdict_is_not_compared() -> None:
    exact = compare(figure("gradient_max_ulp", 1.0, verdict="pass"), figure("gradient_max_ulp", 4.0, verdict="pass"))
    assert exact == Exact([], 1, [])


def test_what_fails_in_both_is_a_note_for_each_suite() -> None:
    records = [judged("fail", "gradient_max_ulp", kind=kind) for kind in ("random", "far", "edges")]
    exact = compare([*records, judged("fail")], [*records, judged("fail")])
    assert exact.findings == []
    assert exact.compared == 4
    assert exact.notes == [
        "relu · mine · eager: 3 verdicts of gradients fail in both",
        "relu · mine · eager: 1 verdict of behavior fails in both",
    ]


def test_expected_to_fail_in_both_is_no_finding_and_no_note() -> None:
    assert compare(judged("expected-fail"), judged("expected-fail")) == Exact([], 1, [])


def test_a_metric_that_is_gone_is_worse_once_for_all_labels() -> None:
    was = [judged("pass", "gradient_max_ulp", kind=kind) for kind in ("random", "far")]
    exact = compare([*was, judged("pass")], judged("pass"))
    assert values(exact) == (Outcome.WORSE, "pass", None)
    assert (only(exact).metric, only(exact).labels, only(exact).detail) == (
        "gradient_max_ulp",
        {},
        "no longer measured",
    )


@pytest.mark.parametrize("verdict", ["not-applicable", "unsupported", "unavailable"])
def test_a_metric_that_was_never_looked_at_may_go(verdict: str) -> None:
    was = [judged(verdict, "operators"), judged("pass")]
    assert compare(was, judged("pass")).findings == []


def test_a_case_that_time_did_not_suffice_for_is_open_once_for_all_its_metrics() -> None:
    was = [figure("saved_bytes", 1, COMPILED), judged("pass"), figure("operators", 3, COMPILED)]
    was.append(replace(was[0], metric="operators", unit="count"))
    now = run(judged("pass"), planned=frozenset({("memory", COMPILED), ("behavior", CASE)}))
    exact = compare_exact(run(*was), now)
    assert [(finding.outcome, finding.suite, finding.metric) for finding in exact.findings] == [
        (Outcome.WORSE, "counters", "operators"),
        (Outcome.CANNOT_TELL, "memory", ""),
    ]
    assert exact.findings[1].detail == "it was to be measured, and was not: time did not suffice"


def test_a_planned_case_that_was_reached_and_lacks_a_metric_is_worse() -> None:
    was = [figure("saved_bytes", 1), replace(figure("operators", 1), suite="memory")]
    exact = compare_exact(run(*was), run(was[0], planned=frozenset({("memory", CASE)})))
    assert values(exact) == (Outcome.WORSE, "measured", None)


def test_places_may_move_and_are_compared_by_their_sum() -> None:
    was = [figure("graph_break", 2, at="mine.py:19"), figure("graph_break", 1, at="mine.py:20")]
    moved = [figure("graph_break", 1, at="mine.py:29"), figure("graph_break", 2, at="mine.py:30")]
    swapped = [figure("graph_break", 1, at="mine.py:19"), figure("graph_break", 2, at="mine.py:20")]
    assert compare(was, moved) == Exact([], 1, [])
    assert compare(was, swapped) == Exact([], 1, [])
    more = [*moved, figure("graph_break", 3, detail="a branch", at="mine.py:40")]
    assert values(compare(was, more)) == (Outcome.WORSE, 3, 6)
    assert only(compare(was, more)).detail == "of 3 the biggest: a branch"
    unknown = [figure("graph_break", None, at="mine.py:29"), moved[1]]
    assert values(compare(was, unknown)) == (Outcome.WORSE, 3, None)


def test_figures_whose_labels_moved_are_compared_by_their_sum() -> None:
    was = [figure("value_zero_sign", 1, kind="kinks")]
    assert compare(was, figure("value_zero_sign", 1, kind="joints")) == Exact([], 1, [])
    assert values(compare(was, [*was, figure("value_zero_sign", 1, kind="edges")])) == (Outcome.WORSE, 1, 2)


def test_no_break_has_no_place_and_that_is_better() -> None:
    was = [figure("graph_breaks", 1), figure("graph_break", 1, at="mine.py:19")]
    assert values(compare(was, figure("graph_breaks", 0))) == (Outcome.BETTER, 1, 0)


def test_a_new_label_counts_by_the_worst_verdict() -> None:
    was = [judged("pass", "gradient_max_ulp", kind="random")]
    new = judged("fail", "gradient_max_ulp", detail="3 ulp", kind="broadcast")
    assert compare(was, [*was, replace(new, verdict=Verdict.PASS)]).findings == []
    exact = compare(was, [*was, replace(new, verdict=Verdict.PASS, labels={"kind": "ranks"}), new])
    assert values(exact) == (Outcome.WORSE, "pass", "fail")
    assert only(exact).labels == {"kind": "broadcast"}


def test_a_label_that_moved_hides_no_fault_under_another() -> None:
    def cells(random: str, moved: str) -> list[Record]:
        edges = judged("fail", "gradient_max_ulp", kind="edges")
        return [edges, *(judged(random, "gradient_max_ulp", kind=kind) for kind in ("random", moved))]

    exact = compare(cells("pass", "old"), cells("fail", "new"))
    assert values(exact) == (Outcome.WORSE, "pass", "fail")
    assert only(exact).detail.startswith("2 times in 1 case")
    assert exact.notes == ["relu · mine · eager: 1 verdict of gradients fails in both"]


def test_a_label_that_went_is_harmless_where_another_stays() -> None:
    was = [judged("pass", "gradient_max_ulp", kind=kind) for kind in ("random", "far")]
    assert compare(was, was[:1]) == Exact([], 1, [])


def test_a_failure_of_what_the_baseline_could_ask_and_did_not_is_worse() -> None:
    was, fails = judged("pass"), replace(judged("fail", "gradient_max_ulp", detail="9 ulp"), suite="behavior")
    exact = compare(was, [was, fails])
    assert values(exact) == (Outcome.WORSE, None, "fail")
    assert only(exact).detail == "not checked in the baseline: 9 ulp"
    assert compare(was, [was, replace(fails, verdict=Verdict.PASS)]).findings == []


def test_a_failure_of_what_the_baseline_did_not_know_or_did_not_run_is_new() -> None:
    was, fails = judged("pass"), replace(judged("fail", "gradient_max_ulp"), suite="behavior")
    older = Recorded((was,), {"vmap": METRICS["vmap"]})
    assert values(compare_exact(older, run(was, fails))) == (Outcome.NEW, None, "fail")
    assert values(compare(was, [was, replace(fails, suite="gradients")])) == (Outcome.NEW, None, "fail")


def crash(suite: str = "behavior", case: Case = CASE) -> Record:
    record = judged("crashed", "vmap", case, "mine · eager killed the process (SIGSEGV) while calling it")
    return replace(record, suite=suite)


RAN = [figure("operators", 1), figure("saved_bytes", 4, COMPILED), judged("pass"), judged("pass", case=COMPILED)]


def test_a_crash_is_one_finding_though_all_that_follows_is_missing() -> None:
    exact = compare(RAN, [figure("operators", 2), crash()])
    assert [finding.outcome for finding in exact.findings] == [Outcome.CANDIDATE_FAILS, Outcome.WORSE]
    assert "SIGSEGV" in exact.findings[0].detail
    assert exact.findings[0].candidate == "crashed"


def test_a_crash_of_the_baseline_that_is_mended() -> None:
    assert values(compare([figure("operators", 1), crash()], RAN)) == (Outcome.BASELINE_FAILS, "crashed", None)


def test_a_crash_in_both() -> None:
    exact = compare([figure("operators", 1), crash()], [figure("operators", 1), crash()])
    assert values(exact) == (Outcome.BOTH_FAIL, "crashed", "crashed")


@pytest.mark.parametrize(
    ("swap", "outcome"), [(False, Outcome.CANDIDATE_FAILS), (True, Outcome.BASELINE_FAILS)], ids=["sooner", "later"]
)
def test_who_crashes_where_the_other_one_ran_is_charged(swap: bool, outcome: Outcome) -> None:
    sides = [judged("pass"), crash(case=COMPILED)], [crash()]
    finding = only(compare(*(sides[::-1] if swap else sides)))
    assert (finding.outcome, finding.case) == (outcome, CASE)


def test_each_crashes_in_another_suite() -> None:
    was = [figure("operators", 1), crash()]
    exact = compare(was, [figure("operators", 1), judged("pass"), crash("memory")])
    assert {finding.outcome for finding in exact.findings} == {Outcome.BOTH_FAIL, Outcome.BASELINE_FAILS}


def test_who_crashes_sooner_is_charged_alone() -> None:
    assert only(compare([judged("pass"), crash("memory")], [crash()])).outcome is Outcome.CANDIDATE_FAILS


def test_a_crash_in_a_suite_that_the_baseline_did_not_run_fails() -> None:
    exact = compare(figure("operators", 1), [figure("operators", 1), crash()])
    assert only(exact).outcome is Outcome.CANDIDATE_FAILS


def test_a_crash_on_one_device_rules_out_nothing_on_another() -> None:
    gpu = figure("operators", 1, replace(CASE, device="cuda:0"))
    exact = compare([*RAN, gpu], [crash()])
    assert [(finding.outcome, finding.metric) for finding in exact.findings] == [
        (Outcome.CANDIDATE_FAILS, "vmap"),
        (Outcome.WORSE, "operators"),
    ]


def test_a_crash_beside_a_figure_of_the_same_name_leaves_the_figure() -> None:
    assert compare([figure("saved_bytes", 4), *RAN], [figure("saved_bytes", 4), crash("memory")]).compared == 1


def absent(mode: str = "compiled") -> Record:
    return judged("unavailable", "availability", Case("relu", "mine", mode, "", "cpu", "", "", ""), "no compiler")


def test_what_cannot_run_any_more_is_one_finding() -> None:
    now = [record for record in RAN if record.case.mode == "eager"]
    exact = compare(RAN, [*now, absent()])
    assert values(exact) == (Outcome.CANDIDATE_FAILS, None, "unavailable")
    assert only(exact).detail == "no compiler"
    assert values(compare([*now, absent()], RAN)) == (Outcome.BASELINE_FAILS, "unavailable", None)


def test_unavailable_in_one_mode_excuses_nothing_in_the_other() -> None:
    exact = compare(RAN, [absent()])
    assert exact.findings[0].outcome is Outcome.CANDIDATE_FAILS
    assert {finding.case.mode for finding in exact.findings[1:]} == {"eager"}


def test_unavailable_in_both_is_a_note() -> None:
    exact = compare([judged("pass"), absent()], [judged("pass"), absent()])
    assert exact == Exact([], 1, ["relu · mine · compiled: unavailable in both on cpu: no compiler"])


def test_a_device_that_the_baseline_never_tried_is_new() -> None:
    gpu = crash(case=replace(CASE, device="cuda:0"))
    assert only(compare(judged("pass"), [judged("pass"), gpu])).outcome is Outcome.NEW


def test_who_stands_on_one_side_alone_is_not_compared() -> None:
    other = replace(CASE, implementation="other")
    assert compare([judged("pass"), judged("pass", case=other)], judged("pass")) == Exact([], 1, [])
    assert compare(judged("pass"), [judged("pass"), judged("fail", case=other)]) == Exact([], 1, [])


def test_all_implementations_are_counted() -> None:
    records = [judged("pass", case=replace(CASE, implementation=name)) for name in ("one", "two")]
    assert compare(records, records) == Exact([], 2, [])


def test_a_renamed_one_is_compared_across_the_names() -> None:
    renamed = replace(CASE, implementation="newer")
    exact = compare_exact(run(judged("pass")), run(judged("fail", case=renamed)), {("relu", "newer"): "mine"})
    assert values(exact) == (Outcome.WORSE, "pass", "fail")
    assert only(exact).case.implementation == "newer"
    assert compare_exact(run(judged("pass")), run(judged("fail", case=renamed))).compared == 0


def test_one_fault_in_many_places_is_one_finding() -> None:
    def everywhere(verdict: str) -> list[Record]:
        cases = [
            replace(CASE, dtype=dtype, shape=shape) for dtype in ("float32", "float16") for shape in ("8x8", "0x3")
        ]
        return [judged(verdict, case=case, detail="nan") for case in cases]

    finding = only(compare(everywhere("pass"), everywhere("fail")))
    assert finding.case == replace(CASE, dtype="", shape="")
    assert finding.detail == "in 4 cases, first: float32 · 8x8: nan"


def test_labels_that_differ_are_blanked_and_those_alike_stay() -> None:
    def cells(verdict: str) -> list[Record]:
        return [judged(verdict, "gradient_max_ulp", input="x", kind=kind) for kind in ("random", "far")]

    finding = only(compare(cells("pass"), cells("fail")))
    assert (finding.labels, finding.case) == ({"input": "x"}, CASE)
    assert finding.detail == "2 times in 1 case, first: kind=random"


@pytest.mark.parametrize(
    "other",
    [
        {"case": replace(COMPILED, shape="16x16")},
        {"case": replace(CASE, shape="16x16"), "value": 2},
        {"case": replace(CASE, shape="16x16"), "metric": "graph_breaks", "unit": "count"},
        {"case": replace(CASE, shape="16x16"), "suite": "counters"},
    ],
    ids=["mode", "value", "metric", "suite"],
)
def test_what_is_not_the_same_fault_stays_apart(other: dict[str, Any]) -> None:
    was = figure("saved_bytes", 4)
    both = [was, replace(was, **other)]
    worse = [replace(record, value=8) for record in both]
    assert len(compare(both, worse).findings) == 2
    alike = [was, replace(was, case=replace(CASE, shape="16x16"))]
    assert len(compare(alike, [replace(record, value=8) for record in alike]).findings) == 1


def test_the_biggest_comes_first() -> None:
    was = [figure("operators", 10), figure("saved_bytes", 4), judged("pass"), figure("fused", 1)]
    was += [judged("pass", "gradient_max_ulp")]
    now = [figure("operators", 11), figure("saved_bytes", 40), judged("unsupported"), figure("fused", 2)]
    now += [judged("fail", "gradient_max_ulp")]
    metrics = [finding.metric for finding in compare(was, now).findings]
    assert metrics == ["gradient_max_ulp", "vmap", "saved_bytes", "operators", "fused"]


def test_a_verdict_outweighs_any_figure() -> None:
    was = [figure("operators", 0), judged("pass", "gradient_max_ulp")]
    now = [figure("operators", 400), judged("not-applicable", "gradient_max_ulp")]
    assert [finding.metric for finding in compare(was, now).findings] == ["gradient_max_ulp", "operators"]


DESCRIPTION = {"complete": True, "metrics": {name: metric.to_json() for name, metric in METRICS.items()}}


def folder_of(path: Path, *records: Record, **description: Any) -> RunFolder:
    folder = RunFolder(path)
    folder.write_description(DESCRIPTION | description)
    for record in records:
        folder.append_record(record)
    return folder


def test_a_run_is_read_with_what_was_planned(tmp_path: Path) -> None:
    records = (figure("operators", 3, detail="x"), judged("pass", kind="random"), judged("pass"), crash())
    planned = [{"suite": "counters", **CASE.to_json()}]
    recorded = Recorded.read(folder_of(tmp_path, *records, planned=planned))
    assert recorded.records == records
    assert recorded.metrics == METRICS
    assert recorded.planned == {("counters", CASE)}


@pytest.mark.parametrize(
    ("records", "description", "message"),
    [
        ((judged("pass"),), {"complete": False}, "cut short"),
        ((judged("pass"),), {"metrics": {}}, r"run.json: metrics: 'vmap' is missing"),
        ((judged("pass"), judged("fail")), {}, r"records.jsonl:2: the same behavior .* vmap as in line 1, expected"),
    ],
)
def test_nonsense_is_refused(
    records: tuple[Record, ...], description: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UnreadableRun, match=message):
        Recorded.read(folder_of(tmp_path, *records, **description))


def test_a_line_that_a_kill_cut_is_refused(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, judged("pass"))
    with folder.records_jsonl.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"run": "x"}))
    with pytest.raises(UnreadableRun, match="cut short"):
        Recorded.read(folder)


@pytest.mark.parametrize("module", ["exact", "accepted"])
def test_it_needs_no_torch(module: str, tmp_path: Path) -> None:
    done = python("-c", f"import gradgauge.gate.{module}, sys; print('torch' in sys.modules)", cwd=tmp_path)
    assert (done.returncode, done.stdout.strip()) == (0, "False"), done.stderr
