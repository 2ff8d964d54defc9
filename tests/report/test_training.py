"""What the report says of training: honest about what was seen, what was not, and what did not come to an end."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gradgauge.records import Record, Series, Verdict
from gradgauge.report import write_report
from gradgauge.report.tables.training import Gap, gap_between
from tests.report import synthetic_training
from tests.report.page import Page, read
from tests.report.synthetic import write_run
from tests.report.synthetic_training import case, curves, records


def page_of(parent: Path, found: list[Record], series: list[Series]) -> Page:
    return read(write_report(write_run(parent, found, series)).read_text(encoding="utf-8"))


def told(parent: Path, found: list[Record], series: list[Series] | None = None) -> str:
    return re.sub(r"\s+", " ", page_of(parent, found, series or []).sections["training"])


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Page:
    return page_of(tmp_path_factory.mktemp("trained"), records(), curves())


@pytest.fixture(scope="module")
def shown(page: Page) -> str:
    return re.sub(r"\s+", " ", page.sections["training"])


def test_what_never_parts_is_said_to_show_no_difference_and_never_to_be_the_same(shown: str) -> None:
    sentence = "no difference seen in 5 seeds (as many test digits right in each); never farther from the reference"
    assert shown.count(f"masked_function and where: {sentence} than roundings lead.") == 3
    assert "the same as" not in shown


def test_a_difference_is_told_with_its_interval_over_the_seeds(shown: str) -> None:
    # Differences of 9, 7, 8, 10 and 6 points: mean 8, standard deviation √2.5, t 2.776.
    reach = 2.776 * math.sqrt(2.5 / 5)
    interval = f"−{8 + reach:.1f} to −{8 - reach:.1f}"
    assert f"published: 8.0 points less accurate in 5 seeds (95 % interval {interval})" in shown
    assert "training loss 0.451 higher" in shown
    assert "parts from the reference at step 1;" in shown
    assert "18 % of the weights lay where the gradient is wrong" in shown


def test_a_small_difference_is_not_seen_though_the_parameters_part(shown: str) -> None:
    assert re.search(
        r"published: no difference seen in accuracy in 5 seeds \(−0\.0 points, 95 % interval −0\.\d to", shown
    )
    assert "parts from the reference at steps 56 to 61 in 4 of 5 seeds" in shown
    assert "0.4 % of the inputs of the activation lay where the gradient is wrong" in shown


def test_the_tables_hold_the_figures(shown: str) -> None:
    for figure in ("91.4 %", "90.0 % – 93.0 %", "−8.0", "never", "56 – 61", "in 4 of 5 seeds", "450 µs", "440–460 µs"):
        assert figure in shown
    assert "33 %wrong: 18 %" in shown
    assert "x < −5−5 ≤ x < 5x ≥ 5" in shown


def test_the_section_has_nothing_that_the_generic_tables_repeat(page: Page) -> None:
    assert "training_" not in page.sections.get("other", "")
    assert "training_accuracy" in page.sections["not_run"]  # what did not apply


def test_each_drawing_is_told_in_words(page: Page) -> None:
    drawings = [
        attributes["aria-label"] or ""
        for tag, attributes in page.elements
        if tag == "svg" and (attributes.get("aria-label") or "").startswith("Training loss")
    ]
    assert len(drawings) == 3
    assert drawings[2] == (
        "Training loss of ternary_activation on the weights over 300 steps, mean of the seeds at the end: reference "
        "0.413, masked_function 0.413, published 0.813, where 0.413."
    )


def test_a_run_without_training_has_no_such_section(parent: Path) -> None:
    assert "training" not in page_of(parent, [], []).sections


def test_where_nothing_could_train_nothing_is_shown_and_the_reason_stands_among_what_did_not_run(parent: Path) -> None:
    found = [
        replace(
            synthetic_training.record(case("relu", "where"), "training_accuracy", None, "needs scikit-learn"),
            verdict=Verdict.UNAVAILABLE,
        )
    ]
    page = page_of(parent, found, [])
    assert "training" not in page.sections
    assert "needs scikit-learn" in page.sections["not_run"]


def broken(found: list[Record], seeds: tuple[str, ...]) -> list[Record]:
    return [
        replace(each, value=None, detail="the loss was not finite at step 17")
        if each.metric in ("training_accuracy", "training_loss")
        and each.case.implementation == "published"
        and each.labels.get("seed") in seeds
        else each
        for each in found
    ]


def test_a_loss_that_is_not_finite_is_said_and_the_other_seeds_are_compared(parent: Path) -> None:
    shown = told(parent, broken(records(), ("0", "3")))
    assert "published: in 2 of 5 seeds the loss was not finite at step 17; 7.0 points less accurate in 3 seeds" in shown


def test_where_no_seed_came_to_an_end_nothing_is_compared(parent: Path) -> None:
    shown = told(parent, broken(records(), ("0", "1", "2", "3", "4")))
    assert "published: in 5 of 5 seeds the loss was not finite at step 17; no seed to compare by its accuracy" in shown
    assert "not finite" in shown


def test_what_failed_says_why(parent: Path) -> None:
    failed = Record(
        "training",
        case("relu", "mine"),
        "training_accuracy",
        None,
        "ratio",
        Verdict.FAIL,
        "training raised RuntimeError: no",
        labels={"role": "activation", "seed": "0"},
    )
    shown = told(parent, [*records(), failed])
    assert "mine: did not train: training raised RuntimeError: no." in shown
    assert "✗" in shown


def test_one_seed_has_no_interval(parent: Path) -> None:
    shown = told(parent, records(seeds=1))
    assert "published: no difference seen in accuracy in 1 seed (−9.0 points, no interval from one seed)" in shown


@pytest.mark.parametrize("techniques", [("where",), ("reference",)])
def test_one_technique_is_compared_with_nobody(parent: Path, techniques: tuple[str, ...]) -> None:
    shown = told(parent, records(techniques), curves(techniques))
    said = "no reference to compare with" if techniques == ("where",) else "nothing to compare the reference with"
    assert said in shown


def test_devices_are_kept_apart(parent: Path) -> None:
    other = [replace(each, case=replace(each.case, device="cuda:0")) for each in records()]
    shown = told(parent, [*records(), *other], curves())
    assert "On the weights, cpu, float32, 64x64" in shown
    assert "On the weights, cuda:0, float32, 64x64" in shown


def flat(y: float) -> Callable[[Series], Series]:
    return lambda series: replace(series, y=(y,) * len(series.y))


@pytest.mark.parametrize("y", [math.nan, 0.0, -1.0, 5e-324, 1e308, 0.25])
def test_any_loss_is_drawn_or_left_out(parent: Path, y: float) -> None:
    assert "On the weights" in told(parent, records(), [flat(y)(series) for series in curves()])
    one = [replace(series, x=series.x[:1], y=series.y[:1]) for series in curves()]
    assert "On the weights" in told(parent / "one", records(), one)


def test_a_gap_is_paired_by_seed() -> None:
    gap = gap_between({"0": 1.0, "1": 2.0, "9": 7.0}, {"1": 1.5, "0": 0.7, "2": 5.0})
    assert gap is not None
    half = 12.706 * math.sqrt(0.02 / 2)
    assert gap.mean == pytest.approx(0.4)
    assert gap.low == pytest.approx(0.4 - half)
    assert gap.high == pytest.approx(0.4 + half)
    assert not gap.is_seen
    assert gap_between({"0": 1.0}, {"1": 1.0}) is None
    assert gap_between({"0": 1.0}, {"0": 0.5}) == Gap(0.5, None, None)
    assert not Gap(0.5, None, None).is_seen
    assert Gap(0.5, 0.1, 0.9).is_seen
    assert Gap(-0.5, -0.9, -0.1).is_seen
    assert not Gap(0.0, 0.0, 0.0).is_seen


def test_many_seeds_take_an_interval_that_is_rather_too_wide() -> None:
    ours = {str(seed): float(seed % 2) for seed in range(40)}
    gap = gap_between(ours, dict.fromkeys(ours, 0.0))
    assert gap is not None
    assert gap.high is not None
    assert gap.high - gap.mean == pytest.approx(2.228 * math.sqrt(0.25 * 40 / 39) / math.sqrt(40))
