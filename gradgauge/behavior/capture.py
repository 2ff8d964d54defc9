"""Where no number runs, or only once: graphs that torch.compile and torch.export capture, tensors without data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch._dynamo.utils import counters
from torch._subclasses.fake_tensor import FakeTensorMode

from gradgauge.attempts import Failure, NotApplicable, Unsupported, Wrong, attempt
from gradgauge.behavior.operators import custom_operators
from gradgauge.behavior.subject import Subject, Using, expect_near, expect_same_run, may_refuse, rounding_tolerance
from gradgauge.calling import gradients_of, outputs_of
from gradgauge.compilation import captured_anew
from gradgauge.compiling import break_of
from gradgauge.loading import first_line

BACKEND = "aot_eager"
"""Captures forward and backward as the default backend does, and generates no code: seconds a call less."""
SHORTER = (1, 2)
"""Sizes above `LEAST_SIZE` are made shorter by so much to see whether one graph serves all shapes."""
LEAST_SIZE = 3
"""Sizes of 0 and 1 are captured as constants always."""


@dataclass(frozen=True)
class Breaks:
    """How often a call's graph breaks under torch.compile, and why first."""

    count: int
    reason: str


def count_breaks(subject: Subject) -> Breaks:
    """Return the graph breaks of one forward."""
    subject = subject.apart()
    with captured_anew():
        explained = torch._dynamo.explain(subject.call)(*subject.leaves())  # noqa: SLF001  (the documented name)
    first = next(map(break_of, explained.break_reasons), None)
    reason = f"{first.reason} ({first.line})" if first and first.line else first.reason if first else ""
    return Breaks(explained.graph_break_count, reason)


def fullgraph(subject: Subject) -> str:
    """Capture the call as one graph: torch.compile(fullgraph=True); graph breaks are counted."""
    try:
        with captured_anew(), may_refuse("torch.compile(fullgraph=True)"):
            found = subject.run(torch.compile(subject.apart().call, fullgraph=True, backend=BACKEND))
    except Unsupported:
        breaks = attempt("torch.compile", lambda: count_breaks(subject))
        if isinstance(breaks, Failure) or breaks.count < 1:  # −1 where there is no graph at all
            raise
        many = f"{breaks.count} graph break{'s' if breaks.count > 1 else ''}"
        raise Unsupported(f"{many}: {breaks.reason}") from None
    expect_same_run(found, subject.run(), rounding_tolerance(subject.dtype), "captured as one graph, ")
    return ""


def dynamic_shapes(subject: Subject) -> str:
    """Serve other shapes with the code of the first: torch.compile(dynamic=True) without recompiling."""
    others = [_shortened(subject, by) for by in SHORTER]
    usable = [other for other in others if other and not isinstance(attempt("another shape", other.run), Failure)]
    if not usable:
        raise NotApplicable("takes no other shape than the case's")
    with captured_anew(), may_refuse("torch.compile(dynamic=True)"):
        compiled = torch.compile(subject.apart().call, dynamic=True, backend=BACKEND)
        first = subject.run(compiled)
        graphs = _graphs()
        rest = [other.run(compiled) for other in usable]
        recompiled = _graphs() - graphs
    tolerance = rounding_tolerance(subject.dtype)
    for one, found in zip((subject, *usable), (first, *rest), strict=True):
        shape = "x".join(map(str, one.samples[0][0].shape))
        expect_same_run(found, one.run(), tolerance, f"compiled for any shape, at {shape} ")
    if recompiled:
        many = "graph" if recompiled == 1 else "graphs"
        raise Unsupported(
            f"compiled {graphs} for the first shape and {recompiled} more {many} for {len(usable)} others"
        )
    return ""


def _graphs() -> int:
    return int(counters["stats"]["unique_graphs"])


def _shortened(subject: Subject, by: int) -> Subject | None:
    """Return the subject with every longer dimension cut by the same number, so that shapes fit each other still."""

    def cut(tensor: Tensor) -> Tensor:
        return tensor[tuple(slice(0, size - by if size > LEAST_SIZE else size) for size in tensor.shape)].contiguous()

    samples = tuple(tuple(cut(tensor) for tensor in sample) for sample in subject.samples)
    alike = all(one.shape == other.shape for one, other in zip(samples[0], subject.samples[0], strict=True))
    return None if alike else replace(subject, samples=samples)


def export(subject: Subject) -> str:
    """Export a module that uses the call: torch.export.export; a backward of its own must come along, too."""
    with captured_anew(), may_refuse("torch.export"):
        exported = torch.export.export(Using(subject.apart().call), subject.plain()).module()
        found = subject.run(exported)
    own = subject.run()
    tolerance = rounding_tolerance(subject.dtype)
    expect_near("exported, the value", found.values, own.values, tolerance)
    try:
        expect_near("the gradient", found.gradients, own.gradients, tolerance)
    except Wrong as wrong:
        # What is exported are the operators of the forward; who exports for inference misses nothing.
        raise Unsupported(f"exports the forward alone, which autograd differentiates otherwise: {wrong}") from wrong
    return ""


def fake_tensors(subject: Subject) -> str:
    """Tell shapes and dtypes without data: fake tensors, and tensors on the meta device."""
    subject = subject.apart()
    right = [(tuple(value.shape), value.dtype) for value in outputs_of(subject.call(*subject.plain()))]
    with may_refuse("on the meta device"):
        meta = outputs_of(subject.call(*(tensor.to("meta") for tensor in subject.samples[0])))
    _expect_described("on the meta device", meta, right, "meta")
    mode = FakeTensorMode()
    with may_refuse("on fake tensors"), mode:
        fakes = tuple(mode.from_tensor(tensor).requires_grad_() for tensor in subject.samples[0])
        values = outputs_of(subject.call(*fakes))
        gradients = gradients_of(values, fakes, [torch.ones_like(value) for value in values], may_be_disconnected=True)
    _expect_described("on fake tensors", values, right, subject.device.type)
    wanted = [(tuple(tensor.shape), tensor.dtype) for tensor in subject.samples[0]]
    _expect_described("on fake tensors the gradient", gradients, wanted, subject.device.type)
    return ""


def _expect_described(
    where: str, found: tuple[Tensor, ...], right: list[tuple[tuple[int, ...], torch.dtype]], device: str
) -> None:
    if len(found) != len(right):
        raise Wrong(f"{where}: {len(found)} tensors where {len(right)} are right")
    for tensor, (shape, dtype) in zip(found, right, strict=True):
        got = (tuple(tensor.shape), tensor.dtype, tensor.device.type)
        if got != (shape, dtype, device):
            raise Wrong(f"{where}: {got[0]}, {got[1]} on {got[2]} where {shape}, {dtype} on {device} is right")


def opcheck(subject: Subject) -> str:
    """Put every custom operator that the call uses through torch.library.opcheck."""
    found = custom_operators(subject.call, subject.leaves())
    if not found:
        raise NotApplicable("uses no custom operator")
    for op, (args, kwargs) in found.items():
        with captured_anew():
            _check_op(op, args, kwargs)
    return ", ".join(map(str, found))


def _check_op(op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    check: Callable[..., Any] = torch.library.opcheck
    try:
        check(op, args, kwargs)
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        cause = error.__cause__ and first_line(error.__cause__)
        raise Wrong(f"opcheck of {op}: {cause or (lines[0] if lines else first_line(error))}") from error
