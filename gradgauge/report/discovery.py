"""Finds the sections: every module in `sections/`, in ascending ORDER."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass

from gradgauge.report import sections
from gradgauge.report.blocks import Block
from gradgauge.report.data import RunData
from gradgauge.report.questions import Question

EVERY = "*"
"""In place of a metric: whatever the suite measures."""


@dataclass(frozen=True)
class Section:
    """A module of `sections/` as a value. shows: the pairs of suite and metric that it takes care of."""

    name: str
    title: str
    question: Question
    order: int
    shows: frozenset[tuple[str, str]]
    render: Callable[[RunData], list[Block] | None]


def discover() -> list[Section]:
    """Return the sections in the order of the report. Two of one ORDER are an error, as their order would be chance."""
    modules = [
        importlib.import_module(f"{sections.__name__}.{found.name}")
        for found in pkgutil.iter_modules(sections.__path__)
    ]
    found = [
        Section(
            module.__name__.rpartition(".")[2],
            module.TITLE,
            module.QUESTION,
            module.ORDER,
            frozenset(module.SHOWS),
            module.render,
        )
        for module in modules
    ]
    orders = [section.order for section in found]
    twice = sorted({order for order in orders if orders.count(order) > 1})
    if twice:
        names = [section.name for section in found if section.order in twice]
        raise ValueError(f"sections {', '.join(names)} share ORDER {twice}: give each its own")
    return sorted(found, key=lambda section: section.order)


def shown_metrics() -> frozenset[tuple[str, str]]:
    """Return the pairs of suite and metric that some section takes care of; a metric may be `EVERY`."""
    return frozenset().union(*(section.shows for section in discover()))
