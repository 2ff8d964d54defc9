"""Where the time of a forward and a backward goes, as the profiler saw it."""

from __future__ import annotations

from gradgauge.report.blocks import (
    Block,
    Figure,
    Fold,
    Heading,
    LegendEntry,
    Link,
    Panel,
    Paragraph,
    Strong,
    Text,
)
from gradgauge.report.data import RunData
from gradgauge.report.figures.flame_plot import draw_flames
from gradgauge.report.figures.style import BEHIND, GRID, NEUTRAL, Look, looks
from gradgauge.report.figures.svg import patch_swatch
from gradgauge.report.figures.timeline_plot import PLOT_PX, draw_timeline
from gradgauge.report.formatting import percent, time
from gradgauge.report.frames import frames_of, top_stacks
from gradgauge.report.profiled import METRICS, SUITE, Profiled, Scene, scenes_of
from gradgauge.report.questions import Question
from gradgauge.report.tables.profiled import operator_tables, overview_table
from gradgauge.report.techniques import coded
from gradgauge.report.timeline import Block as Drawn
from gradgauge.report.timeline import timeline_of
from gradgauge.traces import DEVICE, HOST

TITLE = "Where the time goes"
QUESTION = Question.TIME
ORDER = 45
SHOWS = frozenset((SUITE, metric) for metric in METRICS)
_READING = (
    "what follows was seen under the profiler, which takes time itself, most where calls are many and short. It says "
    "where a step goes, one forward and one backward, and is no comparison of speed."
)
_LEAST_PX = 1.5
_SHORT = 0.4
"""Of the longest step: what is shorter is drawn once more on an axis of its own."""
_MOST_TOLD, _MOST_STACKS = 3, 4


def render(run: RunData) -> list[Block] | None:
    """Return for each function and place what takes the time, its timelines, and each technique's details."""
    scenes = scenes_of(run)
    if not scenes:
        return None
    blocks: list[Block] = [Paragraph((Strong("No timing: "), _READING))]
    for function in (name for name in run.function_names() if any(scene.place.function == name for scene in scenes)):
        blocks.append(Heading(function))
        for scene, found in ((scene, found) for scene, found in scenes.items() if scene.place.function == function):
            blocks += [Heading(scene.title, level=4), *_scene(scene, found, looks(run))]
    return blocks


def _scene(scene: Scene, found: list[Profiled], look: dict[str, Look]) -> list[Block]:
    finding = _gaps_in_words(found)
    return [
        *([Paragraph(finding)] if finding else []),
        overview_table(found),
        *_timelines(scene, found, look),
        *(fold for profiled in found if (fold := _details(profiled, look, _span_s(found)))),
    ]


def _gaps_in_words(found: list[Profiled]) -> Text:
    """Return whose steps are gaps to the least and to the largest part, in a sentence for host and device each."""
    told = {
        HOST: "of its step no operator runs: Python, autograd's engine or what guards compiled code is at work",
        DEVICE: "of its step the device is idle",
    }
    return tuple(part for where, idle in told.items() for part in _gaps_on(found, where, idle))


def _gaps_on(found: list[Profiled], where: str, idle: str) -> Text:
    known = [(gap, profiled.case.technique) for profiled in found if (gap := profiled.gap(where)) is not None]
    if not known:
        return ()
    (least, first), (most, last) = min(known), max(known)
    if percent(least) == percent(most):
        who = coded([last]) if len(known) == 1 else ("each technique",)
        return ("In ", *who, f", for {percent(most)} {idle}. ")
    return ("In ", *coded([last]), f", for {percent(most)} {idle}; in ", *coded([first]), f", for {percent(least)}. ")


def _timelines(scene: Scene, found: list[Profiled], look: dict[str, Look]) -> list[Block]:
    span_s = _span_s(found)
    if not span_s:
        return []
    drawn = [profiled for profiled in found if profiled.profile is not None and profiled.profile.spans]
    panels = tuple(_timeline(each, look, span_s, with_axis=each is drawn[-1]) for each in drawn)
    legend = (
        LegendEntry(patch_swatch(NEUTRAL[0]), "operator or kernel, in its implementation's colour"),
        LegendEntry(patch_swatch(BEHIND), "what calls operators: autograd's engine, compiled code's wrappers"),
        LegendEntry(patch_swatch(GRID), "forward, and paler backward"),
    )
    caption = (
        f"One typical step of each technique at {scene.shape}, all on one axis; what is called stands below who calls "
        "it. What is shorter than a pixel or deeper than five calls is left out, neighbours that are short are merged."
    )
    return [Figure(panels, caption, legend, is_wide=True)]


def _span_s(found: list[Profiled]) -> float:
    """Return how long the longest step is that can be drawn."""
    return max((each.profile.step_s for each in found if each.profile is not None and each.profile.spans), default=0.0)


def _timeline(profiled: Profiled, look: dict[str, Look], span_s: float, *, with_axis: bool) -> Panel:
    assert profiled.profile is not None
    case, step_s = profiled.case, profiled.profile.step_s
    timeline = timeline_of(profiled.profile, _LEAST_PX * span_s / PLOT_PX)
    working = ([block for block in blocks if block.works and block.name] for blocks in (timeline.host, timeline.device))
    longest = [block for blocks in working for block in sorted(blocks, key=_duration, reverse=True)[:_MOST_TOLD]]
    told = [f"{region.name} from {time(region.start_s)} for {time(region.duration_s)}" for region in timeline.regions]
    told += [f"{block.name} {time(_duration(block))}" for block in longest]
    alt = f"A step of {case.function}, {case.technique}, {time(step_s)}: {', '.join(told) or 'nothing to see'}."
    svg = draw_timeline(timeline, look[case.implementation], span_s, alt, with_axis=with_axis)
    return Panel(svg, alt, f"{case.technique}, {time(step_s)}")


def _duration(block: Drawn) -> float:
    return block.end_s - block.start_s


def _details(profiled: Profiled, look: dict[str, Look], span_s: float) -> Fold | None:
    case, profile = profiled.case, profiled.profile
    gaps = _gaps_of(profiled)
    blocks: list[Block] = [Paragraph((gaps,))] if gaps else []
    if profile and profile.spans and 0 < profile.step_s < _SHORT * span_s:
        alone = _timeline(profiled, look, profile.step_s, with_axis=True)
        blocks.append(Figure((alone,), "The same step on an axis of its own.", is_wide=True))
    if profile and profile.stacks:
        blocks.append(_flames(profiled, look[case.implementation]))
    blocks += operator_tables(profiled)
    if profile:
        opens = " in the run folder; Perfetto (ui.perfetto.dev) opens it, and TensorBoard with its profiler plugin."
        blocks.append(Paragraph(("Trace: ", Link(profile.trace), opens), muted=True))
    return Fold(f"{case.technique}: operators, calls and trace", tuple(blocks)) if blocks else None


def _gaps_of(profiled: Profiled) -> str:
    host, device = profiled.gap(HOST), profiled.gap(DEVICE)
    said = [f"For {percent(host)} of the step no operator runs on the host."] if host is not None else []
    said += [f"For {percent(device)} of it the device is idle."] if device is not None else []
    return " ".join(said)


def _flames(profiled: Profiled, look: Look) -> Figure:
    assert profiled.profile is not None
    root, case = frames_of(profiled.profile), profiled.case
    top = "; ".join(f"{chain}: {time(seconds)}" for chain, seconds in top_stacks(profiled.profile, _MOST_STACKS))
    alt = f"Flame graph of {case.function}, {case.technique}. Most time is spent in: {top}."
    caption = (
        f"Flame graph: as wide as the seconds of a step ({time(root.seconds)} in all) that go through a call, "
        "callers above. PyTorch's own Python is left out and counts to who calls it."
    )
    return Figure((Panel(draw_flames(root, look, alt), alt),), caption, is_wide=True)
