"""The command line: options checked, commands called, exit statuses kept."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.markup import escape

from gradgauge import __version__
from gradgauge.bench import Interrupted, Outcome, Request, run_bench
from gradgauge.cases import DTYPES, LAYOUTS, MODES, PASSES, parse_shapes
from gradgauge.catalog import Sources, UnreadablePath, builtin_folder, scan
from gradgauge.grid import PRESETS, Selection
from gradgauge.runs import RunFolder, UnreadableRun
from gradgauge.supervisor import Refused, WorkerLost
from gradgauge.terminal import catalog_table, progress_display, specification_lines

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


T = TypeVar("T", int, float)


class Usage(Exception):
    """Wrong usage or input; the message names the offending value and the allowed ones."""


Many = Annotated[list[str] | None, typer.Option(help="Choose cases; may be given several times.")]


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
Layouts = Annotated[list[str] | None, _choice("--layout", "contiguous, transposed, strided, expanded, channels-last.")]
Folders = Annotated[
    list[Path] | None,
    typer.Option("--implementations", help="A folder of functions of your own; repeatable.", show_default=False),
]
OnlyMine = Annotated[bool, typer.Option("--only-mine", help="Leave the built-in ones out (but for the reference).")]
Results = Annotated[Path, typer.Option("--results", help="Where runs go.")]


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
    seed: Seed = 0,
) -> int:
    """Measure, write the report, print where it is."""
    axes = (suite, function, implementation, mode, pass_, device, dtype, shape, layout)
    selection = Selection(*(tuple(dict.fromkeys(chosen or ())) for chosen in axes))
    folders = tuple(implementations or ())
    _check(preset, selection, folders, only_mine=only_mine)
    _check_numbers(timeout, threads)
    limit_s = _limit_s(limit, preset)
    request = Request(preset, limit_s, selection, folders, only_mine, results, seed, threads, timeout, fresh_cache)
    with progress_display(out, limit_s) as watch:
        outcome = run_bench(request, watch)
    _finish(outcome)
    return outcome.status


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="A run folder.")] = Path("results/runs/latest"),
    output: Annotated[Path | None, typer.Option(help="Where the page goes; into the run folder otherwise.")] = None,
) -> int:
    """Write the report of a run, complete or not."""
    from gradgauge.report import write_report

    out.print(str(write_report(RunFolder.open(run), output)), soft_wrap=True)
    return FINE


@app.command(name="list")
def list_(implementations: Folders = None, device: Devices = None) -> int:
    """List functions × implementations × modes, with availability and convention."""
    catalog = _describe(tuple(implementations or ()), (), tuple(device or ()))
    out.print(catalog_table(catalog))
    return _say_broken(catalog)


@app.command()
def show(function: Annotated[str, typer.Argument(help="The function's name.")], implementations: Folders = None) -> int:
    """Show the written definition of a function."""
    folders = tuple(implementations or ())
    _among("function", (function,), _scan(folders, only_mine=False))
    catalog = _describe(folders, (function,), ())
    for name, entry in catalog["functions"].items():
        out.print(escape("\n".join(specification_lines(name, entry))), soft_wrap=True)
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
    """Run the command line; exit 0 fine, 1 a measured failure, 2 wrong usage or input, 130 interrupted."""
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
    except WorkerLost as error:
        _complain(str(error))
        sys.exit(FAILED)
    except _click_error() as error:
        _complain(error.format_message())
        sys.exit(USAGE)
    sys.exit(status if isinstance(status, int) else FINE)


def _click_error() -> type[Any]:
    base: type[Any] = typer.BadParameter.__mro__[2]  # ClickException, which typer vendors or imports by version
    return base


def _check(preset: str, selection: Selection, folders: tuple[Path, ...], *, only_mine: bool) -> None:
    """Raise Usage or UnreadablePath for the first value that is not to be had; no file of anybody's is run."""
    _among("preset", (preset,), PRESETS)
    _among("suite", selection.suites, _suite_names())
    _among("mode", selection.modes, MODES)
    _among("pass", selection.passes, PASSES)
    _among("dtype", selection.dtypes, DTYPES)
    _among("layout", selection.layouts, LAYOUTS)
    if only_mine and not folders:
        raise Usage("--only-mine needs --implementations PATH")
    found = _scan(folders, only_mine=only_mine)
    _among("function", selection.functions, found)
    chosen = [found[name] for name in selection.functions] or list(found.values())
    _among("implementation", selection.implementations, sorted({name for one in chosen for name in one.techniques}))
    for text in selection.shapes:
        try:
            parse_shapes(text, len(text.split(",")))
        except ValueError as error:
            raise Usage(f"--{error}") from error


def _check_numbers(timeout_s: float, threads: int | None) -> None:
    if not timeout_s > 0:
        raise Usage(f"--timeout {timeout_s:g} must be above 0 seconds")
    if threads is not None and threads < 1:
        raise Usage(f"--threads {threads} must be at least 1")


def _limit_s(given: str | None, preset: str) -> float | None:
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


def _among(what: str, given: Sequence[str], allowed: Any) -> None:
    for value in given:
        if value not in allowed:
            raise Usage(f"--{what} {value!r} is not one of: {', '.join(allowed)}")


def _scan(folders: tuple[Path, ...], *, only_mine: bool) -> dict[str, Sources]:
    found = scan([builtin_folder("implementations"), *folders])[0]
    mine = scan(folders)[0] if only_mine else found
    return {name: sources for name, sources in found.items() if name in mine}


def _suite_names() -> list[str]:
    return sorted(file.stem for file in builtin_folder("suites").glob("*.py") if not file.name.startswith("_"))


def _describe(folders: tuple[Path, ...], functions: tuple[str, ...], devices: tuple[str, ...]) -> dict[str, Any]:
    from gradgauge.catalog import load
    from gradgauge.description import describe_catalog
    from gradgauge.devices import UnknownDevice, available_devices, choose_devices

    try:
        chosen = choose_devices(devices, available_devices())
    except UnknownDevice as error:
        raise Usage(str(error)) from error
    return describe_catalog(load([builtin_folder("implementations"), *folders], functions), chosen)


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


def _complain(message: str) -> None:
    Console(stderr=True, highlight=False).print(escape(message), soft_wrap=True)
