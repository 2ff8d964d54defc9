"""Advice as a reader wants it: over all sizes of a place in one sentence, and by both clocks of an accelerator."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gradgauge.report.blocks import Strong, Text
from gradgauge.report.crossovers import Crossover, Start, crossovers
from gradgauge.report.formatting import number, plural
from gradgauge.report.places import Place
from gradgauge.report.ranking import Ranking, Recommendation

MOST_NAMES = 3


@dataclass(frozen=True)
class Answer:
    """What to use at a place for a purpose. advice: range by range of sizes, the smallest first."""

    advice: tuple[Recommendation, ...]
    crossovers: dict[Start, Crossover]

    @property
    def place(self) -> Place:
        """Return where it holds."""
        return self.advice[0].place

    @property
    def purpose(self) -> str:
        """Return for what it holds."""
        return self.advice[0].purpose

    @property
    def shapes(self) -> str:
        """Return the shapes it covers, smallest to largest."""
        return Recommendation(self.purpose, tuple(found for each in self.advice for found in each.rankings)).shapes

    def parts(self) -> Iterator[tuple[str, Recommendation]]:
        """Yield each range of sizes in words with what is recommended there.

        Such as `up to about 13,000 elements (12,000–15,000)`, `above`; `at every size, 300 to 65,536 elements`.
        """
        last = len(self.advice) - 1
        for index, each in enumerate(self.advice):
            starts = self._taking_over(index)
            ends = self._taking_over(index + 1) if index < last else None
            yield _range(each, starts, ends, is_first=index == 0, is_last=index == last), each

    def _taking_over(self, index: int) -> Crossover | None:
        found = self.crossovers.get((self.place, self.purpose, self.advice[index].rankings[0].shape))
        return None if found is None or found.is_open else found


def answers(found: list[Recommendation]) -> list[Answer]:
    """Return the recommendations of each place and purpose together, with the sizes at which they change."""
    grouped: dict[tuple[Place, str], list[Recommendation]] = {}
    for advice in found:
        grouped.setdefault((advice.place, advice.purpose), []).append(advice)
    return [Answer(tuple(group), crossovers(group)) for group in grouped.values()]


def sizes(advice: Recommendation) -> str:
    """Return the sizes it covers, `300 to 65,536 elements`; the shapes where nobody knows how many they have."""
    first, last = advice.rankings[0], advice.rankings[-1]
    if first.elements is None or last.elements is None:
        return advice.shapes
    return _size(last) if first.elements == last.elements else f"{number(first.elements)} to {_size(last)}"


def finding(advice: Recommendation, names: list[str]) -> Text:
    """Return what is recommended, the names as given, all of them or the first few; one that is alone stands out."""
    if advice.is_claim:
        return (Strong(names[0]),)
    return (advice.said_of(names),)


def unbroken(name: str) -> str:
    """Return a technique's name so that no line ends within it."""
    return name.replace(" ", "\u00a0")


def shortlist(names: list[str], most: int = MOST_NAMES) -> list[str]:
    """Return the first few names and how many more there are.

    >>> shortlist(["a", "b", "c"], 1), shortlist(["a"], 1)
    (['a', '2 more'], ['a'])
    """
    return names if len(names) <= most else [*names[:most], f"{len(names) - most} more"]


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


def _range(
    advice: Recommendation, starts: Crossover | None, ends: Crossover | None, *, is_first: bool, is_last: bool
) -> str:
    first, last = advice.rankings[0], advice.rankings[-1]
    if is_first and is_last:
        return f"at {sizes(advice)}" if first is last else f"at every size, {sizes(advice)}"
    up_to = f"up to {ends.text if ends else _size(last)}"
    if is_first:
        return up_to
    if starts:
        return "above" if is_last else f"above, {up_to}"
    if is_last:
        return f"from {_size(first)} on"
    return f"at {_size(first)}" if first is last and not ends else f"from {_size(first)} {up_to}"


def _size(ranking: Ranking) -> str:
    return ranking.shape if ranking.elements is None else plural(ranking.elements, "element")
