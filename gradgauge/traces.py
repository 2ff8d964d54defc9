"""What a profiler's trace says: spans, what takes the time, gaps, stacks (no torch).

The file is in Chrome's trace event format, as torch.profiler writes it; times there are microseconds.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median
from typing import Any

HOST, DEVICE = "host", "device"
OPERATOR, PYTHON, REGION = "cpu_op", "python_function", "user_annotation"
ON_DEVICE = ("kernel", "gpu_memcpy", "gpu_memset")
STEP = re.compile(r"ProfilerStep#\d+")
GENERATED = "<built-in function kernel>"
"""How Python's stacks call the kernel that inductor generates for a CPU."""
ROUNDING_S = 1e-9
IN_NO_OPERATOR = "Python, in no operator"

_OPERATOR = re.compile(r"[a-zA-Z_]\w*::\w+")
_NOT_OPERATORS = ("torch::", "autograd::")
_OWN = re.compile(r"suites/profile\.py\(")
_RENAMED = (
    (re.compile(re.escape(GENERATED)), "generated kernel"),
    (re.compile(r"## Call CompiledFxGraph \w+ ##"), "generated graph"),
    (re.compile(r"(?<=^Torch-Compiled Region): .*"), ""),
    (re.compile(r"^autograd::engine::evaluate_function: (?:torch::autograd::)?"), "autograd engine: "),
    (re.compile(r" object at 0x[0-9a-f]+"), ""),
    (re.compile(r"^.*/(?=torchinductor_|site-packages/)"), ""),
)


@dataclass
class Span:
    """One event that lasts.

    track: the thread, or the device's stream. parent, children: the next span that encloses it, and those it encloses.
    """

    kind: str
    name: str
    track: str
    start_s: float
    duration_s: float
    parent: Span | None = None
    children: list[Span] = field(default_factory=list)

    @property
    def end_s(self) -> float:
        """Return when it ends."""
        return self.start_s + self.duration_s

    @property
    def on_device(self) -> bool:
        """Whether it is the accelerator that is busy."""
        return self.kind in ON_DEVICE


@dataclass(frozen=True)
class Taken:
    """What one operator or kernel takes. self_s: a step, without what it calls; calls: a step."""

    name: str
    where: str
    self_s: float
    calls: float


@dataclass(frozen=True)
class Trace:
    """A trace's spans, by track and start, and its steps."""

    spans: tuple[Span, ...]
    steps: tuple[Span, ...]

    @classmethod
    def read(cls, file: Path) -> Trace:
        """Read a trace file, compressed or not; raise ValueError naming it where it is none or holds no step."""
        try:
            raw = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
            trace = cls.of(json.loads(raw)["traceEvents"])
        except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{file}: not a profiler's trace: {error}") from error
        if not trace.steps:
            raise ValueError(f"{file}: no step of the profiler in it")
        return trace

    @classmethod
    def of(cls, events: Iterable[Mapping[str, Any]]) -> Trace:
        """Build it from trace events."""
        kinds = (OPERATOR, PYTHON, REGION, *ON_DEVICE)
        lasting = [event for event in events if event.get("ph") == "X" and event.get("cat") in kinds]
        began_us = min((float(event["ts"]) for event in lasting), default=0.0)
        spans = [_span(event, began_us) for event in lasting]
        steps = [span for span in spans if STEP.fullmatch(span.name) and span.kind == REGION]
        nested = _nest([span for span in spans if not STEP.fullmatch(span.name)])
        return cls(tuple(nested), tuple(sorted(steps, key=lambda step: step.start_s)))

    @property
    def typical(self) -> Span:
        """Return the step whose duration is the (lower) median."""
        ordered = sorted(self.steps, key=lambda step: step.duration_s)
        return ordered[(len(ordered) - 1) // 2]

    @property
    def step_s(self) -> float:
        """Return the mean duration of a step: of it, and not of the typical one, what is taken are shares."""
        return fmean(step.duration_s for step in self.steps)

    def within(self, step: Span) -> list[Span]:
        """Return the spans that begin within a step."""
        return [span for span in self.spans if step.start_s <= span.start_s < step.end_s]


def taken(trace: Trace) -> list[Taken]:
    """Return what each operator and each kernel takes, and Python besides, the most first."""
    seconds: dict[tuple[str, str], float] = defaultdict(float)
    calls: dict[tuple[str, str], int] = defaultdict(int)
    for span in (span for step in trace.steps for span in trace.within(step)):
        if span.on_device:
            key = span.name, DEVICE
            seconds[key] += span.duration_s
        elif _works(span):
            key = span.name, HOST
            seconds[key] += span.duration_s - sum(inner.duration_s for inner in _inner(span))
        else:
            continue
        calls[key] += 1
    count = len(trace.steps)
    found = [Taken(name, where, seconds[name, where] / count, calls[name, where] / count) for name, where in seconds]
    rest_s = sum(step.duration_s for step in trace.steps) / count - sum(t.self_s for t in found if t.where == HOST)
    found.append(Taken(IN_NO_OPERATOR, HOST, max(0.0, rest_s), 1.0))
    return sorted(found, key=lambda each: (-each.self_s, each.name))


def busy_share(trace: Trace, where: str) -> float | None:
    """Return the share of a step in which operators, or kernels of the device, run; None where none is traced.

    The rest is gaps: on the host Python, autograd's engine and what guards compiled code, on a device waiting.
    """
    shares = []
    for step in trace.steps:
        spans = [span for span in trace.within(step) if (span.on_device if where == DEVICE else _computes(span))]
        if not spans:
            return None
        shares.append(_covered_s(spans) / step.duration_s)
    return median(shares)


def stacks(trace: Trace) -> list[tuple[tuple[str, ...], float]]:
    """Return the stacks of the host's spans within the case's regions, with the seconds a step on top of each.

    Outermost first: the region (`forward` or `backward`), Python's functions, operators; the longest first.
    """
    found: dict[tuple[str, ...], float] = defaultdict(float)
    for step in trace.steps:
        spans = [span for span in trace.within(step) if not span.on_device]
        halves = [span for span in spans if _is_half(span)]
        for span in spans:
            # By time, as on an accelerator autograd runs the backward in a thread of its own, which no region encloses.
            half = next((half for half in halves if half.start_s <= span.start_s < half.end_s), None)
            if half is None or half is span:
                continue
            own_s = span.duration_s - sum(inner.duration_s for inner in span.children)
            found[half.name.rpartition(" ")[2], *_names_down_to(span)] += max(0.0, own_s) / len(trace.steps)
    return sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))


def is_drawn(span: Span) -> bool:
    """Whether a timeline shows it: regions, operators and kernels, not Python's functions."""
    return span.kind == REGION or span.on_device or _works(span)


def kind_of(span: Span) -> str:
    """Return what a timeline calls it: `region`, `host` or `device`."""
    return "region" if span.kind == REGION else DEVICE if span.on_device else HOST


def drawn_depth(span: Span) -> int:
    """Return how many of the spans that enclose it are drawn."""
    depth = 0
    while span.parent is not None:
        span = span.parent
        depth += is_drawn(span)
    return depth


def _span(event: Mapping[str, Any], began_us: float) -> Span:
    kind, name = str(event["cat"]), str(event["name"])
    for pattern, text in _RENAMED:
        name = pattern.sub(text, name)
    track = f"{DEVICE} stream {event.get('tid')}" if kind in ON_DEVICE else f"{HOST} thread {event.get('tid')}"
    return Span(kind, name, track, (float(event["ts"]) - began_us) * 1e-6, float(event.get("dur", 0)) * 1e-6)


def _nest(spans: Iterable[Span]) -> Iterator[Span]:
    """Yield the spans by track and start, each knowing what encloses it."""
    open_: list[Span] = []
    for span in sorted(spans, key=lambda each: (each.track, each.start_s, -each.duration_s)):
        # What begins within another and ends behind it, as spans of C++ and of Python may, is not enclosed by it.
        while open_ and (open_[-1].track != span.track or open_[-1].end_s < span.end_s - ROUNDING_S):
            open_.pop()
        if open_:
            span.parent = open_[-1]
            open_[-1].children.append(span)
        open_.append(span)
        yield span


def _works(span: Span) -> bool:
    """Whether the host's span is an operator, or stands for one: what inductor generates is seen by Python alone."""
    return span.kind == OPERATOR or (span.kind == PYTHON and span.name == "generated kernel")


def _computes(span: Span) -> bool:
    return _works(span) and (is_operator(span.name) or span.name == "generated kernel")


def is_operator(name: str) -> bool:
    """Whether an event of the profiler is a call of an operator, PyTorch's or somebody's.

    >>> [is_operator(name) for name in ("aten::mul", "mine::relu", "torch::autograd::AccumulateGrad", "MulBackward0")]
    [True, True, False, False]
    """
    return bool(_OPERATOR.fullmatch(name)) and not name.startswith(_NOT_OPERATORS)


def _inner(span: Span) -> Iterator[Span]:
    """Yield the nearest operators within a span, whatever Python lies between."""
    for child in span.children:
        if _works(child):
            yield child
        else:
            yield from _inner(child)


def _covered_s(spans: list[Span]) -> float:
    covered = reached = 0.0
    for span in sorted(spans, key=lambda each: each.start_s):
        covered += max(0.0, span.end_s - max(reached, span.start_s))
        reached = max(reached, span.end_s)
    return covered


def _is_half(span: Span) -> bool:
    return span.kind == REGION and span.name.endswith((" forward", " backward"))


def _names_down_to(span: Span) -> list[str]:
    """Return the names of what encloses the span, outermost first, and its own, within its half of the step."""
    names = []
    enclosing: Span | None = span
    while enclosing is not None and not _is_half(enclosing):
        if not _OWN.search(enclosing.name):
            names.append(enclosing.name)
        enclosing = enclosing.parent
    return names[::-1]
