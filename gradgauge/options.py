"""The options of the command line: their types, and what is wrong with a value, told before anything is run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from gradgauge.cases import DTYPES, LAYOUTS, MODES, PASSES, parse_shapes
from gradgauge.catalog import Sources, builtin_folder, scan
from gradgauge.grid import PRESETS, Selection
from gradgauge.runs import RunFolder
from gradgauge.timing import BACKWARD_PROTOCOLS, CACHES, Timing

T = TypeVar("T", int, float)

STANDARD_OUTPUT = "-"
MOST_RUNS = 8
"""More columns than these no table shows legibly."""

PROFILE = "profile"
"""The suite that has a command of its own: it runs alone, as what it does takes time from others."""


class Usage(Exception):
    """Wrong usage or input; the message names the offending value and the allowed ones."""


def _choice(flag: str, text: str) -> Any:
    return typer.Option(flag, help=text, show_default=False, metavar="NAME")


def _number(flag: str, kind: type[T], text: str) -> Any:
    """Return the option that reads a number; typer's own message would not say what was given."""

    def parse(given: str) -> T:
        try:
            return kind(given)
        except ValueError:
            raise Usage(f"{flag} {given!r} is not a number") from None

    return typer.Option(flag, help=text, parser=parse, metavar="NUMBER")


Limit = Annotated[
    str | None,
    typer.Option(
        help="Seconds after which no further case is begun, or none; else the preset's.", metavar="NUMBER|none"
    ),
]
Timeout = Annotated[float, _number("--timeout", float, "Seconds that one step of a case may take before it is killed.")]
Threads = Annotated[int | None, _number("--threads", int, "Threads that PyTorch may use; its own default otherwise.")]
Seed = Annotated[int, _number("--seed", int, "Seed of all random inputs.")]
Suites = Annotated[list[str] | None, _choice("--suite", "Suites to run.")]
Functions = Annotated[list[str] | None, _choice("--function", "Functions to measure.")]
Implementations = Annotated[list[str] | None, _choice("--implementation", "Techniques to measure.")]
Modes = Annotated[list[str] | None, _choice("--mode", "eager, compiled.")]
Passes = Annotated[list[str] | None, _choice("--pass", "inference, forward, backward, forward_backward.")]
Devices = Annotated[list[str] | None, _choice("--device", "cpu, cuda, cuda:1, …")]
Dtypes = Annotated[list[str] | None, _choice("--dtype", "float64, float32, bfloat16, float16.")]
Shapes = Annotated[list[str] | None, _choice("--shape", "1024x1024 · 1024x1024,1024 · scalar · 0x3.")]
Precision = Annotated[
    str,
    typer.Option(
        help="Half width of a median's 95 % interval at which a case is timed enough: 2% or 0.02.", metavar="SHARE"
    ),
]
Caches = Annotated[
    list[str] | None,
    _choice("--cache", "warm (the usual: the same tensors again) and cold (flushed, or other tensors, each call)."),
]
Protocols = Annotated[
    list[str] | None,
    _choice(
        "--backward-protocol", "fresh graphs (the usual), one graph retained, fresh graphs accumulating into .grad."
    ),
]
CudaGraph = Annotated[bool, typer.Option("--cuda-graph", help="Besides, replay each case from a CUDA graph.")]
Layouts = Annotated[list[str] | None, _choice("--layout", "contiguous, transposed, strided, expanded, channels-last.")]
Folders = Annotated[
    list[Path] | None,
    typer.Option("--implementations", help="A folder of functions of your own; repeatable.", show_default=False),
]
OnlyMine = Annotated[bool, typer.Option("--only-mine", help="Leave the built-in ones out (but for the reference).")]
Results = Annotated[Path, typer.Option("--results", help="Where runs go.")]
Measured = Annotated[Path, typer.Option("--results", help="Where runs lie; what the newest one found is shown.")]
Reported = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[RUN]...",
        help="A run folder, results/runs/latest by default; several are set side by side, the first as the base.",
        show_default=False,
    ),
]
Form = Annotated[str, typer.Option("--format", help="html, markdown, csv, parquet.")]
Output = Annotated[
    Path | None,
    typer.Option(
        help="Where it goes, - for standard output (markdown, csv); else into the run folder, or below --results for "
        "several runs and for the trend."
    ),
]
Trend = Annotated[
    bool, typer.Option("--trend", help="Instead, times over all runs below --results, and where they changed.")
]
Compared = Annotated[Path, typer.Option("--results", help="Where comparisons and the trend go, and its runs lie.")]


def selection_of(*axes: Sequence[str] | None) -> Selection:
    """Return what the user chose, axis by axis in the order of `Selection`, each value once."""
    return Selection(*(tuple(dict.fromkeys(chosen or ())) for chosen in axes))


def check_choices(preset: str, selection: Selection, folders: tuple[Path, ...], *, only_mine: bool) -> None:
    """Raise Usage or UnreadablePath for the first value that is not to be had; no file of anybody's is run."""
    check_among("preset", (preset,), PRESETS)
    if selection.suites != (PROFILE,):
        check_among("suite", selection.suites, [name for name in _suite_names() if name != PROFILE])
    check_among("mode", selection.modes, MODES)
    check_among("pass", selection.passes, PASSES)
    check_among("dtype", selection.dtypes, DTYPES)
    check_among("layout", selection.layouts, LAYOUTS)
    if only_mine and not folders:
        raise Usage("--only-mine needs --implementations PATH")
    found = scan_files(folders, only_mine=only_mine)
    check_among("function", selection.functions, found)
    chosen = [found[name] for name in selection.functions] or list(found.values())
    check_among(
        "implementation", selection.implementations, sorted({name for one in chosen for name in one.techniques})
    )
    for text in selection.shapes:
        try:
            parse_shapes(text, len(text.split(",")))
        except ValueError as error:
            raise Usage(f"--{error}") from error


def check_numbers(timeout_s: float, threads: int | None) -> None:
    """Raise Usage for a number that is out of range."""
    if not timeout_s > 0:
        raise Usage(f"--timeout {timeout_s:g} must be above 0 seconds")
    if threads is not None and threads < 1:
        raise Usage(f"--threads {threads} must be at least 1")


def timing_of(
    precision: str, caches: Sequence[str] | None, protocols: Sequence[str] | None, *, cuda_graph: bool
) -> Timing:
    """Return how cases are to be timed; raise Usage for a value that is not to be had."""
    check_among("cache", caches or (), CACHES)
    check_among("backward-protocol", protocols or (), BACKWARD_PROTOCOLS)
    usual = Timing()
    return Timing(
        _share("precision", precision),
        tuple(dict.fromkeys(caches or usual.caches)),
        tuple(dict.fromkeys(protocols or usual.protocols)),
        cuda_graph,
    )


def _share(flag: str, given: str) -> float:
    """Return the share that a text such as `2%` or `0.02` names; raise Usage unless it lies between 0 and 1."""
    try:
        share = float(given.removesuffix("%")) / (100 if given.endswith("%") else 1)
    except ValueError:
        raise Usage(f"--{flag} {given!r} is neither a percentage such as 2% nor a share such as 0.02") from None
    if not 0 < share < 1:
        raise Usage(f"--{flag} {given} must lie between 0 and 1 (or 0% and 100%)")
    return share


def limit_seconds(given: str | None, preset: str) -> float | None:
    """Return the seconds of `--limit`, the preset's own without it, None for no limit; raise Usage otherwise."""
    if given is None:
        return PRESETS[preset]
    if given == "none":
        return None
    try:
        limit_s = float(given)
    except ValueError:
        raise Usage(f"--limit {given!r} is neither a number of seconds nor none") from None
    if not limit_s > 0:
        raise Usage(f"--limit {given} must be above 0 seconds")
    return limit_s


def check_among(what: str, given: Sequence[str], allowed: Any) -> None:
    """Raise Usage for the first given value that is not among the allowed ones."""
    for value in given:
        if value not in allowed:
            raise Usage(f"--{what} {value!r} is not one of: {', '.join(allowed)}")


def scan_files(folders: tuple[Path, ...], *, only_mine: bool) -> dict[str, Sources]:
    """Return the files of the functions that may be chosen; raise UnreadablePath. No file is run."""
    found = scan([builtin_folder("implementations"), *folders])[0]
    mine = scan(folders)[0] if only_mine else found
    return {name: sources for name, sources in found.items() if name in mine}


def _suite_names() -> list[str]:
    return sorted(file.stem for file in builtin_folder("suites").glob("*.py") if not file.name.startswith("_"))


def check_report(runs: Sequence[Path], form: str, output: Path | None, *, trend: bool) -> None:
    """Raise Usage for what no report can be made of."""
    from gradgauge.report.formats import FILES, ON_STANDARD_OUTPUT, missing_reason

    check_among("format", (form,), FILES)
    if trend and runs:
        raise Usage(f"--trend is about all runs below --results, and takes no RUN: {runs[0]}")
    if trend and form != "html":
        raise Usage(f"--trend is a page: --format {form} is for runs")
    if str(output) == STANDARD_OUTPUT and (trend or form not in ON_STANDARD_OUTPUT):
        raise Usage(f"--output - is for --format {' and '.join(ON_STANDARD_OUTPUT)}: name a file for {form}")
    if reason := missing_reason(form):
        raise Usage(f"--format {form}: {reason}")


def check_runs(folders: Sequence[RunFolder], given: Sequence[Path]) -> None:
    """Raise Usage for more runs than can be set side by side, and for one that is given twice, by whichever path."""
    if len(folders) > MOST_RUNS:
        raise Usage(f"{len(folders)} runs, of which {MOST_RUNS} fit side by side: --trend shows any number")
    first: dict[Path, Path] = {}
    for folder, path in zip(folders, given, strict=True):
        if folder.path in first:
            raise Usage(f"{path} is the same run as {first[folder.path]}: each can be given once")
        first[folder.path] = path
