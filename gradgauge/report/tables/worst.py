"""The worst error of each technique in each dtype, beside what roundings excuse."""

from __future__ import annotations

from gradgauge.cases import DTYPES
from gradgauge.records import Record, Verdict
from gradgauge.report import formatting
from gradgauge.report.blocks import Cell, Column, Inline, Mark, Table, mark
from gradgauge.report.budgets import ErrorBudgets, subject_of
from gradgauge.report.kinds import kind_of
from gradgauge.report.tables.cells import EMPTY
from gradgauge.report.verdicts import WRONG, quiet, worst_of

ERRORS = {"value": "value_max_ulp", "gradient": "gradient_max_ulp"}
# What stands beside the error where it is wrong, and only where a run tells kinds apart.
_BESIDE = {
    "value_nonfinite": ("value", "finiteness"),
    "value_zero_sign": ("value", "sign of zero"),
    "gradient_nonfinite": ("gradient", "finiteness"),
    "gradient_mended": ("gradient", "shape or dtype"),
}


def worst_table(function: str, here: list[Record], budgets: ErrorBudgets) -> Table | None:
    """Return techniques × dtypes with the largest error of value and gradient; None where none was judged."""
    judged = [record for record in here if record.metric in (*ERRORS.values(), *_BESIDE)]
    if not any(record.metric in ERRORS.values() for record in judged):
        return None
    dtypes = dtypes_of(judged)
    devices = list(dict.fromkeys(record.case.device for record in judged))
    several = len({record.labels.get("input") for record in judged} - {None}) > 1
    cells = _Cells(function, budgets, several=several)
    rows = []
    for technique in dict.fromkeys(record.case.technique for record in judged):
        for device in devices:
            found = [item for item in judged if (item.case.technique, item.case.device) == (technique, device)]
            if found:
                head = Cell((technique,), note=device if len(devices) > 1 else "")
                rows.append((head, *(cells.cell(found, dtype, what) for dtype in dtypes for what in ERRORS)))
    columns = (
        Column(f"{what}, {dtype}", note=_budget(budgets, function, dtype, what)) for dtype in dtypes for what in ERRORS
    )
    return Table((Column("Technique"), *columns), tuple(rows))


def dtypes_of(records: list[Record]) -> list[str]:
    """Return the dtypes that occur, known ones in their order."""
    found = {record.case.dtype for record in records}
    return [dtype for dtype in DTYPES if dtype in found] + sorted(found - set(DTYPES))


def _budget(budgets: ErrorBudgets, function: str, dtype: str, what: str) -> str:
    budget = budgets.ulp(function, dtype, what)
    return "" if budget is None else f"budget {formatting.ulps(budget)}"


class _Cells:
    def __init__(self, function: str, budgets: ErrorBudgets, *, several: bool) -> None:
        self._function, self._budgets, self._several = function, budgets, several

    def cell(self, found: list[Record], dtype: str, what: str) -> Cell:
        here = [record for record in found if record.case.dtype == dtype]
        errors = [record for record in here if record.metric == ERRORS[what]]
        if not errors:
            return EMPTY
        worst = worst_of(errors)
        beside = _beside(here, what)
        text: list[Inline] = [_error_mark(worst)]
        for record in beside:
            text += [" ", mark(record.verdict, _BESIDE[record.metric][1])]
        decisive = worst_of([worst, *beside])
        return Cell(tuple(text), note=self._note(worst, what), tone=quiet(decisive.verdict))

    def _note(self, worst: Record, what: str) -> str:
        is_wrong = worst.verdict in (Verdict.FAIL, Verdict.EXPECTED_FAIL)
        said = [str(worst.verdict), kind_of(worst)] if is_wrong else []
        is_wide = self._is_wide(worst, what)
        if self._several and "input" in worst.labels and (is_wrong or is_wide or "kind" not in worst.labels):
            said.append(f"input {worst.labels['input']}")
        if worst.verdict is Verdict.PASS:
            said += [worst.detail, f"{worst.case.shape}: more is excused there" if is_wide else ""]
        return " · ".join(filter(None, said))

    def _is_wide(self, worst: Record, what: str) -> bool:
        """Whether an error passed that is above what most elements keep to: where results cancel more is excused."""
        budget = self._budgets.ulp(self._function, worst.case.dtype, what, subject_of(worst))
        passed = worst.verdict is Verdict.PASS and worst.value is not None
        return passed and budget is not None and (worst.value or 0.0) > budget


def _beside(here: list[Record], what: str) -> list[Record]:
    wrong: dict[str, list[Record]] = {}
    for record in here:
        if "kind" in record.labels and record.verdict in WRONG and _BESIDE.get(record.metric, ("",))[0] == what:
            wrong.setdefault(record.metric, []).append(record)
    return [worst_of(records) for records in wrong.values()]


def _error_mark(record: Record) -> Mark:
    if record.value is not None:
        return mark(record.verdict, formatting.ulps(record.value).removesuffix(" ulp"))
    judged = record.verdict in (Verdict.FAIL, Verdict.EXPECTED_FAIL, Verdict.PASS, Verdict.MEASURED)
    # An infinite error is filed without a value; so is a call that raised, but that names its reason.
    raised = "kind" in record.labels and "the value is" not in record.detail
    return mark(record.verdict, ("no value" if raised else "no finite value") if judged else "")
