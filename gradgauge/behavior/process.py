"""What a process has that an innocent call leaves alone: dtypes, modes, random numbers, variables, filters."""

from __future__ import annotations

import os
import pickle
import random
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gradgauge.attempts import Wrong
from gradgauge.behavior.subject import Subject


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
    if torch.backends.flags_frozen():  # type: ignore[no-untyped-call]
        return  # as PyTorch's own test tools freeze them, for good: then nobody else can set them, either
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
def put_back() -> Iterator[None]:
    """Put back, after the block, whatever it changed of the process."""
    before = {name: knob.read() for name, knob in KNOBS.items()}
    try:
        yield
    finally:
        for name, knob in KNOBS.items():
            if knob.read() != before[name]:
                knob.write(before[name])


@contextmanager
def watch_globals(*, afresh: bool = True) -> Iterator[list[str]]:
    """Yield a list that holds, after the block, the names of what it changed of the process; all of it is put back.

    afresh: the block starts from what a fresh process has, or from what nobody would set.
    """
    changed: list[str] = []
    with put_back():
        for knob in KNOBS.values():
            if afresh and knob.start is not None:
                knob.write(knob.start(knob.read()))
        begun = {name: knob.read() for name, knob in KNOBS.items()}
        yield changed
        # Each is put back at once, as some are read by way of others.
        for name, knob in KNOBS.items():
            if knob.read() != begun[name]:
                changed.append(name)
                knob.write(begun[name])


def global_state(subject: Subject) -> str:
    """Leave the process as it was: default dtype, grad mode, random numbers, precision …, the first call included."""
    with watch_globals(afresh=subject.may_set_up) as changed:
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
