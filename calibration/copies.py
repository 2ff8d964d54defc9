"""How different do identical copies look? Measures verbatim copies of each technique against one another.

A difference between copies is none of the code's: the margin that a claim of "fastest" takes must be wider.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

from calibration.figures import Figure, Key, Problem, timing_figures, unmeasured
from calibration.output import excess, machine_line, machine_of, percentile, publish, share, table
from calibration.running import add_bench_options, bench, bench_arguments, command, results_folder
from gradgauge.catalog import builtin_folder, scan

CHOICES = ("mode", "pass", "device", "dtype", "shape", "layout")
MARGINS = (1.0, 1.01, 1.02, 1.05, 1.10)
"""Two techniques are told apart where one's interval of `speedup` ends this factor below the other's begin."""


@dataclass(frozen=True)
class CopyPair:
    """Two copies of one technique in one block. original: the case with the technique's own name.

    ratio: the larger speedup over the smaller. gap: the lower bound of one interval over the upper bound of the other,
    whichever way is larger: above 1 the intervals do not meet; None where one of them is unknown.
    """

    original: Key
    ratio: float
    gap: float | None
    noisy: bool

    def told_apart(self, margin: float) -> bool:
        """Whether the report would call one of them faster, demanding this margin."""
        return self.gap is not None and self.gap > margin


@dataclass(frozen=True)
class Summary:
    """What copies of the same code look like. told_apart: margin → pairs; largest_gap: the margin that hides all."""

    pairs: int
    without_interval: int
    told_apart: Mapping[str, int]
    largest_gap: float | None
    median_ratio: float | None
    percentile_95_ratio: float | None
    largest_ratio: float | None


def write_copies(techniques: Mapping[str, Path], function: str, copies: int, root: Path) -> None:
    """Write `copies` verbatim copies of each technique's file into the folder of the function below `root`."""
    folder = root / function
    folder.mkdir(parents=True)
    for name, file in techniques.items():
        for number in range(1, copies + 1):
            shutil.copyfile(file, folder / f"{name}_copy{number}.py")


def original_of(key: Key) -> Key | None:
    """Return the key under the name of the technique that it is a copy of; None for what is no copy."""
    matched = re.fullmatch(r"(.+)_copy\d+", key.case.implementation)
    return replace(key, case=replace(key.case, implementation=matched[1])) if matched else None


def pairs_of(figures: Mapping[Key, Figure]) -> tuple[list[CopyPair], int]:
    """Return every pair of copies of one technique in one block, and how many pairs lack a figure."""
    copies: dict[Key, list[Figure]] = defaultdict(list)
    for key, figure in figures.items():
        original = original_of(key)
        if original:
            copies[original].append(figure)
    pairs, missing = [], 0
    for original, alike in copies.items():
        for one, other in combinations(alike, 2):
            if one.value is None or other.value is None:
                missing += 1
                continue
            ratio = max(one.value, other.value) / min(one.value, other.value)
            noisy = "noisy" in (one.verdict, other.verdict)
            pairs.append(CopyPair(original, ratio, gap_between(one, other), noisy))
    return pairs, missing


def gap_between(one: Figure, other: Figure) -> float | None:
    """Return the lower bound of one interval over the upper bound of the other, whichever way is larger."""
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return None
    return max(one.low / other.high, other.low / one.high)


def groups_of(pairs: Sequence[CopyPair]) -> dict[str, list[CopyPair]]:
    """Return all pairs, those with and without a noisy figure, and those of each mode, pass and shape."""
    groups = {
        "all pairs": list(pairs),
        "both measured": [pair for pair in pairs if not pair.noisy],
        "one noisy at least": [pair for pair in pairs if pair.noisy],
    }
    for axis in ("mode", "pass", "shape"):
        for pair in pairs:
            groups.setdefault(f"{axis} {pair.original.case.to_json()[axis]}", []).append(pair)
    return groups


def summarize(pairs: Sequence[CopyPair]) -> Summary:
    """Return how often copies are told apart at each margin, and how far their medians differ."""
    gaps = [pair.gap for pair in pairs if pair.gap is not None]
    ratios = [pair.ratio for pair in pairs]
    return Summary(
        pairs=len(pairs),
        without_interval=len(pairs) - len(gaps),
        told_apart={f"{margin:.2f}": sum(pair.told_apart(margin) for pair in pairs) for margin in MARGINS},
        largest_gap=max(gaps, default=None),
        median_ratio=percentile(ratios, 0.5) if ratios else None,
        percentile_95_ratio=percentile(ratios, 0.95) if ratios else None,
        largest_ratio=max(ratios, default=None),
    )


def markdown(pairs: Sequence[CopyPair], missing: int, left_out: int, machine: str) -> str:
    """Return the answer for a reader."""
    summaries = {name: summarize(group) for name, group in groups_of(pairs).items()}
    margins = [f"apart by > {excess(margin)}" for margin in MARGINS[1:]]
    header = ["of", "pairs", "intervals apart", *margins, "medians differ: median", "95th percentile", "largest"]
    rows = [
        [
            name,
            one.pairs,
            *(share(count, one.pairs - one.without_interval) for count in one.told_apart.values()),
            *map(excess, (one.median_ratio, one.percentile_95_ratio, one.largest_ratio)),
        ]
        for name, one in summaries.items()
    ]
    everything = summaries["all pairs"]
    if everything.largest_gap is None:
        found = "No pair has two intervals to compare."
    elif everything.largest_gap > 1:
        found = f"The largest gap between the intervals of two copies is {excess(everything.largest_gap)}."
    else:
        found = "The intervals of all copies meet."
    lacking = f"Pairs without an interval: {everything.without_interval}; without a figure: {missing}."
    lines = [
        "Copies of the same code, by `speedup`",
        "",
        table(header, rows),
        "",
        found,
        f"{lacking} Planned cases without a figure: {left_out}. {machine}",
    ]
    return "\n".join(lines)


def to_json(pairs: Sequence[CopyPair], missing: int, left_out: int, machine: Mapping[str, Any]) -> Any:
    """Return the answer for a program."""
    return {
        "calibration": "copies",
        "machine": machine,
        "missing": missing,
        "left_out": left_out,
        "summaries": {name: asdict(summarize(group)) for name, group in groups_of(pairs).items()},
        "pairs": [asdict(pair) | {"original": str(pair.original)} for pair in pairs],
    }


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="calibration.copies", description=__doc__)
    parser.add_argument("--function", default="ternary_activation", metavar="NAME", help="default: ternary_activation")
    parser.add_argument("--copies", type=int, default=3, metavar="K", help="copies of each technique (3)")
    parser.add_argument("--results", type=Path, help="where the run goes and stays; else a temporary folder")
    parser.add_argument("--output", type=Path, metavar="FILE", help="where the answer goes as JSON")
    add_bench_options(parser, CHOICES)
    options = parser.parse_args(arguments)
    if options.copies < 2:
        parser.error(f"--copies {options.copies}: a pair takes two at least")
    return options


def main() -> None:
    """Write the copies, measure them, tell."""
    options = parse()
    functions = scan([builtin_folder("implementations")])[0]
    if options.function not in functions:
        raise Problem(f"--function {options.function!r} is not one of: {', '.join(functions)}")
    chosen = argparse.Namespace(**vars(options) | {"function": [options.function], "suite": ["speed"]})
    with results_folder(options.results) as results, tempfile.TemporaryDirectory(prefix="gradgauge-copies-") as scratch:
        write_copies(functions[options.function].techniques, options.function, options.copies, Path(scratch))
        arguments = [*bench_arguments(chosen), "--only-mine", "--implementations", scratch]
        folder = bench(arguments, results).folder
        figures = timing_figures(folder.read_records(), "speedup")
        description = folder.read_description()
    pairs, missing = pairs_of(figures)
    if not pairs:
        raise Problem(f"the run {folder.run_id} has no two copies of one technique to compare")
    left_out, machine = unmeasured(description["planned"], figures), machine_of(description)
    text = markdown(pairs, missing, left_out, machine_line(machine))
    publish(text, to_json(pairs, missing, left_out, machine), options.output)


if __name__ == "__main__":
    sys.exit(command(main))
