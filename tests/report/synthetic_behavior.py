"""What the suite `behavior` files: a verdict for each technique and check, with names that no real check has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from gradgauge.cases import Case
from gradgauge.records import Record, Verdict
from tests.report import synthetic

CHECKS = {
    "twice": "Ask for the gradient of the gradient.",
    "mapped": "Map over the first dimension.",
    "mapped_slope": "Map over the gradient.",
    "captured": "Capture the call.",
    "elsewhere": "Run on another stream.",
    "tidy": "Leave everything as it was.",
}
TECHNIQUES = ("masked_function/eager", "reference/eager", "masked_function/compiled", "reference/compiled")
SETUP = "RuntimeError: an autograd.Function must override <setup_context> to be mapped"
IDLE = "no streams to choose from on cpu"
EAGER_ONLY = "asked of the call itself, in eager mode"


def tried(
    technique: str, check: str, verdict: Verdict = Verdict.PASS, detail: str = "", function: str = "relu", **axes: Any
) -> Record:
    """Return the verdict on one behaviour."""
    case: Case = replace(synthetic.case(function, technique, "forward_backward", "64x64"), **axes)
    value = {Verdict.PASS: 0, Verdict.FAIL: 1, Verdict.EXPECTED_FAIL: 1}.get(verdict)
    return Record("behavior", case, check, value, "count", verdict, detail)


def behaviors(changes: Sequence[Record] = (), techniques: Sequence[str] = TECHNIQUES, **axes: Any) -> Iterator[Record]:
    """Yield a matrix: `mapped` is unsupported by custom Functions, `elsewhere` applies to none; then the changes."""
    replaced = {(record.case, record.metric) for record in changes}
    for technique in techniques:
        for check in CHECKS:
            record = _usual(technique, check, **axes)
            if (record.case, check) not in replaced:
                yield record
    yield from changes


def _usual(technique: str, check: str, **axes: Any) -> Record:
    if check == "elsewhere":
        return tried(technique, check, Verdict.NOT_APPLICABLE, IDLE, **axes)
    if check == "captured" and technique.endswith("compiled"):
        return tried(technique, check, Verdict.NOT_APPLICABLE, EAGER_ONLY, **axes)
    if check.startswith("mapped") and technique.startswith("masked_function"):
        doing = "vmap over input 0" if check == "mapped" else "vmap(grad)"
        return tried(technique, check, Verdict.UNSUPPORTED, f"{doing}: {SETUP}", **axes)
    return tried(technique, check, **axes)


def metrics() -> dict[str, Any]:
    """Return run.json's metrics with the checks among them, in an order of their own."""
    checks = {name: synthetic.metric("count", "lower", asks, exact=True) for name, asks in CHECKS.items()}
    return synthetic.METRICS | checks
