"""Which cases a run measures: suites with their sweeps, the user's selection, and the plan they make (no torch)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from gradgauge.cases import MODES, PASSES, REFERENCE, Case, Shape, format_shapes, parse_shapes
from gradgauge.catalog import FunctionEntry
from gradgauge.records import Metric

PRESETS: Mapping[str, float | None] = {"quick": 52.0, "standard": 280.0, "full": None}
"""Preset → seconds after the start of measuring at which no further case is started; None for no limit."""

SQUARES: Mapping[str, tuple[str, ...]] = {
    "quick": ("256x256",),
    "standard": ("64x64", "256x256", "1024x1024"),
    "full": ("64x64", "256x256", "1024x1024", "4096x4096"),
}
"""The shapes of a function that names none itself."""


def smallest(shapes: tuple[str, ...]) -> tuple[str, ...]:
    """Return the first shape that the preset times: for what hangs on no size, where its kernels are compiled already.

    >>> smallest(("64x64", "256x256"))
    ('64x64',)
    """
    return shapes[:1]


@dataclass(frozen=True)
class Sweep:
    """A product of axes. shapes: the function's own for the preset, or the text that `pick` makes of them."""

    passes: tuple[str, ...]
    modes: tuple[str, ...] = MODES
    dtypes: tuple[str, ...] = ("float32",)
    layouts: tuple[str, ...] = ("contiguous",)
    pick: Callable[[tuple[str, ...]], tuple[str, ...]] = lambda shapes: shapes


@dataclass(frozen=True)
class Workload:
    """Work that is nobody's implementation. shape: by kind of device, `""` standing for any other."""

    name: str
    shape: Mapping[str, str]
    pass_: str = ""

    def on(self, device: str) -> Case:
        """Return the case that measures it on a device."""
        shape = self.shape.get(device.partition(":")[0], self.shape[""])
        return Case("", self.name, "", self.pass_, device, "float32", shape, "")


@dataclass(frozen=True)
class Suite:
    """A question, the metrics that answer it, and the cases of each preset.

    order: suites run in ascending order, so that nothing is timed before its agreement is known.
    until: the share of the preset's time after which no further case of the suite is begun, so that later suites
        get theirs.
    budget_s: preset → seconds that all blocks of the suite may share; a preset not named sets no bound.
    with_reference: the reference in eager mode belongs to every block, whatever the user chose.
    eager_first: nothing compiled is begun before all that is eager is done.
    whatever_pass: its cases stay when the user chooses passes, because what is timed must have been checked.
    timed: reads a clock, so nothing else may run on the machine meanwhile.
    by_name: runs in preset `full`, and in another only where the user names it.
    apart: runs only where it is the one suite that is asked for, because what it does takes time from others.
    workloads: what is measured on each device besides the functions' implementations.
    """

    question: str
    metrics: tuple[Metric, ...]
    sweeps: Mapping[str, tuple[Sweep, ...]]
    order: int = 100
    until: float = 1.0
    budget_s: Mapping[str, float] = field(default_factory=dict)
    with_reference: bool = False
    eager_first: bool = False
    whatever_pass: bool = False
    timed: bool = False
    by_name: bool = False
    apart: bool = False
    workloads: tuple[Workload, ...] = ()


@dataclass(frozen=True)
class Selection:
    """What the user chose, axis by axis; an empty axis leaves the choice to the preset."""

    suites: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    implementations: tuple[str, ...] = ()
    modes: tuple[str, ...] = ()
    passes: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = ()
    shapes: tuple[str, ...] = ()
    layouts: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, axes: Mapping[str, Any]) -> Selection:
        """Build a selection from the lists that a job holds."""
        return cls(**{axis: tuple(values) for axis, values in axes.items()})


def plan(
    suite: Suite, preset: str, selection: Selection, functions: Iterable[FunctionEntry], devices: tuple[str, ...]
) -> list[Case]:
    """Return the suite's cases, those of one block side by side, each once.

    What the user chose replaces the sweep's own values on that axis; a pass that the suite does not know, a shape that
    does not fit a function and a layout that does not fit a shape drop out. Blocks take turns between the functions,
    smallest shapes first, so that a run that is cut short has something of everything.
    """
    ranked: list[tuple[tuple[int, int, int], Case]] = []
    for entry in functions:
        for sweep in suite.sweeps.get(preset, ()):
            shapes = _shapes(entry, preset, sweep, selection)
            for device in devices:
                ranked += list(_cases(entry, sweep, shapes, selection, device, suite))
    unique = dict.fromkeys(workload.on(device) for device in devices for workload in suite.workloads)
    unique |= dict.fromkeys(case for _, case in sorted(ranked, key=lambda pair: pair[0]))
    if not suite.eager_first:
        return _grouped(unique, lambda case: case.block)
    return [
        case for mode in MODES for case in _grouped((c for c in unique if c.mode == mode), lambda case: case.tensors)
    ]


def _grouped(cases: Iterable[Case], key: Callable[[Case], Case]) -> list[Case]:
    """Return the cases with those of one key side by side, groups in the order of their first case."""
    groups: dict[Case, list[Case]] = defaultdict(list)
    for case in cases:
        groups[key(case)].append(case)
    return [case for group in groups.values() for case in group]


def _cases(
    entry: FunctionEntry, sweep: Sweep, shapes: tuple[str, ...], chosen: Selection, device: str, suite: Suite
) -> Iterator[tuple[tuple[int, int, int], Case]]:
    wanted = () if suite.whatever_pass else chosen.passes
    passes = [pass_ for pass_ in sweep.passes if not wanted or pass_ in wanted]
    dtypes = chosen.dtypes or sweep.dtypes
    for rank, shape in enumerate(shapes):
        sizes = parse_shapes(shape, len(entry.function.inputs))
        layouts = [layout for layout in chosen.layouts or sweep.layouts if layout_fits(layout, sizes)]
        for dtype, layout, pass_ in product(dtypes, layouts, passes):
            techniques = list(product(entry.implementations, chosen.modes or sweep.modes))
            if chosen.implementations:
                techniques = [pair for pair in techniques if pair[0] in chosen.implementations]
            if techniques and suite.with_reference and (REFERENCE, "eager") not in techniques:
                techniques.insert(0, (REFERENCE, "eager"))
            # Within one rank: every function's first dtype and pass before anybody's second.
            order = (rank, dtypes.index(dtype), PASSES.index(pass_))
            for implementation, mode in techniques:
                yield order, Case(entry.name, implementation, mode, pass_, device, dtype, shape, layout)


def _shapes(entry: FunctionEntry, preset: str, sweep: Sweep, selection: Selection) -> tuple[str, ...]:
    inputs = len(entry.function.inputs)
    if selection.shapes:
        return tuple(dict.fromkeys(shape for text in selection.shapes if (shape := _fitting(text, inputs))))
    own = entry.function.shapes.get(preset) or SQUARES[preset]
    return tuple(dict.fromkeys(format_shapes(parse_shapes(text, inputs)) for text in sweep.pick(own)))


def shape_fits(text: str, entry: FunctionEntry) -> bool:
    """Whether the text gives a shape for each input of the function."""
    return bool(_fitting(text, len(entry.function.inputs)))


def _fitting(text: str, inputs: int) -> str:
    try:
        return format_shapes(parse_shapes(text, inputs))
    except ValueError:
        return ""


def layout_fits(layout: str, shapes: tuple[Shape, ...]) -> bool:
    """Whether tensors of these shapes can be laid out so; a layout fits when it changes at least one input."""
    least = {"contiguous": 0, "strided": 1, "expanded": 1, "transposed": 2, "channels-last": 4}[layout]
    return max(len(shape) for shape in shapes) >= least


def left_out_by_preset(
    name: str, suite: Suite, preset: str, selection: Selection, functions: list[FunctionEntry], devices: tuple[str, ...]
) -> list[dict[str, str]]:
    """Return what `full` would measure besides: a line for all dtypes and layouts that lack the same shapes."""
    planned = set(plan(suite, preset, selection, functions, devices))
    missing: dict[tuple[str, str, str], list[Case]] = defaultdict(list)
    for case in plan(suite, "full", selection, functions, devices):
        if case not in planned:
            missing[case.mode, case.layout, case.dtype].append(case)
    alike: dict[tuple[str, tuple[str, ...]], list[Case]] = defaultdict(list)
    for (mode, _, _), cases in missing.items():
        alike[mode, tuple(dict.fromkeys(case.shape for case in cases))] += cases
    lines = []
    for (mode, shapes), cases in alike.items():
        dtypes = ", ".join(dict.fromkeys(case.dtype for case in cases))
        layouts = ", ".join(dict.fromkeys(case.layout for case in cases))
        what = f"{name} · {mode} · {dtypes} · {layouts}: {len(cases)} cases at {' · '.join(shapes)}"
        lines.append({"what": what, "reason": f"preset {preset}; --preset full measures it"})
    return lines
