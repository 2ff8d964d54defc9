"""Agreement into records: judged cells, figures that describe, slopes at kinks, places of the atlas."""

from __future__ import annotations

import math

from gradgauge.agreement import Agreement, Comparison
from gradgauge.atlas import KINDS
from gradgauge.attempts import Failure
from gradgauge.cases import MODES, REFERENCE
from gradgauge.curves import AtlasEntry
from gradgauge.docket import Cell, Docket
from gradgauge.gauge import Gauge
from gradgauge.gradient_metrics import (
    ATLAS_GRADIENT,
    ATLAS_VALUE,
    ERROR_RATIO,
    GRADIENT_FIGURES,
    GRADIENT_NONFINITE,
    GRADIENT_ULP,
    KINK_SLOPE,
    MENDED,
    OVERWRITTEN,
    VALUE_FIGURES,
    VALUE_NONFINITE,
    VALUE_ULP,
    ZERO_SIGN,
)
from gradgauge.records import Metric
from gradgauge.situations import Situation


def add_cells(gauge: Gauge, docket: Docket, situation: Situation, agreement: Agreement) -> None:
    """Add what is judged of one situation: errors and finiteness by kind of element, and what was done to tensors."""
    for index, parts in enumerate(agreement.values):
        output = {"output": str(index)} if len(agreement.values) > 1 else {}
        for kind, comparison in parts.items():
            labels = {**output, "kind": kind}
            docket.add(_ulp_cell(VALUE_ULP, labels, comparison))
            docket.add(_nonfinite_cell(VALUE_NONFINITE, labels, comparison))
            if kind in ("kinks", "edges"):
                _add_zero_sign(gauge, docket, labels, comparison)
    for name, parts in zip(gauge.entry.function.inputs, agreement.gradients, strict=True):
        for kind, comparison in parts.items():
            labels = {"input": name, "kind": kind}
            docket.add(_ulp_cell(GRADIENT_ULP, labels, comparison))
            docket.add(_nonfinite_cell(GRADIENT_NONFINITE, labels, comparison))
    labels = {"kind": situation.kind or KINDS[0]}
    written = f"writes into its {' and '.join(agreement.overwritten)}, which belongs to the caller"
    docket.add(_count_cell(OVERWRITTEN, labels, len(agreement.overwritten), written))
    docket.add(_count_cell(MENDED, labels, len(agreement.mended), "; ".join(agreement.mended)))


def _ulp_cell(metric: Metric, labels: dict[str, str], found: Comparison) -> Cell:
    if not found.elements:
        return Cell(metric, labels, None, None, "no elements to compare; shape and dtype agree")
    if found.is_within_budget:
        many = f"{found.forgiven} of {found.elements} elements"
        said = f"{many}: the reference's own steps overflow or underflow there" if found.forgiven else ""
        return Cell(metric, labels, found.max_ulp, is_right=True, detail=said)
    return Cell(metric, labels, found.max_ulp, is_right=False, detail=found.worst)


def _nonfinite_cell(metric: Metric, labels: dict[str, str], found: Comparison) -> Cell:
    if not found.elements:
        return Cell(metric, labels, None, None, "no elements to compare; shape and dtype agree")
    detail = f"{found.nonfinite} of {found.elements} elements; {found.worst_nonfinite}" if found.nonfinite else ""
    return Cell(metric, labels, found.nonfinite, not found.nonfinite, detail)


def _add_zero_sign(gauge: Gauge, docket: Docket, labels: dict[str, str], found: Comparison) -> None:
    said = f"{found.zero_signs} of {found.elements} elements are a zero of the other sign than the oracle's"
    if gauge.entry.function.either_zero:
        detail = f"a convention: {said}" if found.zero_signs else ""
        gauge.record(ZERO_SIGN, found.zero_signs, "measured", detail, labels=labels)
    else:
        docket.add(_count_cell(ZERO_SIGN, labels, found.zero_signs, said))


def _count_cell(metric: Metric, labels: dict[str, str], count: int, wrong: str) -> Cell:
    return Cell(metric, labels, count, not count, wrong if count else "")


def file_figures(gauge: Gauge, agreement: Agreement, native: Agreement | Failure) -> None:
    """File what describes the error on random elements and is not judged."""
    kind = KINDS[0]
    for index, parts in enumerate(agreement.values):
        output = {"output": str(index)} if len(agreement.values) > 1 else {}
        for metric, attribute in VALUE_FIGURES.items():
            _file_figure(gauge, metric, {**output, "kind": kind}, parts.get(kind), attribute)
    for index, (name, parts) in enumerate(zip(gauge.entry.function.inputs, agreement.gradients, strict=True)):
        labels = {"input": name, "kind": kind}
        for metric, attribute in GRADIENT_FIGURES.items():
            _file_figure(gauge, metric, labels, parts.get(kind), attribute)
        if not isinstance(native, Failure):
            _file_ratio(gauge, labels, parts.get(kind), native.gradients[index].get(kind))


def _file_figure(
    gauge: Gauge, metric: Metric, labels: dict[str, str], found: Comparison | None, attribute: str
) -> None:
    value = getattr(found, attribute) if found and found.elements else None
    if value is None:
        why = "no gradient is that small" if attribute == "tail_ulp" else "nothing to compare, or all of it is zero"
        gauge.record(metric, None, "not-applicable", why, labels=labels)
    else:
        gauge.record(metric, value, "measured", labels=labels)


def _file_ratio(gauge: Gauge, labels: dict[str, str], found: Comparison | None, native: Comparison | None) -> None:
    is_oracle = gauge.case.implementation == REFERENCE and gauge.case.mode == MODES[0]
    if is_oracle or not found or not native or not found.elements:
        why = "the yardstick itself" if is_oracle else "no elements"
        gauge.record(ERROR_RATIO, None, "not-applicable", why, labels=labels)
    else:
        gauge.record(ERROR_RATIO, found.max_ulp / max(native.max_ulp, 0.5), "measured", labels=labels)


def file_slopes(gauge: Gauge, measured: dict[str, float]) -> None:
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


def file_place(gauge: Gauge, found: AtlasEntry) -> None:
    """File what stands at one place of the atlas: a number, or its name; what is wrong with it, or its convention."""
    metric, judged = {
        "value": (ATLAS_VALUE, (VALUE_ULP, VALUE_NONFINITE)),
        "gradient": (ATLAS_GRADIENT, (GRADIENT_ULP, GRADIENT_NONFINITE)),
    }[found.what]
    expected = gauge.implementation(gauge.case).expected_fail
    said = []
    if not math.isfinite(found.y):
        said.append("NaN" if math.isnan(found.y) else f"{'−' if found.y < 0 else '+'}inf")
    if found.is_right is False:
        said.append(f"{found.right:.4g} is right")
    elif found.low != found.high and not math.isnan(found.low):
        said.append(f"any slope from {found.low:g} to {found.high:g} is right")
    verdict = "measured" if found.is_right is None else "pass"
    if found.is_right is False:
        verdict = "expected-fail" if any(metric.name in expected for metric in judged) else "fail"
    labels = {"at": found.place.name}
    if len(gauge.entry.function.inputs) > 1:
        labels["along"] = found.along
    value = found.y if math.isfinite(found.y) else None
    gauge.record(metric, value, verdict, "; ".join(said), labels=labels)
