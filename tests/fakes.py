"""What many tests lean on: small cases and functions, a clock that is told how time goes, the suites in process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gradgauge import worker
from gradgauge.behavior.subject import Subject
from gradgauge.cases import Case
from gradgauge.catalog import FunctionEntry, ImplementationEntry
from gradgauge.clocks import WallClock
from gradgauge.compilation import compile_call
from gradgauge.gauge import Gauge
from gradgauge.grid import Selection
from gradgauge.job import Job
from gradgauge.journal import Journal, JournalReader, Pulse
from gradgauge.model import Function, Implementation
from gradgauge.runs import RunFolder
from suites.behavior import subject_of

ROOT = Path(__file__).resolve().parents[1]
RECORD_KEYS = [
    "run",
    "suite",
    "function",
    "implementation",
    "mode",
    "pass",
    "device",
    "dtype",
    "shape",
    "layout",
    "labels",
    "metric",
    "value",
    "unit",
    "low",
    "high",
    "samples",
    "verdict",
    "detail",
]

CASE = Case("relu", "reference", "eager", "forward", "cpu", "float32", "8x8")

Line = dict[str, Any]


def a_case(**changes: str) -> Case:
    """Return a case of relu's reference, with some axes changed."""
    return replace(CASE, **changes)


def an_entry(
    function: Function | None = None, name: str = "relu", **calls: Callable[..., Any] | Implementation
) -> FunctionEntry:
    """Return a function of techniques that no file defines; `reference` is among the calls."""
    implementations = {
        technique: ImplementationEntry(
            technique,
            Path(f"/nowhere/{name}/{technique}.py"),
            f"The {technique}.",
            call if isinstance(call, Implementation) else Implementation(call),
        )
        for technique, call in calls.items()
    }
    return FunctionEntry(name, Path(f"/nowhere/{name}/function.py"), function or a_function(), implementations)


def a_function(**fields: Any) -> Function:
    """Return a function without edges of its own."""
    return Function(**({"formula": "f(x) = x", "derivative": "f'(x) = 1", "source": "here"} | fields))


def spying(seen: list[Any], look: Callable[..., Any], call: Callable[..., Any]) -> Callable[..., Any]:
    """Return the call, which first notes what `look` makes of its arguments."""

    def spied(*arguments: Any) -> Any:
        seen.append(look(*arguments))
        return call(*arguments)

    return spied


def one(_: object) -> int:
    """Return 1, whatever was given: for counting calls."""
    return 1


def twice(x: Any) -> Any:
    """Return 2x."""
    return 2 * x


class FakeClock(WallClock):
    """Time passes only when `pass_s` says so, or by `tick_s` at each reading; every question is noted."""

    def __init__(self, tick_s: float = 0.0) -> None:
        super().__init__("cpu")
        self.time_s, self.tick_s = 100.0, tick_s
        self.asked: list[str] = []

    def now(self) -> float:
        self.asked.append("now")
        self.time_s += self.tick_s
        return self.time_s

    def settle(self) -> None:
        self.asked.append("settle")

    def pass_s(self, seconds: float) -> None:
        self.asked.append("call")
        self.time_s += seconds

    def look(self) -> float:
        """Return the time without a note: what a budget is measured by."""
        return self.time_s


FUNCTION_PY = '''"""Twice the input."""
from gradgauge.model import Function

FUNCTION = Function(formula="f(x) = 2x", derivative="f'(x) = 2", source="here", summary="Twice",
                    gradient_scale=2.0, shapes={"quick": ("8",), "standard": ("8", "16"), "full": ("8", "16")})
'''
REFERENCE_PY = '''"""Twice, by PyTorch."""
from gradgauge.model import Implementation

IMPLEMENTATION = Implementation(call=lambda x: 2 * x)
'''


def write_function(root: Path, name: str = "twice", **techniques: str) -> Path:
    """Write a folder with function.py, reference.py and more techniques (name → text); return `root`."""
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    files = {"function": FUNCTION_PY, "reference": REFERENCE_PY, **techniques}
    for technique, text in files.items():
        (folder / f"{technique}.py").write_text(text, encoding="utf-8")
    return root


def technique_py(body: str) -> str:
    """Return the text of a technique's file; the body defines `call`, and has torch at hand."""
    head = '"""A technique."""\nimport torch\nfrom gradgauge.model import Implementation\n\n'
    return f"{head}{body}\nIMPLEMENTATION = Implementation(call)\n"


def a_job(folder: RunFolder, selection: Mapping[str, Sequence[str]] | None = None, **fields: Any) -> Job:
    """Return a job of the quick preset without a deadline."""
    chosen = Selection.from_json(selection or {})
    given: dict[str, Any] = {"run": str(folder.path), "preset": "quick", "seed": 0, "selection": chosen}
    return Job(**(given | fields))


class Measured:
    """What a worker left: records, series and journal events; `status` is pytest's."""

    def __init__(self, folder: RunFolder, status: int) -> None:
        self.folder, self.status = folder, status
        self.records = folder.read_records()
        self.series = folder.read_series()
        self.events = JournalReader(folder.journal_jsonl).news()

    def find(self, metric: str, **keys: str) -> list[Line]:
        """Return the records of a metric with these keys; `pass_` stands for `pass`."""
        wanted = {key.rstrip("_"): value for key, value in keys.items()} | {"metric": metric}
        return [line for line in self.records if all(line[key] == value for key, value in wanted.items())]


def measure_here(folder: RunFolder, job: Job) -> Measured:
    """Run the real suites on a job in this process, as a worker would."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        patch.delenv("PYTEST_ADDOPTS", raising=False)
        status = worker._measure(job, folder, Journal(folder.journal_jsonl), Pulse(folder.pulse))
    return Measured(folder, status)


def environment(**changes: str) -> dict[str, str]:
    """Return this process's environment with gradgauge importable from anywhere."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    plain = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    return {**plain, "PYTHONPATH": path, "COLUMNS": "200", **changes}


def python(*arguments: str, cwd: Path, timeout_s: float = 240, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run this Python in a process of its own, in `cwd`."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=environment(**changes),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def read_json(file: Path) -> Any:
    """Return what a file of strict JSON holds: NaN and Infinity raise."""

    def refuse(constant: str) -> Any:
        raise ValueError(f"{file} holds {constant}")

    return json.loads(file.read_text(encoding="utf-8"), parse_constant=refuse)


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def is_gone_soon(pid: int) -> bool:
    """Whether a process ends within ten seconds."""
    until = time.monotonic() + 10.0
    while alive(pid) and time.monotonic() < until:
        time.sleep(0.05)
    return not alive(pid)


def a_subject(entry: FunctionEntry, technique: str, mode: str = "eager", dtype: str = "float32") -> Subject:
    """Return a technique with what its behaviour is tried on, as the suite makes it, at the first quick shape."""
    shape = entry.function.shapes["quick"][0]
    case = a_case(function=entry.name, implementation=technique, mode=mode, dtype=dtype, shape=shape)
    call = entry.implementations[technique].implementation.call
    if mode == "compiled":
        call = compile_call(call)
    gauge = SimpleNamespace(case=case, entry=entry, seed=0, call=lambda _: call)
    return subject_of(cast("Gauge", gauge))
