from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gradgauge.cases import Case
from gradgauge.records import Record, Verdict
from gradgauge.report.data import RunData
from gradgauge.report.ranking import Contender, Recommendation, rank, recommendations
from tests.report import synthetic
from tests.report.synthetic import agreement, case, speedup, timed, write_run

SHAPE = "1024x1024"


def passing(technique: str, function: str = "relu") -> Record:
    return agreement(
        case(function, technique, "forward_backward", SHAPE), "gradient_max_ulp", 1.0, Verdict.PASS, input="x"
    )


def sped(technique: str, value: float, low: float | None, high: float | None, shape: str = SHAPE) -> Record:
    return speedup(case("relu", technique, "forward_backward", shape), value, low, high)


def reference(shape: str = SHAPE) -> list[Record]:
    return [passing("reference/eager"), timed(case("relu", "reference/eager", "forward_backward", shape), 1e-3)]


def advice(parent: Path, *records: Record) -> list[Recommendation]:
    return recommendations(RunData.load(write_run(parent, list(records), [])))


def only(found: list[Recommendation]) -> Recommendation:
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize(
    ("second_high", "leaders"),
    # 1.8 / 1.05 = 1.714: copies of the same code may differ by 5 % in one process.
    [(1.71, ("a",)), (1.72, ("a", "b")), (1.8, ("a", "b")), (1.81, ("a", "b"))],
)
def test_a_tie_is_an_interval_that_comes_within_five_percent_of_the_best_one(
    second_high: float, leaders: tuple[str, ...]
) -> None:
    best, second = Contender("a", 2.0, 1.8, 2.2), Contender("b", 1.7, 1.6, second_high)
    found, rest = rank([second, best])
    assert tuple(contender.technique for contender in found) == leaders
    assert len(found) + len(rest) == 2


def test_nobody_leads_an_empty_field() -> None:
    assert rank([]) == ((), ())


def test_fastest_is_claimed_where_the_interval_excludes_the_others(parent: Path) -> None:
    found = only(
        advice(
            parent,
            *reference(),
            passing("where/eager"),
            passing("where/compiled"),
            sped("where/eager", 0.5, 0.4, 0.6),
            sped("where/compiled", 2.0, 1.9, 2.1),
        )
    )
    assert found.is_claim
    assert found.names == ("where · compiled",)
    assert found.sentence == "where · compiled is fastest"
    assert found.speedups == "2.00×"


def test_no_claim_against_the_reference_where_the_interval_holds_one(parent: Path) -> None:
    found = only(advice(parent, *reference(), passing("where/eager"), sped("where/eager", 1.05, 0.99, 1.1)))
    assert not found.is_claim
    assert found.sentence == "no difference seen between where · eager and reference · eager"


def test_a_speedup_without_an_interval_supports_no_claim(parent: Path) -> None:
    found = only(advice(parent, *reference(), passing("where/eager"), sped("where/eager", 9.0, None, None)))
    assert not found.is_claim


def test_a_time_without_a_speedup_hinders_a_claim(parent: Path) -> None:
    loose = timed(case("relu", "masked_function/eager", "forward_backward", SHAPE), 1e-9)
    found = only(
        advice(
            parent,
            *reference(),
            passing("where/eager"),
            passing("masked_function/eager"),
            sped("where/eager", 2.0, 1.9, 2.1),
            loose,
        )
    )
    assert not found.is_claim
    assert "masked_function · eager" in found.names


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.EXPECTED_FAIL, Verdict.CRASHED])
def test_a_technique_that_disagrees_is_never_recommended_however_fast(parent: Path, verdict: Verdict) -> None:
    wrong = agreement(
        case("relu", "where/compiled", "forward_backward", "4x3", "bfloat16"), "gradient_max_ulp", 1e9, verdict
    )
    found = only(
        advice(parent, *reference(), passing("where/compiled"), wrong, sped("where/compiled", 100.0, 99.0, 101.0))
    )
    assert found.names == ("reference · eager",)
    assert not found.is_claim


def backward(technique: str, verdict: Verdict, **labels: str) -> Record:
    raised = replace(timed(case("relu", technique, "backward", SHAPE), 1.0), value=None, verdict=verdict)
    return replace(raised, labels={"clock": "wall", "cache": "warm"} | labels, detail="backward raised RuntimeError")


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.UNSUPPORTED])
def test_who_fails_under_an_odd_protocol_alone_is_not_out_of_the_usual_race(parent: Path, verdict: Verdict) -> None:
    found = only(
        advice(
            parent,
            *reference(),
            passing("where/eager"),
            sped("where/eager", 2.0, 1.9, 2.1),
            backward("where/eager", verdict, protocol="retained"),
        )
    )
    assert found.names == ("where · eager",)
    assert found.is_claim


@pytest.mark.parametrize(("protocol", "leads"), [("retained", True), ("accumulating", False), ("fresh", False)])
def test_a_failure_under_a_protocol_counts_where_that_protocol_was_timed(
    parent: Path, protocol: str, leads: bool
) -> None:
    labels = {"clock": "wall", "cache": "cold", "protocol": "accumulating"}
    timed_so = [replace(record, labels=labels) for record in (reference()[1], sped("where/eager", 2.0, 1.9, 2.1))]
    failed = backward("where/eager", Verdict.FAIL, protocol=protocol)
    found = only(advice(parent, passing("reference/eager"), passing("where/eager"), *timed_so, failed))
    assert (found.names == ("where · eager",)) is leads


@pytest.mark.parametrize("clock", ["device", "wall"])
def test_a_failure_by_either_clock_of_an_accelerator_counts_by_both(parent: Path, clock: str) -> None:
    def on_gpu(record: Record, **labels: str) -> Record:
        return replace(record, case=replace(record.case, device="cuda:0"), labels=labels)

    times = [
        on_gpu(record, clock=other)
        for other in ("device", "wall")
        for record in (reference()[1], sped("where/eager", 2.0, 1.9, 2.1))
    ]
    failed = on_gpu(backward("where/eager", Verdict.FAIL), clock=clock, protocol="fresh")
    found = advice(parent, passing("reference/eager"), passing("where/eager"), *times, failed)
    assert [item.names for item in found] == [("reference · eager",)] * 2


def test_a_mode_that_was_not_checked_inherits_the_fault_of_the_other(parent: Path) -> None:
    wrong = agreement(case("relu", "where/eager", "forward_backward", SHAPE), "gradient_max_ulp", 1e9, Verdict.FAIL)
    found = only(advice(parent, *reference(), wrong, sped("where/compiled", 100.0, 99.0, 101.0)))
    assert found.names == ("reference · eager",)


def test_a_technique_that_was_not_checked_is_named_as_such(parent: Path) -> None:
    found = only(advice(parent, *reference(), sped("where/eager", 3.0, 2.9, 3.1)))
    assert found.unchecked == ("where · eager",)


def test_no_technique_that_agrees_leaves_nothing_to_recommend(parent: Path) -> None:
    wrong = agreement(case("relu", "where/eager", "forward_backward", SHAPE), "gradient_max_ulp", None, Verdict.FAIL)
    found = only(advice(parent, wrong, sped("where/eager", 3.0, 2.9, 3.1)))
    assert found.names == ()
    assert found.sentence.startswith("nothing to recommend")


def test_neighbouring_shapes_with_one_answer_are_one_range_ordered_by_elements(parent: Path) -> None:
    records = [*reference("4096x4096"), *reference("64x64"), *reference("256x256")[1:], passing("where/eager")]
    records += [
        sped("where/eager", 4.0, 3.9, 4.1, "4096x4096"),
        sped("where/eager", 0.5, 0.4, 0.6, "64x64"),
        sped("where/eager", 3.0, 2.9, 3.1, "256x256"),
    ]
    found = advice(parent, *records[:1], *records[1:2], *records[3:])
    assert [(item.names, item.shapes, item.speedups) for item in found] == [
        (("reference · eager",), "64x64", "1.00×"),
        (("where · eager",), "256x256 to 4096x4096", "3.00–4.00×"),
    ]


def test_devices_and_dtypes_are_never_compared_with_each_other(parent: Path) -> None:
    gpu = Case("relu", "where", "eager", "forward_backward", "cuda:0", "float32", SHAPE)
    found = advice(parent, *reference(), passing("where/eager"), speedup(gpu, 50.0, 49.0, 51.0))
    assert {item.place.device: item.names for item in found} == {
        "cpu": ("reference · eager",),
        "cuda:0": ("where · eager",),
    }


def test_other_passes_do_not_decide(parent: Path) -> None:
    backward = speedup(case("relu", "where/eager", "backward", SHAPE), 9.0, 8.0, 10.0)
    assert only(advice(parent, *reference(), passing("where/eager"), backward)).names == ("reference · eager",)


def test_the_standard_run_never_recommends_published(parent: Path) -> None:
    fast = [
        speedup(case("ternary_activation", f"published/{mode}", pass_, SHAPE), 1e3, 1e3, 1e3)
        for mode in synthetic.MODES
        for pass_ in synthetic.PASS_FACTOR
    ]
    usual = [
        record
        for record in synthetic.standard_records()
        if (record.case, record.metric) not in {(item.case, item.metric) for item in fast}
    ]
    found = advice(parent, *usual, *fast)
    assert found
    assert not any("published" in name for item in found for name in item.names)
