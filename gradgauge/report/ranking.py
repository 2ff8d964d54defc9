"""Which technique to use: the fastest that agrees, and only where the intervals tell it from the next."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from gradgauge.cases import REFERENCE, Case
from gradgauge.records import Record, Verdict
from gradgauge.report.agreement import Standing, Status, standings
from gradgauge.report.data import RunData
from gradgauge.report.formatting import listed, ratio
from gradgauge.report.labels import Labels
from gradgauge.report.once import once_a_run
from gradgauge.report.places import Place

PURPOSES = {"training": "forward_backward", "inference": "inference"}
_TIMED = (Verdict.MEASURED, Verdict.NOISY, Verdict.PASS)


@dataclass(frozen=True)
class Contender:
    """A technique with its speedup over the reference; infinite bounds where the run holds no interval.

    unchecked: nobody has judged whether it agrees. time_s: its median time, if known.
    """

    technique: str
    speedup: float
    low: float
    high: float
    noisy: bool = False
    unchecked: bool = False
    time_s: float | None = None


MARGIN = 1.05
"""How far apart intervals must lie: copies of the same code differ by several percent within one process."""


@dataclass(frozen=True)
class Ranking:
    """The techniques of one block that agree. leaders: the one with the largest speedup and all not told from it.

    elements: of the output, if known.
    """

    place: Place
    pass_: str
    shape: str
    leaders: tuple[Contender, ...]
    rest: tuple[Contender, ...]
    elements: int | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Return the leaders' techniques, fastest first."""
        return tuple(leader.technique for leader in self.leaders)


@dataclass(frozen=True)
class Recommendation:
    """What to use at a place, over neighbouring shapes that have the same answer."""

    purpose: str
    rankings: tuple[Ranking, ...]

    @property
    def place(self) -> Place:
        """Return where the recommendation holds."""
        return self.rankings[0].place

    @property
    def shapes(self) -> str:
        """Return the shapes it covers, smallest to largest."""
        shapes = [ranking.shape for ranking in self.rankings]
        return shapes[0] if len(shapes) == 1 else f"{shapes[0]} to {shapes[-1]}"

    @property
    def names(self) -> tuple[str, ...]:
        """Return the recommended techniques."""
        return self.rankings[0].names

    @property
    def unchecked(self) -> tuple[str, ...]:
        """Return those of them that nobody has judged."""
        return tuple(leader.technique for leader in self.rankings[0].leaders if leader.unchecked)

    @property
    def noisy(self) -> frozenset[str]:
        """Return those of them whose figure is noisy at any of the shapes."""
        leaders = (leader for ranking in self.rankings for leader in ranking.leaders)
        return frozenset(leader.technique for leader in leaders if leader.noisy)

    @property
    def is_claim(self) -> bool:
        """Whether one technique is faster than all others that agree, beyond what the intervals leave open."""
        return len(self.names) == 1 and bool(self.rankings[0].rest) and not self.unchecked

    @property
    def speedups(self) -> str:
        """Return the leaders' speedups over the reference: one factor, or the range that they span."""
        values = [leader.speedup for ranking in self.rankings for leader in ranking.leaders]
        known = [value for value in values if math.isfinite(value)]
        return _span(known)

    @property
    def interval(self) -> str:
        """Return what the 95 % intervals of the leaders' speedups span; nothing where none is wider than a point."""
        leaders = [leader for ranking in self.rankings for leader in ranking.leaders]
        known = [leader for leader in leaders if math.isfinite(leader.low) and math.isfinite(leader.high)]
        if all(leader.low == leader.high for leader in known):
            return ""
        return _span([bound for leader in known for bound in (leader.low, leader.high)])

    @property
    def sentence(self) -> str:
        """Return the finding in words."""
        return self.said_of(list(self.names))

    def said_of(self, names: list[str]) -> str:
        """Return the finding with the techniques' names written as given."""
        if not names:
            return "nothing to recommend: no technique that agrees was compared"
        if len(names) > 1:
            return f"no difference seen between {listed(names)}"
        if self.unchecked and self.rankings[0].rest:
            return f"{names[0]} took the least time, but nobody checked whether it agrees"
        if not self.is_claim:
            return f"{names[0]} is the only technique that agrees and was compared"
        return f"{names[0]} is fastest"


def rank(contenders: list[Contender]) -> tuple[tuple[Contender, ...], tuple[Contender, ...]]:
    """Return the fastest with all whose interval comes within MARGIN of its own, and the others, each fastest first.

    A single leader is told from every other technique.
    """
    if not contenders:
        return (), ()
    ordered = sorted(contenders, key=lambda contender: (-contender.speedup, contender.technique))
    best = ordered[0]
    leaders = tuple(contender for contender in ordered if contender is best or contender.high * MARGIN >= best.low)
    return leaders, tuple(contender for contender in ordered if contender not in leaders)


@once_a_run
def rankings(run: RunData) -> list[Ranking]:
    """Return one ranking a block in which something was timed, smallest shapes first."""
    standing: dict[Labels, dict[tuple[str, str], Standing]] = {}
    blocks: dict[tuple[Place, str, str], dict[str, Contender]] = {}
    sizes: dict[str, int | None] = {}
    timed = [*run.measured("speed", "speedup"), *run.measured("speed", "time")]
    for record in timed:
        case = record.case
        if not case.function or record.value is None:
            continue
        place = Place.of(record)
        if place.labels not in standing:
            standing[place.labels] = standings(run, place.labels)
        block = blocks.setdefault((place, case.pass_, case.shape), {})
        sizes[case.shape] = run.elements(case)
        own = standing[place.labels].get((case.function, case.technique))
        contender = _contender(record)
        if contender and own and own.may_be_recommended:
            known = block.get(case.technique, contender)
            noisy, unchecked = known.noisy or contender.noisy, own.status is Status.UNCHECKED
            time_s = known.time_s if contender.time_s is None else contender.time_s
            block[case.technique] = replace(known, noisy=noisy, unchecked=unchecked, time_s=time_s)
    unknown_last = {shape: math.inf if elements is None else elements for shape, elements in sizes.items()}
    ordered = sorted(blocks, key=lambda key: unknown_last[key[2]])
    return [Ranking(*key, *rank(list(blocks[key].values())), sizes[key[2]]) for key in ordered]


def recommendations(run: RunData) -> list[Recommendation]:
    """Return what to use for training and for inference, functions in their order.

    Each place that was timed as usual has advice and, on an accelerator, that by the wall clock, too; where none was,
    the one that was timed least oddly.
    """
    by_setting: dict[Place, list[Ranking]] = {}
    for ranking in rankings(run):
        by_setting.setdefault(ranking.place.setting, []).append(ranking)
    found: list[Recommendation] = []
    for here in by_setting.values():
        for purpose, pass_ in PURPOSES.items():
            least_odd = _least_odd([ranking for ranking in here if ranking.pass_ == pass_])
            found.extend(Recommendation(purpose, alike) for alike in _neighbours(least_odd))
    order = run.function_names()
    return sorted(found, key=lambda recommendation: order.index(recommendation.place.function))


def _least_odd(here: list[Ranking]) -> list[Ranking]:
    """Return the rankings of the place with the fewest odd labels, of those where somebody leads if there are such."""
    led = {ranking.place for ranking in here if ranking.leaders}
    places = dict.fromkeys(ranking.place for ranking in here)
    least = min(places, key=lambda place: (place not in led, len(place.odd_protocol)), default=None)
    return [ranking for ranking in here if ranking.place == least]


def _contender(record: Record) -> Contender | None:
    if record.verdict not in _TIMED or record.value is None:
        return None
    noisy = record.verdict is Verdict.NOISY
    technique = record.case.technique
    if record.metric == "speedup":
        low = -math.inf if record.low is None else record.low
        high = math.inf if record.high is None else record.high
        return Contender(technique, record.value, low, high, noisy)
    if technique == Case(record.case.function, REFERENCE, "eager", "", "", "", "").technique:
        return Contender(technique, 1.0, 1.0, 1.0, noisy, time_s=record.value)
    # A time without a speedup cannot be placed, so it may not be excluded either.
    return Contender(technique, -math.inf, -math.inf, math.inf, noisy, time_s=record.value)


def _neighbours(rankings_: list[Ranking]) -> list[tuple[Ranking, ...]]:
    groups: list[list[Ranking]] = []
    for ranking in rankings_:
        if groups and _answer(groups[-1][-1]) == _answer(ranking):
            groups[-1].append(ranking)
        else:
            groups.append([ranking])
    return [tuple(group) for group in groups]


def _answer(ranking: Ranking) -> tuple[frozenset[str], bool]:
    return frozenset(ranking.names), bool(ranking.rest)


def _span(factors: list[float]) -> str:
    if not factors:
        return ""
    low, high = ratio(min(factors)), ratio(max(factors))
    return low if low == high else f"{low[:-1]}–{high}"
