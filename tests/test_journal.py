from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gradgauge.journal import PULSE_BYTES, Beat, Journal, JournalReader, Pulse
from tests.fakes import environment


def test_news_are_the_lines_since_the_last_time(tmp_path: Path) -> None:
    journal, reader = Journal(tmp_path / "journal.jsonl"), JournalReader(tmp_path / "journal.jsonl")
    assert reader.news() == []
    journal.write("planned", items=2)
    journal.write("item", slug="σ")
    assert reader.news() == [{"event": "planned", "items": 2}, {"event": "item", "slug": "σ"}]
    assert reader.news() == []
    journal.write("finished")
    assert reader.news() == [{"event": "finished"}]


def test_before_the_worker_begins_there_are_no_news(tmp_path: Path) -> None:
    assert JournalReader(tmp_path / "none.jsonl").news() == []


def test_half_a_line_waits_for_its_end(tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    reader = JournalReader(file)
    file.write_bytes(b'{"event": "a"}\n{"event"')
    assert reader.news() == [{"event": "a"}]
    assert reader.news() == []
    with file.open("ab") as lines:
        lines.write(b': "b"}\n')
    assert reader.news() == [{"event": "b"}]


def test_a_second_worker_goes_on_where_the_first_stopped(tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    Journal(file).write("a")
    Journal(file).write("b")
    assert [event["event"] for event in JournalReader(file).news()] == ["a", "b"]


def test_a_pulse_that_never_beat_is_at_zero(tmp_path: Path) -> None:
    assert Pulse(tmp_path / "pulse").read() == Beat(0, "")


def test_a_beat_tells_its_step_and_counts_on(tmp_path: Path) -> None:
    pulse = Pulse(tmp_path / "pulse")
    pulse.beat("a longer step")
    pulse.beat("short σ")
    assert pulse.read() == Beat(2, "short σ")
    assert Pulse(tmp_path / "pulse").read() == Beat(2, "short σ")


def test_a_step_longer_than_the_page_is_cut(tmp_path: Path) -> None:
    pulse = Pulse(tmp_path / "pulse")
    pulse.beat("x" * 2 * PULSE_BYTES)
    assert set(pulse.read().step) == {"x"}
    assert (tmp_path / "pulse").stat().st_size == PULSE_BYTES


@pytest.mark.slow
def test_the_last_beat_and_line_outlive_a_killed_process(tmp_path: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from gradgauge.journal import Journal, Pulse\n"
        "here = Path(sys.argv[1]); Journal(here / 'j').write('alive'); Pulse(here / 'p').beat('last'); os.abort()"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], env=environment(), check=False)
    assert done.returncode < 0
    assert Pulse(tmp_path / "p").read() == Beat(1, "last")
    assert JournalReader(tmp_path / "j").news() == [{"event": "alive"}]
