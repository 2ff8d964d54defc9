from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from gradgauge import worker
from gradgauge.journal import JournalReader
from gradgauge.runs import RunFolder
from gradgauge.worker import main
from tests.fakes import a_job


@pytest.fixture(autouse=True)
def stay_ourselves(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Keep this process from tying its life to its parent's, as a worker does."""
    tied: list[str] = []
    monkeypatch.setattr(worker, "die_first", lambda: tied.append("die first"))
    monkeypatch.setattr(worker, "die_with_parent", lambda: tied.append("die with parent"))
    return tied


def work(folder: RunFolder, selection: dict[str, tuple[str, ...]], **fields: Any) -> list[dict[str, Any]]:
    a_job(folder, selection, **fields).write(folder.job_json)
    assert main(folder.job_json) == 0
    return JournalReader(folder.journal_jsonl).news()


@pytest.fixture
def pytest_main(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    given: list[list[str]] = []

    def run(arguments: list[str], plugins: list[object]) -> int:
        given.append(arguments)
        return 1

    monkeypatch.setattr("pytest.main", run)
    return given


def test_a_session_that_ran_to_its_end_says_so_with_pytests_status(
    folder: RunFolder, pytest_main: list[list[str]], stay_ourselves: list[str]
) -> None:
    assert work(folder, {"devices": ("cpu",)}) == [{"event": "loading"}, {"event": "finished", "status": 1}]
    assert stay_ourselves == ["die first", "die with parent"]


def test_pytest_is_given_our_suites_and_nothing_of_the_callers(folder: RunFolder, pytest_main: list[list[str]]) -> None:
    work(folder, {"devices": ("cpu",)})
    (arguments,) = pytest_main
    assert arguments[:2] == ["-c", str(folder.path / "pytest.ini")]
    assert "--noconftest" in arguments
    assert arguments[arguments.index("--rootdir") + 1] == str(folder.path)
    suites = [Path(argument).name for argument in arguments if argument.endswith(".py")]
    names = "behavior compilation counters gradients instructions machine memory profile speed training"
    assert suites == [f"{name}.py" for name in names.split()]
    assert (folder.path / "pytest.ini").read_text(encoding="utf-8").startswith("[pytest]")


@pytest.mark.parametrize(
    ("selection", "fields", "message"),
    [
        ({"devices": ("warp",)}, {}, "--device 'warp' is not on this machine"),
        ({"shapes": ("4,4,4",)}, {}, "--shape '4,4,4' has one part too few or too many"),
        ({}, {"implementations": ("/no/such/folder",)}, "--implementations /no/such/folder: no such folder"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_measured(
    folder: RunFolder, pytest_main: list[list[str]], selection: dict[str, Any], fields: dict[str, Any], message: str
) -> None:
    last = work(folder, selection, **fields)[-1]
    assert last["event"] == "refused"
    assert message in last["message"]
    assert pytest_main == []


def test_the_worker_uses_the_threads_that_were_asked_for(
    folder: RunFolder, pytest_main: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", used.append)
    work(folder, {"devices": ("cpu",)}, threads=1)
    assert used == [1]
    work(folder, {"devices": ("cpu",)})
    assert used == [1, torch.get_num_threads()]  # fixed in any case
