"""Advice as a reader wants it: of an accelerator, what both of its clocks say of the same shapes stands together."""

from __future__ import annotations

from collections.abc import Iterator

from gradgauge.report.places import Place
from gradgauge.report.ranking import Recommendation


def by_both_clocks(found: list[Recommendation]) -> Iterator[tuple[Recommendation, ...]]:
    """Yield the recommendations, those by either clock of an accelerator together where they cover the same shapes."""
    grouped: dict[tuple[Place, str], list[Recommendation]] = {}
    for advice in found:
        grouped.setdefault((advice.place.whatever_clock, advice.purpose), []).append(advice)
    for group in grouped.values():
        by_shape: dict[str, list[Recommendation]] = {}
        for advice in group:
            for ranking in advice.rankings:
                by_shape.setdefault(ranking.shape, []).append(advice)
        runs: list[tuple[list[Recommendation], list[str]]] = []
        for shape, advised in by_shape.items():
            if runs and runs[-1][0] == advised:
                runs[-1][1].append(shape)
            else:
                runs.append((advised, [shape]))
        yield from (tuple(_over(advice, shapes) for advice in advised) for advised, shapes in runs)


def _over(advice: Recommendation, shapes: list[str]) -> Recommendation:
    return Recommendation(advice.purpose, tuple(found for found in advice.rankings if found.shape in shapes))
