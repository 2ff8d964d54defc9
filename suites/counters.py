"""What does each implementation make PyTorch do: operators, kernels, waits, graph breaks, recompilations?"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial

from gradgauge.attempts import Failure, attempt
from gradgauge.cases import PASSES, Case, format_shapes, parse_shapes
from gradgauge.catalog import FunctionEntry
from gradgauge.compilation import NO_GRAPH, forget_compiled
from gradgauge.compiling import Made, shapes_compiled_anew, watch_compiling
from gradgauge.counting import count_calls, count_flops
from gradgauge.gauge import Gauge
from gradgauge.grid import SQUARES, Suite, Sweep, smallest
from gradgauge.inputs import random_inputs
from gradgauge.measuring import prepared, subject_of, warm_pass
from gradgauge.passes import Pass, Subject, pass_of
from gradgauge.records import Metric

OPERATORS = Metric(
    "operators",
    "count",
    "lower",
    exact=True,
    help="Operators that the pass dispatches, those that other operators call included; code that torch.compile "
    "generates dispatches none.",
)
KERNELS = Metric("kernels", "count", "lower", exact=True, help="Kernels that the pass launches on the accelerator.")
WAITS = Metric("device_waits", "count", "lower", exact=True, help="How often the pass waits for the accelerator.")
FLOPS = Metric(
    "flops",
    "flop",
    "lower",
    exact=True,
    help="Floating-point operations of products, convolutions and attention, which PyTorch has formulas for.",
)
BREAKS = Metric(
    "graph_breaks",
    "count",
    "lower",
    exact=True,
    help="How often the graph breaks under torch.compile; in between, the call runs eagerly.",
)
BREAK = Metric(
    "graph_break",
    "count",
    "lower",
    exact=True,
    help="How often the graph breaks at the line `at`; the detail says why.",
)
RECOMPILES = Metric(
    "recompiles",
    "count",
    "lower",
    exact=True,
    help="Shapes, the first apart, for which torch.compile captures the call anew if sizes may vary (dynamic=None).",
)
GENERATED = Metric(
    "generated_kernels", "count", "lower", exact=True, help="Kernels that torch.compile generates for both directions."
)
BOTH = "forward_backward"
SHORTER = (0, 1, 2, 3)
"""How much shorter the sizes of the shapes are that torch.compile meets, one after the other."""
LEAST_SIZE = 4
"""Sizes up to this stay: torch.compile takes 0 and 1 for constants."""
NOT_COMPILED = Made(graphs=0, breaks=0, places=(), kernels=0)


SUITE = Suite(
    question=__doc__,
    metrics=(OPERATORS, KERNELS, WAITS, FLOPS, BREAKS, BREAK, RECOMPILES, GENERATED),
    sweeps={
        "quick": (Sweep(PASSES, modes=("eager",), pick=smallest),),
        "standard": (Sweep(PASSES, pick=smallest),),
        "full": (Sweep(PASSES, dtypes=("float32", "bfloat16"), pick=smallest),),
    },
    order=13,
    eager_first=True,
    until=0.75,
)


def test_counters(gauge: Gauge) -> None:
    """Count what one pass makes PyTorch do, and what torch.compile made of it."""
    case = gauge.case
    gauge.step("counting its operators")
    subject = attempt("the reference", lambda: subject_of(gauge, case))
    if isinstance(subject, Failure):
        gauge.reference_failed(OPERATORS, subject)
        return
    made = attempt("torch.compile", lambda: _made(gauge, subject)) if case.mode == "compiled" else NOT_COMPILED
    pass_ = made if isinstance(made, Failure) else attempt(case.pass_, lambda: warm_pass(subject))
    if isinstance(pass_, Failure):
        gauge.fail(OPERATORS, pass_)
        return
    _file_calls(gauge, pass_)
    if case.mode == "eager":
        _file_flops(gauge, pass_)
    elif case.pass_ == BOTH and isinstance(made, Made):
        _file_made(gauge, made)
        _file_recompiles(gauge)


def _file_calls(gauge: Gauge, pass_: Pass) -> None:
    device = gauge.case.device
    counts = attempt("counting its operators", lambda: count_calls(prepared(pass_, gauge.case.mode), device))
    if isinstance(counts, Failure):
        # Where the pass runs by itself, it is our looking that it does not bear: no fault of its own.
        plain = attempt(gauge.case.pass_, pass_.call)
        gauge.record(OPERATORS, None, counts.verdict if isinstance(plain, Failure) else "unsupported", counts.detail)
        return
    gauge.record(OPERATORS, counts.operators.total(), "measured", _most(counts.operators))
    if device != "cpu":
        gauge.record(KERNELS, counts.kernels.total(), "measured", _most(counts.kernels))
        gauge.record(WAITS, counts.waits.total(), "measured", _most(counts.waits))


def _most(counted: Counter[str]) -> str:
    """Return what was counted, the most frequent first; of equally many the first by name."""
    ordered = sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))
    return ", ".join(f"{count} {name}" for name, count in ordered)


def _file_flops(gauge: Gauge, pass_: Pass) -> None:
    flops = attempt("counting its FLOPs", lambda: count_flops(prepared(pass_, gauge.case.mode)))
    forget_compiled()  # what the call compiles by itself stays eager for good once it ran while operators were watched
    if isinstance(flops, Failure):  # it runs where it is not looked into, so that is no fault
        gauge.record(FLOPS, None, "unsupported", flops.detail)
    elif flops:
        gauge.record(FLOPS, flops, "measured")
    elif gauge.case.pass_ == BOTH:
        gauge.record(FLOPS, None, "not-applicable", "no operator in it that PyTorch has a formula for")


def _made(gauge: Gauge, subject: Subject) -> Made:
    """Return what compiling the technique comes to, told when its first pass is about to be counted."""
    both = replace(subject, case=replace(gauge.case, pass_=BOTH))
    return gauge.once_per_block(f"made {gauge.case.technique}", lambda: watch_compiling(lambda: pass_of(both).call()))


def _file_made(gauge: Gauge, made: Made) -> None:
    if not made.graphs:
        gauge.record(BREAKS, None, "unsupported", NO_GRAPH)
        return
    gauge.record(BREAKS, made.breaks, "measured")
    for place, times in made.places:
        gauge.record(BREAK, times, "measured", place.reason, labels={"at": place.line or "nowhere that PyTorch tells"})
    gauge.record(GENERATED, made.kernels, "measured")


def _file_recompiles(gauge: Gauge) -> None:
    call = gauge.implementation(gauge.case).call
    samples = {}
    for shape in _other_shapes(gauge.case, gauge.entry):
        case = replace(gauge.case, shape=shape)
        inputs = tuple(tensor.to(case.device) for tensor in random_inputs(case, gauge.entry, gauge.seed))
        if not isinstance(attempt("another shape", partial(call, *inputs)), Failure):
            samples[shape] = inputs
    if len(samples) < 2:
        gauge.record(RECOMPILES, None, "not-applicable", "takes no other shape than the case's")
        return
    anew = attempt("torch.compile", lambda: shapes_compiled_anew(call, list(samples.values())))
    if isinstance(anew, Failure):
        gauge.record(RECOMPILES, None, "unsupported", anew.detail)
        return
    met = list(samples)
    again = f"captured anew for {' · '.join(met[index] for index in anew)}" if anew else "never captured anew"
    gauge.record(RECOMPILES, len(anew), "measured", f"{again}; met in turn: {' · '.join(met)}")


def _other_shapes(case: Case, entry: FunctionEntry) -> list[str]:
    """Return the case's shape, somewhat smaller ones, and those of preset `standard`, whatever the run's preset is."""
    inputs = len(entry.function.inputs)
    sizes = parse_shapes(case.shape, inputs)
    shorter = [
        format_shapes(tuple(tuple(n - by if n > LEAST_SIZE else n for n in shape) for shape in sizes)) for by in SHORTER
    ]
    standard = entry.function.shapes.get("standard") or SQUARES["standard"]
    return list(dict.fromkeys([*shorter, *(format_shapes(parse_shapes(text, inputs)) for text in standard)]))
