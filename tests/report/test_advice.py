from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from gradgauge.cases import Case
from gradgauge.records import Record, Verdict
from gradgauge.report import write_report
from gradgauge.report.advice import answers
from gradgauge.report.data import RunData
from gradgauge.report.exclusions import Exclusion, exclusions
from gradgauge.report.footprints import Footprints, in_words
from gradgauge.report.ranking import recommendations
from tests.report.page import section
from tests.report.synthetic import agreement, case, speedup, timed, write_run

SHAPES = ("16x16", "256x256", "1024x1024")


def judged(*techniques: str) -> list[Record]:
    return [
        agreement(case("relu", name, "forward_backward", "16x16"), "gradient_max_ulp", 1.0, Verdict.PASS)
        for name in techniques
    ]


def sped(technique: str, *ratios: float) -> list[Record]:
    return [
        speedup(case("relu", technique, "forward_backward", shape), ratio, ratio * 0.99, ratio * 1.01)
        for shape, ratio in zip(SHAPES, ratios, strict=True)
    ]


def kept(technique: str, each_bytes: float, extra_bytes: float | None, shape: str = SHAPES[-1]) -> list[Record]:
    measured = case("relu", technique, "forward", shape)
    whole = Record("memory", measured, "saved_bytes", each_bytes * 2**20, "byte", Verdict.MEASURED)
    if extra_bytes is None:
        return [whole]
    return [whole, replace(whole, metric="saved_extra_bytes", value=extra_bytes * 2**20)]


# The reference leads at 256 elements, `where` above.
CROSSING = [
    *judged("reference/eager", "where/eager", "masked_function/eager"),
    *sped("reference/eager", 1.0, 1.0, 1.0),
    *sped("where/eager", 0.5, 2.0, 3.0),
    *sped("masked_function/eager", 0.4, 0.5, 0.1),
]


def load(parent: Path, records: Iterable[Record]) -> RunData:
    return RunData.load(write_run(parent, list(records), [], left_out=[]))


def shown(parent: Path, records: Iterable[Record]) -> str:
    html = write_report(write_run(parent, list(records), [], left_out=[])).read_text(encoding="utf-8")
    html = html.replace("\u00a0", " ")
    return section(html, "summary")


def ruled_out(parent: Path, records: Iterable[Record]) -> list[Exclusion]:
    run = load(parent, records)
    return exclusions(run, recommendations(run))


# ln 2 ahead, then behind: 4,096 of 256 and 65,536 elements; two intervals of ±1 % leave 5.6 % of that open.
def test_an_answer_says_up_to_where_and_what_above(parent: Path) -> None:
    (answer,) = answers(recommendations(load(parent, CROSSING)))
    below, above = answer.parts()
    assert below[0] == "up to about 4,100 elements (3,800–4,400)"
    assert below[1].names == ("reference · eager",)
    assert above[0] == "above"
    assert above[1].names == ("where · eager",)
    assert answer.shapes == "16x16 to 1024x1024"


def test_where_techniques_cannot_be_told_apart_above_no_crossover_is_claimed(parent: Path) -> None:
    records = [
        *judged("reference/eager", "where/eager"),
        *sped("reference/eager", 1.0, 1.0, 1.0),
        *sped("where/eager", 0.5, 1.0, 1.01),
    ]
    (answer,) = answers(recommendations(load(parent, records)))
    assert [where for where, _ in answer.parts()] == ["up to 256 elements", "from 65,536 elements on"]
    text = shown(parent / "page", records)
    assert "relu, training (cpu · float32), up to 256 elements: reference · eager; from 65,536 elements on: no" in text
    assert "on: no difference seen between reference · eager and where · eager." in text
    assert "Takes over at" not in text


def test_a_leader_in_the_middle_has_both_of_its_ends(parent: Path) -> None:
    records = [
        *judged("reference/eager", "where/eager"),
        *sped("reference/eager", 1.0, 1.0, 1.0),
        *sped("where/eager", 0.5, 2.0, 0.5),
    ]
    (answer,) = answers(recommendations(load(parent, records)))
    (first, *_), (second, *_), (third, *_) = answer.parts()
    assert first.startswith("up to about 4,1")
    assert second.startswith("above, up to about 260,000 elements (")
    assert third == "above"


def test_the_page_answers_in_a_sentence_and_with_the_figures_behind_it(parent: Path) -> None:
    text = shown(parent, [*CROSSING, *kept("where/eager", 8, 4)])
    sizes = "up to about 4,100 elements (3,800–4,400)"
    assert f"relu, training (cpu · float32), {sizes}: reference · eager; above: where · eager." in text
    assert "about 4,100 (3,800–4,400)from reference · eager" in text
    assert "2.00–3.00×1.98–3.03×" in text
    assert "8 B kept, 4 B of it extra" in text


@pytest.mark.parametrize(
    ("costs", "told"),
    [
        ({"where/eager": (8, 4)}, "8 B kept, 4 B of it extra"),
        ({"where/eager": (8, None)}, "8 B kept"),
        ({"where/eager": (8, 8)}, "8 B kept, all extra"),
        ({"where/eager": (4, 0)}, "4 B kept, none extra"),
        ({"where/eager": (0, 0)}, "nothing kept"),
        ({}, ""),
    ],
)
def test_what_a_recommendation_keeps_for_its_backward(
    parent: Path, costs: dict[str, tuple[float, float | None]], told: str
) -> None:
    run = load(parent, [*CROSSING, *(record for name, cost in costs.items() for record in kept(name, *cost))])
    (_, above) = recommendations(run)
    assert in_words(Footprints.of(run).of_advice(above)) == told


def test_memory_tells_apart_whom_time_does_not(parent: Path) -> None:
    records = [
        *judged("reference/eager", "where/eager"),
        *sped("reference/eager", 1.0, 1.0, 1.0),
        *sped("where/eager", 1.0, 1.0, 1.0),
        *kept("where/eager", 1, 1),
        *kept("reference/eager", 4, 0),
    ]
    assert "1 B kept, all extra (where · eager) to 4 B kept, none extra" in shown(parent, records)


def test_inference_keeps_nothing_and_has_its_peak(parent: Path) -> None:
    fast = case("relu", "where/eager", "inference", SHAPES[-1])
    peak = Record("memory", fast, "peak_bytes", 4 * 2**20, "byte", Verdict.MEASURED)
    run = load(parent, [*judged("where/eager"), speedup(fast, 2.0, 1.9, 2.1), peak, *kept("where/eager", 8, 8)])
    (only,) = recommendations(run)
    assert in_words(Footprints.of(run).of_advice(only)) == "4 B at the peak"


def test_memory_of_another_place_is_not_that_of_this_one(parent: Path) -> None:
    elsewhere = [
        replace(record, case=replace(record.case, **{axis: other}))
        for axis, other in (("dtype", "float64"), ("device", "cuda:0"), ("mode", "compiled"))
        for record in kept("where/eager", 8, 4)
    ]
    run = load(parent, [*CROSSING, *elsewhere])
    assert Footprints.of(run).of_advice(recommendations(run)[1]) == []


# --- what rules the others out ----------------------------------------------------------------------------------------


def test_who_leads_nowhere_is_slower_by_what_it_lacks_at_its_best(parent: Path) -> None:
    (slower,) = ruled_out(parent, CROSSING)
    assert slower.mark.text == "slower"
    assert slower.techniques == "masked_function · eager 2.50×".replace(" ", "\u00a0")


def test_who_leads_somewhere_is_not_ruled_out_for_being_slower_elsewhere(parent: Path) -> None:
    assert not any("where" in each.techniques for each in ruled_out(parent, CROSSING))


def test_who_is_wrong_is_ruled_out_first_and_for_that_alone(parent: Path) -> None:
    wrong = replace(judged("mine/eager")[0], verdict=Verdict.FAIL, value=9e9)
    wrong = replace(wrong, detail="9e+09 ulp where 1 is excused; the sign is wrong for x < 0")
    vmap = Record("behavior", wrong.case, "vmap", None, "", Verdict.UNSUPPORTED, "no vmap", labels={})
    first, *rest = ruled_out(parent, [*CROSSING, wrong, vmap, *sped("mine/eager", 9.0, 9.0, 9.0)])
    assert (first.techniques, first.mark.text) == ("mine", "wrong")
    assert "the sign is wrong for x < 0" in first.reason
    assert not any("mine" in each.techniques for each in rest)


def test_what_is_unsupported_alike_is_told_together(parent: Path) -> None:
    tried = [
        Record("behavior", case("relu", name, "", "16x16"), check, 0.0, "", verdict, "no setup_context", labels={})
        for check in ("vmap", "jvp")
        for name, verdict in (
            ("where/eager", Verdict.UNSUPPORTED),
            ("masked_function/eager", Verdict.UNSUPPORTED),
            ("reference/eager", Verdict.PASS),
        )
    ]
    *_, told = ruled_out(parent, [*CROSSING, *tried])
    assert (told.mark.text, told.techniques, told.reason) == (
        "unsupported under",
        "where, masked_function",
        "vmap and jvp",
    )
    assert "where masked_function" not in told.techniques


@pytest.mark.parametrize("mode", ["eager", "compiled"])
def test_what_cannot_run_has_its_reason(parent: Path, mode: str) -> None:
    absent = Record(
        "speed",
        Case("relu", "triton", mode, "", "", "", "", ""),
        "availability",
        None,
        "",
        Verdict.UNAVAILABLE,
        "no triton",
    )
    first, *_ = ruled_out(parent, [*CROSSING, absent])
    assert (first.mark.text, first.techniques, first.reason) == ("unavailable", "triton", "no triton")


def test_more_than_some_reasons_of_a_function_are_folded(parent: Path) -> None:
    absent = [
        Record(
            "speed",
            Case("relu", f"idea_{index}", "eager", "", "", "", "", ""),
            "availability",
            None,
            "",
            Verdict.UNAVAILABLE,
            f"no idea {index}",
        )
        for index in range(7)
    ]
    assert "3 more reasons" in shown(parent, [*CROSSING, *absent])


def test_a_run_in_which_nothing_stands_against_anybody_rules_nobody_out(parent: Path) -> None:
    records = [*judged("where/eager"), *sped("where/eager", 2.0, 2.0, 2.0)]
    assert ruled_out(parent, records) == []
    assert "rules the others out" not in shown(parent / "page", records)


def test_places_whose_slow_ones_differ_are_told_apart(parent: Path) -> None:
    double = [replace(record, case=replace(record.case, dtype="float64")) for record in CROSSING]
    found = ruled_out(parent, [*CROSSING, *double])
    assert [each.where for each in found] == ["cpu · float32", "cpu · float64"]


def test_a_time_without_a_speedup_is_no_factor(parent: Path) -> None:
    loose = timed(case("relu", "loose/eager", "forward_backward", SHAPES[0]), 1.0)
    assert not any("loose" in each.techniques for each in ruled_out(parent, [*CROSSING, *judged("loose/eager"), loose]))
