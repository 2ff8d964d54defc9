"""Is each implementation right, in value and in gradient, wherever the function has an edge and whoever calls it?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from torch import Tensor

from gradgauge.agreement import Agreement, judge
from gradgauge.atlas import KINDS
from gradgauge.attempts import Failure, attempt
from gradgauge.behavior.table import EXPECTABLE
from gradgauge.cases import DTYPES, MODES, REFERENCE, Case
from gradgauge.compilation import NO_GRAPH, Watch
from gradgauge.curves import atlas_of, curves_of
from gradgauge.docket import Cell, Docket
from gradgauge.error_budgets import Budgets, derive_budgets, sample_truth
from gradgauge.exactness import MOST_ULP, compare_with_exact
from gradgauge.gauge import Gauge
from gradgauge.gradient_cells import add_cells, file_figures, file_place, file_slopes
from gradgauge.gradient_metrics import (
    ATLAS_GRADIENT,
    ATLAS_VALUE,
    ERROR_RATIO,
    GRADCHECK,
    GRADGRADCHECK,
    GRADIENT_BUDGET,
    GRADIENT_FIGURES,
    GRADIENT_ULP,
    JUDGED,
    KINK_SLOPE,
    NEEDLESS,
    REFERENCE_GRADIENT,
    REFERENCE_VALUE,
    VALUE_BUDGET,
    VALUE_FIGURES,
    VALUE_ULP,
)
from gradgauge.grid import Suite, Sweep, smallest
from gradgauge.numerical import check_first_order, check_second_order, smooth_inputs
from gradgauge.power import Power, power_of_gradient, power_of_value
from gradgauge.records import Metric, Verdict
from gradgauge.reproductions import Disagreements
from gradgauge.situations import BROADCASTING, Situation, hostile_situations, main_situation

BOTH = ("forward_backward",)


def but_largest(shapes: tuple[str, ...]) -> tuple[str, ...]:
    """Return the shapes less the last one, where there are several."""
    return shapes[:-1] or shapes


def degenerate(_: tuple[str, ...]) -> tuple[str, ...]:
    """Return the shapes without dimensions and without elements."""
    return ("scalar", "0x3")


QUICK = (
    Sweep(BOTH, pick=smallest),
    Sweep(BOTH, modes=("eager",), dtypes=DTYPES, pick=smallest),
)
STANDARD = (
    Sweep(BOTH),
    Sweep(BOTH, modes=("eager",), dtypes=DTYPES, pick=but_largest),
    Sweep(BOTH, modes=("compiled",), dtypes=("bfloat16",), pick=smallest),
)
FULL = (
    Sweep(BOTH, dtypes=DTYPES),
    Sweep(BOTH, dtypes=DTYPES, pick=degenerate),
    Sweep(BOTH, dtypes=DTYPES, layouts=("transposed", "strided", "expanded", "channels-last"), pick=smallest),
)

SUITE = Suite(
    question=__doc__,
    metrics=(
        *JUDGED,
        KINK_SLOPE,
        *VALUE_FIGURES,
        *GRADIENT_FIGURES,
        ERROR_RATIO,
        NEEDLESS,
        ATLAS_VALUE,
        ATLAS_GRADIENT,
        VALUE_BUDGET,
        GRADIENT_BUDGET,
        REFERENCE_VALUE,
        REFERENCE_GRADIENT,
    ),
    sweeps={"quick": QUICK, "standard": STANDARD, "full": FULL},
    order=10,
    eager_first=True,
    with_reference=True,
    whatever_pass=True,
    until=0.7,
)


def test_gradients(gauge: Gauge) -> None:
    """Judge one implementation against the oracle: random inputs and edges, then whatever else callers do to it."""
    budgets = _budgets(gauge)
    main = gauge.once_per_block("main", lambda: attempt("the reference", partial(_main, gauge)))
    if isinstance(budgets, Failure):
        gauge.reference_failed(VALUE_ULP, budgets)
        return
    if isinstance(main, Failure):
        gauge.reference_failed(VALUE_ULP, main)
        return
    gauge.step("checking its gradients")
    watch = Watch() if gauge.case.mode == "compiled" else None
    docket = Docket(gauge, EXPECTABLE)
    docket.refuse_unknown(VALUE_ULP)
    found = Disagreements(gauge)
    agreement = _agreement(gauge, main, budgets)
    if isinstance(agreement, Failure):
        gauge.fail(VALUE_ULP, agreement, labels={"kind": KINDS[0]})
        found.note_failure(VALUE_ULP.name, {"kind": KINDS[0]}, agreement, main)
        found.reproduce(budgets)
        return
    if watch and not watch.compiled(()).graphs:
        gauge.record(VALUE_ULP, None, "unsupported", NO_GRAPH, labels={"kind": KINDS[0]})
        return
    add_cells(gauge, docket, main, agreement)
    found.note(docket.wrong, main)
    file_figures(gauge, agreement, _native(gauge, main, budgets))
    file_slopes(gauge, agreement.kink_slopes)
    if _is_first(gauge):
        for kind, situation in _hostile(gauge):
            _put_through(gauge, docket, kind, situation, budgets, found)
        _check_numerically(gauge, docket)
        _check_the_reference(gauge, budgets)
    docket.file()
    _draw(gauge, budgets)
    found.reproduce(budgets)


def _main(gauge: Gauge) -> Situation:
    return main_situation(gauge.case, gauge.entry, gauge.seed)


def _budgets(gauge: Gauge) -> Budgets | Failure:
    """Return the error budgets of the case's function and dtype, derived once a run."""

    def derive() -> Budgets:
        return derive_budgets(gauge.entry, sample_truth(gauge.case, gauge.entry))

    name = f"budgets {gauge.case.function} {gauge.case.dtype}"
    return gauge.once_per_run(name, lambda: attempt("the reference", derive))


def _agreement(gauge: Gauge, main: Situation, budgets: Budgets) -> Agreement | Failure:
    """Return what the case comes to on the main inputs."""
    if (gauge.case.implementation, gauge.case.mode) == (REFERENCE, MODES[0]):
        return _native(gauge, main, budgets)
    return attempt("the check", lambda: judge(gauge.case, gauge.entry, gauge.call(gauge.case), main, budgets))


def _native(gauge: Gauge, main: Situation, budgets: Budgets) -> Agreement | Failure:
    """Return what the reference run eagerly comes to, the yardstick of the error ratio."""
    call = gauge.entry.reference.implementation.call
    return gauge.once_per_block(
        "native", lambda: attempt("the reference", lambda: judge(gauge.case, gauge.entry, call, main, budgets))
    )


def _is_first(gauge: Gauge) -> bool:
    """Whether this is the first case of its technique, dtype and device, which answers for what no shape changes."""
    return gauge.case == next(iter(_alike(gauge, gauge.case.mode, gauge.case.dtype)), None)


def _alike(gauge: Gauge, mode: str, dtype: str = "") -> list[Case]:
    """Return the planned cases of this technique in a mode, on its device, and of a dtype where one is given."""
    found = [
        case
        for case in gauge.session.planned[gauge.suite]
        if (case.function, case.implementation, case.mode, case.device)
        == (gauge.case.function, gauge.case.implementation, mode, gauge.case.device)
        and case.dtype == (dtype or case.dtype)
    ]
    return sorted(found, key=lambda case: case.layout != "contiguous")


def _hostile(gauge: Gauge) -> Iterator[tuple[str, Situation | Failure]]:
    """Yield the situations by kind, built once a block; a failure where the reference refuses one."""
    for kind, build in hostile_situations(gauge.case, gauge.entry, gauge.seed):
        yield kind, gauge.once_per_block(kind, partial(attempt, "the reference", build))


def _put_through(
    gauge: Gauge, docket: Docket, kind: str, situation: Situation | Failure, budgets: Budgets, found: Disagreements
) -> None:
    """Judge the call in one hostile situation; one that the function has no room for is left out."""
    labels = {"kind": kind}
    if isinstance(situation, Failure):
        gauge.record(GRADIENT_ULP, None, "not-applicable", situation.detail, labels=labels)
        return
    if not situation.trials:
        return
    gauge.step(f"checking its gradients: {kind}")
    call = gauge.call(gauge.case)
    agreement = attempt(kind, lambda: judge(gauge.case, gauge.entry, call, situation, budgets))
    if isinstance(agreement, Failure):
        if kind in BROADCASTING and not gauge.entry.function.broadcasts:
            agreement = replace(agreement, verdict=Verdict.UNSUPPORTED)
        docket.add_failure(GRADIENT_ULP, labels, agreement)
        found.note_failure(GRADIENT_ULP.name, labels, agreement, situation)
        return
    before = len(docket.wrong)
    add_cells(gauge, docket, situation, agreement)
    found.note(docket.wrong[before:], situation)
    if kind == "partial":
        gauge.record(NEEDLESS, agreement.needless, "measured", labels=labels)


def _check_numerically(gauge: Gauge, docket: Docket) -> None:
    """Run PyTorch's own checks where they mean something: in float64."""
    if gauge.case.dtype != "float64":
        return
    labels = {"kind": "smooth"}
    call = gauge.call(gauge.case)
    for metric, check in ((GRADCHECK, check_first_order), (GRADGRADCHECK, check_second_order)):
        gauge.step(f"checking its gradients: {metric.name}")
        inputs = attempt("the reference", lambda: smooth_inputs(gauge.case, gauge.entry, gauge.seed))
        if isinstance(inputs, Failure):
            gauge.record(metric, None, "not-applicable", inputs.detail, labels=labels)
            continue
        outcome = attempt(metric.name, partial(check, call, inputs))
        if not isinstance(outcome, Failure):
            docket.add(Cell(metric, labels, 0, is_right=True))
        elif outcome.verdict == "fail":
            docket.add(Cell(metric, labels, 1, is_right=False, detail=outcome.detail))
        else:
            docket.add_failure(metric, labels, outcome)


def _check_the_reference(gauge: Gauge, budgets: Budgets) -> None:
    """File, with the reference, the budgets with proof of their power, and how exact the reference itself is."""
    if gauge.case.implementation != REFERENCE or gauge.case.mode != MODES[0]:
        return
    truth = sample_truth(gauge.case, gauge.entry)
    for index in range(len(budgets.values)):
        labels = {"output": str(index)} if len(budgets.values) > 1 else {}
        excused = budgets.of_value(truth, index)
        _file_budget(gauge, VALUE_BUDGET, labels, excused, power_of_value(truth, index, budgets))
    for index, name in enumerate(gauge.entry.function.inputs):
        excused = budgets.of_gradient(truth, index)
        _file_budget(gauge, GRADIENT_BUDGET, {"input": name}, excused, power_of_gradient(truth, index, budgets))
    exact = gauge.entry.function.exact
    if exact is None or gauge.case.dtype != "float64":
        return
    gauge.step("comparing the reference with 50 digits")
    found = attempt("the exact formula", lambda: compare_with_exact(gauge.case, gauge.entry, exact, gauge.seed))
    if isinstance(found, Failure):
        gauge.fail(REFERENCE_VALUE, found)
        return
    names = [(REFERENCE_VALUE, dict[str, str]())]
    names += [(REFERENCE_GRADIENT, {"input": name}) for name in gauge.entry.function.inputs]
    for (metric, labels), one in zip(names, found, strict=True):
        is_right = one.max_ulp <= MOST_ULP and not one.nonfinite
        said = f"{one.points} points, {one.nonfinite} of other finiteness" if one.nonfinite else f"{one.points} points"
        worst = f"largest error {one.worst}" if one.worst else ""
        detail = "; ".join(filter(None, (said, worst, one.beyond)))
        gauge.record(metric, one.max_ulp, "pass" if is_right else "fail", detail, labels=labels)


def _file_budget(gauge: Gauge, metric: Metric, labels: dict[str, str], excused: Tensor, power: Power) -> None:
    """File the error that is excused, on 99 % of the elements. A budget that a fault passes fails: it tells nothing."""
    middle, most = (float(excused.reshape(-1).quantile(share)) for share in (0.5, 0.99))
    said = f"half of the elements at most {middle:.3g} ulp; " if middle < most else ""
    said += "of zeros, a constant, the identity, a flipped sign and a relative fault, "
    said += f"{power.fault} comes nearest: {power.times:.3g} times what is excused"
    verdict = "pass"
    if not power.times > 1:
        verdict = "fail"
        said += "; so nothing can be told: state the largest slope as gradient_scale, write the reference without "
        said += "cancellation, or state a budget in function.py"
    gauge.record(metric, most, verdict, said, labels=labels)


def _draw(gauge: Gauge, budgets: Budgets) -> None:
    """File the curves of the one eager case that is drawn, and the atlas of one case of each mode."""
    case, entry = gauge.case, gauge.entry
    if entry.function.curve is None:
        return
    if case == _drawn_case(gauge, "eager"):
        for curve in curves_of(case, entry, gauge.call(case), budgets):
            along = curve.along if len(entry.function.inputs) > 1 else ""
            gauge.series(curve.name, curve.x, curve.y, x_unit=along, y_unit="ulp" if "_" in curve.name else "")
    if case == _drawn_case(gauge, case.mode):
        atlas = attempt("the atlas", lambda: list(atlas_of(case, entry, gauge.call(case), budgets)))
        if isinstance(atlas, Failure):
            gauge.fail(ATLAS_VALUE, atlas)
            return
        for place in atlas:
            file_place(gauge, place)


def _drawn_case(gauge: Gauge, mode: str) -> Case | None:
    """Return the one case of a mode that is drawn: float32 where that was chosen."""
    alike = [case for case in _alike(gauge, mode) if case.layout == "contiguous"]
    return next((case for case in alike if case.dtype == "float32"), next(iter(alike), None))
