"""The clock that rounds are timed with."""

from __future__ import annotations

import time
from typing import Protocol

from gradgauge.devices import synchronize


class Clock(Protocol):
    """Reads time in seconds, and waits for the device so that the reading means something."""

    def now(self) -> float:
        """Return seconds since an arbitrary moment."""

    def settle(self) -> None:
        """Wait until the device has done all that was asked of it."""


class WallClock:
    """`time.perf_counter`, with a device synchronization at both ends of a round and none inside it."""

    def __init__(self, device: str) -> None:
        self._device = device

    def now(self) -> float:
        """Return `time.perf_counter()`."""
        return time.perf_counter()

    def settle(self) -> None:
        """Synchronize the device."""
        synchronize(self._device)
