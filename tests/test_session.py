from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gradgauge.cases import MODES
from gradgauge.devices import UnknownDevice
from gradgauge.grid import Suite, Sweep
from gradgauge.journal import Journal, JournalReader, Pulse
from gradgauge.records import Metric, Profile, Record, Series, Verdict
from gradgauge.runs import RunFolder
from gradgauge.session import Session, UnfitShape
from gradgauge.steps import CaseStep, LoadStep
from tests.fakes import CASE, REFERENCE_PY, ROOT, a_case, a_job, write_function

SUITE = Suite(
    "How fast?",
    (Metric("time", "s", "lower", exact=False),),
    {preset: (Sweep(("forward",)),) for preset in ("quick", "full")},
)
RELU = {"functions": ("relu",), "devices": ("cpu",), "shapes": ("8x8",)}


def a_session(folder: RunFolder, selection: dict[str, tuple[str, ...]] | None = None, **fields: object) -> Session:
    return Session(a_job(folder, selection or RELU, **fields), folder)


def test_a_plan_holds_every_available_case_of_the_selection(folder: RunFolder) -> None:
    session = a_session(folder)
    cases = session.plan("speed", SUITE)
    assert {(case.implementation, case.mode) for case in cases} == {
        (name, mode) for name in ("reference", "masked_function", "native", "where") for mode in MODES
    }
    assert session.planned["speed"] == cases
    assert session.block("speed", cases[0]) == cases


def test_a_suite_that_was_not_chosen_has_no_cases(folder: RunFolder) -> None:
    session = a_session(folder, {**RELU, "suites": ("memory",)})
    assert session.plan("speed", SUITE) == []
    assert "speed" not in session.planned


@pytest.mark.parametrize(
    ("preset", "chosen", "runs"),
    [("quick", (), False), ("quick", ("slow",), True), ("full", (), True), ("quick", ("memory",), False)],
)
def test_a_suite_that_runs_by_name_runs_in_full_or_where_it_is_named(
    folder: RunFolder, preset: str, chosen: tuple[str, ...], runs: bool
) -> None:
    session = a_session(folder, {**RELU, "suites": chosen}, preset=preset)
    cases = session.plan("slow", replace(SUITE, by_name=True))
    assert bool(cases) is bool(session.fitting) is ("slow" in session.suites) is runs
    told = [{"what": "slow: 8 cases", "reason": "preset quick; --preset full or --suite slow measures it"}]
    assert session.left_out == (told if not (runs or chosen) else [])


def test_a_suite_that_runs_by_name_and_has_no_case_is_not_left_out(folder: RunFolder) -> None:
    session = a_session(folder, {**RELU, "passes": ("backward",)})
    assert session.plan("slow", replace(SUITE, by_name=True)) == []
    assert session.left_out == []


@pytest.mark.parametrize("preset", ["quick", "standard", "full"])
@pytest.mark.parametrize(
    ("chosen", "runs"), [((), False), (("heavy",), True), (("heavy", "memory"), False), (("memory",), False)]
)
def test_a_suite_that_runs_apart_runs_where_it_is_asked_for_alone(
    folder: RunFolder, preset: str, chosen: tuple[str, ...], *, runs: bool
) -> None:
    heavy = replace(SUITE, apart=True, sweeps={preset: (Sweep(("forward",)),)})
    session = a_session(folder, {**RELU, "suites": chosen}, preset=preset)
    assert len(session.plan("heavy", heavy)) == (8 if runs else 0)
    assert ("heavy" in session.suites) is ("heavy" in session.planned) is runs
    assert session.fitting == (8 if runs else 0)
    assert not [line for line in session.left_out if "heavy" in line["what"]]  # it has a command of its own


def test_what_is_done_and_what_was_dropped_is_not_run_again(folder: RunFolder) -> None:
    done = a_case(implementation="native", mode="compiled")
    session = a_session(folder, done=(("speed", done.slug), ("memory", CASE.slug)), dropped={"relu/where/cpu": "died"})
    left = session.plan("speed", SUITE)
    assert done not in left
    assert CASE in left
    assert not [case for case in left if case.implementation == "where"]
    assert done in session.planned["speed"]
    assert done in session.block("speed", CASE)
    assert not [case for case in session.block("speed", CASE) if case.implementation == "where"]


def test_what_cannot_run_here_is_filed_once_with_its_reason_and_not_planned(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr("shutil.which", lambda name: None)
    session = a_session(folder, {**RELU, "implementations": ("where",)})
    assert {case.mode for case in session.plan("speed", SUITE)} == {"eager"}
    (record,) = session.availability_records()
    assert (record.suite, record.metric, record.verdict) == ("catalog", "availability", Verdict.UNAVAILABLE)
    assert (record.case.implementation, record.case.mode, record.case.shape) == ("where", "compiled", "")
    assert "needs a C++ compiler" in record.detail
    assert record.to_json("r")["pass"] is None


def test_a_device_that_is_not_there_is_refused(folder: RunFolder) -> None:
    with pytest.raises(UnknownDevice, match="--device 'warp:0'"):
        _ = a_session(folder, {"devices": ("warp:0",)}).devices


def test_a_shape_that_no_chosen_function_takes_is_refused_with_what_they_take(folder: RunFolder) -> None:
    with pytest.raises(UnfitShape) as caught:
        a_session(folder, {"functions": ("multiply", "relu"), "shapes": ("8", "4,4,4")}).check_shapes()
    words = "--shape '4,4,4' has one part too few or too many: multiply takes a, b; relu takes x"
    assert str(caught.value) == words
    a_session(folder, {"functions": ("multiply", "relu"), "shapes": ("8", "4,4")}).check_shapes()


def test_only_mine_keeps_the_reference_and_leaves_the_built_in_rest_out(folder: RunFolder, tmp_path: Path) -> None:
    mine = write_function(tmp_path / "mine", "twice")
    (mine / "relu").mkdir()
    (mine / "relu" / "own.py").write_text(REFERENCE_PY, encoding="utf-8")
    session = a_session(folder, {"devices": ("cpu",)}, only_mine=True, implementations=(str(mine),))
    found = {name: set(entry.implementations) for name, entry in session.catalog.functions.items()}
    assert found == {"relu": {"reference", "own"}, "twice": {"reference"}}


def test_each_file_is_told_before_it_runs_and_each_step_after(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    beat = Pulse.beat

    def overheard(self: Pulse, step: str) -> None:
        told.append(step)
        beat(self, step)

    monkeypatch.setattr(Pulse, "beat", overheard)
    pulse = Pulse(folder.pulse)
    session = Session(a_job(folder, RELU), folder, Journal(folder.journal_jsonl), pulse)
    assert session.catalog.functions
    assert told[-2] == str(LoadStep(str(ROOT / "implementations/relu/where.py")))
    # No file is to blame for what happens once all are loaded.
    assert pulse.read().step == "planning"
    session.step("speed", CASE, "warming up")
    assert pulse.read().step == str(CaseStep("speed", CASE, "warming up"))
    session.say("item", slug="x")
    assert JournalReader(folder.journal_jsonl).news() == [{"event": "item", "slug": "x"}]


def test_results_go_into_the_folder_where_there_is_one(folder: RunFolder) -> None:
    record, series = Record("speed", CASE, "time", 1.0, "s", Verdict.MEASURED), Series(CASE, "value", (0.0,), (1.0,))
    profile = Profile(CASE, "traces/x.json", 1.0, (), ())
    for session in (Session(a_job(folder), folder), Session(a_job(folder))):
        session.file(record)
        session.file(series)
        session.file(profile)
        session.step("speed", CASE, "x")
        session.say("x")
    assert len(folder.read_records()) == len(folder.read_series()) == len(folder.read_profiles()) == 1


def test_the_time_left_is_the_suites_share_of_the_limit_less_what_earlier_workers_spent(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.monotonic", lambda: 1020.0)
    session = a_session(folder, limit_s=100.0, spent_s=5.0)
    session.began = 1000.0
    session.suites |= {"speed": SUITE, "early": Suite("?", (), {}, until=0.5)}
    assert session.remaining_s("speed") == pytest.approx(75.0)
    assert session.remaining_s("early") == pytest.approx(25.0)
    forever = a_session(folder)
    assert forever.remaining_s("speed") is None


def test_what_no_earlier_suite_had_time_for_is_left_out_of_later_ones(folder: RunFolder) -> None:
    session = a_session(folder)
    cases = session.plan("speed", SUITE)
    unseen, once = a_case(implementation="where"), a_case(implementation="native")
    session.note_checked(unseen, reached=False)
    session.note_checked(once, reached=False)
    session.note_checked(once, reached=True)
    assert session.is_unchecked(unseen)
    assert not session.is_unchecked(once)
    assert not session.is_unchecked(a_case(implementation="where", mode="compiled"))
    assert unseen not in session.block("speed", CASE)
    assert len(session.block("speed", CASE)) == len(cases) - 1
