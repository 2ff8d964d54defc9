from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import pytest

from gradgauge.records import Drawn, Profile, Record, Series, Verdict
from gradgauge.runs import RunFolder, UnreadableRun, read_lines
from tests.fakes import CASE

RECORD = Record("speed", CASE, "time", 1.0, "s", Verdict.MEASURED)


def test_a_new_folder_is_named_by_its_moment_and_never_twice(tmp_path: Path) -> None:
    moment = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
    folders = {RunFolder.create(tmp_path, moment).path for _ in range(5)}
    assert len(folders) == 5
    assert all(path.is_dir() and path.parent == tmp_path / "runs" for path in folders)
    assert all(path.name.startswith("20260203T040506Z-") for path in folders)


def test_records_and_curves_read_back_with_the_runs_id(folder: RunFolder) -> None:
    folder.append_record(RECORD)
    folder.append_record(RECORD)
    folder.append_series(Series(CASE, "value", (0.0,), (1.0,)))
    assert [line["run"] for line in folder.read_records()] == [folder.run_id] * 2
    assert folder.read_series()[0]["y"] == [1.0]


def test_profiles_read_back_with_the_runs_id(folder: RunFolder) -> None:
    profile = Profile(CASE, "traces/x.json", 1e-3, (Drawn("σ", "host", 1, 0, 0.0, 1e-3),), ((("σ",), 1e-3),))
    for _ in range(2):
        folder.append_profile(profile)
    lines = folder.read_profiles()
    assert [line["run"] for line in lines] == [folder.run_id] * 2
    assert [Profile.from_json(line) for line in lines] == [profile] * 2


def test_a_folder_without_lines_has_none(folder: RunFolder) -> None:
    assert folder.read_records() == []
    assert folder.read_series() == []
    assert folder.read_profiles() == []


def test_a_line_cut_short_by_a_kill_is_passed_over(folder: RunFolder) -> None:
    folder.append_record(RECORD)
    with folder.records_jsonl.open("a", encoding="utf-8") as lines:
        lines.write('{"run": "x", "val')
    assert len(folder.read_records()) == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [("{nonsense\n", r"records\.jsonl:2: not JSON"), ("[1]\n", r"records\.jsonl:2: not an object")],
)
def test_a_broken_line_is_named_by_file_and_number(folder: RunFolder, line: str, message: str) -> None:
    folder.append_record(RECORD)
    with folder.records_jsonl.open("a", encoding="utf-8") as lines:
        lines.write(line)
    with pytest.raises(UnreadableRun, match=message):
        folder.read_records()


def test_a_line_that_is_no_text_is_named_by_file_and_number(tmp_path: Path) -> None:
    file = tmp_path / "records.jsonl"
    file.write_bytes(b'{"a": 1}\n\xff\xfe\n')
    with pytest.raises(UnreadableRun, match=r"records\.jsonl:2: "):
        list(read_lines(file))


def test_the_description_reads_back_with_its_schema_version(folder: RunFolder) -> None:
    folder.write_description({"preset": "quick"})
    assert folder.read_description() == {"schema_version": 1, "preset": "quick"}
    assert [file.name for file in folder.path.iterdir()] == ["run.json"]


def test_a_description_with_nan_is_refused_and_the_old_one_stands(folder: RunFolder) -> None:
    folder.write_description({"preset": "quick"})
    with pytest.raises(ValueError, match="Out of range"):
        folder.write_description({"value": float("nan")})
    assert folder.read_description()["preset"] == "quick"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{\n", r"run\.json:2: not JSON: Expecting property name enclosed in double quotes at column 1"),
        ("[]", "schema_version None, this gradgauge reads 1"),
        ('{"schema_version": 99}', "schema_version 99, this gradgauge reads 1"),
    ],
)
def test_a_description_that_is_not_ours_is_refused(folder: RunFolder, text: str, message: str) -> None:
    folder.run_json.write_text(text, encoding="utf-8")
    with pytest.raises(UnreadableRun, match=message):
        folder.read_description()


def test_opening_what_is_no_run_names_the_path(tmp_path: Path) -> None:
    with pytest.raises(UnreadableRun, match=r"is not a run folder: it has no run\.json"):
        RunFolder.open(tmp_path)


def test_latest_is_a_relative_link_that_moves_to_the_newest(tmp_path: Path) -> None:
    for _ in range(2):
        folder = RunFolder.create(tmp_path)
        folder.write_description({})
        folder.link_as_latest()
        link = tmp_path / "runs" / "latest"
        assert os.readlink(link) == folder.run_id  # noqa: PTH115  (the text of the link, not where it leads)
        assert RunFolder.open(link).run_id == folder.run_id
    assert not list((tmp_path / "runs").glob(".latest-*"))


def test_where_links_are_not_to_be_had_nothing_happens(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    folder.link_as_latest()
    assert not (folder.path.parent / "latest").exists()


def test_every_file_of_a_run_lies_in_its_folder(folder: RunFolder) -> None:
    names = ("run_json", "records_jsonl", "series_jsonl", "benchmark_json", "report_html", "journal_jsonl")
    more = ("pulse", "job_json", "worker_log", "profiles_jsonl", "traces", "snapshots")
    paths = [getattr(folder, name) for name in (*names, *more)]
    assert all(path.parent == folder.path for path in paths)
    assert len(set(paths)) == len(paths)


def test_a_reader_who_stops_half_way_leaves_nothing_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "records.jsonl"
    file.write_bytes(b"{}\n{}\n")
    opened = list[IO[Any]]()
    path_open = Path.open

    def watched(path: Path, *args: Any, **kwargs: Any) -> IO[Any]:
        opened.append(path_open(path, *args, **kwargs))
        return opened[-1]

    monkeypatch.setattr(Path, "open", watched)
    assert next(read_lines(file)) == (1, {})
    assert opened
    assert all(handle.closed for handle in opened)
