from __future__ import annotations

from gradgauge.budgets import UNBOUNDED_BLOCK_S, Budgets


def test_blocks_share_evenly_and_what_one_leaves_the_others_get() -> None:
    budgets = Budgets()
    budgets.plan("speed", 12.0, ["a", "b", "c"], ["a", "b", "c"])
    assert budgets.share_s("speed", "a") == 4.0
    budgets.spend("speed", "a", 1.0)
    assert budgets.share_s("speed", "b") == 5.5
    budgets.spend("speed", "b", 8.0)
    assert budgets.share_s("speed", "c") == 3.0
    budgets.spend("speed", "c", 5.0)
    assert budgets.share_s("speed", "d") == 0.0  # overdrawn


def test_a_new_worker_has_the_share_of_the_blocks_that_are_left() -> None:
    budgets = Budgets()
    budgets.plan("speed", 12.0, ["a", "a", "b", "c"], ["c", "c"])
    assert budgets.share_s("speed", "c") == 4.0


def test_without_a_budget_every_block_gets_the_same() -> None:
    budgets = Budgets()
    budgets.plan("speed", None, ["a"], ["a"])
    assert budgets.share_s("speed", "a") == UNBOUNDED_BLOCK_S
    budgets.spend("speed", "a", 100.0)
    assert budgets.share_s("speed", "b") == UNBOUNDED_BLOCK_S


def test_a_suite_without_blocks_divides_nothing_by_nothing() -> None:
    budgets = Budgets()
    budgets.plan("speed", 12.0, [], [])
    assert budgets.share_s("speed", "a") == 0.0
