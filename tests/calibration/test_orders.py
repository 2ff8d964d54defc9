from __future__ import annotations

from calibration.orders import Pair, compare_orders
from tests.calibration.building import USUAL, a_key

A, B, C = a_key("a"), a_key("b"), a_key("c")


def test_a_planted_reversal_is_found_and_an_untouched_pair_is_not() -> None:
    # b and c swap places; a stays twice as fast as either.
    orders = compare_orders({A: 1.0, B: 2.0, C: 3.0}, {A: 1.5, B: 4.0, C: 3.2})
    assert (orders.compared, orders.missing, len(orders.clear)) == (3, 0, 3)
    (pair,) = orders.changed
    assert pair == Pair(A.block, "b · eager", "c · eager", quiet=1.5, loaded=3.2 / 4.0)


def test_a_pair_that_hardly_differs_in_quiet_may_change_order() -> None:
    orders = compare_orders({A: 1.0, B: 1.1}, {A: 2.0, B: 1.0})
    assert (orders.compared, orders.clear, orders.changed) == (1, (), ())


def test_the_threshold_is_an_argument() -> None:
    assert len(compare_orders({A: 1.0, B: 1.1}, {A: 2.0, B: 1.0}, clear=1.05).changed) == 1


def test_a_tie_under_load_is_a_change_and_a_tie_in_quiet_is_no_order() -> None:
    assert [pair.loaded for pair in compare_orders({A: 1.0, B: 2.0}, {A: 1.0, B: 1.0}).changed] == [1.0]
    assert not compare_orders({A: 1.0, B: 1.0}, {A: 1.0, B: 2.0}).clear


def test_the_faster_one_comes_first_whatever_the_order_of_the_records() -> None:
    for quiet in ({A: 1.0, B: 2.0}, {B: 2.0, A: 1.0}):
        (pair,) = compare_orders(quiet, {A: 1.0, B: 4.0}).clear
        assert (pair.faster, pair.slower, pair.quiet, pair.loaded) == ("a · eager", "b · eager", 2.0, 4.0)
        assert not pair.changed


def test_a_missing_figure_in_either_run_is_counted_and_never_compared() -> None:
    orders = compare_orders({A: 1.0, B: 2.0, C: None}, {A: 1.0, B: None, C: 1.0})
    assert (orders.compared, orders.missing, orders.clear) == (0, 3, ())
    # c stands in the loaded run alone: its two pairs are missing, too.
    orders = compare_orders({A: 1.0, B: 2.0}, {A: 1.0, B: 2.0, C: 1.0})
    assert (orders.compared, orders.missing) == (1, 2)


def test_only_techniques_of_one_block_are_compared() -> None:
    others = [a_key("a", shape="9x9"), a_key("a", pass_="backward"), a_key("a", dtype="float64"), a_key("a", USUAL)]
    costs: dict[object, float | None] = dict.fromkeys([A, *others], 1.0)
    assert compare_orders(costs, costs).compared == 0  # type: ignore[arg-type]
    assert compare_orders({A: 1.0, a_key("a", mode="compiled"): 2.0}, {A: 1.0}).missing == 1


def test_nothing_has_no_pairs() -> None:
    assert compare_orders({}, {}).changed == ()
