"""What the profiler said of each technique: its step, what takes the time, how much of it is a gap."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from gradgauge.cases import Case
from gradgauge.records import Profile, Record
from gradgauge.report.data import RunData
from gradgauge.report.formatting import percent
from gradgauge.report.places import Place
from gradgauge.traces import HOST, IN_NO_OPERATOR

SUITE = "profile"
STEP, TIME, CALLS, BUSY = "profiled_step", "profiled_time", "profiled_calls", "profiled_busy"
METRICS = (STEP, TIME, CALLS, BUSY)
OTHERS = "others"
"""How the records call what takes next to nothing, together."""


@dataclass(frozen=True)
class Taker:
    """What takes time. calls: a step; None where it is no call."""

    name: str
    self_s: float
    calls: float | None


@dataclass
class Profiled:
    """A technique. step: its record, which may have no value. takers, busy: by `host` and `device`."""

    case: Case
    step: Record | None = None
    takers: dict[str, list[Taker]] = field(default_factory=dict)
    busy: dict[str, float] = field(default_factory=dict)
    profile: Profile | None = None

    @property
    def step_s(self) -> float | None:
        """Return the mean of the steps; where the run does not have it, the one that is drawn."""
        if self.step is not None and self.step.value is not None:
            return float(self.step.value)
        return self.profile.step_s if self.profile else None

    @property
    def mean_step_s(self) -> float:
        """Return the mean of the steps, which is what everything on the host takes, Python included."""
        return sum(taker.self_s for taker in self.takers.get(HOST, []))

    def share(self, seconds: float) -> str:
        """Return the mean of seconds as a share of the mean step."""
        return percent(seconds / self.mean_step_s) if self.mean_step_s > 0 else "—"

    @property
    def most(self) -> str:
        """Return the two that take most on the host, with their shares: `aten::where 53 %, aten::neg 9 %`."""
        ordered = [taker for taker in self.takers.get(HOST, []) if taker.name != OTHERS][:2]
        return ", ".join(f"{taker.name} {self.share(taker.self_s)}" for taker in ordered)

    def gap(self, where: str) -> float | None:
        """Return the share of the step in which nothing runs there; None where that is unknown."""
        return max(0.0, 1 - self.busy[where]) if where in self.busy else None


@dataclass(frozen=True)
class Scene:
    """What is compared with each other: a place at a shape."""

    place: Place
    shape: str

    @property
    def title(self) -> str:
        """Return where it was profiled: `cpu · float32 · 1024x1024`."""
        return " · ".join(filter(None, (self.place.title, self.shape))) or "no device recorded"


def scenes_of(run: RunData) -> dict[Scene, list[Profiled]]:
    """Return what was profiled, by scene, in the order in which it was."""
    found: dict[Case, Profiled] = {}
    records = [record for record in run.records if record.suite == SUITE and record.metric in METRICS]
    calls = {_key(record): record.value for record in records if record.metric == CALLS}
    for record in records:
        profiled = found.setdefault(record.case, Profiled(record.case))
        where = record.labels.get("on", "")
        if record.metric == STEP:
            profiled.step = record
        elif record.metric == BUSY and record.value is not None:
            profiled.busy[where] = float(record.value)
        elif record.metric == TIME and record.value is not None:
            name = record.labels.get("operator", "")
            profiled.takers.setdefault(where, []).append(Taker(name, float(record.value), calls.get(_key(record))))
    for profile in run.profiles:
        found.setdefault(profile.case, Profiled(profile.case)).profile = profile
    scenes: dict[Scene, list[Profiled]] = {}
    for case, profiled in found.items():
        for takers in profiled.takers.values():
            takers.sort(key=lambda taker: -taker.self_s)
        scenes.setdefault(Scene(Place.of_case(case), case.shape), []).append(profiled)
    return {scene: scenes[scene] for scene in scenes if scene.place.function}


def top_and_rest(takers: Iterable[Taker], most: int) -> tuple[list[Taker], Taker | None]:
    """Return the `most` that take most and Python in no operator, and the others as one; None where there are none."""
    ordered = list(takers)
    named = [taker for taker in ordered if taker.name not in (OTHERS, IN_NO_OPERATOR)][:most]
    top = [taker for taker in ordered if taker in named or taker.name == IN_NO_OPERATOR]
    rest = [taker for taker in ordered if taker not in top]
    if not rest:
        return top, None
    return top, Taker("the rest", sum(taker.self_s for taker in rest), sum(taker.calls or 0 for taker in rest))


def _key(record: Record) -> tuple[Case, str, str]:
    return record.case, record.labels.get("operator", ""), record.labels.get("on", "")
