"""What does each implementation keep for backward, and how much memory does it ask for?"""

from __future__ import annotations

from gradgauge.allocations import Allocations, allocations
from gradgauge.attempts import Failure, attempt
from gradgauge.cases import PASSES, format_shapes
from gradgauge.gauge import Gauge
from gradgauge.grid import Suite, Sweep
from gradgauge.ledger import Entry, ledger_of
from gradgauge.measuring import prepared, subject_of, warm_pass
from gradgauge.passes import Pass, Subject
from gradgauge.profiling import expect_one_thread
from gradgauge.records import Metric
from gradgauge.repeating import repeatable
from gradgauge.snapshots import can_snapshot, write_snapshot

SAVED = Metric(
    "saved_bytes",
    "byte",
    "lower",
    exact=True,
    help="Bytes kept between forward and backward, each storage counted once; inputs kept count too.",
)
EXTRA = Metric(
    "saved_extra_bytes",
    "byte",
    "lower",
    exact=True,
    help="Of the bytes kept for backward, those neither an input's nor an output's: kept for the backward alone.",
)
KEPT = Metric(
    "kept_bytes",
    "byte",
    None,
    exact=True,
    help="The ledger: one storage that is kept for backward, with its role, and the tensor that was seen on it.",
)
PEAK = Metric(
    "peak_bytes",
    "byte",
    "lower",
    exact=True,
    help="How far allocated memory rises above where it stood before the pass; warm; the pass's own outputs count.",
)
COUNT = Metric(
    "allocations", "count", "lower", exact=True, help="How often the pass asks the allocator for memory; warm."
)
TOTAL = Metric(
    "allocated_bytes", "byte", "lower", exact=True, help="How much memory the pass asks for, all requests together."
)

SUITE = Suite(
    question=__doc__,
    metrics=(PEAK, COUNT, TOTAL, SAVED, EXTRA, KEPT),
    sweeps={
        "quick": (Sweep(PASSES),),
        "standard": (Sweep(PASSES),),
        "full": (Sweep(PASSES, dtypes=("float32", "bfloat16")),),
    },
    order=12,
    eager_first=True,
    until=0.72,
)


def test_memory(gauge: Gauge) -> None:
    """Measure what every pass allocates, and what `forward` keeps."""
    case = gauge.case
    gauge.step("measuring its memory")
    subject = attempt("the reference", lambda: subject_of(gauge, case))
    if isinstance(subject, Failure):
        gauge.reference_failed(PEAK, subject)
        return
    pass_ = attempt(case.pass_, lambda: warm_pass(subject))
    found = pass_ if isinstance(pass_, Failure) else attempt(case.pass_, lambda: _allocations(gauge, pass_))
    if isinstance(found, Failure):
        # Where the pass runs by itself, it is our looking that it does not bear: no fault of its own.
        plain = pass_ if isinstance(pass_, Failure) else attempt(case.pass_, pass_.call)
        gauge.record(PEAK, None, found.verdict if isinstance(plain, Failure) else "unsupported", found.detail)
    else:
        gauge.record(PEAK, found.peak_bytes, "measured")
        gauge.record(COUNT, found.count, "measured")
        gauge.record(TOTAL, found.total_bytes, "measured")
    if case.pass_ == "forward":
        _file_ledger(gauge, subject)


def _allocations(gauge: Gauge, pass_: Pass) -> Allocations:
    case, folder = gauge.case, gauge.session.folder
    if case.device == "cpu":
        expect_one_thread(prepared(pass_, case.mode), case.device)
    found = allocations(prepared(pass_, case.mode), case.device)
    if case.pass_ == "forward_backward" and folder and can_snapshot(case.device):
        write_snapshot(prepared(pass_, case.mode), case, folder)
    return found


def _file_ledger(gauge: Gauge, subject: Subject) -> None:
    own = gauge.implementation(gauge.case).call
    with repeatable(gauge.case.mode):
        ledger = attempt("looking for what it keeps", lambda: ledger_of(subject.call, subject.inputs, own))
    if isinstance(ledger, Failure):  # as above
        plain = attempt("forward", lambda: subject.call(*subject.inputs))
        gauge.record(SAVED, None, ledger.verdict if isinstance(plain, Failure) else "unsupported", ledger.detail)
        return
    gauge.record(SAVED, ledger.saved_bytes, "measured")
    gauge.record(EXTRA, ledger.saved_extra_bytes, "measured")
    for number, entry in enumerate(ledger.entries, 1):
        gauge.record(KEPT, entry.bytes, "measured", _said(entry), labels=_labels(entry, number))


def _labels(entry: Entry, number: int) -> dict[str, str]:
    labels = {"role": entry.role, "storage": str(number)}
    return labels | {"tensor": f"{entry.dtype} {format_shapes((entry.shape,))}"} if entry.dtype else labels


def _said(entry: Entry) -> str:
    if entry.dtype:
        return f"kept by {entry.keeper}" if entry.keeper else "kept by Python code: ctx, a closure, a hook or a global"
    return "the allocator says that it is kept; no tensor that can be reached has it"
