"""The seven questions that the report answers, in the order in which a reader asks them."""

from __future__ import annotations

from enum import Enum


class Question(Enum):
    """A question: its anchor, its words, and what is said where a run holds nothing that answers it."""

    USE = ("use", "What should I use?", "The run holds nothing to draw a conclusion from.")
    WRONG = ("wrong", "Is anything wrong?", "Nothing failed.")
    SPEED = (
        "speed",
        "How much faster, really?",
        "No function was timed in this run: gradgauge bench --suite gradients --suite speed times them.",
    )
    COST = (
        "cost",
        "What does it cost in memory?",
        "No memory was counted in this run: gradgauge bench --suite memory counts it.",
    )
    GRADIENT = (
        "gradient",
        "Where does the gradient differ?",
        "No gradient was checked in this run: gradgauge bench --suite gradients checks them.",
    )
    TIME = (
        "spent",
        "Where does the time go?",
        "Nothing was profiled in this run: gradgauge profile traces forward and backward, in a run of its own.",
    )
    TRUST = ("trust", "Can I trust this?", "The run does not say where and how it was measured.")

    def __init__(self, anchor: str, title: str, unanswered: str) -> None:
        self.anchor = anchor
        self.title = title
        self.unanswered = unanswered
