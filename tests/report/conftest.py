from __future__ import annotations

from pathlib import Path

import pytest

from gradgauge.report import write_report
from gradgauge.runs import RunFolder
from tests.report import synthetic


@pytest.fixture(scope="session")
def standard_run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return synthetic.write_run(tmp_path_factory.mktemp("standard"))


@pytest.fixture(scope="session")
def standard_html(standard_run: RunFolder) -> str:
    return write_report(standard_run).read_text(encoding="utf-8")


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    return tmp_path / "runs"
