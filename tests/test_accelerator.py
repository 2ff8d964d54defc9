from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from gradgauge import accelerator
from gradgauge.accelerator import AcceleratorStream


class FakeEvent:
    """Notes for which device it was made, and when it was recorded."""

    made: list[FakeEvent]

    def __init__(self, device: str, *, enable_timing: bool) -> None:
        self.device, self.timing = device, enable_timing
        self.recorded: list[str] = []
        self.made.append(self)

    def record(self, stream: str) -> None:
        self.recorded.append(stream)


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Put fakes where PyTorch would ask for a device; return what was done with them."""
    told: list[str] = []
    FakeEvent.made = []
    monkeypatch.setattr(torch, "Event", FakeEvent)
    monkeypatch.setattr(torch.accelerator, "current_stream", lambda device: f"the current stream of {device}")
    monkeypatch.setattr(accelerator, "flusher", lambda device: lambda: told.append(f"flush {device}"))
    monkeypatch.setattr(accelerator, "synchronize", lambda device: told.append(f"synchronize {device}"))
    monkeypatch.setitem(sys.modules, "pynvml", None)
    return told


def test_a_mark_is_a_timing_event_recorded_on_the_current_stream_at_once(done: list[str]) -> None:
    AcceleratorStream("cuda:1").mark()
    (event,) = FakeEvent.made
    assert (event.device, event.timing) == ("cuda", True)
    assert event.recorded == ["the current stream of cuda:1"]  # whichever device is the current one


def test_flushing_and_waiting_go_to_the_streams_own_device(done: list[str]) -> None:
    stream = AcceleratorStream("cuda:1")
    stream.flush()
    stream.synchronize()
    assert done == ["flush cuda:1", "synchronize cuda:1"]


def test_without_nvml_the_frequency_is_unknown(done: list[str]) -> None:
    assert AcceleratorStream("cuda:0").frequency() is None


def an_nvml(now: int, highest: int) -> Any:
    def by_uuid(uuid: str) -> str:
        assert uuid == "GPU-1234"
        return "handle"

    return SimpleNamespace(
        NVML_CLOCK_SM=1,
        NVMLError=OSError,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByUUID=by_uuid,
        nvmlDeviceGetMaxClockInfo=lambda handle, clock: highest,
        nvmlDeviceGetClockInfo=lambda handle, clock: now,
    )


def test_the_frequency_is_the_sm_clock_of_that_very_device_as_a_share_of_its_highest(
    done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", an_nvml(990, 1980))
    properties = {1: SimpleNamespace(uuid="1234"), 0: SimpleNamespace(uuid="another")}
    monkeypatch.setattr(torch.cuda, "get_device_properties", properties.__getitem__)
    assert AcceleratorStream("cuda:1").frequency() == 0.5


def test_an_nvml_that_refuses_later_on_costs_the_implementation_nothing(
    done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    nvml = an_nvml(990, 1980)
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(uuid="1234"))
    stream = AcceleratorStream("cuda:0")
    assert stream.frequency() == 0.5

    def refuse(*_: Any) -> int:
        raise OSError("lost")

    nvml.nvmlDeviceGetClockInfo = refuse
    assert stream.frequency() is None


def test_an_nvml_that_refuses_costs_nothing_but_the_frequency(done: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    broken = an_nvml(990, 1980)
    broken.nvmlInit = lambda: 1 / 0
    monkeypatch.setitem(sys.modules, "pynvml", broken)
    assert AcceleratorStream("cuda:0").frequency() is None
