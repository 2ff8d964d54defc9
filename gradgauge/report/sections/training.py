"""Does a small network train alike with each implementation?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import fmean

from gradgauge.cases import REFERENCE
from gradgauge.report.blocks import (
    Block,
    Bullets,
    Figure,
    Heading,
    LegendEntry,
    Panel,
    Paragraph,
    Text,
)
from gradgauge.report.data import RunData
from gradgauge.report.figures.loss_plot import draw_losses
from gradgauge.report.figures.style import looks
from gradgauge.report.figures.svg import swatch
from gradgauge.report.formatting import percent, plural
from gradgauge.report.questions import Question
from gradgauge.report.tables.training import (
    ACCURACY,
    LARGEST,
    LOSS,
    METRICS,
    WRONG,
    Gap,
    Scene,
    Trained,
    accuracy_table,
    gap_between,
    number_of_loss,
    pieces_table,
    points,
    scenes_of,
)
from gradgauge.report.techniques import coded

TITLE = "Training"
QUESTION = Question.GRADIENT
ORDER = 68
SHOWS = frozenset(("training", metric) for metric in METRICS)
SERIES = "training_loss"
_ROLES = {"activation": "as the activation", "weights": "on the weights"}
_GIVEN = {"activation": "the inputs of the activation", "weights": "the weights"}
_READING = (
    "Networks of one hidden layer learn scikit-learn's handwritten digits, from the same parameters and on the same "
    "batches with every implementation. As the activation, the function acts on the hidden units; on the weights, it "
    "acts on scaled latent ones, and the network computes with what comes out. An implementation parts from the "
    "reference at the step where its gradients, taken along the reference's own run and added up, have moved the "
    "parameters ten times farther than roundings do. Nothing here is judged."
)
_CAPTION = (
    "Loss of the batches, means of ten steps, over the steps of training: lines are means of the seeds, bands span "
    "them, the broad pale line is the reference's. Where lines coincide, each one's markers still show."
)


def render(run: RunData) -> list[Block] | None:
    """Return, for each function and role, what was found, the curves and the tables; None where nothing trained."""
    records = [record for record in run.records if (record.suite, record.metric) in SHOWS]
    scenes = scenes_of(records)
    if not scenes:
        return None
    blocks: list[Block] = [Paragraph((_READING,))]
    settings = {(scene.device, scene.dtype, scene.shape) for scene in scenes}
    for function in dict.fromkeys(scene.function for scene in scenes):
        blocks.append(Heading(function))
        for scene, trained in ((scene, found) for scene, found in scenes.items() if scene.function == function):
            where = f", {scene.device}, {scene.dtype}, {scene.shape}" if len(settings) > 1 else ""
            blocks += [Heading(f"{_ROLES.get(scene.role, scene.role).capitalize()}{where}", level=4)]
            blocks += [_findings(scene, trained), *_figure(run, scene), accuracy_table(trained)]
            pieces = pieces_table(trained, _given(scene))
            blocks += [pieces] if pieces else []
    return blocks


def _given(scene: Scene) -> str:
    return _GIVEN.get(scene.role, "the inputs")


def _findings(scene: Scene, trained: list[Trained]) -> Block:
    """Return a sentence for each technique but the reference; techniques of which the same is to be said share one."""
    reference = next((each for each in trained if each.name == REFERENCE), None)
    said: dict[str, list[str]] = {}
    for each in trained:
        if each is not reference:
            said.setdefault(_finding(scene, each, reference), []).append(each.name)
    items: list[Text] = [(*coded(names), f": {sentence}.") for sentence, names in said.items()]
    return Bullets(tuple(items)) if items else Paragraph(("There is nothing to compare the reference with.",))


def _finding(scene: Scene, trained: Trained, reference: Trained | None) -> str:
    if trained.failure:
        return f"did not train: {trained.failure.detail}"
    if reference is None:
        return "there is no reference to compare with"
    parts = [*_broken(trained), *_gaps(trained, reference), *_parting(trained)]
    wrong = trained.share(WRONG)
    if wrong:
        parts.append(f"{percent(wrong)} of {_given(scene)} lay where the gradient is wrong")
    return "; ".join(parts)


def _broken(trained: Trained) -> Iterator[str]:
    if trained.broken:
        yield f"in {len(trained.broken)} of {plural(trained.seeds, 'seed')} {trained.broken[0].detail}"


def _gaps(trained: Trained, reference: Trained) -> Iterator[str]:
    """Yield what the accuracies and the losses say, seed by seed."""
    ours, theirs = trained.by_seed(ACCURACY), reference.by_seed(ACCURACY)
    gap = gap_between(ours, theirs)
    if gap is None:
        yield "no seed to compare by its accuracy"
        return
    seeds = plural(len(ours.keys() & theirs.keys()), "seed")
    interval = gap.text(100)
    if gap.is_seen:
        which = "less" if gap.mean < 0 else "more"
        yield f"{points(abs(gap.mean))[1:]} points {which} accurate in {seeds} (95 % interval {interval})"
    else:
        apart = bool(trained.parting[0])
        means = f"95 % interval {interval}" if interval else "no interval from one seed"
        told = "as many test digits right in each" if gap.is_nil else f"{points(gap.mean)} points, {means}"
        yield f"no difference seen {'in accuracy ' if apart else ''}in {seeds} ({told})"
    yield from _loss_gap(gap_between(trained.by_seed(LOSS), reference.by_seed(LOSS)))


def _loss_gap(gap: Gap | None) -> Iterator[str]:
    if gap and gap.is_seen:
        which = "lower" if gap.mean < 0 else "higher"
        yield f"training loss {number_of_loss(abs(gap.mean))} {which} ({gap.text(digits='+.2g')})"


def _parting(trained: Trained) -> Iterator[str]:
    steps, asked = trained.parting
    if asked and not steps:
        yield "never farther from the reference than roundings lead"
    elif steps:
        which = f"step {steps[0]}" if steps[0] == steps[-1] else f"steps {steps[0]} to {steps[-1]}"
        seeds = f" in {len(steps)} of {plural(asked, 'seed')}" if len(steps) < asked else ""
        yield f"parts from the reference at {which}{seeds}"


def _figure(run: RunData, scene: Scene) -> list[Block]:
    import pandas as pd

    rows = [
        {"implementation": series.case.implementation, "seed": series.series.rpartition("/")[2], "step": x, "loss": y}
        for series in run.series
        if series.series.startswith(f"{SERIES}/{scene.role}/") and Scene.of(series.case, scene.role) == scene
        for x, y in zip(series.x, series.y, strict=True)
        if math.isfinite(x) and 1 / LARGEST < y < LARGEST
    ]
    if not rows:
        return []
    frame, look = pd.DataFrame(rows), looks(run)
    names = sorted(set(frame["implementation"]), key=lambda name: (name != REFERENCE, name))
    last = frame["step"].max()
    told = [
        f"{name} {number_of_loss(fmean(own))}"
        for name in names
        if (own := list(frame[(frame["implementation"] == name) & (frame["step"] == last)]["loss"]))
    ]
    alt = (
        f"Training loss of {scene.function} {_ROLES.get(scene.role, scene.role)} over {number_of_loss(last)} steps, "
        f"mean of the seeds at the end: {', '.join(told)}."
    )
    legend = tuple(LegendEntry(swatch(look[name], dashed=False), name) for name in names)
    return [Figure((Panel(draw_losses(frame, look, alt), alt),), _CAPTION, legend)]
