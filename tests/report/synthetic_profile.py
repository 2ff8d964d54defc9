"""What `gradgauge profile` leaves in a run: records, spans and stacks of two techniques, on a CPU or an accelerator."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gradgauge.cases import Case
from gradgauge.records import Drawn, Profile, Record, Verdict
from gradgauge.runs import RunFolder
from gradgauge.traces import IN_NO_OPERATOR
from tests.report.synthetic import case, write_run

GPU = "cuda:0"
STEP_S = 0.010
TIMES_S = {"aten::where": 0.005, "aten::mul": 0.002, "autograd engine: WhereBackward0": 0.001}
SMALL_S = 0.0001
USER = "implementations/relu/where.py(11): relu"


def case_of(technique: str, device: str = "cpu") -> Case:
    """Return the case of a profiled step."""
    return replace(case("relu", technique, "forward_backward", "1024x1024"), device=device)


def records(measured: Case, scale: float = 1.0) -> list[Record]:
    """Return what is filed of one case: three operators, twelve small ones, others, and Python in none of them."""
    taken = {name: seconds * scale for name, seconds in TIMES_S.items()}
    taken |= {f"aten::small_{index}": SMALL_S * scale for index in range(12)}
    taken |= {"others": 0.0002 * scale}
    rest = STEP_S * scale - sum(taken.values())
    found = [figure(measured, "profiled_step", STEP_S * scale, "s", samples=3)]
    for name, seconds in {**taken, IN_NO_OPERATOR: rest}.items():
        found.append(figure(measured, "profiled_time", seconds, "s", operator=name, on="host"))
        if name != IN_NO_OPERATOR:
            found.append(figure(measured, "profiled_calls", 2.0, "count", operator=name, on="host"))
    found.append(figure(measured, "profiled_busy", 0.9, "ratio", on="host"))
    if measured.device != "cpu":
        found.append(figure(measured, "profiled_time", 0.004 * scale, "s", operator="where_kernel", on="device"))
        found.append(figure(measured, "profiled_calls", 3.0, "count", operator="where_kernel", on="device"))
        found.append(figure(measured, "profiled_busy", 0.25, "ratio", on="device"))
    return found


def figure(measured: Case, metric: str, value: float, unit: str, samples: int | None = None, **labels: str) -> Record:
    """Return a record of the suite."""
    return Record("profile", measured, metric, value, unit, Verdict.MEASURED, "", samples=samples, labels=labels)


def profile(measured: Case, scale: float = 1.0, trace: str = "") -> Profile:
    """Return the spans of one step, of which an accelerator's backward runs on another thread, and its stacks."""
    backward_track = 1 if measured.device == "cpu" else 2
    outer = 1 if backward_track == 1 else 0
    spans = [
        span("forward", "region", 1, 0, 0.0001, 0.0035),
        span("aten::where", "host", 1, 1, 0.0005, 0.0025),
        span("backward", "region", 1, 0, 0.004, 0.0055),
        span("autograd engine: WhereBackward0", "host", backward_track, outer, 0.0045, 0.0048),
        span("aten::mul", "host", backward_track, outer + 1, 0.005, 0.002),
        span("aten::where", "host", backward_track, outer + 1, 0.0071, 0.002),
    ]
    if measured.device != "cpu":
        spans += [
            span("where_kernel", "device", 3, 0, 0.001, 0.002),
            span("where_kernel", "device", 3, 0, 0.006, 0.0015),
            span("a_copy", "device", 4, 0, 0.0065, 0.001),
        ]
    stacks = (
        (("forward", USER, "<built-in method where of type object>", "aten::where"), 0.0025 * scale),
        (("backward", "torch/autograd/__init__.py(255): backward", "autograd engine: WhereBackward0"), 0.0008 * scale),
        (
            ("backward", "torch/autograd/__init__.py(255): backward", "autograd engine: WhereBackward0", "aten::mul"),
            0.002 * scale,
        ),
    )
    scaled = tuple(replace(each, start_s=each.start_s * scale, duration_s=each.duration_s * scale) for each in spans)
    path = trace or f"traces/{measured.slug}/gradgauge.1.pt.trace.json.gz"
    return Profile(measured, path, STEP_S * scale, scaled, stacks)


def span(name: str, kind: str, track: int, depth: int, start_s: float, duration_s: float) -> Drawn:
    """Return a span of a timeline."""
    return Drawn(name, kind, track, depth, start_s, duration_s)


def write_profiled(parent: Path, device: str = "cpu") -> RunFolder:
    """Write a run that profiled two techniques, the compiled one four times as fast, and did nothing else."""
    scales = {"where/eager": 1.0, "where/compiled": 0.25, "reference/eager": 0.8}
    cases = {technique: case_of(technique, device) for technique in scales}
    found = [record for technique, each in cases.items() for record in records(each, scales[technique])]
    folder = write_run(parent, found, [], left_out=[])
    for technique, each in cases.items():
        folder.append_profile(profile(each, scales[technique]))
    return folder
