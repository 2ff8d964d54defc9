"""What training came to with each technique: accuracies over the seeds, and paired differences to the reference."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, stdev

from gradgauge.cases import REFERENCE, Case
from gradgauge.records import Record, Verdict
from gradgauge.report.blocks import Cell, Column, Table
from gradgauge.report.formatting import number, percent
from gradgauge.report.tables.cells import EMPTY, interval_text, value_text, valueless_cell

ACCURACY, LOSS, DIFFERENCE = "training_accuracy", "training_loss", "training_first_difference"
PIECE, WRONG, TIME = "training_piece_share", "training_wrong_share", "training_step_time"
METRICS = (ACCURACY, LOSS, DIFFERENCE, PIECE, WRONG, TIME)

_T_95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
"""Two-sided 95 % quantiles of Student's t for 1 to 10 degrees of freedom; beyond, the last one is a little too wide."""

LARGEST = 1e30
"""A loss beyond is as good as not finite: sums of squares must stay finite."""


@dataclass(frozen=True)
class Scene:
    """Where techniques train side by side: all that they have in common."""

    function: str
    role: str
    device: str
    dtype: str
    shape: str

    @classmethod
    def of(cls, case: Case, role: str) -> Scene:
        """Return the scene of a case in a role."""
        return cls(case.function, role, case.device, case.dtype, case.shape)


@dataclass(frozen=True)
class Gap:
    """By how much a technique lies above the reference, from the same seeds; low, high: a 95 % t interval, if any."""

    mean: float
    low: float | None
    high: float | None

    @property
    def is_nil(self) -> bool:
        """Whether there is no difference at all, from any seed."""
        return self.mean == self.low == self.high == 0

    @property
    def is_seen(self) -> bool:
        """Whether the interval is on one side of zero."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high

    def text(self, scale: float = 1.0, digits: str = "+.1f") -> str:
        """Return the interval in words; nothing where there is none."""
        if self.low is None or self.high is None:
            return ""
        return " to ".join(f"{bound * scale:{digits}}".replace("-", "−") for bound in (self.low, self.high))


def gap_between(ours: Mapping[str, float], theirs: Mapping[str, float]) -> Gap | None:
    """Return the mean difference over the seeds that both have, with its interval; None where there is none.

    >>> gap_between({"0": 0.5, "1": 0.7}, {"0": 0.4, "2": 0.1}).low is None
    True
    """
    pairs = [value - theirs[seed] for seed, value in ours.items() if seed in theirs]
    if not pairs:
        return None
    mean = fmean(pairs)
    if len(pairs) == 1:
        return Gap(mean, None, None)
    reach = _T_95[min(len(pairs) - 1, len(_T_95)) - 1] * stdev(pairs) / math.sqrt(len(pairs))
    return Gap(mean, mean - reach, mean + reach)


@dataclass(frozen=True)
class Trained:
    """One technique in one scene: its records."""

    name: str
    records: tuple[Record, ...]

    def by_seed(self, metric: str) -> dict[str, float]:
        """Return seed → value of a metric, of the seeds that have a finite one."""
        return {
            record.labels["seed"]: float(record.value)
            for record in self._of(metric)
            if record.value is not None and abs(record.value) <= LARGEST and "seed" in record.labels
        }

    def share(self, metric: str, piece: str = "") -> float | None:
        """Return the mean over the seeds of a share, of one piece or of all; None where it was not measured."""
        values = [
            record.value
            for record in self._of(metric)
            if record.value is not None and record.labels.get("piece", "") == piece
        ]
        return fmean(values) if values else None

    @cached_property
    def pieces(self) -> list[str]:
        """Return the pieces that its records name, in their order."""
        return list(dict.fromkeys(record.labels["piece"] for record in self._of(PIECE) if "piece" in record.labels))

    @property
    def seeds(self) -> int:
        """Return from how many seeds it was trained."""
        return len({record.labels.get("seed") for record in self._of(ACCURACY)})

    @property
    def broken(self) -> list[Record]:
        """Return the accuracies that have no value because the loss was not finite."""
        return [record for record in self._of(ACCURACY) if record.value is None and record.verdict is Verdict.MEASURED]

    @property
    def failure(self) -> Record | None:
        """Return the record of what kept it from training, if anything did."""
        return next((record for record in self.records if record.verdict.is_failure), None)

    @property
    def parting(self) -> tuple[list[int], int]:
        """Return the steps at which it parted from the reference, ascending, and in how many seeds that was asked."""
        asked = [record for record in self._of(DIFFERENCE) if record.verdict is Verdict.MEASURED]
        return sorted(int(record.value) for record in asked if record.value is not None), len(asked)

    @property
    def time(self) -> Record | None:
        """Return the record of its time a step."""
        return next(iter(self._of(TIME)), None)

    def _of(self, metric: str) -> list[Record]:
        return [record for record in self.records if record.metric == metric]


def scenes_of(records: Iterable[Record]) -> dict[Scene, list[Trained]]:
    """Return what was trained, the reference first, scene by scene; what has no role did not train."""
    grouped: dict[Scene, dict[str, list[Record]]] = {}
    for record in records:
        if "role" in record.labels and record.verdict not in (Verdict.UNAVAILABLE, Verdict.UNSUPPORTED):
            scene = Scene.of(record.case, record.labels["role"])
            grouped.setdefault(scene, {}).setdefault(record.case.implementation, []).append(record)
    found = {
        scene: [Trained(name, tuple(techniques[name])) for name in sorted(techniques, key=_rank)]
        for scene, techniques in grouped.items()
    }
    return {scene: trained for scene, trained in found.items() if any(_took_part(each) for each in trained)}


def _rank(name: str) -> tuple[bool, str]:
    return name != REFERENCE, name


def _took_part(trained: Trained) -> bool:
    return any(record.metric == ACCURACY and record.verdict is not Verdict.NOT_APPLICABLE for record in trained.records)


def accuracy_table(trained: Sequence[Trained]) -> Table:
    """Return a row a technique: accuracy, its difference to the reference, loss, parting, wrong share, time a step."""
    reference = next((each for each in trained if each.name == REFERENCE), None)
    columns = (
        Column("Technique"),
        Column("Accuracy", numeric=True),
        Column("Less the reference's", numeric=True),
        Column("Training loss", numeric=True),
        Column("Parts at step", numeric=True),
        Column("Gradient wrong", numeric=True),
        Column("Time a step", numeric=True),
    )
    rows = tuple(
        (
            Cell((each.name,)),
            _spread_cell(each, ACCURACY, _accuracy),
            _gap_cell(each, reference),
            _spread_cell(each, LOSS, number_of_loss),
            _parting_cell(each),
            _wrong_cell(each),
            _time_cell(each),
        )
        for each in trained
    )
    caption = (
        "After training: means over the seeds, below them the least and the most; differences in percentage points, "
        "seed by seed, with a 95 % t interval. The time is the median of steps taken in turns, with its 95 % interval."
    )
    return Table(columns, rows, caption)


def pieces_table(trained: Sequence[Trained], what: str) -> Table | None:
    """Return which share of the inputs fell into each piece, and how much of it where the gradient is wrong."""
    pieces = list(dict.fromkeys(piece for each in trained for piece in each.pieces))
    if len(pieces) < 2:
        return None
    columns = (Column("Technique"), *(Column(piece, numeric=True) for piece in pieces))
    rows = tuple((Cell((each.name,)), *(_piece_cell(each, piece) for piece in pieces)) for each in trained)
    caption = f"Where {what} lay while training, at every tenth step, as shares of all; wrong: where the gradient is"
    return Table(columns, rows, caption)


def number_of_loss(value: float) -> str:
    """Return a loss with three digits.

    >>> number_of_loss(0.58862), number_of_loss(12.0)
    ('0.589', '12')
    """
    return number(float(f"{value:.3g}"))


def points(gap: float) -> str:
    """Return a difference of shares in percentage points, signed.

    >>> points(-0.0856), points(0.0)
    ('−8.6', '+0.0')
    """
    return f"{100 * gap:+.1f}".replace("-", "−")


def _accuracy(value: float) -> str:
    return f"{100 * value:.1f} %"


def _spread_cell(trained: Trained, metric: str, text: object) -> Cell:
    values = list(trained.by_seed(metric).values())
    if not values:
        failure = trained.failure
        return valueless_cell(failure) if failure else Cell(("not finite",) if trained.broken else ("—",), tone="warn")
    assert callable(text)
    note = f"{text(min(values))} – {text(max(values))}" if len(values) > 1 else ""
    return Cell((text(fmean(values)),), note=note)


def _gap_cell(trained: Trained, reference: Trained | None) -> Cell:
    if reference is None or trained is reference:
        return EMPTY
    gap = gap_between(trained.by_seed(ACCURACY), reference.by_seed(ACCURACY))
    if gap is None or gap.is_nil:
        return Cell(("0",)) if gap else EMPTY
    return Cell((points(gap.mean),), note=gap.text(100), tone="warn" if gap.is_seen else "plain")


def _parting_cell(trained: Trained) -> Cell:
    steps, asked = trained.parting
    if not asked:
        return EMPTY
    if not steps:
        return Cell(("never",))
    middle = f"{steps[0]}" if steps[0] == steps[-1] else f"{steps[0]} – {steps[-1]}"
    return Cell((middle,), note="" if len(steps) == asked else f"in {len(steps)} of {asked} seeds", tone="warn")


def _wrong_cell(trained: Trained) -> Cell:
    share = trained.share(WRONG)
    return EMPTY if share is None else Cell((percent(share),), tone="warn" if share else "plain")


def _piece_cell(trained: Trained, piece: str) -> Cell:
    share, wrong = trained.share(PIECE, piece), trained.share(WRONG, piece)
    if share is None:
        return EMPTY
    return Cell((percent(share),), note=f"wrong: {percent(wrong)}" if wrong else "", tone="warn" if wrong else "plain")


def _time_cell(trained: Trained) -> Cell:
    record = trained.time
    if record is None:
        return EMPTY
    return valueless_cell(record) if record.value is None else Cell((value_text(record),), note=interval_text(record))
