"""The commands of the gate: `gradgauge gate` and `gradgauge accept`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from gradgauge.cases import Case
from gradgauge.catalog import builtin_folder
from gradgauge.gate.accepted import accept as make_acceptances
from gradgauge.gate.accepted import write_accepted
from gradgauge.gate.findings import GATE_JSON, Finding, Gate, Status
from gradgauge.gate.limits import BadLimits, Limits, share_of
from gradgauge.gate.request import DECIDE, TIMES, GateRequest
from gradgauge.gate.sequence import BUDGET_S
from gradgauge.gate.session import Files, Watch, run_gate
from gradgauge.gate.trees import NoRepository, NoRevision, Repository
from gradgauge.grid import Selection
from gradgauge.options import (
    Devices,
    Dtypes,
    Folders,
    Functions,
    Implementations,
    Layouts,
    Modes,
    Passes,
    Results,
    Seed,
    Shapes,
    Threads,
    Timeout,
    Usage,
    check_among,
    check_choices,
    check_numbers,
    selection_of,
)
from gradgauge.runs import RunFolder
from gradgauge.steps import CaseStep
from gradgauge.supervisor import Progress
from gradgauge.terminal import progress_display

FINE, FAILED, CANNOT_TELL = 0, 1, 3
GATES = Path("gates")
PASS, FAIL = "pass", "fail"

out = Console(highlight=False)


def gate(  # noqa: PLR0913, PLR0917  (typer reads the options off the signature)
    base: Annotated[
        str, typer.Option(help="The revision to judge against; else the merge base with the default branch.")
    ] = "",
    baseline: Annotated[
        Path | None, typer.Option(help="A stored run, or a file in it, in place of a revision.", show_default=False)
    ] = None,
    tolerance: Annotated[
        str | None, typer.Option(help="A slowdown up to this is none: 3% or 0.03.", show_default=False, metavar="SHARE")
    ] = None,
    budget: Annotated[
        float, typer.Option(help="At most so many seconds of rounds a case.", metavar="NUMBER")
    ] = BUDGET_S,
    times: Annotated[str, typer.Option(help="decide, report (measured, and never the reason to fail), off.")] = DECIDE,
    cannot_tell: Annotated[str, typer.Option("--cannot-tell", help="fail (exit status 3) or pass (0).")] = FAIL,
    everything: Annotated[
        bool, typer.Option("--all", help="Measure what is the same on both sides, byte for byte, too.")
    ] = False,
    calibrate: Annotated[
        int | None, typer.Option(help="Measure the gate: so many sessions, and as many with planted slowdowns.")
    ] = None,
    preset: Annotated[str, typer.Option(help="Its shapes are measured: quick, standard, full.")] = "standard",
    function: Functions = None,
    implementation: Implementations = None,
    mode: Modes = None,
    pass_: Passes = None,
    device: Devices = None,
    dtype: Dtypes = None,
    shape: Shapes = None,
    layout: Layouts = None,
    implementations: Folders = None,
    results: Results = Path("results"),
    timeout: Timeout = 120.0,
    threads: Threads = None,
    seed: Seed = 0,
) -> int:
    """Judge the working tree's implementations against a revision or a stored run."""
    selection = selection_of(None, function, implementation, mode, pass_, device, dtype, shape, layout)
    folders = tuple(implementations or ())
    check_choices(preset, Selection(devices=selection.devices), folders, only_mine=False)
    check_numbers(timeout, threads)
    check_among("times", (times,), TIMES)
    check_among("cannot-tell", (cannot_tell,), (PASS, FAIL))
    if base and baseline:
        raise Usage(f"--base {base!r} and --baseline {str(baseline)!r} are two baselines: one at a time")
    if not 0 < budget < float("inf"):
        raise Usage(f"--budget {budget:g} must be above 0 seconds")
    request = GateRequest(
        base,
        baseline,
        folders,
        selection,
        preset,
        _limits(folders, tolerance),
        budget,
        results,
        seed,
        threads,
        timeout,
        times,
        everything,
    )
    if calibrate is not None:
        return _calibrate(request, calibrate)
    try:
        with _followed() as watch:
            found, folder = run_gate(request, watch)
    except (NoRevision, NoRepository) as error:
        raise Usage(str(error)) from error
    _write(found, folder)
    return {Status.PASSED: FINE, Status.FAILED: FAILED}.get(found.status, FINE if cannot_tell == PASS else CANNOT_TELL)


def accept(
    reason: Annotated[str, typer.Option(help="Why the change is meant; whoever reviews it reads this.")],
    function: Functions = None,
    implementation: Implementations = None,
    metric: Annotated[list[str] | None, typer.Option(help="time, saved_bytes, …; repeatable.")] = None,
    gated: Annotated[Path | None, typer.Option("--gate", help="The folder of a gate; else the latest.")] = None,
    implementations: Folders = None,
    results: Results = Path("results"),
) -> int:
    """Accept on purpose what the last gate failed on: writes accepted.json beside the implementations."""
    if not reason.strip():
        raise Usage("--reason '' says nothing")
    folder = gated or results / GATES / "latest"
    found = Gate.read(folder / GATE_JSON)
    failing = [each for each in found.findings if each.fails]
    chosen = [each for each in failing if _is_chosen(each, function, implementation, metric)]
    if not chosen:
        names = sorted({f"{each.case.function}/{each.case.implementation}" for each in failing})
        raise Usage(f"nothing that fails in {folder} is chosen; what fails there: {', '.join(names) or 'nothing'}")
    roots = tuple(implementations or (builtin_folder("implementations"),))
    files = Files(tuple(root.resolve() for root in roots))
    accepted = 0
    for root in roots:
        here = [each for each in chosen if len(roots) == 1 or (root / each.case.function).is_dir()]
        try:
            made = make_acceptances(here, reason, files.digest)
        except ValueError as error:
            raise Usage(str(error)) from error
        if not made:
            continue
        write_accepted(root, made)
        accepted += len(made)
        out.print(
            escape(f"accepted {len(made)} in {root / 'accepted.json'}; commit it with the change"), soft_wrap=True
        )
    if not accepted:
        functions = ", ".join(sorted({each.case.function for each in chosen}))
        raise Usage(f"no folder of --implementations has {functions}, of which something fails in {folder}")
    return FINE


def _is_chosen(
    finding: Finding,
    functions: Sequence[str] | None,
    implementations: Sequence[str] | None,
    metrics: Sequence[str] | None,
) -> bool:
    asked = ((functions, finding.case.function), (implementations, finding.case.implementation))
    return all(not wanted or value in wanted for wanted, value in (*asked, (metrics, finding.metric)))


def _limits(folders: tuple[Path, ...], tolerance: str | None) -> Limits:
    """Return what pyproject.toml says, and what the command line says in place of its tolerance for all."""
    from dataclasses import replace

    try:
        top = Repository.around(folders or (builtin_folder("implementations"),)).top
        limits = Limits.read(top / "pyproject.toml")
        return replace(limits, tolerance=share_of("--tolerance", tolerance)) if tolerance is not None else limits
    except (NoRepository, BadLimits) as error:
        raise Usage(str(error)) from error


@contextmanager
def _followed() -> Iterator[Watch]:
    def begins(what: str) -> None:
        out.print(escape(what), soft_wrap=True)

    with progress_display(out, None) as runs:
        yield Watch(begins, runs, lambda case, process: runs(_in_process(case, process)))


def _in_process(case: Case, process: int) -> Progress:
    return Progress(step=str(CaseStep(f"process {process + 1}", case, "pairs")))


def _write(found: Gate, folder: RunFolder) -> None:
    from gradgauge.gate.junit import junit
    from gradgauge.gate.markdown import markdown
    from gradgauge.gate.terminal import gate_parts
    from gradgauge.report import write_report

    (folder.path / "gate.md").write_text(markdown(found), encoding="utf-8")
    (folder.path / "junit.xml").write_text(junit(found), encoding="utf-8")
    for part in gate_parts(found):
        out.print(part, soft_wrap=True)
    if folder.run_json.is_file():
        out.print(f"report: {escape(str(write_report(folder)))}", soft_wrap=True)
    out.print(f"gate.json, gate.md, junit.xml: {escape(os.fspath(folder.path))}", soft_wrap=True)


def _calibrate(request: GateRequest, sessions: int) -> int:
    from gradgauge.gate.calibration import CALIBRATION_JSONL, calibrate, calibration_lines

    if sessions < 1:
        raise Usage(f"--calibrate {sessions} must be at least 1")
    folder = RunFolder.create_in(request.results / GATES)
    found = calibrate(
        request, sessions, folder.path / CALIBRATION_JSONL, lambda line: out.print(escape(line), soft_wrap=True)
    )
    lines = calibration_lines(found)
    (folder.path / "calibration.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for line in lines:
        out.print(escape(line), soft_wrap=True)
    out.print(f"calibration.jsonl, calibration.md: {escape(os.fspath(folder.path))}", soft_wrap=True)
    return FINE
