from __future__ import annotations

from dataclasses import replace

from gradgauge.report.data import RunData
from gradgauge.report.once import once_a_run
from gradgauge.runs import RunFolder


def test_a_question_is_answered_once_for_each_run_and_each_way_of_asking(standard_run: RunFolder) -> None:
    asked: list[tuple[str, tuple[str, ...]]] = []

    @once_a_run
    def find(run: RunData, labels: tuple[str, ...] = ()) -> list[str]:
        asked.append((run.description.run_id, labels))
        return [run.description.run_id, *labels]

    run = RunData.load(standard_run)
    other = replace(run, description=replace(run.description, run_id="other"))
    assert find(run) is find(run)
    assert find(run, ("a",)) == [standard_run.run_id, "a"]
    assert find(run, labels=("a",)) == [standard_run.run_id, "a"]
    assert find(other) == ["other"]
    own = standard_run.run_id
    assert asked == [(own, ()), (own, ("a",)), (own, ("a",)), ("other", ())]


def test_two_functions_do_not_answer_for_each_other(standard_run: RunFolder) -> None:
    run = RunData.load(standard_run)
    found = [once_a_run(lambda _, word=word: word)(run) for word in ("one", "other")]
    assert found == ["one", "other"]


def test_the_records_of_a_function_are_its_rows(standard_run: RunFolder) -> None:
    run = RunData.load(standard_run)
    for function in run.function_names():
        own = run.records_of(function)
        assert list(own) == [record for record in run.records if record.case.function == function]
        rows = run.frame_of(function)
        assert rows["function"].unique().tolist() == [function]
        assert rows["metric"].tolist() == [record.metric for record in own]
    assert not run.records_of("nobody")
    assert run.frame_of("nobody").empty
