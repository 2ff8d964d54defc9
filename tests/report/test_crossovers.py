from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from gradgauge.report.crossovers import Crossover, Lead, between, crossover, crossovers
from gradgauge.report.places import Place
from gradgauge.report.ranking import Contender, Ranking, Recommendation, rank

PLACE = Place("relu", "cpu", "float32", "contiguous")
SIZES = (256, 4096, 65536, 2**20)
# Seconds a call and an element: a call of `late` costs more, an element less.
COSTS = {"early": (8e-6, 0.9e-9), "late": (17e-6, 0.35e-9)}
TRUE = 9e-6 / 0.55e-9


def time_s(technique: str, elements: int) -> float:
    call_s, element_s = COSTS[technique]
    return call_s + element_s * elements


def ranked(elements: int, spread: float, error: Callable[[], float] = lambda: 1.0) -> Ranking:
    """Return a ranking of the two at a size; spread: of each interval, as a share; error: what a median is off by."""
    contenders = []
    for name in COSTS:
        speedup = 1e-5 / (time_s(name, elements) * error())
        low, high = speedup / (1 + spread), speedup * (1 + spread)
        contenders.append(Contender(name, speedup, low, high, time_s=1e-5 / speedup))
    return Ranking(PLACE, "forward_backward", f"{elements}", *rank(contenders), elements)


def found(spread: float, error: Callable[[], float] = lambda: 1.0) -> Crossover:
    crossing = between(ranked(4096, spread, error), ranked(65536, spread, error))
    assert crossing
    return crossing


def width(crossing: Crossover) -> float:
    return math.log(crossing.high / crossing.low)


def test_the_interval_holds_the_true_crossover_of_costs_that_grow_with_the_size() -> None:
    crossing = found(spread=0.001)
    assert (crossing.before, crossing.after) == ("early", "late")
    assert crossing.low <= TRUE <= crossing.high
    assert crossing.low <= crossing.elements <= crossing.high
    assert TRUE / 1.35 < crossing.elements < TRUE * 1.35
    assert not crossing.is_open


def test_the_interval_holds_the_true_crossover_as_often_as_it_says_where_medians_are_off() -> None:
    chance = random.Random(20261124)
    held = [
        crossing.low <= TRUE <= crossing.high
        for crossing in (found(0.04, lambda: math.exp(chance.gauss(0, 0.02))) for _ in range(300))
    ]
    assert sum(held) / len(held) >= 0.95


def test_noise_widens_the_interval() -> None:
    widths = [width(found(spread)) for spread in (0.001, 0.02, 0.1)]
    assert widths == sorted(widths)
    assert widths[2] > widths[1] * 1.5


def test_the_interval_is_that_of_both_speedups() -> None:
    quiet, loud = Lead(100, 1.0, 0.9, 1.1), Lead(10000, -1.0, -1.2, -0.8)
    crossing = crossover("early", "late", quiet, loud)
    assert crossing
    assert crossing.elements == pytest.approx(1000)
    assert crossing.low == pytest.approx(100 * 100 ** (0.9 / 2.1))
    assert crossing.high == pytest.approx(100 * 100 ** (1.1 / 1.9))


def test_half_widths_of_two_intervals_add_up_as_squares_do() -> None:
    def contenders(first: float, second: float) -> list[Contender]:
        wide = [math.exp(0.03), math.exp(0.04)]
        pairs = (("early", first, wide[0]), ("late", second, wide[1]))
        return [Contender(name, speed, speed / by, speed * by) for name, speed, by in pairs]

    small = Ranking(PLACE, "inference", "100", *rank(contenders(math.e, 1.0)), 100)
    large = Ranking(PLACE, "inference", "10000", *rank(contenders(1.0, math.e)), 10000)
    crossing = between(small, large)
    assert crossing
    assert crossing.low == pytest.approx(100 * 100 ** (0.95 / 2))
    assert crossing.high == pytest.approx(100 * 100 ** (1.05 / 2))


def test_who_is_faster_everywhere_crosses_nobody() -> None:
    assert between(ranked(256, 0.01), ranked(4096, 0.01)) is None
    assert between(ranked(65536, 0.01), ranked(2**20, 0.01)) is None


@pytest.mark.parametrize(
    ("small", "large"),
    [(1.0, 0.5), (-1.0, 1.0), (-1.0, -0.5), (0.0, -1.0), (1.0, 0.0)],
)
def test_without_a_change_of_sign_there_is_no_crossover(small: float, large: float) -> None:
    leads = (Lead(100, small, small - 0.1, small + 0.1), Lead(1000, large, large - 0.1, large + 0.1))
    assert crossover("early", "late", *leads) is None


def test_shapes_of_one_size_have_no_crossover() -> None:
    assert crossover("early", "late", Lead(100, 1.0, 0.9, 1.1), Lead(100, -1.0, -1.1, -0.9)) is None


def test_who_cannot_be_told_apart_at_one_end_has_no_crossover() -> None:
    tied = ranked(65536, 0.5)
    assert set(tied.names) == set(COSTS)
    assert between(ranked(256, 0.01), tied) is None


def test_what_noise_leaves_open_is_between_the_measured_sizes() -> None:
    unknown = Lead(4096, 0.3, -math.inf, math.inf), Lead(65536, -0.3, -math.inf, math.inf)
    crossing = crossover("early", "late", *unknown)
    assert crossing
    assert crossing.is_open
    assert (crossing.low, crossing.high) == (4096, 65536)
    assert crossing.text == "between 4,096 and 65,536 elements"


def test_a_crossover_in_words_is_rounded_its_interval_outwards() -> None:
    crossing = Crossover("early", "late", 13_293, 12_740, 15_120, (4096, 65536))
    assert crossing.text == "about 13,000 elements (12,000–16,000)"
    assert replace(crossing, elements=431.0, low=400.0, high=460.0).text == "about 430 elements (400–460)"


def test_a_size_that_is_not_known_has_no_crossover() -> None:
    small, large = ranked(4096, 0.01), ranked(65536, 0.01)
    assert between(replace(small, elements=None), large) is None
    assert between(small, replace(large, elements=0)) is None


def test_the_costs_of_a_call_and_an_element_are_taken_into_account_only_where_times_are_known() -> None:
    def timeless(ranking: Ranking) -> Ranking:
        leaders, rest = (tuple(replace(one, time_s=None) for one in some) for some in (ranking.leaders, ranking.rest))
        return replace(ranking, leaders=leaders, rest=rest)

    rough = between(timeless(ranked(4096, 0.001)), timeless(ranked(65536, 0.001)))
    assert rough
    assert rough.elements == found(0.001).elements
    assert not rough.low <= TRUE <= rough.high


def test_crossovers_stand_where_a_recommendation_takes_over() -> None:
    rankings = [ranked(size, 0.01) for size in SIZES]
    below, above = (
        Recommendation("training", tuple(rankings[:2])),
        Recommendation("training", tuple(rankings[2:])),
    )
    assert list(crossovers([below, above])) == [(PLACE, "training", "65536")]
    assert crossovers([below, Recommendation("inference", tuple(rankings[2:]))]) == {}
    elsewhere = tuple(replace(ranking, place=replace(PLACE, dtype="float64")) for ranking in rankings[2:])
    assert crossovers([below, Recommendation("training", elsewhere)]) == {}
