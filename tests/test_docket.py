from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pytest

from gradgauge.attempts import Failure
from gradgauge.docket import Cell, Docket
from gradgauge.gauge import Gauge
from gradgauge.model import Implementation
from gradgauge.records import Metric, Record, Verdict
from tests.fakes import CASE, one

ERROR = Metric("error", "ulp", "lower", exact=True)
LOST = Metric("lost", "count", "lower", exact=True)


class Recorder:
    """Stands for a gauge: keeps what is filed."""

    def __init__(self, expected_fail: Mapping[str, str]) -> None:
        self.case, self.filed = CASE, list[Record]()
        self._implementation = Implementation(one, expected_fail=expected_fail)  # type: ignore[arg-type]

    def implementation(self, case: object) -> Implementation:
        return self._implementation

    def record(self, metric: Metric, value: float | None, verdict: str, detail: str = "", **rest: Any) -> None:
        self.filed.append(Record("suite", CASE, metric.name, value, metric.unit, Verdict(verdict), detail, **rest))


def a_docket(**expected_fail: str) -> tuple[Docket, list[Record]]:
    recorder = Recorder(expected_fail)
    return Docket(cast("Gauge", recorder), (ERROR, LOST)), recorder.filed


def a_cell(is_right: bool | None, metric: Metric = ERROR, detail: str = "") -> Cell:
    return Cell(metric, {"kind": "random"}, None if is_right is None else 2.0, is_right, detail)


def verdicts(filed: list[Record]) -> list[str]:
    return [str(record.verdict) for record in filed]


def filed_with(cells: list[Cell], **expected_fail: str) -> list[Record]:
    docket, filed = a_docket(**expected_fail)
    for cell in cells:
        docket.add(cell)
    assert filed == []
    docket.file()
    return filed


def test_each_cell_becomes_a_record_with_its_value_labels_and_detail() -> None:
    (record,) = filed_with([a_cell(True, detail="fine")])
    assert (record.metric, record.value, record.unit, record.detail) == ("error", 2.0, "ulp", "fine")
    assert record.labels == {"kind": "random"}


def test_right_passes_wrong_fails_and_what_cannot_be_judged_is_not_applicable() -> None:
    assert verdicts(filed_with([a_cell(True), a_cell(False), a_cell(None)])) == ["pass", "fail", "not-applicable"]


def test_an_expected_failure_that_shows_in_one_cell_excuses_the_metric_in_all() -> None:
    filed = filed_with([a_cell(True), a_cell(False, detail="7 ulp"), a_cell(None)], error="a known fault")
    assert verdicts(filed) == ["pass", "expected-fail", "not-applicable"]
    assert filed[1].detail == "7 ulp — expected: a known fault"


def test_an_expected_failure_that_shows_nowhere_fails_every_judged_cell() -> None:
    filed = filed_with([a_cell(True), a_cell(True), a_cell(None)], error="a known fault")
    assert verdicts(filed) == ["fail", "fail", "not-applicable"]
    assert filed[0].detail == "expected to disagree, agreed: a known fault"


def test_an_expected_failure_excuses_no_other_metric() -> None:
    filed = filed_with([a_cell(False), a_cell(False, LOST)], error="a known fault")
    assert verdicts(filed) == ["expected-fail", "fail"]


def test_the_failure_of_another_metric_does_not_stand_in_for_the_expected_one() -> None:
    filed = filed_with([a_cell(True), a_cell(False, LOST)], error="a known fault", lost="another")
    assert verdicts(filed) == ["fail", "expected-fail"]


def test_where_nothing_could_be_judged_nothing_was_to_be_expected() -> None:
    assert verdicts(filed_with([a_cell(None)], error="a known fault")) == ["not-applicable"]


def test_a_failure_is_filed_with_its_own_verdict_whatever_was_expected() -> None:
    docket, filed = a_docket(error="a known fault")
    docket.add_failure(ERROR, {"kind": "empty"}, Failure(Verdict.UNSUPPORTED, "no such thing"))
    docket.add_failure(ERROR, {"kind": "0-d"}, Failure(Verdict.FAIL, "raised"))
    docket.file()
    assert verdicts(filed) == ["unsupported", "fail"]
    assert (filed[0].value, filed[0].detail, filed[0].labels) == (None, "no such thing", {"kind": "empty"})


def test_an_expected_failure_of_what_is_not_judged_is_refused_by_name() -> None:
    docket, filed = a_docket(error="a known fault", eror="a typing mistake")
    docket.refuse_unknown(LOST)
    (record,) = filed
    assert (record.metric, str(record.verdict)) == ("lost", "fail")
    assert record.detail == "expected_fail names 'eror', which is not judged; judged are error, lost"
    assert record.labels == {"expected_fail": "eror"}


@pytest.mark.parametrize("expected", [{}, {"error": "a known fault"}])
def test_expected_failures_of_what_is_judged_are_accepted(expected: dict[str, str]) -> None:
    docket, filed = a_docket(**expected)
    docket.refuse_unknown(LOST)
    assert filed == []
