"""benchmark.json, put together from the entries that the journal holds, in pytest-benchmark's own format."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def write_benchmark_json(file: Path, entries: Sequence[dict[str, Any]]) -> None:
    """Write what `pytest-benchmark compare` reads; nothing where there are no entries.

    pytest-benchmark writes its file only when a session ends, and a worker may not live to see that.
    """
    if not entries:
        return
    from pytest_benchmark import __version__
    from pytest_benchmark.plugin import pytest_benchmark_generate_machine_info
    from pytest_benchmark.utils import get_commit_info

    document = {
        "machine_info": pytest_benchmark_generate_machine_info(),
        "commit_info": get_commit_info(),
        "benchmarks": list(entries),
        "datetime": datetime.now(UTC).isoformat(),
        "version": __version__,
    }
    file.write_text(json.dumps(document, indent=1, allow_nan=False, default=str), encoding="utf-8")
