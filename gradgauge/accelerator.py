"""An accelerator's current stream, as a clock needs it: events, work that keeps it busy, its core's frequency."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any, Protocol

import torch

from gradgauge.caches import flusher
from gradgauge.devices import synchronize


class Event(Protocol):
    """A mark on a stream, as `torch.Event` is one."""

    def query(self) -> bool:
        """Whether the device has passed the mark."""

    def synchronize(self) -> None:
        """Wait until the device has passed the mark."""

    def elapsed_time(self, end_event: Any) -> float:
        """Return the milliseconds from this mark to a later one, both passed."""


class Stream(Protocol):
    """What a `DeviceClock` asks of a device."""

    def mark(self) -> Event:
        """Queue a mark and return it."""

    def flush(self) -> None:
        """Queue what empties the cache."""

    def synchronize(self) -> None:
        """Wait until everything queued is done."""

    def frequency(self) -> float | None:
        """Return the core's frequency now as a share of its highest, None where the device does not tell."""


class AcceleratorStream:
    """The current stream of an accelerator, through PyTorch's device-agnostic API."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._flush = flusher(device)
        self._frequency = _frequency_reader(device)

    def mark(self) -> Event:
        """Record an event on the device's current stream: on any other it would not bound the work."""
        event: Any = torch.Event(self._device.partition(":")[0], enable_timing=True)
        event.record(torch.accelerator.current_stream(self._device))
        marked: Event = event
        return marked

    def flush(self) -> None:
        """Write through a buffer that is larger than the cache."""
        self._flush()

    def synchronize(self) -> None:
        """Wait until the device has done all that was asked of it."""
        synchronize(self._device)

    def frequency(self) -> float | None:
        """Read the SM clock through NVML, as a share of the highest."""
        return self._frequency()


@cache
def stream_of(device: str) -> AcceleratorStream:
    """Return the one stream of a device: its flush buffer is large."""
    return AcceleratorStream(device)


def _frequency_reader(device: str) -> Callable[[], float | None]:
    """Return what reads NVML; where it is not to be had, what returns None."""
    kind, _, index = device.partition(":")
    # Whatever is missing (the module, the driver, a permission), the frequency is unknown and no more.
    with suppress(Exception):
        import pynvml

        pynvml.nvmlInit()
        uuid = getattr(torch, kind).get_device_properties(int(index or 0)).uuid
        handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
        highest = pynvml.nvmlDeviceGetMaxClockInfo(handle, pynvml.NVML_CLOCK_SM)
        pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_SM)

        def read() -> float | None:
            with suppress(pynvml.NVMLError):
                return float(pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_SM) / highest)
            return None

        return read
    return lambda: None
