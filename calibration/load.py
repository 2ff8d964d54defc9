"""Does the ranking hold while another process burns a core? Asks gradgauge and plain pytest-benchmark.

Every pair of techniques of a block whose medians differ by more than 10 % in a quiet run ought to keep its order in a
loaded one.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from calibration.bursts import Load, bursts
from calibration.figures import Key, Problem, costs, timing_figures, unmeasured
from calibration.orders import CLEAR, Orders, Pair, compare_orders
from calibration.output import machine_line, machine_of, publish, share, table
from calibration.plain import plain_costs, run_plain, timed_seconds
from calibration.running import Bench, add_bench_options, bench, bench_arguments, command, results_folder
from gradgauge.runs import RunFolder

CHOICES = ("function", "mode", "pass", "shape")
MEASURED = "measured.json"


@dataclass(frozen=True)
class Measured:
    """What was measured, and where it stands in the results folder.

    quiet, loaded: the run folders; wall_s: seconds that each of the four measurements took, by name; load_cpu_s: what
    the load burned beside those that were loaded; plain_max_time_s: what plain pytest-benchmark may spend on a case.
    """

    quiet: str
    loaded: str
    on_s: float
    off_s: float
    plain_max_time_s: float
    wall_s: Mapping[str, float]
    load_cpu_s: Mapping[str, float | None]


@dataclass(frozen=True)
class Comparison:
    """The orders that one tool finds, by one figure."""

    tool: str
    figure: str
    orders: Orders


def measure(options: argparse.Namespace, results: Path) -> None:
    """Run both tools in quiet and under load, and note in `results` what stands where."""
    wall_s: dict[str, float] = {}
    load_cpu_s: dict[str, float | None] = {}
    # What is left of an earlier measurement must not pass for this one's.
    (results / MEASURED).unlink(missing_ok=True)

    # One device: the load is a processor's, and plain pytest-benchmark does not wait for an accelerator.
    arguments = ["--suite", "speed", "--device", "cpu", *bench_arguments(options)]
    runs: dict[str, Bench] = {}
    for name in ("quiet", "loaded"):
        with _surroundings(name, options) as load:
            runs[name] = bench(arguments, results / name)
        wall_s[f"gradgauge {name}"] = runs[name].wall_s
        if load:
            load_cpu_s["gradgauge"] = load.cpu_s

    quiet = runs["quiet"].folder
    figures = timing_figures(quiet.read_records(), "time")
    cases = list(dict.fromkeys(key.case for key, figure in figures.items() if figure.value is not None))
    if not cases:
        raise Problem(f"the quiet run {quiet.run_id} measured nothing")
    total_s = options.total_seconds or timed_seconds(_read(quiet.benchmark_json))
    max_time_s = total_s / len(cases)
    for name in ("quiet", "loaded"):
        with _surroundings(name, options) as load:
            seed = quiet.read_description()["seed"]
            wall_s[f"plain {name}"] = run_plain(cases, seed, max_time_s, _plain_json(results, name))
        if load:
            load_cpu_s["plain"] = load.cpu_s

    where = {name: str(run.folder.path.relative_to(results.resolve())) for name, run in runs.items()}
    measured = Measured(where["quiet"], where["loaded"], options.on, options.off, max_time_s, wall_s, load_cpu_s)
    (results / MEASURED).write_text(json.dumps(asdict(measured), indent=1), encoding="utf-8")


def _surroundings(name: str, options: argparse.Namespace) -> AbstractContextManager[Load | None]:
    return bursts(options.on, options.off) if name == "loaded" else nullcontext()


def _plain_json(results: Path, name: str) -> Path:
    return results / f"plain-{name}.json"


def _read(file: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return document


def compare(results: Path, measured: Measured) -> list[Comparison]:
    """Return how often the order of a clear pair changed, by gradgauge's two figures and by plain medians."""
    quiet, loaded = (RunFolder.open(results / name).read_records() for name in (measured.quiet, measured.loaded))
    comparisons = []
    for metric in ("time", "speedup"):
        one, other = (costs(timing_figures(records, metric), metric) for records in (quiet, loaded))
        comparisons.append(Comparison("gradgauge", metric, compare_orders(one, other)))
    # One figure a case: what tells gradgauge's figures of a case apart, plain pytest-benchmark does not know.
    keys = list(dict.fromkeys(Key(key.case) for key in timing_figures(quiet, "time")))
    one, other = (plain_costs(_read(_plain_json(results, name)), keys) for name in ("quiet", "loaded"))
    return [*comparisons, Comparison("plain pytest-benchmark", "time", compare_orders(one, other))]


def markdown(comparisons: Sequence[Comparison], measured: Measured, left_out: int, machine: str) -> str:
    """Return the answer for a reader."""
    header = [
        "measured by",
        "figure",
        "pairs",
        f"differ by > {100 * (CLEAR - 1):.0f} % in quiet",
        "change order",
        "missing",
    ]
    rows = [[one.tool, one.figure, *_counts(one.orders)] for one in comparisons]
    burned = ", ".join(
        f"{tool} {'unknown' if cpu_s is None else f'{cpu_s:.0f} s'}" for tool, cpu_s in measured.load_cpu_s.items()
    )
    lines = [
        f"Order of techniques under load ({measured.on_s:g} s on, {measured.off_s:g} s off, one core)",
        "",
        table(header, rows),
        "",
        "Seconds: " + ", ".join(f"{name} {seconds:.0f}" for name, seconds in measured.wall_s.items()) + ".",
        f"CPU time that the load burned beside: {burned}.",
        f"Planned cases without a figure in the quiet run: {left_out}. {machine}",
    ]
    changed = [f"* {one.tool}, {one.figure}: {sentence(pair)}" for one in comparisons for pair in one.orders.changed]
    return "\n".join([*lines, "", "Pairs that changed order:", "", *changed] if changed else lines)


def _counts(orders: Orders) -> tuple[object, ...]:
    changed = share(len(orders.changed), len(orders.clear))
    return orders.compared, len(orders.clear), changed, orders.missing


def sentence(pair: Pair) -> str:
    """Return what happened to a pair, its ratios in the direction of the quiet run."""
    return f"{pair.block}: {pair.slower} / {pair.faster} = {pair.quiet:.3f} in quiet, {pair.loaded:.3f} under load"


def to_json(comparisons: Sequence[Comparison], measured: Measured, left_out: int, machine: Mapping[str, Any]) -> Any:
    """Return the answer for a program."""
    return {
        "calibration": "load",
        "clear": CLEAR,
        "machine": machine,
        "measured": asdict(measured),
        "left_out": left_out,
        "comparisons": [
            {
                "tool": one.tool,
                "figure": one.figure,
                "pairs": one.orders.compared,
                "missing": one.orders.missing,
                "clear": len(one.orders.clear),
                "changed": [asdict(pair) | {"block": str(pair.block)} for pair in one.orders.changed],
            }
            for one in comparisons
        ],
    }


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="calibration.load", description=__doc__)
    parser.add_argument("--results", type=Path, help="where the runs go and stay; else a temporary folder")
    parser.add_argument("--output", type=Path, metavar="FILE", help="where the answer goes as JSON")
    parser.add_argument("--compare-only", action="store_true", help="measure nothing: read what stands in --results")
    parser.add_argument("--on", type=float, default=1.0, metavar="SECONDS", help="length of a burst (1)")
    parser.add_argument("--off", type=float, default=1.0, metavar="SECONDS", help="pause between two bursts (1)")
    parser.add_argument(
        "--total-seconds",
        type=float,
        metavar="SECONDS",
        help="what plain pytest-benchmark may spend in timed rounds; else what the quiet run of gradgauge spent",
    )
    add_bench_options(parser, CHOICES)
    options = parser.parse_args(arguments)
    if options.compare_only and options.results is None:
        parser.error("--compare-only needs --results DIR")
    options.function = options.function or ["ternary_activation"]
    return options


def main() -> None:
    """Measure, compare, tell."""
    options = parse()
    with results_folder(options.results) as results:
        if not options.compare_only:
            measure(options, results)
        if not (results / MEASURED).is_file():
            raise Problem(f"{results} holds no finished measurement: it has no {MEASURED}")
        measured = Measured(**_read(results / MEASURED))
        comparisons = compare(results, measured)
        quiet = RunFolder.open(results / measured.quiet)
        description = quiet.read_description()
        left_out = unmeasured(description["planned"], timing_figures(quiet.read_records(), "time"))
        machine = machine_of(description)
    text = markdown(comparisons, measured, left_out, machine_line(machine))
    publish(text, to_json(comparisons, measured, left_out, machine), options.output)


if __name__ == "__main__":
    sys.exit(command(main))
