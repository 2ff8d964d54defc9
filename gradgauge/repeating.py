"""What makes a look at somebody's code repeat byte for byte: the same random numbers, and one thread."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def reseed() -> None:
    """Have every generator that is not somebody's own begin anew, so that what draws draws the same."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002  (the generator that other people's code draws from)
    torch.manual_seed(0)


@contextmanager
def repeatable(mode: str) -> Iterator[None]:
    """Have what runs within ask for the same memory and the same operators in every run, whatever `--threads` is.

    Eager code runs on one thread, because some operators (sums among them) divide their work otherwise on several.
    Compiled code keeps its threads: they are written into its kernels, and to change them compiles it anew.
    """
    threads = torch.get_num_threads()
    reseed()
    if mode == "eager":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
