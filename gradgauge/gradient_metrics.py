"""What is said of gradients: every metric of the suite `gradients`, and which of them are judged (no torch)."""

from __future__ import annotations

from gradgauge.records import Metric


def _lower(name: str, unit: str, said: str) -> Metric:
    return Metric(name, unit, "lower", exact=True, help=said)


VALUE_ULP = _lower(
    "value_max_ulp", "ulp", "Largest |error| of a value against the float64 oracle, in ulps at the true value."
)
GRADIENT_ULP = _lower(
    "gradient_max_ulp",
    "ulp",
    "Largest |error| of a gradient, in ulps at max(|true gradient|, |grad_output| · largest slope).",
)
VALUE_NONFINITE = _lower(
    "value_nonfinite",
    "count",
    "Values that are NaN or infinite where the oracle's are not, or the other way round.",
)
GRADIENT_NONFINITE = _lower(
    "gradient_nonfinite",
    "count",
    "Gradients that are NaN or infinite where the oracle's are not, or the other way round; NaN inputs left out.",
)
ZERO_SIGN = _lower(
    "value_zero_sign",
    "count",
    "Values that are a zero of the other sign than the oracle's; judged where IEEE fixes it.",
)
KINK_SLOPE = Metric(
    "kink_slope",
    "1",
    None,
    exact=True,
    help="The slope that the implementation takes at a kink; anything between the one-sided derivatives is right.",
)
OVERWRITTEN = _lower("overwritten", "count", "Inputs and cotangents that hold other numbers after the call.")
MENDED = _lower(
    "gradient_mended",
    "count",
    "Gradients that a custom backward returned in another shape or dtype than its input's; autograd made them fit.",
)
GRADCHECK = _lower("gradcheck", "count", "1 where PyTorch's gradcheck fails, in float64 away from kinks; else 0.")
GRADGRADCHECK = _lower("gradgradcheck", "count", "1 where PyTorch's gradgradcheck fails, in float64; else 0.")
JUDGED = (
    VALUE_ULP,
    GRADIENT_ULP,
    VALUE_NONFINITE,
    GRADIENT_NONFINITE,
    ZERO_SIGN,
    OVERWRITTEN,
    MENDED,
    GRADCHECK,
    GRADGRADCHECK,
)

TAIL_ULP = _lower(
    "gradient_tail_ulp",
    "ulp",
    "gradient_max_ulp in ulps at the true gradient itself, where that is below 1/1024 of its scale. Not judged.",
)
ERROR_RATIO = _lower(
    "gradient_error_ratio",
    "ratio",
    "gradient_max_ulp over that of the reference run eagerly in the same dtype (at least 0.5 ulp).",
)
VALUE_P999 = _lower("value_p999_ulp", "ulp", "The error that 99.9 % of the values do not exceed.")
GRADIENT_P999 = _lower("gradient_p999_ulp", "ulp", "The error that 99.9 % of the gradients do not exceed.")
VALUE_ABS = _lower("value_max_abs", "1", "Largest absolute error of a value.")
GRADIENT_ABS = _lower("gradient_max_abs", "1", "Largest absolute error of a gradient.")
VALUE_REL = _lower("value_max_rel", "ratio", "Largest error of a value relative to the true one.")
GRADIENT_REL = _lower(
    "gradient_max_rel", "ratio", "Largest error of a gradient relative to the true one, tails included."
)
VALUE_COSINE = Metric("value_cosine", "1", "higher", exact=True, help="Cosine similarity of values and true values.")
GRADIENT_COSINE = Metric(
    "gradient_cosine", "1", "higher", exact=True, help="Cosine similarity of gradients and true gradients."
)
NEEDLESS = _lower(
    "gradient_needless", "count", "Gradients that a custom backward computed although nobody had asked for them."
)
ATLAS_VALUE = Metric("atlas_value", "1", None, exact=True, help="The value at a place of the atlas.")
ATLAS_GRADIENT = Metric("atlas_gradient", "1", None, exact=True, help="The slope at a place of the atlas.")
VALUE_BUDGET = _lower(
    "value_budget_ulp",
    "ulp",
    "What correctly rounded steps may cost a value, on 99 % of the elements. Fails if a fault passes it.",
)
GRADIENT_BUDGET = _lower("gradient_budget_ulp", "ulp", "The same for a gradient.")
REFERENCE_VALUE = _lower(
    "reference_value_ulp", "ulp", "Error of the float64 reference's value against 50 digits, in ulps of float64."
)
REFERENCE_GRADIENT = _lower(
    "reference_gradient_ulp", "ulp", "The same for its gradient, in ulps at the gradient's scale."
)

VALUE_FIGURES = {VALUE_P999: "p999_ulp", VALUE_ABS: "max_abs", VALUE_REL: "max_rel", VALUE_COSINE: "cosine"}
GRADIENT_FIGURES = {
    GRADIENT_P999: "p999_ulp",
    GRADIENT_ABS: "max_abs",
    GRADIENT_REL: "max_rel",
    GRADIENT_COSINE: "cosine",
    TAIL_ULP: "tail_ulp",
}
