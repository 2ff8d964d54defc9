"""From call to call: twice the same, two at once, copied, under autocast."""

from __future__ import annotations

import copy
import pickle
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch

from gradgauge.attempts import NotApplicable, Wrong
from gradgauge.behavior.interleaving import interleave
from gradgauge.behavior.subject import (
    Run,
    Subject,
    Using,
    expect_near,
    expect_same_run,
    first_unlike,
    may_refuse,
    rounding_tolerance,
)
from gradgauge.calling import gradients_of, outputs_of
from gradgauge.loading import first_line

REPEATS = 3
THREADS = 2
TURNS = 5
SWITCH_S = 1e-5
"""How soon Python takes turns between threads that call side by side."""
AUTOCAST = torch.bfloat16
AUTOCAST_TOLERANCE = 2.0**-5
"""Four roundings of bfloat16: what autocast may cost, relative to the largest element."""


def retained_graph(subject: Subject) -> str:
    """Run a second backward over a retained graph: the same bits."""
    inputs = subject.leaves()
    values = outputs_of(subject.call(*inputs))
    connected = [value for value in values if value.requires_grad]
    if not connected:
        raise NotApplicable("no output is connected to an input: there is no backward")
    grads = subject.directions(connected)
    rounds = []
    with may_refuse("a backward that retains its graph"):
        for _ in range(2):
            # Cotangents of its own for each: what a backward does to them must not pass for a change of the graph.
            sent = [grad.clone() for grad in grads]
            found = torch.autograd.grad(connected, inputs, sent, retain_graph=True, materialize_grads=True)
            rounds.append([gradient.clone() for gradient in found])  # it may lie in memory that the next one uses
    unlike = first_unlike("gradient", *rounds)
    if unlike:
        raise Wrong(f"a second backward over the same graph gives another {unlike}")
    return ""


def repeatable(subject: Subject) -> str:
    """Give the same bits from call to call."""
    first = subject.run()
    for _ in range(REPEATS - 1):
        other = subject.run()
        unlike = first_unlike("value", first.values, other.values)
        unlike = unlike or first_unlike("gradient", first.gradients, other.gradients)
        if unlike:
            raise Wrong(f"called again with the same inputs, it gives another {unlike}")
    return ""


def threads(subject: Subject) -> str:
    """Serve two threads at once, each with inputs of its own: one call in the midst of another, and side by side."""
    right = [subject.run(sample=sample) for sample in range(THREADS)]
    found = _side_by_side(subject)
    if subject.mode == "eager":  # lines of compiled code are not seen
        with _told_as_wrong():
            between = interleave(subject.run, lambda: subject.run(sample=1))
        found = [[*found[0], between.interrupted], [*found[1], *between.meanwhile]]
    for sample, runs in enumerate(found):
        for run in runs:
            expect_same_run(run, right[sample], rounding_tolerance(subject.dtype), "called from two threads at once, ")
    return ""


def _side_by_side(subject: Subject) -> list[list[Run]]:
    """Return what came of calls from threads that start together, thread by thread; Python switches as it likes."""
    start = threading.Barrier(THREADS)

    def work(sample: int) -> list[Run]:
        start.wait()
        return [subject.run(sample=sample) for _ in range(TURNS)]

    interval = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_S)
    try:
        with _told_as_wrong(), ThreadPoolExecutor(THREADS) as pool:
            return [future.result() for future in [pool.submit(work, sample) for sample in range(THREADS)]]
    finally:
        sys.setswitchinterval(interval)


@contextmanager
def _told_as_wrong() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise Wrong(f"called from two threads at once, it raised {first_line(error)}") from error


def copies(subject: Subject) -> str:
    """Survive copy.deepcopy and pickle in a module that uses it."""
    module, right = Using(subject.call), subject.run()
    with may_refuse("deepcopy"):
        copied = copy.deepcopy(module)
    expect_same_run(subject.run(copied), right, rounding_tolerance(subject.dtype), "copied by deepcopy, ")
    with may_refuse("pickle"):
        restored = pickle.loads(pickle.dumps(module))  # noqa: S301  (our own bytes, made a moment ago)
    expect_same_run(subject.run(restored), right, rounding_tolerance(subject.dtype), "pickled, ")
    return ""


def autocast(subject: Subject) -> str:
    """Work under torch.autocast: dtype in, dtype out, dtype of the gradient."""
    device = subject.device.type
    if subject.dtype != torch.float32:
        raise NotApplicable("autocast is for float32 inputs")
    inputs = subject.leaves()
    call = subject.apart().call
    with may_refuse("under autocast"), torch.autocast(device, AUTOCAST):
        values = outputs_of(call(*inputs))
        is_still_on = torch.is_autocast_enabled(device)
    if not is_still_on:
        raise Wrong("called under autocast, it switches that off")
    wanted: list[tuple[torch.dtype, ...]] = [(subject.dtype, AUTOCAST)] * len(values)
    if subject.reference is not None:
        with torch.autocast(device, AUTOCAST):
            # Where operators of the reference go down, as a product of matrices does, float32 is right, too.
            wanted = [(value.dtype, subject.dtype) for value in outputs_of(subject.reference(*subject.plain()))]
    for index, (value, dtypes) in enumerate(zip(values, wanted, strict=True)):
        if value.dtype not in dtypes:
            right = " or ".join(dict.fromkeys(map(str, dtypes)))
            raise Wrong(f"under autocast to {AUTOCAST} output {index} is {value.dtype} where {right} is right")
    own = subject.run()
    with may_refuse("the backward of an autocast forward"):
        grads = subject.directions(values)
        gradients = gradients_of(values, inputs, grads, may_be_disconnected=True)
    for index, (gradient, tensor) in enumerate(zip(gradients, inputs, strict=True)):
        if gradient.dtype != tensor.dtype:
            raise Wrong(f"under autocast gradient {index} is {gradient.dtype}, its input is {tensor.dtype}")
    expect_near("under autocast the value", values, own.values, AUTOCAST_TOLERANCE)
    expect_near("under autocast the gradient", gradients, own.gradients, AUTOCAST_TOLERANCE)
    said = {str(value.dtype).removeprefix("torch.") for value in values}
    return f"{', '.join(sorted(said))} out"
