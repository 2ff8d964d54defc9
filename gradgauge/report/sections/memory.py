"""How much memory: what is kept for the backward pass, and the highest the allocator goes."""

from __future__ import annotations

from gradgauge.records import Record
from gradgauge.report import formatting
from gradgauge.report.blocks import Block, Figure, Heading, Panel, Paragraph
from gradgauge.report.data import RunData
from gradgauge.report.figures.bar_plot import draw_bars
from gradgauge.report.figures.kept_plot import KeptBar, draw_kept, role_legend
from gradgauge.report.figures.style import Look, looks
from gradgauge.report.kept import EXTRA, KEPT, ROLES, SAVED, Kept, kept_at_largest, who_keeps_least
from gradgauge.report.kept import METRICS as LEDGER
from gradgauge.report.places import Place, places
from gradgauge.report.questions import Question
from gradgauge.report.tables.kept import kept_table
from gradgauge.report.tables.memory import METRICS, memory_table, quantities, quantity_title

TITLE = "Memory"
QUESTION = Question.COST
ORDER = 50
_READING = (
    "What the backward needs is kept from the forward on. An input is alive anyway, an output while the next layer "
    "needs it; an intermediate is kept for the backward alone, a pure cost, and so is what is elsewhere: kept, as the "
    "allocator says, but in no tensor that can be reached. These last two are the extra."
)
SHOWS = frozenset(("memory", metric) for metric in (*LEDGER, *METRICS))


def render(run: RunData) -> list[Block] | None:
    """Return the ledger with who keeps least, then the peaks and a table of all, for each place."""
    records = [record for record in run.records if (record.suite, record.metric) in SHOWS]
    if not records:
        return None
    by_place: dict[Place, list[Record]] = {}
    for record in records:
        by_place.setdefault(Place.of_case(record.case), []).append(record)
    blocks: list[Block] = [Paragraph((_READING,))] if any(record.metric == EXTRA for record in records) else []
    unlabelled = [record for record in records if record.metric != KEPT]
    for place, is_drawn in places(unlabelled, run.function_names()).items():
        here = by_place.pop(place, [])
        first = place.function not in {heading.text for heading in blocks if isinstance(heading, Heading)}
        blocks += [Heading(place.function)] if first else []
        blocks.append(Heading(place.title or "no device recorded", level=4))
        blocks += _ledger(run, place, here, is_drawn=is_drawn)
        blocks += _figure(run, place, here) if is_drawn else []
        blocks += memory_table(run, here)
    return blocks


def _ledger(run: RunData, place: Place, here: list[Record], *, is_drawn: bool) -> list[Block]:
    """Return what is known of it storage by storage; nothing in older runs, which knew its total alone."""
    kept = kept_at_largest(run, here)
    if all(found.extra_bytes is None for found in kept):
        return []
    finding = who_keeps_least(run, kept)
    return [
        *([Paragraph(finding)] if finding else []),
        *([_kept_figure(place, kept)] if is_drawn else []),
        kept_table(kept),
    ]


def _figure(run: RunData, place: Place, here: list[Record]) -> list[Block]:
    sizes = {record.case.shape: run.elements(record.case) or 0 for record in here if record.value is not None}
    if not sizes:
        return []
    shape = max(sizes, key=lambda name: sizes[name])
    has_ledger = any(record.metric == EXTRA for record in here)
    panels = []
    for metric, pass_ in quantities(here):
        found = [
            record
            for record in here
            if (record.metric, record.case.pass_, record.case.shape) == (metric, pass_, shape)
            and record.value is not None
        ]
        if found and not (has_ledger and metric == SAVED):
            panels.append(_panel(place, found, quantity_title(metric, pass_), shape, looks(run)))
    caption = f"Bytes at {shape}. Hollow bars: compiled. Less is better."
    return [Figure(tuple(panels), caption)] if panels else []


def _panel(place: Place, found: list[Record], title: str, shape: str, look: dict[str, Look]) -> Panel:
    told = [f"{record.case.technique} {formatting.size(record.value or 0)}" for record in found]
    alt = f"{place.function}, {title} at {shape}: {', '.join(told)}."
    bars = [
        (record.case.implementation, record.case.mode, record.case.technique, float(record.value or 0))
        for record in found
    ]
    return Panel(draw_bars(bars, look, "byte", alt), alt, title)


def _kept_figure(place: Place, kept: list[Kept]) -> Figure:
    known = [found for found in kept if found.saved.value is not None]
    per = "per element of the output" if any(found.elements for found in known) else "in all"
    bars, told = [], []
    for found in known:
        whole = found.per_element(found.saved.value or 0)
        roles = {role: value / (found.elements or 1) for role, value in found.by_role.items()}
        bars.append(KeptBar(found.case.technique, roles, f"{whole}{_extra(found)}"))
        pieces = ", ".join(f"{role} {found.per_element(value)}" for role, value in found.by_role.items())
        told.append(f"{found.case.technique} {whole} ({pieces or 'nothing'})")
    title = f"kept for backward, {per}"
    alt = f"{place.function}, {title}, at {known[0].case.shape}: {'; '.join(told)}."
    occurring = dict.fromkeys(role for found in known for role in found.by_role)
    legend = role_legend({role: ROLES.get(role, "") for role in (*ROLES, *occurring) if role in occurring})
    return Figure((Panel(draw_kept(bars, alt), alt, title),), f"At {known[0].case.shape}. Less is better.", legend)


def _extra(found: Kept) -> str:
    if found.extra_bytes is None or not found.saved.value:
        return ""
    if found.extra_bytes in (0, found.saved.value):
        return ", all extra" if found.extra_bytes else ", none extra"
    return f", {found.per_element(found.extra_bytes)} extra"
