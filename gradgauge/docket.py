"""The judged cells of one case, until all are known: an expected failure is strict over all cells of its metric."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gradgauge.attempts import Failure
from gradgauge.gauge import Gauge
from gradgauge.records import Metric


@dataclass(frozen=True)
class Cell:
    """A figure and what it is judged to be. is_right: None where there was nothing to judge.

    detail: what is wrong, or worth saying of what is right.
    """

    metric: Metric
    labels: Mapping[str, str]
    value: float | None
    is_right: bool | None
    detail: str = ""


class Docket:
    """Collects cells, and files them with their verdicts."""

    def __init__(self, gauge: Gauge, judged: tuple[Metric, ...]) -> None:
        self._gauge, self._cells = gauge, list[Cell]()
        self._expected = gauge.implementation(gauge.case).expected_fail
        self._judged = [metric.name for metric in judged]

    def add(self, cell: Cell) -> None:
        """Take a cell in."""
        self._cells.append(cell)

    @property
    def wrong(self) -> list[Cell]:
        """Return the cells that disagree so far."""
        return [cell for cell in self._cells if cell.is_right is False]

    def add_failure(self, metric: Metric, labels: Mapping[str, str], failure: Failure) -> None:
        """Take in that there is no figure, with the verdict that the failure has."""
        self._gauge.record(metric, None, failure.verdict, failure.detail, labels=labels)

    def file(self) -> None:
        """File every cell. A metric expected to fail must fail in one cell at least, where there was one to judge."""
        wrong = {cell.metric.name for cell in self._cells if cell.is_right is False}
        for cell in self._cells:
            reason = self._expected.get(cell.metric.name, "")
            verdict, detail = "pass", cell.detail
            if cell.is_right is None:
                verdict = "not-applicable"
            elif reason and cell.metric.name not in wrong:
                verdict, detail = "fail", f"expected to disagree, agreed: {reason}"
            elif not cell.is_right:
                verdict = "expected-fail" if reason else "fail"
                detail += f" — expected: {reason}" if reason else ""
            self._gauge.record(cell.metric, cell.value, verdict, detail, labels=cell.labels)

    def refuse_unknown(self, metric: Metric) -> None:
        """File a failure, under the given metric, for each expected failure of what is not judged."""
        for name in self._expected:
            if name not in self._judged:
                detail = f"expected_fail names {name!r}, which is not judged; judged are {', '.join(self._judged)}"
                self._gauge.record(metric, None, "fail", detail, labels={"expected_fail": name})
