"""Loss over the steps of training: the mean of the seeds, and a band that spans them."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from gradgauge.cases import REFERENCE
from gradgauge.report.blocks import Svg
from gradgauge.report.figures.later import later
from gradgauge.report.figures.style import BEHIND, Look, theme
from gradgauge.report.figures.svg import new_axes, say, to_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

_MARKS = 5


@later
def draw_losses(frame: DataFrame, looks: dict[str, Look], alt: str) -> Svg:
    """Return loss over step on a logarithmic axis, one line a technique over the reference's broad pale one.

    frame: rows of one scene with implementation, seed, step and loss, all of them positive.
    """
    import seaborn as sns

    names = sorted(set(frame["implementation"]), key=lambda name: (name != REFERENCE, name))
    with theme():
        figure, (axes,) = new_axes(410, 270)
        for position, name in enumerate(names):
            own = frame[frame["implementation"] == name]
            is_reference = name == REFERENCE
            with warnings.catch_warnings():
                # seaborn 0.13 still calls what pandas and matplotlib have deprecated since.
                warnings.simplefilter("ignore", DeprecationWarning)
                warnings.simplefilter("ignore", FutureWarning)
                sns.lineplot(
                    own,
                    x="step",
                    y="loss",
                    color=BEHIND if is_reference else looks[name].colour,
                    errorbar=("pi", 100),
                    err_kws={"linewidth": 0, "alpha": 0.3 if is_reference else 0.13},
                    linewidth=5.5 if is_reference else 1.6,
                    legend=False,
                    ax=axes,
                )
            _mark(axes, own, looks[name], position, len(names))
        axes.set_yscale("log")
        _plain_ticks(axes)
        axes.set(xlabel="step", ylabel="")
        axes.spines[["top", "right"]].set_visible(False)
        return to_svg(figure, alt)


def _mark(axes: Axes, own: DataFrame, look: Look, position: int, techniques: int) -> None:
    """Put markers on a line, each technique's at steps of its own: lines that coincide then show all their markers."""
    means = own.groupby("step")["loss"].mean()
    stride = max(1, len(means) // _MARKS)
    start = stride * position // techniques
    at = means.iloc[start::stride]
    (marks,) = axes.plot(
        at.index, at.to_numpy(), look.marker, color=look.colour, markersize=6, markeredgewidth=0, zorder=5
    )
    say(marks, f"{own['implementation'].iloc[0]}: {means.iloc[0]:.3g} at first, {means.iloc[-1]:.3g} at last")


def _plain_ticks(axes: Axes) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=8))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
