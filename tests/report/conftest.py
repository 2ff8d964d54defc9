from __future__ import annotations

from pathlib import Path

import pytest

from gradgauge.report import write_report
from gradgauge.runs import RunFolder
from tests.report import synthetic, synthetic_timing
from tests.report.page import read


@pytest.fixture(scope="session")
def standard_run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return synthetic.write_run(tmp_path_factory.mktemp("standard"))


@pytest.fixture(scope="session")
def standard_html(standard_run: RunFolder) -> str:
    return write_report(standard_run).read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def gpu_run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Return a run on an accelerator that did not hold still, beside a CPU that did."""
    moved = synthetic_timing.control(synthetic_timing.GPU, drift=0.23)
    series = [*synthetic.curves(), *moved, *synthetic_timing.control("cpu", drift=0.01)]
    parent = tmp_path_factory.mktemp("gpu")
    return synthetic.write_run(parent, synthetic_timing.gpu_records(), series, **synthetic_timing.changes())


@pytest.fixture(scope="session")
def gpu_sections(gpu_run: RunFolder) -> dict[str, str]:
    """Return its page's text by section."""
    return read(write_report(gpu_run).read_text(encoding="utf-8")).sections


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    return tmp_path / "runs"
