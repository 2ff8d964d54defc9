"""What a check leaves as it found it: random numbers, and what the user's terminal says."""

from __future__ import annotations

import os
import random
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor


@contextmanager
def left_alone(given: Sequence[Tensor], seed: int) -> Iterator[None]:
    """Within the block random numbers depend on `seed` alone and warnings are silent; after it all is as before.

    Warnings are about inputs that the user never gave.
    """
    devices = sorted({tensor.device.index or 0 for tensor in given if tensor.device.type == "cuda"})
    dtype, environment = torch.get_default_dtype(), dict(os.environ)
    pythons, numpys = random.getstate(), np.random.get_state()  # noqa: NPY002  (what the user's process has)
    try:
        with torch.random.fork_rng(devices), torch.enable_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.manual_seed(seed)
            random.seed(seed)
            np.random.seed(seed % 2**32)  # noqa: NPY002
            yield
    finally:
        torch.set_default_dtype(dtype)
        for name in set(os.environ) - set(environment):  # torch.compile sets some of its own
            del os.environ[name]
        random.setstate(pythons)
        np.random.set_state(numpys)  # noqa: NPY002
