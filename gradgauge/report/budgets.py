"""The error that agrees, in ulps: derived for each function and dtype, or stated by the function where it says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gradgauge.records import Record
from gradgauge.report.data import RunData

BUDGETS = {"value_budget_ulp": "value", "gradient_budget_ulp": "gradient"}
_STATED = {"value": "value_max_ulp", "gradient": "gradient_max_ulp"}


@dataclass(frozen=True)
class ErrorBudgets:
    """Budgets by function, dtype, `value` or `gradient`, and the output or input that they are for."""

    derived: Mapping[tuple[str, str, str], Mapping[str, Record]]
    stated: Mapping[tuple[str, str], float]

    @classmethod
    def of(cls, run: RunData) -> ErrorBudgets:
        """Return what the run filed; of older runs, what its functions state."""
        derived: dict[tuple[str, str, str], dict[str, Record]] = {}
        for record in run.records:
            if record.suite == "gradients" and record.metric in BUDGETS and record.value is not None:
                key = (record.case.function, record.case.dtype, BUDGETS[record.metric])
                derived.setdefault(key, {}).setdefault(subject_of(record), record)
        stated = {
            (name, what): budget
            for name, entry in run.description.functions.items()
            for what, metric in _STATED.items()
            if (budget := entry.budgets_ulp.get(metric)) is not None
        }
        return cls(derived, stated)

    def records(self, function: str, dtype: str, what: str) -> Mapping[str, Record]:
        """Return what was filed, by output or input."""
        return self.derived.get((function, dtype, what), {})

    def ulp(self, function: str, dtype: str, what: str, subject: str = "") -> float | None:
        """Return the budget of one output or input; of all where none is named: the widest. None where unknown."""
        filed = self.records(function, dtype, what)
        known = {name: record.value for name, record in filed.items() if record.value is not None}
        if subject in known:
            return known[subject]
        return max(known.values(), default=self.stated.get((function, what)))


def subject_of(record: Record) -> str:
    """Return the output or input that a record is about; nothing where there is but one."""
    return record.labels.get("input", "") or record.labels.get("output", "")
