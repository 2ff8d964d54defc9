"""What the gradients suite files: cells by kind of input, budgets with proof, the oracle's exactness, an atlas."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from gradgauge.cases import Case
from gradgauge.records import Record, Series, Verdict
from tests.report import synthetic

SHAPE = "64x64"
MAIN = ("random", "kinks", "edges", "nonfinite")
HOSTILE = ("transposed cotangent", "strided cotangent", "zero cotangent", "interleaved", "strided input", "0-d")
EAGER_ONLY = ("strided input", "0-d")
DTYPES = ("float32", "bfloat16")
SIGN = "the sign is wrong for x < −5"
LOST = "NaN for x ≤ −95 and x ≥ 95"
SIGN_DETAIL = f"3.249e+07 ulp where 12 are excused; {SIGN}; at (-5.1): -0.242 where 0.242 is right"
LOST_DETAIL = f"44 of 106 elements; {LOST}; at (-1e+30): nan where 0 is right"
REASON = "The published backward is wrong, as printed."
POWER = "of zeros, a constant and a relative fault, {fault} comes nearest: {times} times what is excused"

Wrong = Mapping[tuple[str, str], str]
Slope = Callable[[float], float]


def judged(function: str, technique: str, dtype: str = "float32", shape: str = SHAPE) -> Case:
    """Return a case of the suite."""
    return synthetic.case(function, technique, "forward_backward", shape, dtype)


def cell(case: Case, metric: str, kind: str, detail: str = "", verdict: Verdict = Verdict.FAIL, **more: str) -> Record:
    """Return one judged cell: wrong where there is a detail, right where there is none."""
    unit = "ulp" if metric.endswith("_ulp") else "count"
    value = (3.249e7 if unit == "ulp" else 44) if detail else (0.5 if unit == "ulp" else 0)
    labels = {**more, "kind": kind}
    return Record("gradients", case, metric, value, unit, verdict if detail else Verdict.PASS, detail, labels=labels)


def cells(
    function: str,
    technique: str,
    wrong: Wrong | None = None,
    verdict: Verdict = Verdict.FAIL,
    dtypes: Sequence[str] = DTYPES,
) -> Iterator[Record]:
    """Yield every judged cell of a technique; wrong: metric and kind → what is wrong there."""
    wrong = wrong or {}
    kinds = [kind for kind in (*MAIN, *HOSTILE) if technique.endswith("eager") or kind not in EAGER_ONLY]
    for dtype in dtypes:
        case = judged(function, technique, dtype)
        for kind in kinds:
            for metric in ("value_max_ulp", "value_nonfinite", "overwritten"):
                yield cell(case, metric, kind, wrong.get((metric, kind), ""), verdict)
            for metric in ("gradient_max_ulp", "gradient_nonfinite"):
                yield cell(case, metric, kind, wrong.get((metric, kind), ""), verdict, input="x")
    if technique.endswith("eager"):
        for metric in ("gradcheck", "gradgradcheck"):
            yield cell(
                judged(function, technique, "float64"), metric, "smooth", wrong.get((metric, "smooth"), ""), verdict
            )


def published(mode: str = "eager") -> Iterator[Record]:
    """Yield the cells of `published`: two faults, on nearly every kind of input, that it admits itself."""
    wrong = {("gradient_max_ulp", kind): f"{SIGN_DETAIL} — expected: {REASON}" for kind in ("random", *HOSTILE)}
    wrong |= {("gradient_nonfinite", kind): f"{LOST_DETAIL} — expected: {REASON}" for kind in ("edges", "nonfinite")}
    return cells("ternary_activation", f"published/{mode}", wrong, Verdict.EXPECTED_FAIL)


def budget(function: str, what: str, budget_ulp: float, dtype: str = "float32", times: float = 64.0) -> Record:
    """Return a budget with its proof of power, as the reference files it; no proof where `times` is below 1."""
    labels = {"input": "x"} if what == "gradient" else {}
    verdict = Verdict.PASS if times > 1 else Verdict.FAIL
    detail = POWER.format(fault="1.6 % too much", times=f"{times:.3g}")
    case = judged(function, "reference/eager", dtype)
    return Record("gradients", case, f"{what}_budget_ulp", budget_ulp, "ulp", verdict, detail, labels=labels)


def exactness(function: str, error_ulp: float = 0.854, verdict: Verdict = Verdict.PASS) -> Record:
    """Return how far the reference's value is from 50 digits."""
    case = judged(function, "reference/eager", "float64")
    detail = "523 points; largest error at (5.11421): 0.5285 where 0.5286 is right"
    return Record("gradients", case, "reference_value_ulp", error_ulp, "ulp", verdict, detail)


def figure(case: Case, metric: str, value: float, unit: str = "1") -> Record:
    """Return a figure that is not judged."""
    labels = {"kind": "random", **({"input": "x"} if metric.startswith("gradient") else {})}
    return Record("gradients", case, metric, value, unit, Verdict.MEASURED, labels=labels)


def spot(case: Case, metric: str, place: str, value: float, detail: str = "", **more: str) -> Record:
    """Return one place of an atlas, right unless its detail says what is."""
    said = [] if math.isfinite(value) else ["NaN" if math.isnan(value) else f"{'−' if value < 0 else '+'}inf"]
    wrong = detail.endswith("is right") and not detail.startswith("any")
    verdict = Verdict.FAIL if wrong else Verdict.PASS
    text = "; ".join([*said, *([detail] if detail else [])])
    stored = value if math.isfinite(value) else None
    return Record("gradients", case, metric, stored, "1", verdict, text, labels={"at": place, **more})


RELU_PLACES = {
    "−inf": -math.inf,
    "−largest": -3.4e38,
    "−1": -1.0,
    "+0 − 1 ulp": -1e-45,
    "−0": -0.0,
    "+0": 0.0,
    "+0 + 1 ulp": 1e-45,
    "1": 1.0,
    "+inf": math.inf,
    "NaN": math.nan,
}


def relu_atlas(technique: str, at_zero: float, *, slope: Slope | None = None, zero: float = -0.0) -> Iterator[Record]:
    """Yield relu's atlas; at_zero: the slope taken there; slope: instead of the right one; zero: the value at −0."""
    case = judged("relu", technique)
    for place, x in RELU_PLACES.items():
        value = zero if place == "−0" else x if math.isnan(x) or x > 0 else 0.0
        yield spot(case, "atlas_value", place, value)
    for place, x in RELU_PLACES.items():
        if math.isnan(x):
            yield replace(spot(case, "atlas_gradient", place, 1.0), verdict=Verdict.MEASURED)
            continue
        right = at_zero if x == 0 else float(x > 0)
        found = slope(x) if slope else right
        detail = f"{right:.4g} is right" if found != right else "any slope from 0 to 1 is right" if x == 0 else ""
        yield spot(case, "atlas_gradient", place, found, detail)


def curves_with_errors(error: Callable[[float], float]) -> Iterator[Series]:
    """Yield the curves of relu's reference and `where`; error: of the gradient of `where`, in ulps."""
    for line in synthetic.curves():
        if (line.case.function, line.case.implementation) in {("relu", "reference"), ("relu", "where")}:
            yield line
            of = error if (line.case.implementation, line.series) == ("where", "gradient") else lambda _: 0.0
            yield replace(line, series=f"{line.series}_error", y=tuple(map(of, line.x)), y_unit="ulp")


def records() -> list[Record]:
    """Return a whole suite: relu in four techniques, one wrong on strided cotangents only, and `published`."""
    strided = {
        (
            "gradient_max_ulp",
            "strided cotangent",
        ): "9 ulp where 0.5 are excused; off for x > 0; at (1): 2 where 1 is right"
    }
    found = [
        *cells("relu", "reference/eager"),
        *cells("relu", "reference/compiled"),
        *cells("relu", "where/eager", strided),
        *cells("relu", "masked_function/eager"),
        *cells("ternary_activation", "reference/eager"),
        *published("eager"),
        *published("compiled"),
        *relu_atlas("reference/eager", 1.0),
        *relu_atlas("reference/compiled", 1.0),
        *relu_atlas("where/eager", 1.0),
        *relu_atlas("masked_function/eager", 0.0),
        exactness("relu"),
        exactness("ternary_activation"),
    ]
    for function, value_ulp, gradient_ulp in (("relu", 0.5, 0.5), ("ternary_activation", 3.0, 12.0)):
        for dtype in DTYPES:
            found += [budget(function, "value", value_ulp, dtype), budget(function, "gradient", gradient_ulp, dtype)]
    for function, technique in (("relu", "where/eager"), ("relu", "reference/eager")):
        case = judged(function, technique)
        found += [figure(case, "gradient_cosine", 1 - 2**-52), figure(case, "value_max_rel", 5.9e-8, "ratio")]
        found += [figure(case, "gradient_error_ratio", 1.25, "ratio"), figure(case, "gradient_p999_ulp", 0.499, "ulp")]
    return found


def catalog() -> dict[str, object]:
    """Return the catalog of a run whose budgets are derived: its functions state none."""
    whole = synthetic.catalog()
    for entry in whole["functions"].values():
        entry |= {"value_budget_ulp": None, "gradient_budget_ulp": None}
    return whole
