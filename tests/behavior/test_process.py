from __future__ import annotations

import os
import random
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gradgauge.behavior.process import KNOBS, watch_globals
from gradgauge.records import Verdict
from tests.behavior.trying import a_subject, tried


def set_cudnn() -> None:
    torch.backends.cudnn.benchmark = True


def set_variable() -> None:
    os.environ["GRADGAUGE_TEST"] = "1"


CHANGES: dict[str, Callable[[], Any]] = {
    "the default dtype": lambda: torch.set_default_dtype(torch.float64),
    "the default device": lambda: torch.set_default_device("meta"),
    "whether gradients are recorded": lambda: torch.set_grad_enabled(False),
    "anomaly detection": lambda: torch.autograd.set_detect_anomaly(True),
    "deterministic algorithms": lambda: torch.use_deterministic_algorithms(True),
    "the precision of float32 products": lambda: torch.set_float32_matmul_precision("high"),
    "the number of threads": lambda: torch.set_num_threads(1),
    "autocast": lambda: torch.set_autocast_dtype("cpu", torch.float16),
    "multithreaded backward": lambda: torch.autograd.set_multithreading_enabled(False),
    "whether denormals are flushed": lambda: torch.set_flush_denormal(True),
    "cuDNN's settings": set_cudnn,
    "torch's random numbers": lambda: torch.manual_seed(1),
    "Python's random numbers": lambda: random.seed(1),
    "NumPy's random numbers": lambda: np.random.seed(1),  # noqa: NPY002
    "environment variables": set_variable,
    "warning filters": lambda: warnings.filterwarnings("ignore"),
}


def state() -> dict[str, Any]:
    return {name: knob.read() for name, knob in KNOBS.items()}


def test_every_knob_has_a_change_here() -> None:
    assert list(CHANGES) == list(KNOBS)


@pytest.mark.parametrize("name", KNOBS)
def test_a_change_is_seen_and_put_back_and_seen_again(name: str) -> None:
    before = state()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Anomaly Detection")
        inside = KNOBS["warning filters"].read()
        for _ in range(2):
            with watch_globals() as changed:
                CHANGES[name]()
            assert changed == [name]
        assert KNOBS["warning filters"].read() == inside
    assert state() == before


@pytest.mark.parametrize("name", KNOBS)
def test_what_was_set_long_before_is_seen_all_the_same(name: str) -> None:
    """So it is where the very file that is asked about was loaded, or called, earlier."""
    before = state()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Anomaly Detection")
        try:
            CHANGES[name]()
            set_earlier = state()
            with watch_globals() as changed:
                CHANGES[name]()
            assert changed == [name]
            assert state() == set_earlier
        finally:
            KNOBS[name].write(before[name])


def test_all_is_put_back_where_the_block_raises() -> None:
    def change() -> None:
        with watch_globals():
            torch.set_default_dtype(torch.float64)
            raise ValueError("odd")

    before = state()
    with pytest.raises(ValueError, match="odd"):
        change()
    assert state() == before


def test_what_changes_nothing_is_not_accused() -> None:
    with watch_globals() as changed:
        torch.rand(3, generator=torch.Generator())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            torch.ones(2).tanh()
    assert changed == []


def test_global_state_loads_the_file_anew() -> None:
    def reload() -> Callable[[Tensor], Tensor]:
        torch.manual_seed(0)
        return torch.tanh

    loaded = tried("global_state", a_subject(torch.tanh, reload=reload))
    assert (loaded.verdict, loaded.detail) == (Verdict.FAIL, "changes torch's random numbers")
    alone = tried("global_state", a_subject(torch.tanh))
    assert (alone.verdict, alone.detail[:28]) == (Verdict.PASS, "its file was not loaded anew")


def test_gradients_switched_on_under_no_grad_are_seen() -> None:
    def call(x: Tensor) -> Tensor:
        torch.set_grad_enabled(True)
        return x.tanh()

    found = tried("global_state", a_subject(call))
    assert (found.verdict, found.detail) == (Verdict.FAIL, "changes whether gradients are recorded")
