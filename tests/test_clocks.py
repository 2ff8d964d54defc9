from __future__ import annotations

import pytest

from gradgauge import clocks
from gradgauge.clocks import WallClock


def test_the_wall_clock_reads_perf_counter_and_goes_forward(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = iter([1.5, 2.5])
    monkeypatch.setattr("time.perf_counter", lambda: next(readings))
    clock = WallClock("cpu")
    assert (clock.now(), clock.now()) == (1.5, 2.5)


def test_settling_synchronizes_the_clocks_own_device(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[str] = []
    monkeypatch.setattr(clocks, "synchronize", waited.append)
    WallClock("cuda:1").settle()
    assert waited == ["cuda:1"]
