"""The command line: options checked, commands called, exit statuses kept."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from gradgauge import __version__, viewer
from gradgauge.bench import Interrupted, Outcome, Request, run_bench
from gradgauge.catalog import UnreadablePath, builtin_folder
from gradgauge.gate.commands import accept, gate
from gradgauge.options import (
    PROFILE,
    STANDARD_OUTPUT,
    Caches,
    Compared,
    CudaGraph,
    Devices,
    Dtypes,
    Folders,
    Form,
    Functions,
    Implementations,
    Layouts,
    Limit,
    Measured,
    Modes,
    OnlyMine,
    Output,
    Passes,
    Precision,
    Protocols,
    Reported,
    Results,
    Seed,
    Shapes,
    Suites,
    Threads,
    Timeout,
    Trend,
    Usage,
    check_among,
    check_choices,
    check_numbers,
    check_report,
    check_runs,
    limit_seconds,
    scan_files,
    selection_of,
    timing_of,
)
from gradgauge.runs import RunFolder, UnreadableRun
from gradgauge.supervisor import Refused, WorkerLost
from gradgauge.terminal import behavior_parts, catalog_table, progress_display, specification_lines
from gradgauge.timing import PRECISION, Timing
from gradgauge.viewer import ViewerFailed

FINE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
MOST_PROBLEMS = 20

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Measure interchangeable implementations of one PyTorch function: speed, memory, gradients.",
)
out = Console(highlight=False)
app.command()(gate)
app.command()(accept)


@app.command()
def bench(  # noqa: PLR0913, PLR0917  (typer reads the options off the signature)
    preset: Annotated[str, typer.Option(help="quick (≤ 1 min), standard (≤ 5 min), full (everything).")] = "standard",
    suite: Suites = None,
    function: Functions = None,
    implementation: Implementations = None,
    mode: Modes = None,
    pass_: Passes = None,
    device: Devices = None,
    dtype: Dtypes = None,
    shape: Shapes = None,
    layout: Layouts = None,
    implementations: Folders = None,
    only_mine: OnlyMine = False,
    results: Results = Path("results"),
    limit: Limit = None,
    timeout: Timeout = 120.0,
    fresh_cache: Annotated[bool, typer.Option("--fresh-cache", help="Compile from an empty cache.")] = False,
    threads: Threads = None,
    precision: Precision = f"{PRECISION:.0%}",
    cache: Caches = None,
    backward_protocol: Protocols = None,
    cuda_graph: CudaGraph = False,
    seed: Seed = 0,
) -> int:
    """Measure, write the report, print where it is."""
    selection = selection_of(suite, function, implementation, mode, pass_, device, dtype, shape, layout)
    if PROFILE in selection.suites:
        raise Usage(f"--suite {PROFILE} runs by itself: gradgauge profile")
    folders = tuple(implementations or ())
    check_choices(preset, selection, folders, only_mine=only_mine)
    check_numbers(timeout, threads)
    limit_s = limit_seconds(limit, preset)
    timing = timing_of(precision, cache, backward_protocol, cuda_graph=cuda_graph)
    request = Request(
        preset, limit_s, selection, folders, only_mine, results, seed, threads, timing, timeout, fresh_cache
    )
    with progress_display(out, limit_s) as watch:
        outcome = run_bench(request, watch)
    _finish(outcome)
    return outcome.status


@app.command()
def profile(  # noqa: PLR0913, PLR0917  (as above)
    preset: Annotated[str, typer.Option(help="Its largest shape is profiled: quick, standard, full.")] = "standard",
    function: Functions = None,
    implementation: Implementations = None,
    mode: Modes = None,
    device: Devices = None,
    dtype: Dtypes = None,
    shape: Shapes = None,
    layout: Layouts = None,
    implementations: Folders = None,
    only_mine: OnlyMine = False,
    results: Results = Path("results"),
    timeout: Timeout = 120.0,
    threads: Threads = None,
    seed: Seed = 0,
    open_: Annotated[bool, typer.Option("--open", help="Then show the traces in TensorBoard, until Ctrl-C.")] = False,
) -> int:
    """Trace forward and backward under torch.profiler, write traces and report; nothing is timed meanwhile."""
    selection = selection_of((PROFILE,), function, implementation, mode, None, device, dtype, shape, layout)
    folders = tuple(implementations or ())
    check_choices(preset, selection, folders, only_mine=only_mine)
    check_numbers(timeout, threads)
    if open_ and (reason := viewer.available_reason()):
        raise Usage(f"--open: {reason}")
    request = Request(
        preset, None, selection, folders, only_mine, results, seed, threads, Timing(), timeout, fresh_cache=False
    )
    with progress_display(out, None) as watch:
        outcome = run_bench(request, watch)
    _finish(outcome)
    traces = outcome.folder.traces
    if not traces.is_dir():
        return outcome.status
    out.print(f"traces: {escape(str(traces))}, for Perfetto and chrome://tracing, too", soft_wrap=True)
    if open_:
        viewer.serve(traces, lambda line: out.print(escape(line), soft_wrap=True))
    else:
        told = f"to see them in TensorBoard: `gradgauge profile --open`, or `{viewer.command_for(traces)}`"
        out.print(escape(told), soft_wrap=True)
    return outcome.status


@app.command()
def report(
    run: Reported = None,
    format_: Form = "html",
    output: Output = None,
    results: Compared = Path("results"),
    trend: Trend = False,
) -> int:
    """Write the report of a run, complete or not; of several, side by side; or of all, over time."""
    from gradgauge.report import formats, write_report, write_reports, write_trend

    given = run or []
    check_report(given, format_, output, trend=trend)
    if trend:
        return _say_where(write_trend(results, output or results / "trend.html"))
    given = given or [Path("results/runs/latest")]
    folders = [RunFolder.open(path) for path in given]
    check_runs(folders, given)
    if str(output) == STANDARD_OUTPUT:
        typer.echo(formats.content(folders, format_), nl=False)
        return FINE
    if len(folders) == 1 and format_ == "html":
        return _say_where(write_report(folders[0], output))
    target = output or formats.default_target(folders, format_, results)
    if not output:
        target.parent.mkdir(parents=True, exist_ok=True)
    return _say_where(write_reports(folders, format_, target))


@app.command(name="list")
def list_(implementations: Folders = None, device: Devices = None) -> int:
    """List functions × implementations × modes, with availability and convention."""
    catalog = _describe(tuple(implementations or ()), (), tuple(device or ()))
    out.print(catalog_table(catalog))
    return _say_broken(catalog)


@app.command()
def show(
    function: Annotated[str, typer.Argument(help="The function's name.")],
    implementations: Folders = None,
    results: Measured = Path("results"),
) -> int:
    """Show the written definition of a function, and where each implementation was found to be usable."""
    folders = tuple(implementations or ())
    check_among("function", (function,), scan_files(folders, only_mine=False))
    catalog = _describe(folders, (function,), ())
    for name, entry in catalog["functions"].items():
        out.print(escape("\n".join(specification_lines(name, entry))), soft_wrap=True)
        _show_behavior(name, list(entry["implementations"]), folders, results)
    return _say_broken(catalog)


def _version(wanted: bool) -> None:
    if wanted:
        out.print(f"gradgauge {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line.

    Exit 0 fine, 1 a measured failure, 2 wrong usage or input, 3 the gate cannot tell, 130 interrupted.
    """
    # A kill closes the run as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        status = app(list(arguments) if arguments is not None else None, standalone_mode=False)
    except Interrupted as stop:
        _complain(f"interrupted; `gradgauge report {stop.folder.path}` shows what was measured until then")
        sys.exit(INTERRUPTED)
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(INTERRUPTED)
    except (Usage, UnreadablePath, UnreadableRun, Refused) as error:
        _complain(str(error))
        sys.exit(USAGE)
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough; the interpreter's last flush must not complain either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FINE)
    except OSError as error:
        _complain(f"{error.filename or 'a file'}: {error.strerror or error}")
        sys.exit(USAGE)
    except (WorkerLost, ViewerFailed) as error:
        _complain(str(error))
        sys.exit(FAILED)
    except _click_error() as error:
        _complain(error.format_message())
        sys.exit(USAGE)
    sys.exit(status if isinstance(status, int) else FINE)


def _click_error() -> type[Any]:
    base: type[Any] = typer.BadParameter.__mro__[2]  # ClickException, which typer vendors or imports by version
    return base


def _describe(folders: tuple[Path, ...], functions: tuple[str, ...], devices: tuple[str, ...]) -> dict[str, Any]:
    from gradgauge.catalog import load
    from gradgauge.description import describe_catalog
    from gradgauge.devices import UnknownDevice, available_devices, choose_devices

    try:
        chosen = choose_devices(devices, available_devices())
    except UnknownDevice as error:
        raise Usage(str(error)) from error
    return describe_catalog(load([builtin_folder("implementations"), *folders], functions), chosen)


def _show_behavior(function: str, implementations: list[str], folders: tuple[Path, ...], results: Path) -> None:
    """Print what the newest run found of the function's behaviour, or why there is nothing to print."""
    from gradgauge.report.behavior import SUITE, matrices
    from gradgauge.report.data import RunData

    out.print("behaviour")
    latest = results / "runs" / "latest"
    command = ["gradgauge", "bench", "--suite", "behavior", "--function", function]
    command += [word for path in folders for word in ("--implementations", str(path))]
    command += [] if results == Path("results") else ["--results", str(results)]
    remedy = f"`{shlex.join(command)}` tries it"
    try:
        if not latest.exists():
            out.print(escape(f"    not measured: there is no {latest}; {remedy}"), soft_wrap=True)
            return
        run = RunData.load(RunFolder.open(latest), SUITE)
    except (UnreadableRun, OSError) as error:
        # The definition is shown whatever an older or a foreign run looks like.
        out.print(escape(f"    not known: {' '.join(str(error).split())}"), soft_wrap=True)
        return
    found = matrices(run, function)
    if not found:
        said = f"not measured in the newest run, {run.description.run_id}; {remedy}"
        out.print(escape(f"    {said}"), soft_wrap=True)
    for matrix in found:
        for part in behavior_parts(matrix, run.description, implementations):
            out.print(part)


def _say_broken(catalog: dict[str, Any]) -> int:
    for broken in catalog["broken"]:
        line = f":{broken['line']}" if broken["line"] else ""
        _complain(f"broken: {broken['file']}{line}: {broken['message']}")
    return FAILED if catalog["broken"] else FINE


def _finish(outcome: Outcome) -> None:
    from gradgauge.report import summary_lines, write_report

    page = write_report(outcome.folder)
    for line in summary_lines(outcome.folder):
        out.print(escape(line), soft_wrap=True)
    for problem in outcome.problems[:MOST_PROBLEMS]:
        out.print(escape(problem), style="red", soft_wrap=True)
    if len(outcome.problems) > MOST_PROBLEMS:
        out.print(
            f"… and {len(outcome.problems) - MOST_PROBLEMS} more in {outcome.folder.records_jsonl}", soft_wrap=True
        )
    out.print(f"report: {escape(str(page))}", soft_wrap=True)


def _say_where(written: Path) -> int:
    out.print(escape(str(written)), soft_wrap=True)
    return FINE


def _complain(message: str) -> None:
    Console(stderr=True, highlight=False).print(escape(message), soft_wrap=True)
