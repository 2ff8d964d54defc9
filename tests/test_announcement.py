from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from gradgauge.announcement import announce
from gradgauge.cases import Case
from gradgauge.grid import Suite, Sweep
from gradgauge.journal import Journal, JournalReader
from gradgauge.records import Metric
from gradgauge.runs import RunFolder
from gradgauge.session import Session
from tests.fakes import a_job

SUITE = Suite(
    "How fast?",
    (Metric("time", "s", "lower", exact=False), Metric("speedup", "ratio", "higher", exact=False)),
    {preset: (Sweep(("forward",)),) for preset in ("quick", "full")},
)
RELU = {"functions": ("relu",), "devices": ("cpu",), "shapes": ("8x8",), "implementations": ("where",)}


def announced(folder: RunFolder, **fields: Any) -> tuple[Session, dict[str, Any]]:
    session = Session(a_job(folder, RELU, **fields), folder, Journal(folder.journal_jsonl))
    cases = session.plan("speed", SUITE)
    session.ahead.start = lambda job_file, cases: None  # type: ignore[method-assign]
    announce(session, len(cases))
    return session, JournalReader(folder.journal_jsonl).news()[-1]


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr("shutil.which", lambda name: None)


def test_the_parent_is_told_plan_catalog_environment_and_metrics(folder: RunFolder) -> None:
    session, event = announced(folder)
    assert event["event"] == "planned"
    assert event["items"] == len(session.planned["speed"]) == 2
    assert [Case.from_json(line) for line in event["planned"]] == session.planned["speed"]
    assert {line["suite"] for line in event["planned"]} == {"speed"}
    assert event["metrics"]["time"] == {"unit": "s", "better": "lower", "exact": False, "help": ""}
    assert set(event["metrics"]) == {"availability", "time", "speedup"}
    assert event["suites"] == {"speed": "How fast?"}
    assert event["first_metrics"] == {"speed": ["time", "s"]}
    assert set(event["catalog"]["functions"]) == {"relu"}
    assert event["environment"]["python"]
    assert event["left_out"] == session.left_out


@pytest.mark.usefixtures("no_compiler")
def test_the_first_worker_files_what_cannot_run_and_the_next_one_not_again(folder: RunFolder) -> None:
    announced(folder)
    announced(folder, done=(("speed", "x"),))
    (record,) = folder.read_records()
    assert record["verdict"] == "unavailable"
    assert (record["implementation"], record["mode"], record["pass"]) == ("where", "compiled", None)


@pytest.mark.usefixtures("no_compiler")
def test_after_a_death_while_loading_what_cannot_run_is_filed_all_the_same(folder: RunFolder) -> None:
    announced(folder, unloadable={"/mine/x.py": "killed the process"})
    assert len(folder.read_records()) == 1


@pytest.mark.parametrize(("variable", "words"), [("1", "a fresh, empty cache"), ("", "")])
def test_a_fresh_cache_is_told(folder: RunFolder, monkeypatch: pytest.MonkeyPatch, variable: str, words: str) -> None:
    monkeypatch.setenv("GRADGAUGE_FRESH_CACHE", variable)
    _, event = announced(folder)
    assert words in event["environment"]["compile_cache"]
    assert ("a fresh" in event["environment"]["compile_cache"]) is bool(variable)


def test_compiling_ahead_starts_on_the_cases_that_are_checked(folder: RunFolder) -> None:
    session = Session(a_job(folder, RELU), folder, Journal(folder.journal_jsonl))
    session.plan("gradients", SUITE)
    started: list[tuple[Path, Sequence[Case]]] = []
    session.ahead.start = lambda job_file, cases: started.append((job_file, cases))  # type: ignore[method-assign]
    announce(session, 2)
    assert started == [(folder.job_json, session.planned["gradients"])]
