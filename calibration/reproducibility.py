"""How far do whole runs agree, by absolute times and by paired speedups? Reads two runs or more, or makes them first.

The spread of a case is the largest of its figures over the runs divided by the smallest.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from calibration.figures import Figure, Key, Problem, timing_figures
from calibration.output import excess, machine_line, machine_of, percentile, publish, table
from calibration.running import add_bench_options, bench, bench_arguments, command, results_folder
from gradgauge.runs import RunFolder

METRICS = ("speedup", "time")


@dataclass(frozen=True)
class Spread:
    """How far the figures of one case lie apart. ratio: largest over smallest; verdicts: one a run."""

    key: Key
    ratio: float
    verdicts: tuple[str, ...]


@dataclass(frozen=True)
class Spreads:
    """The spreads of the cases that every run has a figure of. missing: the cases that only some runs have one of."""

    found: tuple[Spread, ...]
    missing: tuple[Key, ...]


@dataclass(frozen=True)
class Summary:
    """Spreads of several cases; None where there are no cases."""

    cases: int
    median: float | None
    percentile_95: float | None
    largest: float | None


def spreads_of(runs: Sequence[Mapping[Key, Figure]]) -> Spreads:
    """Return the spread of every case over the runs.

    reference · eager is left out: its speedup is 1 by definition. So are cases that no run has a figure of.
    """
    found, missing = [], []
    for key in dict.fromkeys(key for run in runs for key in run if not key.is_base):
        figures = [run[key] for run in runs if key in run]
        values = [figure.value for figure in figures if figure.value is not None]
        if len(values) == len(runs):
            found.append(Spread(key, max(values) / min(values), tuple(figure.verdict for figure in figures)))
        elif values:
            missing.append(key)
    return Spreads(tuple(found), tuple(missing))


def groups_of(spreads: Sequence[Spread]) -> dict[str, list[Spread]]:
    """Return the spreads of all cases, of those that the runs call steady or noisy, and of each shape."""
    groups = {
        "all cases": list(spreads),
        "measured in every run": [spread for spread in spreads if set(spread.verdicts) == {"measured"}],
        "noisy in some run": [spread for spread in spreads if "noisy" in spread.verdicts],
    }
    for spread in spreads:
        groups.setdefault(f"shape {spread.key.case.shape}", []).append(spread)
    return groups


def summarize(spreads: Sequence[Spread]) -> Summary:
    """Return median, 95th percentile and maximum of the spreads."""
    ratios = [spread.ratio for spread in spreads]
    if not ratios:
        return Summary(0, None, None, None)
    return Summary(len(ratios), percentile(ratios, 0.5), percentile(ratios, 0.95), max(ratios))


def summaries_of(spreads: Mapping[str, Spreads]) -> dict[str, dict[str, Summary]]:
    """Return for each metric the summary of each group of cases."""
    return {
        metric: {name: summarize(group) for name, group in groups_of(of_metric.found).items()}
        for metric, of_metric in spreads.items()
    }


def markdown(run_ids: Sequence[str], spreads: Mapping[str, Spreads], machine: str) -> str:
    """Return the answer for a reader."""
    header = ["figure", "of", "cases", "median", "95th percentile", "largest"]
    rows = [
        [metric, name, one.cases, excess(one.median), excess(one.percentile_95), excess(one.largest)]
        for metric, of_metric in summaries_of(spreads).items()
        for name, one in of_metric.items()
    ]
    missing = ", ".join(f"{len(of_metric.missing)} by {metric}" for metric, of_metric in spreads.items())
    lines = [
        f"Spread over {len(run_ids)} runs: the largest figure of a case over the smallest, less 1",
        "",
        table(header, rows),
        "",
        f"Cases with a figure in some runs only, left out above: {missing}. reference · eager is left out as well.",
        f"Runs: {', '.join(run_ids)}. {machine}",
    ]
    return "\n".join(lines)


def to_json(run_ids: Sequence[str], spreads: Mapping[str, Spreads], machine: Mapping[str, Any]) -> Any:
    """Return the answer for a program."""
    return {
        "calibration": "reproducibility",
        "machine": machine,
        "runs": list(run_ids),
        "summaries": {
            metric: {name: asdict(one) for name, one in of_metric.items()}
            for metric, of_metric in summaries_of(spreads).items()
        },
        "spreads": {
            metric: [asdict(one) | {"key": str(one.key)} for one in of_metric.found]
            for metric, of_metric in spreads.items()
        },
        "missing": {metric: [str(key) for key in of_metric.missing] for metric, of_metric in spreads.items()},
    }


def open_runs(paths: Sequence[Path]) -> list[RunFolder]:
    """Return the runs; raise Problem for fewer than two, and for one given twice, which would agree with itself."""
    runs = [RunFolder.open(path) for path in paths]
    twice = next((run for index, run in enumerate(runs) if run in runs[:index]), None)
    if twice:
        raise Problem(f"the run {twice.run_id} is given twice")
    if len(runs) < 2:
        raise Problem(f"a spread takes two runs at least, {len(runs)} given")
    return runs


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="calibration.reproducibility", description=__doc__)
    parser.add_argument("run", nargs="*", type=Path, help="run folders")
    parser.add_argument("--runs", type=int, metavar="N", help="make N runs first, instead of reading those named")
    parser.add_argument("--results", type=Path, help="where the runs made go and stay; else a temporary folder")
    parser.add_argument("--output", type=Path, metavar="FILE", help="where the answer goes as JSON")
    add_bench_options(parser)
    options = parser.parse_args(arguments)
    if bool(options.run) == (options.runs is not None):
        parser.error("name run folders, or make some with --runs N: one of the two")
    if options.runs is not None and options.runs < 2:
        parser.error(f"--runs {options.runs}: a spread takes two runs at least")
    return options


def main() -> None:
    """Make the runs where asked to, compare them, tell."""
    options = parse()
    with results_folder(options.results) as results:
        made = [bench(bench_arguments(options), results).folder.path for _ in range(options.runs or 0)]
        runs = open_runs([*options.run, *made])
        records = [run.read_records() for run in runs]
        machine = machine_of(runs[0].read_description())
    spreads = {metric: spreads_of([timing_figures(lines, metric) for lines in records]) for metric in METRICS}
    if not spreads["time"].found:
        raise Problem("no case has a time in every one of the runs")
    run_ids = [run.run_id for run in runs]
    publish(markdown(run_ids, spreads, machine_line(machine)), to_json(run_ids, spreads, machine), options.output)


if __name__ == "__main__":
    sys.exit(command(main))
