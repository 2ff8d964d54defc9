"""From call to call: twice the same, two at once, copied, under autocast, and what is left changed behind."""

from __future__ import annotations

import copy
import os
import pickle
import random
import re
import sys
import sysconfig
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gradgauge.attempts import NotApplicable, Wrong
from gradgauge.behavior.subject import (
    Run,
    Subject,
    expect_near,
    expect_same_run,
    first_unlike,
    may_refuse,
    rounding_tolerance,
)
from gradgauge.calling import Call, gradients_of, outputs_of
from gradgauge.loading import first_line

REPEATS = 3
THREADS = 2
TURNS = 20
SWITCH_S = 1e-5
"""How soon Python takes turns between threads while two of them call."""
FOREIGN = (str(Path(torch.__file__).parent), str(Path(__file__).parent), sysconfig.get_paths()["stdlib"])
"""Folders whose lines are nobody's own: PyTorch's, this project's, Python's."""
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


def _give_way(frame: FrameType, event: str, _: object) -> Any:
    """Before each line of somebody's Python let the other thread run: what two of them share is met halfway."""
    if frame.f_code.co_filename.startswith(FOREIGN):
        return None
    if event == "line":
        time.sleep(SWITCH_S)
    return _give_way


def threads(subject: Subject) -> str:
    """Serve two threads at once, each with inputs of its own."""
    right = [subject.run(sample=sample) for sample in range(THREADS)]
    found: list[list[Run | BaseException]] = [[] for _ in range(THREADS)]
    start = threading.Barrier(THREADS)

    def work(sample: int) -> None:
        start.wait()
        before = sys.gettrace()
        sys.settrace(_give_way if subject.mode == "eager" else before)
        try:
            for _ in range(TURNS):
                found[sample].append(subject.run(sample=sample))
        except BaseException as error:  # noqa: BLE001  (a thread cannot raise to its starter)
            found[sample].append(error)
        finally:
            sys.settrace(before)

    interval = sys.getswitchinterval()
    workers = [threading.Thread(target=work, args=(sample,), daemon=True) for sample in range(THREADS)]
    sys.setswitchinterval(SWITCH_S)
    try:
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    finally:
        sys.setswitchinterval(interval)
    for sample, runs in enumerate(found):
        for run in runs:
            if isinstance(run, BaseException):
                raise Wrong(f"called from two threads at once, it raised {first_line(run)}")
            expect_same_run(run, right[sample], rounding_tolerance(subject.dtype), "called from two threads at once, ")
    return ""


class Using(torch.nn.Module):
    """A module that calls what it was given."""

    def __init__(self, call: Call) -> None:
        super().__init__()
        self.call = call

    def forward(self, *inputs: Tensor) -> Any:
        """Return what the call returns."""
        return self.call(*inputs)


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
            wanted = [(value.dtype,) for value in outputs_of(subject.reference(*subject.plain()))]
    for index, (value, dtypes) in enumerate(zip(values, wanted, strict=True)):
        if value.dtype not in dtypes:
            right = " or ".join(map(str, dtypes))
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


@dataclass(frozen=True)
class Knob:
    """Something of the process that an innocent call leaves alone: how to read it, and how to put it back.

    start: from what it is → what it is set to while somebody is watched; None leaves it. Whoever sets the same at each
    call, or when his file is loaded, has done so long before, and would change nothing more.
    """

    read: Callable[[], Any]
    write: Callable[[Any], object]
    start: Callable[[Any], Any] | None = None


def _always(state: Any) -> Callable[[Any], Any]:
    return lambda _: state


_CUDNN = ("enabled", "benchmark", "deterministic", "allow_tf32")
_SEED = 20_011
_TORCHS_OWN = ("PYTEST_", "TORCHINDUCTOR_", "TRITON_")
"""Variables of these names are set by the tools themselves, while they run."""
_SILENCE = ("ignore", re.compile(""), Warning, None, 0)
"""Lets no warning through, and is not what `warnings.simplefilter("ignore")` adds."""


def _set_autocast(state: tuple[bool, torch.dtype]) -> None:
    torch.set_autocast_enabled("cpu", state[0])
    torch.set_autocast_dtype("cpu", state[1])


def _set_cudnn(state: tuple[Any, ...]) -> None:
    for name, value in zip(_CUDNN, state, strict=True):
        setattr(torch.backends.cudnn, name, value)


def _set_environment(state: dict[str, str]) -> None:
    for name in set(os.environ) - set(state):
        del os.environ[name]
    os.environ.update(state)


def _inherited_environment(now: dict[str, str]) -> dict[str, str]:
    """Return what the process was started with; what it has now where the system does not tell."""
    try:
        held = Path("/proc/self/environ").read_bytes().split(b"\0")
    except OSError:
        return now
    inherited = dict(os.fsdecode(each).split("=", 1) for each in held if b"=" in each)
    return inherited | {name: value for name, value in now.items() if name.startswith(_TORCHS_OWN)}


def _set_default_device(device: torch.device) -> None:
    torch.set_default_device(None if device == torch.device("cpu") else device)  # a device costs a mode at each call


def _set_filters(state: list[Any]) -> None:
    warnings.filters[:] = state  # type: ignore[index]  # a list, whatever typeshed says
    warnings._filters_mutated()  # type: ignore[attr-defined]  # noqa: SLF001  (what resetwarnings itself calls)


KNOBS = {
    "the default dtype": Knob(torch.get_default_dtype, torch.set_default_dtype, _always(torch.float32)),
    "the default device": Knob(torch.get_default_device, _set_default_device, _always(torch.device("cpu"))),
    "whether gradients are recorded": Knob(torch.is_grad_enabled, torch.set_grad_enabled, _always(state=True)),
    "anomaly detection": Knob(torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly, _always(state=False)),
    "deterministic algorithms": Knob(
        lambda: (torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()),
        lambda state: torch.use_deterministic_algorithms(state[0], warn_only=state[1]),
        _always((False, False)),
    ),
    "the precision of float32 products": Knob(
        torch.get_float32_matmul_precision, torch.set_float32_matmul_precision, _always("highest")
    ),
    "the number of threads": Knob(torch.get_num_threads, torch.set_num_threads, lambda now: now + 1),
    "autocast": Knob(
        lambda: (torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")),
        _set_autocast,
        _always((False, torch.bfloat16)),
    ),
    "multithreaded backward": Knob(
        torch.autograd.is_multithreading_enabled, torch.autograd.set_multithreading_enabled, _always(state=True)
    ),
    "whether denormals are flushed": Knob(
        lambda: not bool(torch.tensor(1e-40, dtype=torch.float32, device="cpu") * 1),
        torch.set_flush_denormal,
        _always(state=False),
    ),
    "cuDNN's settings": Knob(
        lambda: tuple(getattr(torch.backends.cudnn, name) for name in _CUDNN),
        _set_cudnn,
        _always((True, False, False, True)),
    ),
    "torch's random numbers": Knob(
        lambda: torch.get_rng_state().numpy().tobytes(),
        lambda state: torch.set_rng_state(torch.frombuffer(bytearray(state), dtype=torch.uint8)),
        lambda _: torch.Generator().manual_seed(_SEED).get_state().numpy().tobytes(),
    ),
    "Python's random numbers": Knob(random.getstate, random.setstate, lambda _: random.Random(_SEED).getstate()),
    "NumPy's random numbers": Knob(
        lambda: pickle.dumps(np.random.get_state()),  # noqa: NPY002  (the global generator is what may change)
        lambda state: np.random.set_state(pickle.loads(state)),  # noqa: NPY002, S301  (our own bytes)
        lambda _: pickle.dumps(np.random.RandomState(_SEED).get_state()),
    ),
    "environment variables": Knob(lambda: dict(os.environ), _set_environment, _inherited_environment),
    "warning filters": Knob(lambda: list(warnings.filters), _set_filters, _always([_SILENCE])),
}
"""What is watched, by name."""


@contextmanager
def watch_globals() -> Iterator[list[str]]:
    """Yield a list that holds, after the block, the names of what it changed of the process; all of it is put back.

    The block starts from what a fresh process has, or from what nobody would set.
    """
    changed: list[str] = []
    before = {name: knob.read() for name, knob in KNOBS.items()}
    try:
        for name, knob in KNOBS.items():
            if knob.start is not None:
                knob.write(knob.start(before[name]))
        begun = {name: knob.read() for name, knob in KNOBS.items()}
        yield changed
        # Each is put back at once, as some are read by way of others.
        for name, knob in KNOBS.items():
            if knob.read() != begun[name]:
                changed.append(name)
                knob.write(begun[name])
    finally:
        for name, knob in KNOBS.items():
            if knob.read() != before[name]:
                knob.write(before[name])


def global_state(subject: Subject) -> str:
    """Leave the process as it was: default dtype, grad mode, random numbers, precision …, the first call included."""
    with watch_globals() as changed:
        again = subject.loaded_anew()
        call = subject.call if again is None else again
        subject.run(call)
        with torch.no_grad():
            call(*subject.plain())
            records = torch.is_grad_enabled()
    if records:
        changed.append("whether gradients are recorded")
    if changed:
        raise Wrong(f"changes {', '.join(changed)}")
    return "" if again is not None else "its file was not loaded anew: the first call may have been earlier"
