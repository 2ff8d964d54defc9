from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from gradgauge import snapshots
from gradgauge.runs import RunFolder
from gradgauge.snapshots import MOST_EVENTS, can_snapshot, write_snapshot
from tests.fakes import a_case

CASE = a_case(device="cuda:0", pass_="forward_backward")


class FakeMemory:
    """`torch.cuda.memory`, as far as it records a history; what it was asked is noted in turn."""

    def __init__(self, asked: list[str]) -> None:
        self.asked = asked

    def _record_memory_history(self, enabled: str | None = "all", max_entries: int = 0) -> None:
        self.asked.append(f"record, {max_entries} at most" if enabled else "stop")

    def _dump_snapshot(self, file: str) -> None:
        self.asked.append("dump")
        Path(file).write_bytes(b"a snapshot")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    asked: list[str] = []
    monkeypatch.setattr(torch.cuda, "memory", FakeMemory(asked))
    monkeypatch.setattr(snapshots, "synchronize", lambda device: asked.append(f"synchronize {device}"))
    return asked


def noting(asked: list[str]) -> Callable[[], Any]:
    return lambda: asked.append("action")


def test_the_history_of_one_run_lies_in_the_run_folder_under_the_cases_name(
    folder: RunFolder, asked: list[str]
) -> None:
    for _ in range(2):  # the folder is there the second time
        asked.clear()
        write_snapshot(noting(asked), CASE, folder)
        assert asked == [
            "synchronize cuda:0",  # or what an earlier case asked for is recorded, too
            f"record, {MOST_EVENTS} at most",
            "action",
            "synchronize cuda:0",
            "dump",
            "stop",
        ]
    (file,) = folder.snapshots.iterdir()
    assert (file.name, file.read_bytes()) == (f"{CASE.slug}.pickle", b"a snapshot")


@pytest.mark.parametrize(
    ("device", "can"), [("cuda:0", True), ("cuda", True), ("cpu", False), ("mps:0", False), ("xpu:0", False)]
)
def test_cudas_allocator_alone_keeps_a_history(device: str, *, can: bool) -> None:
    assert can_snapshot(device) is can


def test_what_raises_is_not_recorded_any_longer(folder: RunFolder, asked: list[str]) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_snapshot(fail, CASE, folder)
    assert asked[-1] == "stop"
    assert "dump" not in asked
