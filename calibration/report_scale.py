"""Does the report hold for a large run? Makes one, writes its report, opens it in Chromium, and says what it took.

A benchmark, not a test: it prints the goals beside the figures and ends with 0 whatever they are.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from calibration.figures import Problem
from calibration.output import publish, table
from calibration.page_speed import PageSpeed, page_speed
from calibration.report_stages import Stage
from calibration.running import child_environment, command, results_folder
from calibration.scaled_run import write_scaled
from gradgauge.runs import RunFolder

GOALS = {
    "gradgauge report, s": 10.0,
    "peak memory, GiB": 1.0,
    "page, MB": 10.0,
    "first paint, s": 2.0,
    "filter, ms": 200.0,
    "filter with all unfolded, ms": 200.0,
}


@dataclass(frozen=True)
class Report:
    """What one report took. peak_bytes: the most that the largest of its processes held at once."""

    wall_s: float
    peak_bytes: int
    page_bytes: int


def write_report(folder: RunFolder) -> Report:
    """Have the command write the report, as a user would."""
    started = time.monotonic()
    _child("-m", "gradgauge", "report", str(folder.path))
    wall_s = time.monotonic() - started
    # Kibibytes on Linux, bytes on macOS; no other child has been waited for.
    unit = 1 if sys.platform == "darwin" else 1024
    peak_bytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit
    return Report(wall_s, peak_bytes, folder.report_html.stat().st_size)


def read_stages(folder: RunFolder) -> list[Stage]:
    """Have the report made once more, with a clock at each of its parts."""
    return [Stage(**stage) for stage in json.loads(_child("-m", "calibration.report_stages", str(folder.path)))]


def _child(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], env=child_environment(), capture_output=True, encoding="utf-8", check=False
    )
    if done.returncode:
        raise Problem(f"`python {' '.join(arguments)}` ended with status {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def figures_of(report: Report, speed: PageSpeed) -> dict[str, float | None]:
    """Return what there are goals for, in their order; None where it could not be had."""
    return {
        "gradgauge report, s": report.wall_s,
        "peak memory, GiB": report.peak_bytes / 2**30,
        "page, MB": report.page_bytes / 1e6,
        "first paint, s": speed.first_paint_s,
        "filter, ms": _milli(speed.filter_s),
        "filter with all unfolded, ms": _milli(speed.unfolded_filter_s),
    }


def markdown(records: int, figures: Mapping[str, float | None], stages: Sequence[Stage], remark: str) -> str:
    """Return the answer for a reader."""
    against = [[name, _shown(figure), f"≤ {GOALS[name]:g}"] for name, figure in figures.items()]
    parts = [[stage.name, f"{stage.seconds:.2f}", _count(stage.figures), _kilo(stage.html_bytes)] for stage in stages]
    parts.append(["all", f"{sum(stage.seconds for stage in stages):.2f}", "", ""])
    lines = [
        f"A report over {records:,} records",
        "",
        table(["", "measured", "goal"], against),
        "",
        table(["part", "s", "figures", "kB of HTML"], parts),
    ]
    return "\n".join([*lines, "", remark] if remark else lines)


def _shown(figure: float | None) -> str:
    return "–" if figure is None else f"{figure:.2f}" if figure < 10 else f"{figure:.1f}"


def _count(figures: int | None) -> str:
    return "" if figures is None else str(figures)


def _milli(seconds: float | None) -> float | None:
    return None if seconds is None else 1e3 * seconds


def _kilo(size: int | None) -> str:
    return "" if size is None else f"{size / 1e3:.0f}"


def to_json(records: int, figures: Mapping[str, float | None], stages: Sequence[Stage]) -> dict[str, Any]:
    """Return the answer for a program."""
    return {
        "calibration": "report_scale",
        "records": records,
        "goals": GOALS,
        "figures": dict(figures),
        "stages": [asdict(stage) for stage in stages],
    }


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="calibration.report_scale", description=__doc__)
    parser.add_argument(
        "--records", type=int, default=100_000, metavar="N", help="how many the run shall have (100000)"
    )
    parser.add_argument(
        "--like",
        type=Path,
        default=Path("results/runs/latest"),
        metavar="RUN",
        help="the run folder that is multiplied (results/runs/latest)",
    )
    parser.add_argument("--results", type=Path, help="where the large run goes and stays; else a temporary folder")
    parser.add_argument("--output", type=Path, metavar="FILE", help="where the answer goes as JSON")
    options = parser.parse_args(arguments)
    if options.records < 1:
        parser.error(f"--records {options.records}: at least 1 is needed")
    return options


def main() -> None:
    """Make the run, its report, and tell."""
    options = parse()
    like = RunFolder.open(options.like)
    with results_folder(options.results) as results:
        folder = write_scaled(like, options.records, results)
        report = write_report(folder)
        stages = read_stages(folder)
        speed, remark = page_speed(folder.report_html)
    figures = figures_of(report, speed)
    publish(
        markdown(options.records, figures, stages, remark), to_json(options.records, figures, stages), options.output
    )


if __name__ == "__main__":
    sys.exit(command(main))
