"""Is each implementation right, in value and in gradient, wherever the function has an edge?"""

from __future__ import annotations

from dataclasses import replace

from gradgauge.agreement import Comparison, gradient_budgets, judge, truths_for
from gradgauge.attempts import Failure, attempt
from gradgauge.cases import DTYPES, MODES, REFERENCE, Case
from gradgauge.compilation import NO_GRAPH, Watch
from gradgauge.curves import curves_of
from gradgauge.gauge import Gauge
from gradgauge.grid import Suite, Sweep
from gradgauge.records import Metric

VALUE_ULP = Metric(
    "value_max_ulp",
    "ulp",
    "lower",
    exact=True,
    help="Largest |error| of a value against the float64 oracle, in ulps of the working dtype at the true value.",
)
GRADIENT_ULP = Metric(
    "gradient_max_ulp",
    "ulp",
    "lower",
    exact=True,
    help="Largest |error| of a gradient, in ulps at max(|true gradient|, |grad_output| · largest slope).",
)
TAIL_ULP = Metric(
    "gradient_tail_ulp",
    "ulp",
    "lower",
    exact=True,
    help="The same in ulps at the true gradient itself, where that is below 1/1024 of its scale. Reported, not judged.",
)
ERROR_RATIO = Metric(
    "gradient_error_ratio",
    "ratio",
    "lower",
    exact=True,
    help="gradient_max_ulp over that of the reference run eagerly in the same dtype (at least 0.5 ulp).",
)
VALUE_NONFINITE = Metric(
    "value_nonfinite",
    "count",
    "lower",
    exact=True,
    help="Values that are NaN or infinite where the oracle's are not, or the other way round.",
)
GRADIENT_NONFINITE = Metric(
    "gradient_nonfinite",
    "count",
    "lower",
    exact=True,
    help="Gradients that are NaN or infinite where the oracle's are not, or the other way round; NaN inputs left out.",
)
KINK_SLOPE = Metric(
    "kink_slope",
    "1",
    None,
    exact=True,
    help="The slope that the implementation takes at a kink; anything between the one-sided derivatives is right.",
)

JUDGED = (VALUE_ULP, GRADIENT_ULP, VALUE_NONFINITE, GRADIENT_NONFINITE)
BOTH = ("forward_backward",)


def smallest(shapes: tuple[str, ...]) -> tuple[str, ...]:
    """Return the first shape that the preset times: compiled checks then reuse its kernels."""
    return shapes[:1]


def degenerate(_: tuple[str, ...]) -> tuple[str, ...]:
    """Return the shapes without dimensions and without elements."""
    return ("scalar", "0x3")


QUICK = (
    Sweep(BOTH, pick=smallest),
    Sweep(BOTH, modes=("eager",), dtypes=DTYPES, pick=smallest),
)
STANDARD = (
    Sweep(BOTH),
    Sweep(BOTH, modes=("eager",), dtypes=DTYPES),
    Sweep(BOTH, modes=("compiled",), dtypes=("bfloat16",), pick=smallest),
    Sweep(BOTH, modes=("eager",), dtypes=DTYPES, pick=degenerate),
    Sweep(BOTH, modes=("eager",), layouts=("transposed", "strided", "expanded"), pick=smallest),
)
FULL = (
    Sweep(BOTH, dtypes=DTYPES),
    Sweep(BOTH, dtypes=DTYPES, pick=degenerate),
    Sweep(BOTH, dtypes=DTYPES, layouts=("transposed", "strided", "expanded", "channels-last"), pick=smallest),
)

SUITE = Suite(
    question=__doc__,
    metrics=(*JUDGED, TAIL_ULP, ERROR_RATIO, KINK_SLOPE),
    sweeps={"quick": QUICK, "standard": STANDARD, "full": FULL},
    order=10,
    eager_first=True,
    with_reference=True,
    whatever_pass=True,
    until=0.7,
)


def test_gradients(gauge: Gauge) -> None:
    """Judge one implementation against the oracle, on random inputs and edges together."""
    case, entry = gauge.case, gauge.entry
    truths = gauge.once_per_block(
        "truths", lambda: attempt("the reference", lambda: truths_for(case, entry, gauge.seed))
    )
    if isinstance(truths, Failure):
        gauge.reference_failed(VALUE_ULP, truths)
        return
    _refuse_unknown_metrics(gauge)
    gauge.step("checking its gradients")
    watch = Watch() if case.mode == "compiled" else None
    agreement = attempt("the check", lambda: judge(case, entry, gauge.call(case), truths))
    if isinstance(agreement, Failure):
        gauge.fail(VALUE_ULP, agreement)
        return
    if watch and not watch.compiled(()).graphs:
        gauge.record(VALUE_ULP, None, "unsupported", NO_GRAPH)
        return
    native = gauge.once_per_block(
        "native",
        lambda: attempt("the reference", lambda: judge(case, entry, entry.reference.implementation.call, truths)),
    )
    budgets = [entry.function.value_budget_ulp] * len(agreement.values)
    outputs = [{"output": str(index)} if len(agreement.values) > 1 else {} for index in range(len(agreement.values))]
    inputs = [{"input": name} for name in entry.function.inputs]
    _file(gauge, VALUE_ULP, outputs, agreement.values, budgets)
    _file(gauge, VALUE_NONFINITE, outputs, agreement.values, [0.0] * len(outputs))
    budgets = gradient_budgets(entry, truths[0])
    _file(gauge, GRADIENT_ULP, inputs, agreement.gradients, budgets)
    _file(gauge, GRADIENT_NONFINITE, inputs, agreement.gradients, [0.0] * len(inputs))
    for index, (labels, comparison) in enumerate(zip(inputs, agreement.gradients, strict=True)):
        _file_tail(gauge, labels, comparison)
        if not isinstance(native, Failure):
            _file_ratio(gauge, labels, comparison, native.gradients[index])
    _file_slopes(gauge, agreement.kink_slopes)
    if entry.function.curve and case == _drawn_case(gauge):
        for curve in curves_of(case, entry, gauge.call(case)):
            gauge.series(curve.name, curve.x, curve.y, x_unit=curve.along if len(inputs) > 1 else "")


def _drawn_case(gauge: Gauge) -> Case | None:
    """Return the one case for which this implementation's curves are drawn: eager, float32 where that was chosen."""
    alike = [
        other
        for other in gauge.session.planned[gauge.suite]
        if replace(gauge.case.block, dtype="", shape="", layout="")
        == replace(other.block, dtype="", shape="", layout="")
        and (other.implementation, other.mode) == (gauge.case.implementation, "eager")
    ]
    return next((other for other in alike if other.dtype == "float32"), next(iter(alike), None))


def _refuse_unknown_metrics(gauge: Gauge) -> None:
    names = [metric.name for metric in JUDGED]
    for metric in gauge.implementation(gauge.case).expected_fail:
        if metric not in names:
            detail = f"expected_fail names {metric!r}, which is not judged; judged are {', '.join(names)}"
            gauge.record(VALUE_ULP, None, "fail", detail, labels={"expected_fail": metric})


def _file(
    gauge: Gauge, metric: Metric, labels: list[dict[str, str]], comparisons: list[Comparison], budgets: list[float]
) -> None:
    """File one judged metric for each output or input. An expected failure is strict: it must show in one at least."""
    expected = gauge.implementation(gauge.case).expected_fail.get(metric.name, "")
    within = [_value(metric, comparison) <= most for comparison, most in zip(comparisons, budgets, strict=True)]
    for label, comparison, most, good in zip(labels, comparisons, budgets, within, strict=True):
        if not comparison.elements:
            gauge.record(metric, None, "not-applicable", "no elements to compare; shape and dtype agree", labels=label)
            continue
        if expected and all(within):
            verdict, detail = "fail", f"expected to disagree, agreed: {expected}"
        elif good:
            summed = metric == GRADIENT_ULP and most > gauge.entry.function.gradient_budget_ulp
            verdict, detail = "pass", f"budget {most:.3g} ulp, as it sums broadcast elements" if summed else ""
        else:
            verdict = "expected-fail" if expected else "fail"
            detail = _disagreement(metric, comparison, most) + (f" — expected: {expected}" if expected else "")
        gauge.record(metric, _value(metric, comparison), verdict, detail, labels=label)


def _value(metric: Metric, comparison: Comparison) -> float:
    return comparison.nonfinite if metric in (VALUE_NONFINITE, GRADIENT_NONFINITE) else comparison.max_ulp


def _disagreement(metric: Metric, comparison: Comparison, most: float) -> str:
    if metric in (VALUE_NONFINITE, GRADIENT_NONFINITE):
        return f"{comparison.nonfinite} of {comparison.elements} elements, first {comparison.worst_nonfinite}"
    return f"{comparison.max_ulp:.4g} ulp, the budget is {most:g}; {comparison.worst}"


def _file_tail(gauge: Gauge, labels: dict[str, str], comparison: Comparison) -> None:
    if comparison.tail_ulp is None:
        gauge.record(TAIL_ULP, None, "not-applicable", "no gradient is that small", labels=labels)
    else:
        gauge.record(TAIL_ULP, comparison.tail_ulp, "measured", labels=labels)


def _file_ratio(gauge: Gauge, labels: dict[str, str], comparison: Comparison, native: Comparison) -> None:
    is_oracle = gauge.case.implementation == REFERENCE and gauge.case.mode == MODES[0]
    if is_oracle or not comparison.elements:
        gauge.record(
            ERROR_RATIO, None, "not-applicable", "the yardstick itself" if is_oracle else "no elements", labels=labels
        )
    else:
        gauge.record(ERROR_RATIO, comparison.max_ulp / max(native.max_ulp, 0.5), "measured", labels=labels)


def _file_slopes(gauge: Gauge, measured: dict[str, float]) -> None:
    """File the slope at each kink. Outside the one-sided derivatives is wrong, and so is other than declared."""
    declared = gauge.implementation(gauge.case).convention
    for kink in gauge.entry.function.kinks:
        if kink.slopes is None or kink.name not in measured:
            continue
        slope, low, high = measured[kink.name], min(kink.slopes), max(kink.slopes)
        slack = 2.0**-6 * max(abs(low), abs(high))  # two roundings of bfloat16
        promised = declared.get(kink.name)
        verdict, detail = "pass", f"gradient {slope:.4g} at {kink.name}"
        if not low - slack <= slope <= high + slack:
            verdict, detail = "fail", f"{detail} lies outside the one-sided derivatives {low:g} and {high:g}"
        elif promised is not None and not abs(slope - promised) <= slack:
            verdict, detail = "fail", f"{detail}, its convention says {promised:g}"
        gauge.record(KINK_SLOPE, slope, verdict, detail, labels={"kink": kink.name})
