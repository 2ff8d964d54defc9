"""What a check leaves as it found it: random numbers, and what the user's terminal says."""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from gradgauge.behavior.process import put_back


@contextmanager
def left_alone(given: Sequence[Tensor], seed: int) -> Iterator[None]:
    """Within the block random numbers depend on `seed` alone and warnings are silent; after it all is as before.

    Warnings are about inputs that the user never gave.
    """
    devices = sorted({tensor.device.index or 0 for tensor in given if tensor.device.type == "cuda"})
    with put_back(), torch.random.fork_rng(devices), torch.enable_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002  (what the user's process has)
        torch.rand(()), random.random(), np.random.random()  # noqa: NPY002  (a function may seed with just that)
        yield
