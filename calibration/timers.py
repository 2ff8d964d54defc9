"""Our medians beside those of `torch.utils.benchmark` and, on an accelerator, of `triton.testing.do_bench`.

Both sides time the same call on the same tensors with the same threads, taking turns in one process. The other side's
loop is the other library's own: its statement names the call, the tensors and nothing of this project.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.utils.benchmark import Timer

from gradgauge.calling import outputs_of
from gradgauge.cases import Case
from gradgauge.catalog import FunctionEntry, builtin_folder, load
from gradgauge.devices import available_devices
from gradgauge.inputs import as_leaf, cotangents, generator_for, random_inputs
from gradgauge.passes import WARM_UP_CALLS, Subject
from gradgauge.rounds import Samples
from gradgauge.sampling import FEWEST_ROUNDS, measure_block
from gradgauge.timing import TimingProtocol

TECHNIQUES = (("relu", "native"), ("ternary_activation", "reference"))
SHAPES = ("32x32", "128x128", "512x512", "2048x2048")
FILLING_SHAPES = ("1024x1024", "2048x2048", "4096x4096", "8192x8192")
"""For `do_bench`, which queues nothing ahead: where a call is launched more slowly than it runs, it times the gaps."""

STATEMENTS = {"inference": "call(x)", "forward_backward": "call(x).backward(grad_output)\nx.grad = None"}
ALLOWED = (0.95, 1.05)
NEVER_PRECISE = 1e-9


@dataclass(frozen=True)
class Comparison:
    """One case under one clock: seconds a call by either side, and the median ratio of neighbouring measurements."""

    case: str
    other: str
    ours_s: float
    theirs_s: float
    ratio: float

    @property
    def agrees(self) -> bool:
        """Whether the ratio lies within what is allowed."""
        return ALLOWED[0] <= self.ratio <= ALLOWED[1]


def compare(name: str, other: str, ours: Callable[[], float], theirs: Callable[[], float], turns: int) -> Comparison:
    """Return what both sides measured in so many turns, the order of the two alternating."""
    pairs = []
    for turn in range(turns):
        if turn % 2:
            their_s, our_s = theirs(), ours()
        else:
            our_s, their_s = ours(), theirs()
        pairs.append((our_s, their_s))
    ratio = median(our_s / their_s for our_s, their_s in pairs)
    return Comparison(name, other, median(our_s for our_s, _ in pairs), median(their_s for _, their_s in pairs), ratio)


def subject_of(entry: FunctionEntry, case: Case, protocol: TimingProtocol) -> Subject:
    """Return the case on tensors of its own, ready for either side."""
    inputs = tuple(as_leaf(tensor, case) for tensor in random_inputs(case, entry, seed=0))
    call = entry.implementations[case.implementation].implementation.call
    drawn = cotangents(outputs_of(call(*inputs)), generator_for(case, 0, "cotangents"))
    return Subject(case, call, inputs, tuple(tensor.to(case.device) for tensor in drawn), protocol)


def our_median(subject: Subject, seconds: float) -> Callable[[], float]:
    """Return what measures the subject through the engine's own entrance."""

    def measure() -> float:
        block = measure_block([subject], seconds, lambda *_: None, precision=NEVER_PRECISE)
        samples = block.subjects[subject.key]
        if not isinstance(samples, Samples):
            raise RuntimeError(f"{subject.case.slug}: {samples.detail}")  # noqa: TRY004  (a value, not a type)
        return median(samples.kept_s)

    return measure


def timer_median(subject: Subject, seconds: float) -> Callable[[], float]:
    """Return what measures the same by `torch.utils.benchmark.Timer.blocked_autorange`."""
    names = {"call": subject.call, "x": subject.inputs[0], "grad_output": subject.grad_outputs[0]}
    timer = Timer(STATEMENTS[subject.case.pass_], globals=names, num_threads=torch.get_num_threads())

    def measure() -> float:
        with torch.inference_mode(mode=subject.case.pass_ == "inference"):
            each_s = timer.timeit(WARM_UP_CALLS).median
            return float(timer.blocked_autorange(min_run_time=max(seconds, FEWEST_ROUNDS * each_s)).median)

    return measure


def do_bench_median(subject: Subject) -> Callable[[], float]:
    """Return what measures the same by `triton.testing.do_bench`, which flushes the cache before each call."""
    from triton.testing import do_bench

    call, (x,), (grad_output,) = subject.call, subject.inputs, subject.grad_outputs

    def infer() -> None:
        with torch.inference_mode():
            call(x)

    def forward_backward() -> None:
        y = call(x)
        assert isinstance(y, Tensor)
        y.backward(grad_output)  # type: ignore[no-untyped-call]

    run = infer if subject.case.pass_ == "inference" else forward_backward
    return lambda: float(do_bench(run, grad_to_none=[x], return_mode="median")) / 1e3


def comparisons(device: str, seconds: float, turns: int) -> Iterator[Comparison]:
    """Measure every case by either side."""
    functions = load([builtin_folder("implementations")], tuple(name for name, _ in TECHNIQUES)).functions
    for function, implementation in TECHNIQUES:
        for shape in SHAPES if device == "cpu" else FILLING_SHAPES:
            for pass_ in STATEMENTS:
                case = Case(function, implementation, "eager", pass_, device, "float32", shape)
                backward = "fresh" if pass_ == "forward_backward" else ""
                subject = subject_of(functions[function], case, TimingProtocol("wall", "warm", backward))
                name = f"{function} · {implementation} · {pass_} · {shape}"
                if device == "cpu":
                    yield compare(name, "Timer", our_median(subject, seconds), timer_median(subject, seconds), turns)
                else:
                    cold = subject_of(functions[function], case, TimingProtocol("device", "cold", backward))
                    yield compare(name, "do_bench", our_median(cold, seconds), do_bench_median(cold), turns)


def markdown(found: list[Comparison]) -> str:
    """Return the comparisons as a table, with how many agree."""
    lines = ["| case | beside | ours | theirs | ratio | |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {one.case} | {one.other} | {one.ours_s * 1e6:.2f} µs | {one.theirs_s * 1e6:.2f} µs | {one.ratio:.3f} "
        f"| {'' if one.agrees else 'outside'} |"
        for one in found
    ]
    for other in dict.fromkeys(one.other for one in found):
        those = [one for one in found if one.other == other]
        lines.append(f"\n{other}: {sum(one.agrees for one in those)} of {len(those)} within {ALLOWED[0]}–{ALLOWED[1]}.")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Compare, print the table; exit 1 where fewer than 11 in 12 agree."""
    parser = argparse.ArgumentParser(prog="calibration.timers", description=__doc__)
    parser.add_argument("--device", default=available_devices()[0], choices=available_devices())
    parser.add_argument("--seconds", type=float, default=0.2, help="for each side in each turn")
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--output", type=Path, help="where the figures go as JSON")
    chosen: Any = parser.parse_args(arguments)
    torch.set_num_threads(torch.get_num_threads())
    found = list(comparisons(chosen.device, chosen.seconds, chosen.turns))
    print(markdown(found))
    if chosen.output:
        told = {"torch": torch.__version__, "threads": torch.get_num_threads(), "found": [asdict(one) for one in found]}
        chosen.output.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return 0 if sum(one.agrees for one in found) * 12 >= len(found) * 11 else 1


if __name__ == "__main__":
    raise SystemExit(main())
