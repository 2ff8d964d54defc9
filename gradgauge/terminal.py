"""What the terminal shows: progress while measuring, tables for `list` and `show`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

from gradgauge.steps import CaseStep, LoadStep, read_step
from gradgauge.supervisor import Progress

if TYPE_CHECKING:
    from gradgauge.report.behavior import Matrix, Reason, Spot
    from gradgauge.report.description import Description


@contextmanager
def progress_display(console: Console, limit_s: float | None) -> Iterator[Callable[[Progress], None]]:
    """Yield a function that shows the case in hand, how many are done, and the time left.

    limit_s: the preset's limit, which bounds the estimate. Where the console is no terminal, one line every 10 seconds.
    """
    started = time.monotonic()
    if not console.is_terminal:
        yield _line_printer(console, started, limit_s)
        return
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn(), TimeElapsedColumn())
    with Bar(*columns, TextColumn("{task.fields[left]}"), console=console, transient=True) as bar:
        task = bar.add_task("starting", total=None, left="")

        def show(progress: Progress) -> None:
            left = time_left(len(progress.done), progress.items, time.monotonic() - started, limit_s)
            total = progress.items or None
            bar.update(
                task, description=escape(_in_hand(progress)), completed=len(progress.done), total=total, left=left
            )

        yield show


def _line_printer(console: Console, started: float, limit_s: float | None) -> Callable[[Progress], None]:
    shown = started

    def show(progress: Progress) -> None:
        nonlocal shown
        now = time.monotonic()
        if now - shown >= 10.0:
            shown = now
            left = time_left(len(progress.done), progress.items, now - started, limit_s)
            line = f"{now - started:4.0f} s  {len(progress.done)}/{progress.items} cases  {left}  {_in_hand(progress)}"
            console.print(escape(line), highlight=False, soft_wrap=True)

    return show


def time_left(done: int, items: int, elapsed_s: float, limit_s: float | None) -> str:
    """Return the time left in words: by the pace so far, and no more than the limit leaves.

    >>> time_left(done=10, items=40, elapsed_s=20.0, limit_s=None)
    '~60 s left'
    """
    if not done or not items:
        return f"at most {limit_s - elapsed_s:.0f} s left" if limit_s and limit_s > elapsed_s else ""
    estimate = elapsed_s / done * (items - done)
    if limit_s is not None:
        estimate = max(0.0, min(estimate, limit_s - elapsed_s))
    return f"~{estimate:.0f} s left"


def _in_hand(progress: Progress) -> str:
    step = read_step(progress.step)
    if isinstance(step, CaseStep):
        case = step.case
        parts = (case.function, case.implementation, case.mode, case.pass_, case.dtype, case.shape)
        return f"{step.suite} {' · '.join(filter(None, parts))}"
    return f"loading {step.file}" if isinstance(step, LoadStep) else progress.step or "starting"


def catalog_table(catalog: dict[str, Any]) -> Table:
    """Return the table of functions × implementations × modes with availability and convention."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for column in ("function", "implementation"):
        table.add_column(column, no_wrap=True)
    for column in ("eager", "compiled", "what it is, and its gradient at kinks"):
        table.add_column(column, overflow="fold")
    for function, entry in catalog["functions"].items():
        for index, (name, found) in enumerate(entry["implementations"].items()):
            marks = [_mark(found["modes"][mode]) for mode in ("eager", "compiled")]
            slopes = ", ".join(f"{slope:g} at {kink}" for kink, slope in found["convention"].items())
            failing = [f"Expected to fail: {', '.join(found['expected_fail'])}."] if found["expected_fail"] else []
            text = " ".join([found["summary"], *([f"Gradient {slopes}."] if slopes else []), *failing])
            cells = [function if index == 0 else "", name, *marks, text]
            table.add_row(*map(escape, cells), end_section=index == len(entry["implementations"]) - 1)
    return table


def _mark(mode: dict[str, Any]) -> str:
    return "yes" if mode["available"] else f"no: {mode['reason']}"


def specification_lines(name: str, entry: dict[str, Any]) -> list[str]:
    """Return what `gradgauge show` prints of a function."""
    lines = [f"{name}({', '.join(entry['inputs'])})", entry["summary"], "", "formula", *_indent(entry["formula"])]
    lines += ["derivative", *_indent(entry["derivative"]), "source", *_indent(entry["source"])]
    kinks = [f"{kink['name']}: slopes {kink['slopes']}" if kink["slopes"] else kink["name"] for kink in entry["kinks"]]
    lines += ["kinks", *_indent("\n".join(kinks) or "none")]
    budgets = ", ".join(f"{what}s {_budget(entry[f'{what}_budget_ulp'])}" for what in ("value", "gradient"))
    lines += ["error budgets", *_indent(budgets), "implementations"]
    for technique, found in entry["implementations"].items():
        lines += _indent(f"{technique}: {found['summary']}")
        lines += _indent("\n".join(f"  expected to fail {key}: {why}" for key, why in found["expected_fail"].items()))
    return lines


def _budget(stated_ulp: float | None) -> str:
    return "derived from the steps" if stated_ulp is None else f"{stated_ulp:g} ulp"


def _indent(text: str) -> list[str]:
    return [f"    {line}" for line in text.strip("\n").splitlines()]


_BESIDE = 4
"""How many implementations stand beside each other, so that a line of 80 columns holds them."""
_STYLES = {"✓": "green", "✗": "bold red", "△": "yellow", "∅": "cyan", "—": "dim", "?": "dim"}


def behavior_parts(matrix: Matrix, run: Description, implementations: list[str]) -> Iterator[RenderableType]:
    """Yield what `gradgauge show` prints of a function's behaviour: tables of checks × implementations, the reasons.

    implementations: those that the catalog knows; who is among them and not in the matrix was not measured.
    """
    from gradgauge.report.behavior import LEGEND

    where = ", ".join(filter(None, (matrix.device, *matrix.dtypes)))
    yield _indented(f"measured in run {run.run_id}{f', {run.start}' if run.start else ''} ({where})")
    modes = (
        f" Two marks: {', then '.join(matrix.modes)}." if len(matrix.modes) > 1 else f" All in {matrix.modes[0]} mode."
    )
    yield _indented(f"{LEGEND}; a number is that of the reason below.{modes}")
    for start in range(0, len(matrix.implementations), _BESIDE):
        beside = matrix.implementations[start : start + _BESIDE]
        yield Padding(_behavior_table(matrix, beside), (0, 0, 0, 2), expand=False)
    for reason in (*matrix.reasons, *matrix.does_not_apply):
        yield Padding(_told(reason), (0, 0, 0, 4), expand=False)
    missing = matrix.lacking(implementations)
    if missing:
        yield _indented(f"not measured: {', '.join(missing)}")


def _behavior_table(matrix: Matrix, implementations: tuple[str, ...]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column("check", no_wrap=True)
    for name in implementations:
        table.add_column(Text(name), overflow="fold", max_width=18)
    for check in matrix.asked:
        cells = [
            Text(" ").join(_shown(matrix.spot(f"{name} · {mode}", check)) for mode in matrix.modes)
            for name in implementations
        ]
        table.add_row(Text(check), *cells)
    return table


def _shown(spot: Spot) -> Text:
    number = str(spot.number) if spot.number else ""
    return Text(f"{spot.symbol}{number:<2}", style=_STYLES.get(spot.symbol, ""))


def _told(reason: Reason) -> Table:
    """Return a reason as two lines or more: what it concerns, then the reason itself."""
    from gradgauge.report.behavior import SYMBOLS

    symbol = SYMBOLS[reason.verdict]
    number = str(reason.number) if reason.number else ""
    concerns = "; ".join(f"{', '.join(checks)}: {techniques}" for checks, techniques in reason.concerns)
    only = f" ({', '.join(reason.dtypes)} only)" if reason.dtypes else ""
    line = Table.grid(padding=(0, 1))
    line.add_column(no_wrap=True)
    line.add_column(overflow="fold")
    words = Text(f"{concerns}{only}\n", style="bold").append(Text(reason.text, style="not bold"))
    line.add_row(Text(f"{symbol}{number}", style=_STYLES[symbol]), words)
    return line


def _indented(text: str) -> Padding:
    return Padding(Text(text), (0, 0, 0, 4), expand=False)
