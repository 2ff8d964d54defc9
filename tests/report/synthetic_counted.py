"""What a run adds that needs no clock: the ledger of what is kept, counters, compile times, instructions."""

from __future__ import annotations

from dataclasses import replace

from gradgauge.cases import PASSES, Case
from gradgauge.records import Record, Verdict
from tests.report.synthetic import case

BREAK = "Dynamic shape operator: Operator `aten.nonzero.default`'s output shape depends on input Tensor data."
NO_FORMULA = "no operator in it that PyTorch has a formula for"
PYTHON_KEEPS = "kept by Python code: ctx, a closure, a hook or a global"
UNSEEN = "the allocator says that it is kept; no tensor that can be reached has it"
STARTING = "besides 15.7 s once a process, to start the compiler"


def forward(technique: str, shape: str = "256x256", function: str = "relu") -> Case:
    """Return the case of a forward on the CPU."""
    return case(function, technique, "forward", shape)


def kept(measured: Case, *entries: tuple[str, int, str, str]) -> list[Record]:
    """Return a ledger with its sums. entries: role, bytes, tensor and detail each."""
    whole = sum(size for _, size, _, _ in entries)
    extra = sum(size for role, size, _, _ in entries if role in ("intermediate", "elsewhere"))
    sums = [
        Record("memory", measured, metric, value, "byte", Verdict.MEASURED)
        for metric, value in (("saved_bytes", whole), ("saved_extra_bytes", extra))
    ]
    return [*sums, *(_entry(measured, number, *entry) for number, entry in enumerate(entries, 1))]


def ledger(shape: str = "256x256", elements: int = 2**16) -> list[Record]:
    """Return the ledgers of four techniques of the staircase and of one that keeps what nobody reaches."""
    size, tensor, mask = 4 * elements, f"float32 {shape}", f"bool {shape}"
    sigmoid, condition = "kept by SigmoidBackward0 (result)", "kept by WhereBackward0 (condition)"
    found = {
        "reference/eager": (
            ("intermediate", size, tensor, sigmoid),
            ("intermediate", size, tensor, sigmoid),
            ("intermediate", elements, mask, condition),
            ("intermediate", elements, mask, condition),
        ),
        "masked_function/eager": (("input", size, tensor, "kept by _TernaryActivationBackward"),),
        "where/eager": (("output", size, tensor, PYTHON_KEEPS), ("elsewhere", 2 * elements, "", UNSEEN)),
        "where/compiled": (("intermediate", elements, mask, "kept by CompiledFunctionBackward"),),
    }
    here = (forward(technique, shape, "ternary_activation") for technique in found)
    return [record for each, entries in zip(here, found.values(), strict=True) for record in kept(each, *entries)]


def allocated(technique: str, peak: int, count: int, total: int, pass_: str = "forward_backward") -> list[Record]:
    """Return what a pass asks the allocator for."""
    measured = case("ternary_activation", technique, pass_, "256x256")
    figures = (("peak_bytes", peak, "byte"), ("allocations", count, "count"), ("allocated_bytes", total, "byte"))
    return [Record("memory", measured, name, value, unit, Verdict.MEASURED) for name, value, unit in figures]


def count(
    technique: str, metric: str, value: float | None, detail: str = "", pass_: str = "forward_backward", **labels: str
) -> Record:
    """Return a counter of the staircase; not applicable where it has no value."""
    measured = case("ternary_activation", technique, pass_, "64x64")
    verdict = Verdict.NOT_APPLICABLE if value is None else Verdict.MEASURED
    return Record("counters", measured, metric, value, "count", verdict, detail, labels=labels)


def counters() -> list[Record]:
    """Return the counters of two implementations, one of which breaks the graph."""
    found = []
    for name, operators in {"where": 65, "masked_function": 208}.items():
        for pass_ in PASSES:
            found.append(
                count(f"{name}/eager", "operators", operators, f"{operators - 3} aten::where, 3 aten::mul", pass_)
            )
            found.append(count(f"{name}/compiled", "operators", 1, "1 aten::detach", pass_))
        found.append(count(f"{name}/eager", "flops", None, NO_FORMULA))
        breaks = 3 if name == "masked_function" else 0
        found.append(count(f"{name}/compiled", "graph_breaks", breaks))
        for line, times in ((19, 2), (20, 1)) if breaks else ():
            found.append(
                count(f"{name}/compiled", "graph_break", times, BREAK, at=f"forward, masked_function.py:{line}")
            )
        found.append(count(f"{name}/compiled", "generated_kernels", 2))
        met = "captured anew for 63x63; met in turn: 64x64, 63x63"
        found.append(count(f"{name}/compiled", "recompiles", 1, met))
    return found


def on_device(records: list[Record], device: str = "cuda:0") -> list[Record]:
    """Return the counters as an accelerator has them: with two kernels and a wait for each pass."""
    found = [replace(record, case=replace(record.case, device=device)) for record in records]
    passes = [record for record in found if record.metric == "operators"]
    kernels = [replace(record, metric="kernels", value=2, detail="2 cudaLaunchKernel") for record in passes]
    waits = [replace(record, metric="device_waits", value=1, detail="1 cudaStreamSynchronize") for record in passes]
    return [*found, *kernels, *waits]


def compile_times() -> list[Record]:
    """Return compile times at two shapes: one technique repays them, the other never does."""
    found = []
    for shape, calls in (("64x64", 40_000.4), ("1024x1024", 120.2)):
        for cache, seconds in (("cold", 2.5), ("warm", 0.06)):
            for name in ("where", "masked_function"):
                measured = case("ternary_activation", f"{name}/compiled", "forward_backward", shape)
                time = Record("compilation", measured, "compile_time", seconds, "s", Verdict.MEASURED, STARTING)
                time = replace(time, labels={"cache": cache}, samples=3)
                repaid = replace(time, metric="payback", unit="count", detail="eager 2e-3 s, compiled 1e-3 s a call")
                repaid = (
                    replace(repaid, value=calls, low=calls * 0.9, high=calls * 1.1, verdict=Verdict.NOISY)
                    if name == "where"
                    else replace(repaid, value=None, verdict=Verdict.NOT_APPLICABLE, detail="never seen to pay")
                )
                found += [time, repaid]
    return found


def instructions(value: float | None = 180_000.0) -> list[Record]:
    """Return instructions a call of two techniques; unavailable where there is no value."""
    verdict = Verdict.UNAVAILABLE if value is None else Verdict.MEASURED
    detail = "valgrind is not installed" if value is None else "mean of 20 calls"
    return [
        Record(
            "instructions",
            case("ternary_activation", f"{name}/eager", "forward_backward", "64x64"),
            "instructions",
            None if value is None else value * factor,
            "count",
            verdict,
            detail,
        )
        for name, factor in (("reference", 1.0), ("masked_function", 2.5))
    ]


def _entry(measured: Case, number: int, role: str, size: int, tensor: str, detail: str) -> Record:
    labels = {"role": role, "storage": str(number)} | ({"tensor": tensor} if tensor else {})
    return Record("memory", measured, "kept_bytes", size, "byte", Verdict.MEASURED, detail, labels=labels)
